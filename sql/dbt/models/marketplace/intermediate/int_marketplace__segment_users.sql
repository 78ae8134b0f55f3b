-- int_marketplace__segment_users: generated from sql/marketplace/30_user_segments.sql (make docs).
{{ config(materialized='table', schema='intermediate') }}

{% set min_events %}coalesce({{ amazing.parameter('marketplace_min_events') }}, 10){% endset %}
SELECT f.*
FROM {{ ref('marketplace__user_features') }} AS f
WHERE f.total_events >= {{ min_events }}::BIGINT
