-- games__location_behaviour: generated from sql/games/20_kpi.sql (make docs).
{{ config(materialized='table', schema='kpi', alias='location_behaviour') }}

WITH locations AS (
    SELECT
        u.location,
        count(*) FILTER (n.events > 0) AS players,
        sum(n.events)::BIGINT AS events,
        sum(n.sessions)::BIGINT AS sessions,
        sum(n.seconds_played)::BIGINT AS seconds_played,
        sum(n.purchases)::BIGINT AS purchases
    FROM {{ ref('stg_games__users') }} AS u
    JOIN {{ ref('games__user_engagement') }} AS n ON n.user_id = u.user_id
    GROUP BY u.location
),

location_types AS (
    SELECT
        u.location,
        g.game_type,
        sum(p.events) AS events
    FROM {{ ref('int_games__user_games') }} AS p
    JOIN {{ ref('stg_games__users') }} AS u ON u.user_id = p.user_id
    JOIN {{ ref('stg_games__games') }} AS g ON g.game_id = p.game_id
    WHERE g.game_type <> 'unknown'
    GROUP BY
        u.location,
        g.game_type
),

favourite_types AS (
    SELECT
        t.location,
        t.game_type
    FROM location_types AS t
    QUALIFY
        row_number() OVER (
            PARTITION BY t.location
            ORDER BY
                t.events DESC,
                t.game_type
        ) = 1
)

SELECT
    l.location,
    l.players,
    (l.events / nullif(l.players, 0))::DOUBLE AS events_per_user,
    (l.sessions / nullif(l.players, 0))::DOUBLE AS sessions_per_user,
    (l.seconds_played / nullif(l.players, 0))::DOUBLE AS seconds_per_user,
    (l.purchases / nullif(l.players, 0))::DOUBLE AS purchases_per_user,
    t.game_type AS favourite_game_type
FROM locations AS l
LEFT JOIN favourite_types AS t ON t.location = l.location
ORDER BY l.location
