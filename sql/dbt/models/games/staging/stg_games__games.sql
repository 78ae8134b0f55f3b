-- stg_games__games: generated from sql/games/10_clean.sql (make docs).
{{ config(materialized='table', schema='clean', alias='games') }}

SELECT
    g.typed_id AS game_id,
    g.clean_type AS game_type,
    g.clean_name AS game_name,
    g.clean_platform AS platform,
    g.clean_difficulty AS difficulty
FROM {{ ref('base_games__read_games') }} AS g
ANTI JOIN (
    SELECT x.raw_row
    FROM {{ ref('base_games__rejected') }} AS x
    WHERE x.table_name = 'games'
) AS x ON x.raw_row = g.raw_row
