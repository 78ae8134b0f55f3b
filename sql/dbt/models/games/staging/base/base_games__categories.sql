-- base_games__categories: generated from sql/games/10_clean.sql (make docs).
{{ config(materialized='table', schema='intermediate') }}

-- What each value of a category becomes: `unknown`, where neither its vocabulary nor an answer
-- tells.
SELECT
    c.column_name,
    c.raw_value,
    c.row_count,
    coalesce(c.match.normalized, 'unknown') AS clean_value,
    CASE
        WHEN c.is_answered AND c.match.rule NOT IN ('none', 'ambiguous') THEN 'answer'
        WHEN c.match.normalized IS NULL AND lower(trim(c.read_as)) = 'unknown' THEN 'exact'
        ELSE c.match.rule
    END AS rule
FROM {{ ref('base_games__matches_75') }} AS c
