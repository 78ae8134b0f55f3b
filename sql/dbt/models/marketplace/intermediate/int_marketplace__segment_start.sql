-- int_marketplace__segment_start: generated from sql/marketplace/30_user_segments.sql (make docs).
{{ config(materialized='table', schema='intermediate') }}

{% set segment_features %}[
    'total_events', 'total_views', 'total_purchases', 'avg_time_between_events', 'total_spent',
        'avg_basket',
    'conversion_rate', 'purchase_ratio', 'days_since_last_event'
]{% endset %}
{% set segment_log %}['total_events', 'total_views', 'total_purchases', 'total_spent',
    'avg_basket']{% endset %}
-- The stored centroids at their place among the users of today: of one segment only the scale is
-- asked for.
WITH today AS (
    SELECT
        kmeans_fit(
            u,
            1,
            {
                'features': {{ segment_features }},
                'log': {{ segment_log }},
                'nulls': 'zero',
                'n_init': 1,
                'threads': current_setting('threads')
            }
        ) AS model
    FROM {{ ref('int_marketplace__segment_users') }} AS u
    WHERE (SELECT c.fit FROM {{ ref('int_marketplace__segment_choice') }} AS c) = 'warm'
)

SELECT
    {
        'version': c.model.version,
        'k': c.model.k,
        'features': t.model.features,
        'scale': t.model.scale,
        'log': t.model.log,
        'nulls': t.model.nulls,
        'fill': t.model.fill,
        'center': t.model.center,
        'spread': t.model.spread,
        'mean': t.model.mean,
        'stddev': t.model.stddev,
        'centroids': c.model.centroids
    } AS model
FROM {{ ref('int_marketplace__segment_choice') }} AS c
CROSS JOIN today AS t
WHERE t.model IS NOT NULL
