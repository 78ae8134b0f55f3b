-- int_games__segment_fit: generated from sql/games/30_user_segments.sql (make docs).
{{ config(materialized='table', schema='intermediate') }}

{% set seed %}coalesce({{ amazing.parameter('games_seed') }}, 42){% endset %}
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
{% set k %}coalesce({{ amazing.parameter('games_k') }}, 5){% endset %}
{% set segment_count %}(
    SELECT if(count(*) BETWEEN 1 AND {{ k }} - 1, count(*), {{ k }})
    FROM (
        SELECT DISTINCT u.* EXCLUDE (user_id, favourite_game, favourite_device, last_event_time)
        FROM {{ ref('int_games__segment_users') }} AS u
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
    FROM {{ ref('int_games__segment_users') }} AS u
    WHERE (SELECT c.fit FROM {{ ref('int_games__segment_choice') }} AS c) = 'fresh'
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
                'init': (SELECT s.model FROM {{ ref('int_games__segment_start') }} AS s),
                'seed': {{ seed }},
                'threads': current_setting('threads')
            }
        ) AS model
    FROM {{ ref('int_games__segment_users') }} AS u
    WHERE (SELECT c.fit FROM {{ ref('int_games__segment_choice') }} AS c) = 'warm'
)

SELECT coalesce(f.model, w.model, c.model) AS model
FROM {{ ref('int_games__segment_choice') }} AS c
CROSS JOIN fresh AS f
CROSS JOIN warm AS w
