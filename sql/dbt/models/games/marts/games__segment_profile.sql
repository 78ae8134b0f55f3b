-- games__segment_profile: generated from sql/games/30_user_segments.sql (make docs).
{{ config(materialized='table', schema='kpi', alias='segment_profile') }}

SELECT f.* REPLACE (n.name AS name)
FROM {{ ref('int_games__segment_figures') }} AS f
INNER JOIN {{ ref('int_games__segment_names') }} AS n ON n.segment = f.segment
ORDER BY
    f.segment,
    f.rank
