-- base_games__read_games: generated from sql/games/10_clean.sql (make docs).
{{ config(materialized='view', schema='intermediate') }}

SELECT
    g.*,
    coalesce(t.clean_value, 'unknown') AS clean_type,
    coalesce(nullif(trim(g.game_name), ''), 'unknown') AS clean_name,
    coalesce(p.clean_value, 'unknown') AS clean_platform,
    coalesce(d.clean_value, 'unknown') AS clean_difficulty,
    CASE
        WHEN coalesce(trim(g.game_id), '') = '' THEN 'no id'
        WHEN g.typed_id IS NULL THEN 'bad id'
    END AS reason
FROM (
    SELECT
        r.rowid AS raw_row,
        r.*,
        exact_bigint(trim(r.game_id)) AS typed_id
    FROM {{ source('games', 'games') }} AS r
) AS g
LEFT JOIN {{ ref('base_games__categories') }} AS t ON t.column_name = 'game_type' AND t.raw_value = g.game_type
LEFT JOIN {{ ref('base_games__categories') }} AS p ON p.column_name = 'platform' AND p.raw_value = g.platform
LEFT JOIN {{ ref('base_games__categories') }} AS d ON d.column_name = 'difficulty' AND d.raw_value = g.difficulty
