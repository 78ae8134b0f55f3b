-- base_games__categories: generated from sql/games/10_clean.sql (make docs).
{{ config(materialized='table', schema='intermediate') }}

-- What each value of a category becomes. `unknown` is an entry, or what is called so already would
-- be a correction.
SELECT
    c.column_name,
    c.raw_value,
    coalesce(c.normalized, 'unknown') AS clean_value,
    c.rule
FROM (
    SELECT
        'age_range' AS column_name,
        *
    FROM amz.normalize_category(
        '{{ source('games', 'users') }}', 'age_range', ['-18', '18-25', '26-35', '36-50', '50+', 'unknown']
    )
    UNION ALL
    SELECT
        'workout_frequency' AS column_name,
        *
    FROM amz.normalize_category(
        '{{ source('games', 'users') }}', 'workout_frequency', ['minimal', 'flexible', 'regular', 'maximal', 'unknown']
    )
    UNION ALL
    SELECT
        'gender' AS column_name,
        *
    FROM amz.normalize_category(
        '{{ source('games', 'users') }}', 'gender', map {'M': ['male'], 'F': ['female'], 'Other': [], 'unknown': []}
    )
    UNION ALL
    SELECT
        'location' AS column_name,
        *
    FROM amz.normalize_category(
        '{{ source('games', 'users') }}', 'location', ['Paris', 'Lyon', 'Berlin', 'Madrid', 'Rome', 'unknown']
    )
    UNION ALL
    SELECT
        'subscription_type' AS column_name,
        *
    FROM amz.normalize_category(
        '{{ source('games', 'users') }}', 'subscription_type', ['free', 'trial', 'premium', 'unknown']
    )
    UNION ALL
    SELECT
        'game_type' AS column_name,
        *
    FROM amz.normalize_category(
        '{{ source('games', 'games') }}', 'game_type', ['cardio', 'strategy', 'puzzle', 'arcade', 'action', 'unknown']
    )
    UNION ALL
    SELECT
        'platform' AS column_name,
        *
    FROM amz.normalize_category(
        '{{ source('games', 'games') }}', 'platform', ['iOS', 'Android', 'Web', 'unknown']
    )
    UNION ALL
    SELECT
        'difficulty' AS column_name,
        *
    FROM amz.normalize_category(
        '{{ source('games', 'games') }}', 'difficulty', ['easy', 'medium', 'hard', 'unknown']
    )
    UNION ALL
    SELECT
        'event_type' AS column_name,
        *
    FROM amz.normalize_category(
        '{{ source('games', 'events') }}', 'event_type', ['login', 'start_game', 'finish_game', 'purchase', 'unknown']
    )
    UNION ALL
    SELECT
        'device_type' AS column_name,
        *
    FROM amz.normalize_category(
        '{{ source('games', 'events') }}',
        'device_type',
        map {'mobile': ['tablet'], 'web': [], 'console': [], 'unknown': []}
    )
) AS c
