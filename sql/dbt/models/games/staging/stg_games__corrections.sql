-- stg_games__corrections: generated from sql/games/10_clean.sql (make docs).
{{ config(materialized='table', schema='clean', alias='corrections') }}

-- The values of the rows that were kept, and what became of them.
WITH kept_users AS (
    SELECT u.*
    FROM {{ ref('base_games__read_users') }} AS u
    ANTI JOIN (
        SELECT x.raw_row
        FROM {{ ref('base_games__rejected') }} AS x
        WHERE x.table_name = 'users'
    ) AS x ON x.raw_row = u.raw_row
),

kept_games AS (
    SELECT g.*
    FROM {{ ref('base_games__read_games') }} AS g
    ANTI JOIN (
        SELECT x.raw_row
        FROM {{ ref('base_games__rejected') }} AS x
        WHERE x.table_name = 'games'
    ) AS x ON x.raw_row = g.raw_row
),

kept_events AS (
    SELECT
        e.event_type,
        e.device_type,
        e.typed_duration IS NOT NULL AS has_duration,
        if(has_duration, NULL, e.duration_seconds) AS lost_duration,
        count(*) AS row_count
    FROM {{ ref('base_games__read_events') }} AS e
    ANTI JOIN (
        SELECT x.raw_row
        FROM {{ ref('base_games__rejected') }} AS x
        WHERE x.table_name = 'events'
    ) AS x ON x.raw_row = e.raw_row
    GROUP BY ALL
),

-- A category is judged below; the others are taken as they are, or are not.
kept_values AS (
    SELECT
        'users' AS table_name,
        unnest(
            [
                {
                    'column_name': 'age_range',
                    'raw_value': u.age_range,
                    'is_taken': false,
                    'is_implausible': false
                },
                {
                    'column_name': 'workout_frequency',
                    'raw_value': u.workout_frequency,
                    'is_taken': false,
                    'is_implausible': false
                },
                {
                    'column_name': 'gender',
                    'raw_value': u.gender,
                    'is_taken': false,
                    'is_implausible': false
                },
                {
                    'column_name': 'location',
                    'raw_value': u.location,
                    'is_taken': false,
                    'is_implausible': false
                },
                {
                    'column_name': 'subscription_type',
                    'raw_value': u.subscription_type,
                    'is_taken': false,
                    'is_implausible': false
                },
                {
                    'column_name': 'registration_date',
                    'raw_value': u.registration_date,
                    'is_taken': u.typed_date IS NOT NULL,
                    'is_implausible': u.has_date
                },
                {
                    'column_name': 'email',
                    'raw_value': u.email,
                    'is_taken': u.clean_email IS NOT NULL,
                    'is_implausible': false
                }
            ]
        ) AS kept,
        1 AS row_count
    FROM kept_users AS u
    UNION ALL
    SELECT
        'games' AS table_name,
        unnest(
            [
                {
                    'column_name': 'game_type',
                    'raw_value': g.game_type,
                    'is_taken': false,
                    'is_implausible': false
                },
                {
                    'column_name': 'game_name',
                    'raw_value': g.game_name,
                    'is_taken': coalesce(trim(g.game_name), '') <> '',
                    'is_implausible': false
                },
                {
                    'column_name': 'platform',
                    'raw_value': g.platform,
                    'is_taken': false,
                    'is_implausible': false
                },
                {
                    'column_name': 'difficulty',
                    'raw_value': g.difficulty,
                    'is_taken': false,
                    'is_implausible': false
                }
            ]
        ) AS kept,
        1 AS row_count
    FROM kept_games AS g
    UNION ALL
    SELECT
        'events' AS table_name,
        unnest(
            [
                {
                    'column_name': 'event_type',
                    'raw_value': e.event_type,
                    'is_taken': false,
                    'is_implausible': false
                },
                {
                    'column_name': 'device_type',
                    'raw_value': e.device_type,
                    'is_taken': false,
                    'is_implausible': false
                },
                {
                    'column_name': 'duration_seconds',
                    'raw_value': e.lost_duration,
                    'is_taken': e.has_duration,
                    'is_implausible': false
                }
            ]
        ) AS kept,
        e.row_count
    FROM kept_events AS e
),

counted_values AS (
    SELECT
        v.table_name,
        v.kept.column_name,
        nullif(v.kept.raw_value, '') AS raw_value,
        v.kept.is_implausible,
        sum(v.row_count)::BIGINT AS row_count
    FROM kept_values AS v
    WHERE NOT v.kept.is_taken
    GROUP BY ALL
)

SELECT
    v.table_name,
    v.column_name,
    v.raw_value,
    if(
        v.column_name IN ('registration_date', 'email', 'duration_seconds'),
        NULL,
        coalesce(c.clean_value, 'unknown')
    ) AS clean_value,
    CASE
        WHEN c.rule IS NOT NULL THEN c.rule
        WHEN coalesce(trim(v.raw_value), '') = '' THEN 'empty'
        WHEN v.is_implausible THEN 'implausible'
        WHEN
            v.column_name = 'duration_seconds' AND TRY_CAST(v.raw_value AS DOUBLE) < 0
            THEN 'negative'
        ELSE 'invalid'
    END AS rule,
    v.row_count
FROM counted_values AS v
LEFT JOIN {{ ref('base_games__categories') }} AS c ON c.column_name = v.column_name AND c.raw_value = v.raw_value
WHERE c.rule IS DISTINCT FROM 'exact'
ORDER BY ALL
