-- stg_games__events: generated from sql/games/10_clean.sql (make docs).
{{ config(materialized='table', schema='clean', alias='events') }}

SELECT
    e.typed_id AS event_id,
    e.typed_game AS game_id,
    e.typed_user AS user_id,
    e.typed_time AS event_time,
    e.clean_type AS event_type,
    e.typed_duration AS duration_seconds,
    e.clean_device AS device_type
FROM {{ ref('base_games__read_events') }} AS e
ANTI JOIN (
    SELECT x.raw_row
    FROM {{ ref('base_games__rejected') }} AS x
    WHERE x.table_name = 'events'
) AS x ON x.raw_row = e.raw_row
