-- int_marketplace__segment_fit: generated from sql/marketplace/30_user_segments.sql (make docs).
{{ config(materialized='table', schema='intermediate') }}

{% set seed %}coalesce({{ amazing.parameter('marketplace_seed') }}, 42){% endset %}
{% set segment_features %}[
    'total_events', 'total_views', 'total_purchases', 'avg_time_between_events', 'total_spent',
        'avg_basket',
    'conversion_rate', 'purchase_ratio', 'days_since_last_event'
]{% endset %}
{% set segment_log %}['total_events', 'total_views', 'total_purchases', 'total_spent',
    'avg_basket']{% endset %}
{% set k %}coalesce({{ amazing.parameter('marketplace_k') }}, 5){% endset %}
{% set segment_count %}(
    SELECT if(count(*) BETWEEN 1 AND {{ k }} - 1, count(*), {{ k }})
    FROM (
        SELECT DISTINCT u.* EXCLUDE (user_id, last_event_time)
        FROM {{ ref('int_marketplace__segment_users') }} AS u
    ) AS different_users
){% endset %}
-- One row: the model that segments are told by. A user with one event has no time between events
-- (min_events = 1): zero.
WITH fresh AS (
    SELECT
        kmeans_fit(
            u,
            {{ segment_count }},
            {
                'features': {{ segment_features }},
                'log': {{ segment_log }},
                'nulls': 'zero',
                'seed': {{ seed }},
                'threads': current_setting('threads')
            }
        ) AS model
    FROM {{ ref('int_marketplace__segment_users') }} AS u
    WHERE (SELECT c.fit FROM {{ ref('int_marketplace__segment_choice') }} AS c) = 'fresh'
),

warm AS (
    SELECT
        kmeans_fit(
            u,
            {{ segment_count }},
            {
                'features': {{ segment_features }},
                'log': {{ segment_log }},
                'nulls': 'zero',
                'init': (SELECT s.model FROM {{ ref('int_marketplace__segment_start') }} AS s),
                'seed': {{ seed }},
                'threads': current_setting('threads')
            }
        ) AS model
    FROM {{ ref('int_marketplace__segment_users') }} AS u
    WHERE (SELECT c.fit FROM {{ ref('int_marketplace__segment_choice') }} AS c) = 'warm'
)

SELECT coalesce(f.model, w.model, c.model) AS model
FROM {{ ref('int_marketplace__segment_choice') }} AS c
CROSS JOIN fresh AS f
CROSS JOIN warm AS w
