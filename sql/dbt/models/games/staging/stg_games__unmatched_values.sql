-- stg_games__unmatched_values: generated from sql/games/10_clean.sql (make docs).
{{ config(materialized='table', schema='clean', alias='unmatched_values') }}

-- What nobody knows the meaning of, with the entry that is nearest: config.category_map takes
-- answers.
SELECT
    c.column_name,
    c.raw_value AS value,
    c.row_count,
    coalesce(n.match.normalized, n.match.runner_up) AS nearest,
    n.match.similarity AS similarity
FROM {{ ref('base_games__categories') }} AS c
JOIN {{ ref('base_games__matches_40') }} AS n ON n.column_name = c.column_name AND n.raw_value = c.raw_value
WHERE c.rule IN ('none', 'ambiguous')
ORDER BY ALL
