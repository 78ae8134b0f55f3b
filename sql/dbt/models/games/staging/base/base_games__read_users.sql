-- base_games__read_users: generated from sql/games/10_clean.sql (make docs).
{{ config(materialized='view', schema='intermediate') }}

-- Each raw row with its typed values and the reason, but for duplicates, why it cannot be kept.
SELECT
    u.* EXCLUDE (registered),
    coalesce(a.clean_value, 'unknown') AS clean_age,
    if(u.registered BETWEEN u.min_time AND u.max_time, u.registered::DATE, NULL) AS typed_date,
    nullif(trim(u.email), '') AS clean_email,
    coalesce(w.clean_value, 'unknown') AS clean_frequency,
    coalesce(g.clean_value, 'unknown') AS clean_gender,
    coalesce(l.clean_value, 'unknown') AS clean_location,
    coalesce(s.clean_value, 'unknown') AS clean_subscription,
    u.registered IS NOT NULL AS has_date,
    CASE
        WHEN coalesce(trim(u.user_id), '') = '' THEN 'no id'
        WHEN u.typed_id IS NULL THEN 'bad id'
    END AS reason
FROM (
    SELECT
        r.rowid AS raw_row,
        r.*,
        f.min_time,
        f.max_time,
        exact_bigint(trim(r.user_id)) AS typed_id,
        coalesce(
            exact_timestamp(trim(r.registration_date)),
            exact_timestamp(trim(r.registration_date) || ' 00:00:00')
        ) AS registered
    FROM {{ source('games', 'users') }} AS r
    JOIN {{ ref('base_games__files') }} AS f ON f.file_name = r.file_name
) AS u
LEFT JOIN {{ ref('base_games__categories') }} AS a ON a.column_name = 'age_range' AND a.raw_value = u.age_range
LEFT JOIN {{ ref('base_games__categories') }} AS w
    ON w.column_name = 'workout_frequency' AND w.raw_value = u.workout_frequency
LEFT JOIN {{ ref('base_games__categories') }} AS g ON g.column_name = 'gender' AND g.raw_value = u.gender
LEFT JOIN {{ ref('base_games__categories') }} AS l ON l.column_name = 'location' AND l.raw_value = u.location
LEFT JOIN {{ ref('base_games__categories') }} AS s
    ON s.column_name = 'subscription_type' AND s.raw_value = u.subscription_type
