-- games__monthly_by_location: generated from sql/games/20_kpi.sql (make docs).
{{ config(materialized='table', schema='kpi', alias='monthly_by_location') }}

SELECT m.* EXCLUDE (level, game_id)
FROM {{ ref('int_games__months') }} AS m
WHERE m.level = 'location'
ORDER BY
    m.location,
    m.month
