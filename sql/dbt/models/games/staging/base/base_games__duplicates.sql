-- base_games__duplicates: generated from sql/games/10_clean.sql (make docs).
{{ config(materialized='table', schema='intermediate') }}

-- Only rows whose identifier occurs twice are compared; the plain cast takes more than an identifier may be, which does
-- no harm here.
WITH same_ids AS (
    SELECT
        'users' AS table_name,
        u.raw_row,
        u.typed_id,
        u.file_name,
        [u.age_range, u.registration_date, u.email, u.workout_frequency, u.gender, u.location, u.subscription_type]
            AS content
    FROM {{ ref('base_games__read_users') }} AS u
    WHERE
        u.reason IS NULL
        AND u.typed_id IN (SELECT TRY_CAST(r.user_id AS BIGINT) FROM {{ source('games', 'users') }} AS r GROUP BY ALL HAVING count(*) > 1)
    UNION ALL
    SELECT
        'games' AS table_name,
        g.raw_row,
        g.typed_id,
        g.file_name,
        [g.game_type, g.game_name, g.platform, g.difficulty] AS content
    FROM {{ ref('base_games__read_games') }} AS g
    WHERE
        g.reason IS NULL
        AND g.typed_id IN (SELECT TRY_CAST(r.game_id AS BIGINT) FROM {{ source('games', 'games') }} AS r GROUP BY ALL HAVING count(*) > 1)
    UNION ALL
    SELECT
        'events' AS table_name,
        e.raw_row,
        e.typed_id,
        e.file_name,
        [e.game_id, e.user_id, e.event_time, e.event_type, e.duration_seconds, e.device_type] AS content
    FROM {{ ref('base_games__read_events') }} AS e
    WHERE
        e.reason IS NULL
        AND e.typed_id IN (SELECT TRY_CAST(r.event_id AS BIGINT) FROM {{ source('games', 'events') }} AS r GROUP BY ALL HAVING count(*) > 1)
),

counted_rows AS (
    SELECT
        s.*,
        count(*) OVER (PARTITION BY s.table_name, s.typed_id, s.content) AS copies
    FROM same_ids AS s
)

SELECT
    c.table_name,
    c.raw_row
FROM counted_rows AS c
QUALIFY
    row_number() OVER (
        PARTITION BY c.table_name, c.typed_id
        ORDER BY
            c.copies DESC,
            c.content,
            c.file_name,
            c.raw_row
    ) > 1
