-- int_games__segment_figures: generated from sql/games/30_user_segments.sql (make docs).
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
SELECT *
FROM amz.segment_profile(
    '{{ ref('games__user_segments') }}',
    segment := 'segment',
    features := {{ segment_features }},
    log := {{ segment_log }}
)
