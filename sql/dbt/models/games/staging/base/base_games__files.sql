-- base_games__files: generated from sql/games/10_clean.sql (make docs).
{{ config(materialized='table', schema='intermediate') }}

-- The files, with the times that can be in them. Rows of other names came by themselves: up to
-- tomorrow.
SELECT
    f.file_name,
    coalesce({{ amazing.parameter('games_min_time') }}::TIMESTAMP, TIMESTAMP '2000-01-01') AS min_time,
    coalesce(
        {{ amazing.parameter('games_max_time') }}::TIMESTAMP,
        coalesce(l.loaded_at, make_timestamp(epoch_us(now())))::DATE + INTERVAL 1 DAY
    ) AS last_time,
    if(
        last_time = last_time::DATE, last_time + INTERVAL 1 DAY - INTERVAL 1 MICROSECOND, last_time
    ) AS max_time
FROM (
    SELECT r.file_name
    FROM {{ source('games', 'users') }} AS r
    UNION
    SELECT r.file_name
    FROM {{ source('games', 'games') }} AS r
    UNION
    SELECT r.file_name
    FROM {{ source('games', 'events') }} AS r
) AS f
LEFT JOIN {{ source('games', 'loaded_files') }} AS l ON l.file_name = f.file_name
