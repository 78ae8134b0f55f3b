-- base_games__read_events: generated from sql/games/10_clean.sql (make docs).
{{ config(materialized='view', schema='intermediate') }}

SELECT
    e.*,
    coalesce(t.clean_value, 'unknown') AS clean_type,
    CASE
        WHEN coalesce(e.event_id, '') = '' THEN 'no id'
        WHEN e.typed_id IS NULL THEN 'bad id'
        WHEN e.typed_time IS NULL THEN 'bad time'
        WHEN coalesce(e.user_id, '') = '' THEN 'no user'
        WHEN e.typed_user IS NULL THEN 'bad user'
        WHEN u.user_id IS NULL THEN 'unknown user'
        WHEN coalesce(e.game_id, '') = '' THEN if(clean_type = 'login', NULL, 'no game')
        WHEN e.typed_game IS NULL THEN 'bad game'
        WHEN g.game_id IS NULL THEN 'unknown game'
    END AS reason
FROM (
    SELECT
        r.rowid AS raw_row,
        r.*,
        if(regexp_full_match(r.event_id, '[0-9]+'), TRY_CAST(r.event_id AS BIGINT), NULL) AS typed_id,
        if(regexp_full_match(r.user_id, '[0-9]+'), TRY_CAST(r.user_id AS BIGINT), NULL) AS typed_user,
        if(regexp_full_match(r.game_id, '[0-9]+'), TRY_CAST(r.game_id AS BIGINT), NULL) AS typed_game,
        try_strptime(
            r.event_time,
            [
                '%Y-%m-%dT%H:%M:%S', '%Y-%m-%d %H:%M:%S', '%Y-%m-%dT%H:%M:%SZ', '%Y-%m-%d %H:%M:%S UTC',
                '%Y-%m-%dT%H:%M:%S.%f', '%Y-%m-%d %H:%M:%S.%f', '%Y-%m-%dT%H:%M:%S.%fZ'
            ]
        ) AS typed_time,
        -- Spreadsheets and data frames write whole numbers as `60.0`.
        if(
            regexp_full_match(r.duration_seconds, '[0-9]+(\.0+)?'),
            TRY_CAST(r.duration_seconds AS INTEGER),
            NULL
        ) AS typed_duration
    FROM {{ source('games', 'events') }} AS r
) AS e
LEFT JOIN {{ ref('base_games__categories') }} AS t ON t.column_name = 'event_type' AND t.raw_value = e.event_type
LEFT JOIN {{ ref('base_games__user_ids') }} AS u ON u.user_id = e.typed_user
LEFT JOIN {{ ref('base_games__game_ids') }} AS g ON g.game_id = e.typed_game
