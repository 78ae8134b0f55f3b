-- marketplace__segment_components: generated from sql/marketplace/30_user_segments.sql (make docs).
{{ config(materialized='table', schema='kpi', alias='segment_components') }}

{% set segment_features %}[
    'total_events', 'total_views', 'total_purchases', 'avg_time_between_events', 'total_spent',
        'avg_basket',
    'conversion_rate', 'purchase_ratio', 'days_since_last_event'
]{% endset %}
{% set segment_log %}['total_events', 'total_views', 'total_purchases', 'total_spent',
    'avg_basket']{% endset %}
SELECT *
FROM amz.pca_components(
    '{{ ref('marketplace__user_segments') }}',
    n := 2,
    features := {{ segment_features }},
    log := {{ segment_log }},
    nulls := 'zero'
)
