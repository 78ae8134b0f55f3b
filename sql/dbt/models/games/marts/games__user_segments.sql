-- games__user_segments: generated from sql/games/30_user_segments.sql (make docs).
{{ config(materialized='table', schema='main', alias='user_segments') }}

SELECT
    u.*,
    kmeans_predict((SELECT f.model FROM {{ ref('int_games__segment_fit') }} AS f), u) AS segment
FROM {{ ref('int_games__segment_users') }} AS u
