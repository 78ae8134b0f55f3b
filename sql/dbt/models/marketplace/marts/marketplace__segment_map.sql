-- marketplace__segment_map: generated from sql/marketplace/30_user_segments.sql (make docs).
{{ config(materialized='table', schema='kpi', alias='segment_map', post_hook='{{ amazing.marketplace_picture(this) }}') }}

{% set segment_features %}[
    'total_events', 'total_views', 'total_purchases', 'avg_time_between_events', 'total_spent',
        'avg_basket',
    'conversion_rate', 'purchase_ratio', 'days_since_last_event'
]{% endset %}
{% set segment_log %}['total_events', 'total_views', 'total_purchases', 'total_spent',
    'avg_basket']{% endset %}
SELECT
    m.user_id,
    m.segment,
    m.pc1,
    m.pc2
FROM amz.pca_2d(
    '{{ ref('marketplace__user_segments') }}',
    features := {{ segment_features }},
    log := {{ segment_log }},
    nulls := 'zero'
) AS m
