-- games__segment_map: generated from sql/games/30_user_segments.sql (make docs).
{{ config(materialized='table', schema='kpi', alias='segment_map', post_hook='{{ amazing.games_picture(this) }}') }}

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
SELECT
    m.user_id,
    m.segment,
    m.pc1,
    m.pc2
FROM amz.pca_2d(
    '{{ ref('games__user_segments') }}',
    features := {{ segment_features }},
    log := {{ segment_log }},
    nulls := 'zero'
) AS m
