-- games__monthly: generated from sql/games/20_kpi.sql (make docs).
{{ config(materialized='table', schema='kpi', alias='monthly') }}

SELECT m.* EXCLUDE (level, game_id, location)
FROM {{ ref('int_games__months') }} AS m
WHERE m.level = 'all'
ORDER BY m.month
