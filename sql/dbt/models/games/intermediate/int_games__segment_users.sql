-- int_games__segment_users: generated from sql/games/30_user_segments.sql (make docs).
{{ config(materialized='table', schema='intermediate') }}

{% set min_events %}coalesce({{ amazing.parameter('games_min_events') }}, 10){% endset %}
SELECT f.*
FROM {{ ref('games__user_engagement') }} AS f
WHERE f.events >= {{ min_events }}::BIGINT
