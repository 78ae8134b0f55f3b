-- games__monthly_by_game: generated from sql/games/20_kpi.sql (make docs).
{{ config(materialized='table', schema='kpi', alias='monthly_by_game') }}

SELECT m.* EXCLUDE (level, location)
FROM {{ ref('int_games__months') }} AS m
WHERE m.level = 'game'
ORDER BY
    m.game_id,
    m.month
