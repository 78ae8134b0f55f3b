-- stg_games__rejected_events: generated from sql/games/10_clean.sql (make docs).
{{ config(materialized='table', schema='clean', alias='rejected_events') }}

SELECT
    e.*,
    x.reason
FROM {{ source('games', 'events') }} AS e
JOIN {{ ref('base_games__rejected') }} AS x ON x.table_name = 'events' AND x.raw_row = e.rowid
