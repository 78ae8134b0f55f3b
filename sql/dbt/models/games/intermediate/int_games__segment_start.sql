-- int_games__segment_start: generated from sql/games/30_user_segments.sql (make docs).
{{ config(materialized='table', schema='intermediate') }}

{% set segment_features %}[
    'events', 'sessions', 'days_active', 'months_active', 'events_per_active_month',
        'avg_time_between_events',
    'avg_seconds_played', 'seconds_played', 'games_played', 'purchases', 'days_since_last_event'
]{% endset %}
{% set segment_log %}[
    'events', 'sessions', 'days_active', 'months_active', 'events_per_active_month',
        'avg_time_between_events',
    'avg_seconds_played', 'seconds_played', 'games_played', 'purchases'
]{% endset %}
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
    FROM {{ ref('int_games__segment_users') }} AS u
    WHERE (SELECT c.fit FROM {{ ref('int_games__segment_choice') }} AS c) = 'warm'
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
FROM {{ ref('int_games__segment_choice') }} AS c
CROSS JOIN today AS t
WHERE t.model IS NOT NULL
