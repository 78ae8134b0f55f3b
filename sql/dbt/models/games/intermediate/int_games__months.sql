-- int_games__months: generated from sql/games/20_kpi.sql (make docs).
{{ config(materialized='table', schema='intermediate') }}

WITH subjects AS (
    SELECT
        'all' AS level,
        NULL::BIGINT AS game_id,
        NULL::VARCHAR AS location
    UNION ALL
    SELECT
        'game' AS level,
        g.game_id,
        NULL AS location
    FROM {{ ref('stg_games__games') }} AS g
    UNION ALL
    SELECT DISTINCT
        'location' AS level,
        NULL::BIGINT AS game_id,
        u.location
    FROM {{ ref('stg_games__users') }} AS u
),

calendar AS (
    SELECT a.month
    FROM {{ ref('int_games__month_activity') }} AS a
    WHERE a.level = 'all'
),

months AS (
    SELECT
        j.level,
        j.game_id,
        j.location,
        c.month,
        coalesce(a.events, 0) AS events,
        coalesce(a.active_users, 0) AS active_users,
        coalesce(a.new_users, 0) AS new_users,
        coalesce(a.churned_users, 0) AS churned_users,
        coalesce(a.reactivated_users, 0) AS reactivated_users,
        coalesce(s.sessions, 0) AS sessions,
        (s.session_seconds / s.sessions)::DOUBLE AS avg_session_seconds,
        coalesce(p.purchases, 0) AS purchases
    FROM subjects AS j
    CROSS JOIN calendar AS c
    LEFT JOIN {{ ref('int_games__month_activity') }} AS a
        ON
            a.level = j.level
            AND a.game_id IS NOT DISTINCT FROM j.game_id
            AND a.location IS NOT DISTINCT FROM j.location
            AND a.month = c.month
    LEFT JOIN {{ ref('int_games__month_sessions') }} AS s
        ON
            s.level = j.level
            AND s.game_id IS NOT DISTINCT FROM j.game_id
            AND s.location IS NOT DISTINCT FROM j.location
            AND s.month = c.month
    LEFT JOIN {{ ref('int_games__month_purchases') }} AS p
        ON
            p.level = j.level
            AND p.game_id IS NOT DISTINCT FROM j.game_id
            AND p.location IS NOT DISTINCT FROM j.location
            AND p.month = c.month
)

SELECT
    m.*,
    ((m.events - lag(m.events) OVER subject) / nullif(lag(m.events) OVER subject, 0))::DOUBLE AS events_change,
    ((m.active_users - lag(m.active_users) OVER subject) / nullif(lag(m.active_users) OVER subject, 0))::DOUBLE AS active_users_change,
    ((m.sessions - lag(m.sessions) OVER subject) / nullif(lag(m.sessions) OVER subject, 0))::DOUBLE AS sessions_change,
    ((m.purchases - lag(m.purchases) OVER subject) / nullif(lag(m.purchases) OVER subject, 0))::DOUBLE AS purchases_change,
    ((m.events - lag(m.events, 12) OVER subject) / nullif(lag(m.events, 12) OVER subject, 0))::DOUBLE AS events_year_change,
    ((m.active_users - lag(m.active_users, 12) OVER subject) / nullif(lag(m.active_users, 12) OVER subject, 0))::DOUBLE
        AS active_users_year_change,
    ((m.sessions - lag(m.sessions, 12) OVER subject) / nullif(lag(m.sessions, 12) OVER subject, 0))::DOUBLE AS sessions_year_change,
    ((m.purchases - lag(m.purchases, 12) OVER subject) / nullif(lag(m.purchases, 12) OVER subject, 0))::DOUBLE
        AS purchases_year_change
FROM months AS m
WINDOW subject AS (PARTITION BY m.level, m.game_id, m.location ORDER BY m.month)
