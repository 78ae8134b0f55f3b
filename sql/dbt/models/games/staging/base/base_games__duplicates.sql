-- base_games__duplicates: generated from sql/games/10_clean.sql (make docs).
{{ config(materialized='table', schema='intermediate') }}

-- Only rows whose identifier occurs twice are compared.
WITH same_ids AS (
    SELECT
        'users' AS table_name,
        u.raw_row,
        u.typed_id,
        u.file_name,
        [
            u.clean_age,
            u.typed_date::VARCHAR,
            u.clean_email,
            u.clean_frequency,
            u.clean_gender,
            u.clean_location,
            u.clean_subscription
        ] AS content,
        [
            u.age_range,
            u.registration_date,
            u.email,
            u.workout_frequency,
            u.gender,
            u.location,
            u.subscription_type,
            u.user_id
        ] AS texts
    FROM {{ ref('base_games__read_users') }} AS u
    WHERE
        u.reason IS NULL
        AND u.typed_id IN (
            SELECT exact_bigint(trim(r.user_id))
            FROM {{ source('games', 'users') }} AS r
            GROUP BY ALL
            HAVING count(*) > 1
        )
    UNION ALL
    SELECT
        'games' AS table_name,
        g.raw_row,
        g.typed_id,
        g.file_name,
        [g.clean_type, g.clean_name, g.clean_platform, g.clean_difficulty] AS content,
        [g.game_type, g.game_name, g.platform, g.difficulty, g.game_id] AS texts
    FROM {{ ref('base_games__read_games') }} AS g
    WHERE
        g.reason IS NULL
        AND g.typed_id IN (
            SELECT exact_bigint(trim(r.game_id))
            FROM {{ source('games', 'games') }} AS r
            GROUP BY ALL
            HAVING count(*) > 1
        )
    UNION ALL
    SELECT
        'events' AS table_name,
        e.raw_row,
        e.typed_id,
        e.file_name,
        [
            e.typed_game::VARCHAR, e.typed_user::VARCHAR, e.typed_time::VARCHAR, e.clean_type,
            e.typed_duration::VARCHAR, e.clean_device
        ] AS content,
        [
            e.game_id,
            e.user_id,
            e.event_time,
            e.event_type,
            e.duration_seconds,
            e.device_type,
            e.event_id
        ] AS texts
    FROM {{ ref('base_games__read_events') }} AS e
    WHERE
        e.reason IS NULL
        AND e.typed_id IN (
            SELECT coalesce(exact_bigint(r.event_id), exact_bigint(trim(r.event_id)))
            FROM {{ source('games', 'events') }} AS r
            GROUP BY ALL
            HAVING count(*) > 1
        )
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
            c.texts,
            c.file_name,
            c.raw_row
    ) > 1
