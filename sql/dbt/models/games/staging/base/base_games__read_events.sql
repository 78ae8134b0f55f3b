-- base_games__read_events: generated from sql/games/10_clean.sql (make docs).
{{ config(materialized='view', schema='intermediate') }}

SELECT
    e.*,
    coalesce(t.clean_value, 'unknown') AS clean_type,
    coalesce(d.clean_value, 'unknown') AS clean_device,
    CASE
        WHEN coalesce(trim(e.event_id), '') = '' THEN 'no id'
        WHEN e.typed_id IS NULL THEN 'bad id'
        WHEN e.typed_time IS NULL THEN 'bad time'
        WHEN e.typed_time NOT BETWEEN e.min_time AND e.max_time THEN 'implausible time'
        WHEN coalesce(trim(e.user_id), '') = '' THEN 'no user'
        WHEN e.typed_user IS NULL THEN 'bad user'
        WHEN u.user_id IS NULL THEN 'unknown user'
        WHEN coalesce(trim(e.game_id), '') = '' THEN if(clean_type = 'login', NULL, 'no game')
        WHEN e.typed_game IS NULL THEN 'bad game'
        WHEN g.game_id IS NULL THEN 'unknown game'
    END AS reason
FROM (
    SELECT
        r.rowid AS raw_row,
        r.*,
        f.min_time,
        f.max_time,
        coalesce(exact_bigint(r.event_id), exact_bigint(trim(r.event_id))) AS typed_id,
        coalesce(exact_bigint(r.user_id), exact_bigint(trim(r.user_id))) AS typed_user,
        coalesce(exact_bigint(r.game_id), exact_bigint(trim(r.game_id))) AS typed_game,
        coalesce(exact_timestamp(r.event_time), exact_timestamp(trim(r.event_time))) AS typed_time,
        -- Spreadsheets and data frames write whole numbers as `60.0`.
        TRY_CAST(
            coalesce(
                exact_bigint(trim(r.duration_seconds)),
                exact_bigint(regexp_extract(trim(r.duration_seconds), '^([0-9]+)[.]0+$', 1))
            ) AS INTEGER
        ) AS typed_duration
    FROM {{ source('games', 'events') }} AS r
    JOIN {{ ref('base_games__files') }} AS f ON f.file_name = r.file_name
) AS e
LEFT JOIN {{ ref('base_games__categories') }} AS t ON t.column_name = 'event_type' AND t.raw_value = e.event_type
LEFT JOIN {{ ref('base_games__categories') }} AS d
    ON d.column_name = 'device_type' AND d.raw_value = e.device_type
LEFT JOIN {{ ref('base_games__user_ids') }} AS u ON u.user_id = e.typed_user
LEFT JOIN {{ ref('base_games__game_ids') }} AS g ON g.game_id = e.typed_game
