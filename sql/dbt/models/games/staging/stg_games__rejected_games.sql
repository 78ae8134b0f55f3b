-- stg_games__rejected_games: generated from sql/games/10_clean.sql (make docs).
{{ config(materialized='table', schema='clean', alias='rejected_games') }}

SELECT
    g.*,
    x.reason
FROM {{ source('games', 'games') }} AS g
JOIN {{ ref('base_games__rejected') }} AS x ON x.table_name = 'games' AND x.raw_row = g.rowid
