-- base_games__values: generated from sql/games/10_clean.sql (make docs).
{{ config(materialized='table', schema='intermediate') }}

-- The values of categories, with the number of their rows and what they are to be read as.
SELECT
    v.*,
    m.value IS NOT NULL AS is_answered,
    if(m.value IS NULL, v.raw_value, m.replacement) AS read_as
FROM (
    SELECT
        'age_range' AS column_name,
        r.age_range AS raw_value,
        count(*) AS row_count
    FROM {{ source('games', 'users') }} AS r
    GROUP BY r.age_range
    UNION ALL
    SELECT
        'workout_frequency' AS column_name,
        r.workout_frequency AS raw_value,
        count(*) AS row_count
    FROM {{ source('games', 'users') }} AS r
    GROUP BY r.workout_frequency
    UNION ALL
    SELECT
        'gender' AS column_name,
        r.gender AS raw_value,
        count(*) AS row_count
    FROM {{ source('games', 'users') }} AS r
    GROUP BY r.gender
    UNION ALL
    SELECT
        'location' AS column_name,
        r.location AS raw_value,
        count(*) AS row_count
    FROM {{ source('games', 'users') }} AS r
    GROUP BY r.location
    UNION ALL
    SELECT
        'subscription_type' AS column_name,
        r.subscription_type AS raw_value,
        count(*) AS row_count
    FROM {{ source('games', 'users') }} AS r
    GROUP BY r.subscription_type
    UNION ALL
    SELECT
        'game_type' AS column_name,
        r.game_type AS raw_value,
        count(*) AS row_count
    FROM {{ source('games', 'games') }} AS r
    GROUP BY r.game_type
    UNION ALL
    SELECT
        'platform' AS column_name,
        r.platform AS raw_value,
        count(*) AS row_count
    FROM {{ source('games', 'games') }} AS r
    GROUP BY r.platform
    UNION ALL
    SELECT
        'difficulty' AS column_name,
        r.difficulty AS raw_value,
        count(*) AS row_count
    FROM {{ source('games', 'games') }} AS r
    GROUP BY r.difficulty
    UNION ALL
    SELECT
        'event_type' AS column_name,
        r.event_type AS raw_value,
        count(*) AS row_count
    FROM {{ source('games', 'events') }} AS r
    GROUP BY r.event_type
    UNION ALL
    SELECT
        'device_type' AS column_name,
        r.device_type AS raw_value,
        count(*) AS row_count
    FROM {{ source('games', 'events') }} AS r
    GROUP BY r.device_type
) AS v
LEFT JOIN {{ amazing.kept('games', 'config', 'category_map', '(SELECT NULL::VARCHAR AS column_name, NULL::VARCHAR AS value, NULL::VARCHAR AS replacement LIMIT 0)') }} AS m ON m.column_name = v.column_name AND m.value = v.raw_value
