-- base_games__user_ids: generated from sql/games/10_clean.sql (make docs).
{{ config(materialized='table', schema='intermediate') }}

SELECT DISTINCT u.typed_id AS user_id
FROM {{ ref('base_games__read_users') }} AS u
WHERE u.reason IS NULL
