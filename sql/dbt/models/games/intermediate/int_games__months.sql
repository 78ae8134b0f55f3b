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
    SELECT
        a.month,
        a.month + INTERVAL 1 MONTH <= t.end_time AS is_complete
    FROM {{ ref('int_games__month_activity') }} AS a
    CROSS JOIN {{ ref('int_games__active_time') }} AS t
    WHERE a.level = 'all'
),

months AS (
    SELECT
        j.level,
        j.game_id,
        j.location,
        c.month,
        c.is_complete,
        coalesce(a.events, 0) AS events,
        coalesce(a.active_users, 0) AS active_users,
        coalesce(a.new_users, 0) AS new_users,
        if(c.is_complete, coalesce(a.churned_users, 0), NULL) AS churned_users,
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
),

-- The figures to compare with, of a month that has ended.
compared AS (
    SELECT
        m.*,
        if(
            m.is_complete,
            lag(
                {
                    'events': m.events,
                    'active_users': m.active_users,
                    'sessions': m.sessions,
                    'purchases': m.purchases
                }
            ) OVER subject,
            NULL
        ) AS before,
        if(
            m.is_complete,
            lag(
                {
                    'events': m.events,
                    'active_users': m.active_users,
                    'sessions': m.sessions,
                    'purchases': m.purchases
                },
                12
            ) OVER subject,
            NULL
        ) AS year_before
    FROM months AS m
    WINDOW subject AS (PARTITION BY m.level, m.game_id, m.location ORDER BY m.month)
)

SELECT
    c.* EXCLUDE (is_complete, before, year_before),
    ((c.events - c.before.events) / nullif(c.before.events, 0))::DOUBLE AS events_change,
    ((c.active_users - c.before.active_users) / nullif(c.before.active_users, 0))::DOUBLE
        AS active_users_change,
    ((c.sessions - c.before.sessions) / nullif(c.before.sessions, 0))::DOUBLE AS sessions_change,
    ((c.purchases - c.before.purchases) / nullif(c.before.purchases, 0))::DOUBLE
        AS purchases_change,
    ((c.events - c.year_before.events) / nullif(c.year_before.events, 0))::DOUBLE
        AS events_year_change,
    (
        (c.active_users - c.year_before.active_users) / nullif(c.year_before.active_users, 0)
    )::DOUBLE AS active_users_year_change,
    ((c.sessions - c.year_before.sessions) / nullif(c.year_before.sessions, 0))::DOUBLE
        AS sessions_year_change,
    ((c.purchases - c.year_before.purchases) / nullif(c.year_before.purchases, 0))::DOUBLE
        AS purchases_year_change,
    c.is_complete
FROM compared AS c
