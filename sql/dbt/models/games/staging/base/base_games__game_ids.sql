-- base_games__game_ids: generated from sql/games/10_clean.sql (make docs).
{{ config(materialized='table', schema='intermediate') }}

SELECT DISTINCT g.typed_id AS game_id
FROM {{ ref('base_games__read_games') }} AS g
WHERE g.reason IS NULL
