-- What each value of a category becomes, and the times that can be in each file.

CREATE SCHEMA IF NOT EXISTS clean;

-- How many rows the run before has left, which this one replaces.
SET VARIABLE replaced_rows = (
    SELECT coalesce(sum(t.estimated_size), 0)::BIGINT
    FROM duckdb_tables() AS t
    WHERE
        t.database_name = current_database()
        AND t.schema_name || '.' || t.table_name = 'clean.events'
);

-- What each value of a category becomes. `unknown` is an entry, or what is called so already would
-- be a correction.
CREATE OR REPLACE TEMP TABLE clean_categories AS
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
        'raw.users', 'age_range', ['-18', '18-25', '26-35', '36-50', '50+', 'unknown']
    )
    UNION ALL
    SELECT
        'workout_frequency' AS column_name,
        *
    FROM amz.normalize_category(
        'raw.users', 'workout_frequency', ['minimal', 'flexible', 'regular', 'maximal', 'unknown']
    )
    UNION ALL
    SELECT
        'gender' AS column_name,
        *
    FROM amz.normalize_category(
        'raw.users', 'gender', map {'M': ['male'], 'F': ['female'], 'Other': [], 'unknown': []}
    )
    UNION ALL
    SELECT
        'location' AS column_name,
        *
    FROM amz.normalize_category(
        'raw.users', 'location', ['Paris', 'Lyon', 'Berlin', 'Madrid', 'Rome', 'unknown']
    )
    UNION ALL
    SELECT
        'subscription_type' AS column_name,
        *
    FROM amz.normalize_category(
        'raw.users', 'subscription_type', ['free', 'trial', 'premium', 'unknown']
    )
    UNION ALL
    SELECT
        'game_type' AS column_name,
        *
    FROM amz.normalize_category(
        'raw.games', 'game_type', ['cardio', 'strategy', 'puzzle', 'arcade', 'action', 'unknown']
    )
    UNION ALL
    SELECT
        'platform' AS column_name,
        *
    FROM amz.normalize_category(
        'raw.games', 'platform', ['iOS', 'Android', 'Web', 'unknown']
    )
    UNION ALL
    SELECT
        'difficulty' AS column_name,
        *
    FROM amz.normalize_category(
        'raw.games', 'difficulty', ['easy', 'medium', 'hard', 'unknown']
    )
    UNION ALL
    SELECT
        'event_type' AS column_name,
        *
    FROM amz.normalize_category(
        'raw.events', 'event_type', ['login', 'start_game', 'finish_game', 'purchase', 'unknown']
    )
    UNION ALL
    SELECT
        'device_type' AS column_name,
        *
    FROM amz.normalize_category(
        'raw.events',
        'device_type',
        map {'mobile': ['tablet'], 'web': [], 'console': [], 'unknown': []}
    )
) AS c;

-- The files, with the times that can be in them. Rows of other names came by themselves: up to
-- tomorrow.
CREATE OR REPLACE TEMP TABLE clean_files AS
SELECT
    f.file_name,
    coalesce(getvariable('min_time')::TIMESTAMP, TIMESTAMP '2000-01-01') AS min_time,
    coalesce(
        getvariable('max_time')::TIMESTAMP,
        coalesce(l.loaded_at, make_timestamp(epoch_us(now())))::DATE + INTERVAL 1 DAY
    ) AS last_time,
    if(
        last_time = last_time::DATE, last_time + INTERVAL 1 DAY - INTERVAL 1 MICROSECOND, last_time
    ) AS max_time
FROM (
    SELECT r.file_name
    FROM raw.users AS r
    UNION
    SELECT r.file_name
    FROM raw.games AS r
    UNION
    SELECT r.file_name
    FROM raw.events AS r
) AS f
LEFT JOIN raw.loaded_files AS l ON l.file_name = f.file_name;
