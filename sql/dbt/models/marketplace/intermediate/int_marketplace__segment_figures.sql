-- int_marketplace__segment_figures: generated from sql/marketplace/30_user_segments.sql (make docs).
{{ config(materialized='table', schema='intermediate') }}

{% set segment_features %}[
    'total_events', 'total_views', 'total_purchases', 'avg_time_between_events', 'total_spent',
        'avg_basket',
    'conversion_rate', 'purchase_ratio', 'days_since_last_event'
]{% endset %}
{% set segment_log %}['total_events', 'total_views', 'total_purchases', 'total_spent',
    'avg_basket']{% endset %}
SELECT *
FROM amz.segment_profile(
    '{{ ref('marketplace__user_segments') }}',
    segment := 'segment',
    features := {{ segment_features }},
    log := {{ segment_log }}
)
