-- stg_games__games: generated from sql/games/10_clean.sql (make docs).
{{ config(materialized='table', schema='clean', alias='games') }}

SELECT
    g.typed_id AS game_id,
    coalesce(t.clean_value, 'unknown') AS game_type,
    coalesce(nullif(g.game_name, ''), 'unknown') AS game_name,
    coalesce(p.clean_value, 'unknown') AS platform,
    coalesce(d.clean_value, 'unknown') AS difficulty
FROM {{ ref('base_games__read_games') }} AS g
ANTI JOIN (
    SELECT x.raw_row
    FROM {{ ref('base_games__rejected') }} AS x
    WHERE x.table_name = 'games'
) AS x ON x.raw_row = g.raw_row
LEFT JOIN {{ ref('base_games__categories') }} AS t ON t.column_name = 'game_type' AND t.raw_value = g.game_type
LEFT JOIN {{ ref('base_games__categories') }} AS p ON p.column_name = 'platform' AND p.raw_value = g.platform
LEFT JOIN {{ ref('base_games__categories') }} AS d ON d.column_name = 'difficulty' AND d.raw_value = g.difficulty
