-- stg_games__users: generated from sql/games/10_clean.sql (make docs).
{{ config(materialized='table', schema='clean', alias='users') }}

SELECT
    u.typed_id AS user_id,
    coalesce(a.clean_value, 'unknown') AS age_range,
    u.typed_date AS registration_date,
    nullif(u.email, '') AS email,
    coalesce(w.clean_value, 'unknown') AS workout_frequency,
    coalesce(g.clean_value, 'unknown') AS gender,
    coalesce(l.clean_value, 'unknown') AS location,
    coalesce(s.clean_value, 'unknown') AS subscription_type
FROM {{ ref('base_games__read_users') }} AS u
ANTI JOIN (
    SELECT x.raw_row
    FROM {{ ref('base_games__rejected') }} AS x
    WHERE x.table_name = 'users'
) AS x ON x.raw_row = u.raw_row
LEFT JOIN {{ ref('base_games__categories') }} AS a ON a.column_name = 'age_range' AND a.raw_value = u.age_range
LEFT JOIN {{ ref('base_games__categories') }} AS w ON w.column_name = 'workout_frequency' AND w.raw_value = u.workout_frequency
LEFT JOIN {{ ref('base_games__categories') }} AS g ON g.column_name = 'gender' AND g.raw_value = u.gender
LEFT JOIN {{ ref('base_games__categories') }} AS l ON l.column_name = 'location' AND l.raw_value = u.location
LEFT JOIN {{ ref('base_games__categories') }} AS s ON s.column_name = 'subscription_type' AND s.raw_value = u.subscription_type
