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

-- {category map}

-- {event types: login, start_game, finish_game, purchase, unknown}

-- The values of categories, with the number of their rows and what they are to be read as.
CREATE OR REPLACE TEMP TABLE clean_values AS
SELECT
    v.*,
    m.value IS NOT NULL AS is_answered,
    if(m.value IS NULL, v.raw_value, m.replacement) AS read_as
FROM (
    SELECT
        'age_range' AS column_name,
        r.age_range AS raw_value,
        count(*) AS row_count
    FROM raw.users AS r
    GROUP BY r.age_range
    UNION ALL
    SELECT
        'workout_frequency' AS column_name,
        r.workout_frequency AS raw_value,
        count(*) AS row_count
    FROM raw.users AS r
    GROUP BY r.workout_frequency
    UNION ALL
    SELECT
        'gender' AS column_name,
        r.gender AS raw_value,
        count(*) AS row_count
    FROM raw.users AS r
    GROUP BY r.gender
    UNION ALL
    SELECT
        'location' AS column_name,
        r.location AS raw_value,
        count(*) AS row_count
    FROM raw.users AS r
    GROUP BY r.location
    UNION ALL
    SELECT
        'subscription_type' AS column_name,
        r.subscription_type AS raw_value,
        count(*) AS row_count
    FROM raw.users AS r
    GROUP BY r.subscription_type
    UNION ALL
    SELECT
        'game_type' AS column_name,
        r.game_type AS raw_value,
        count(*) AS row_count
    FROM raw.games AS r
    GROUP BY r.game_type
    UNION ALL
    SELECT
        'platform' AS column_name,
        r.platform AS raw_value,
        count(*) AS row_count
    FROM raw.games AS r
    GROUP BY r.platform
    UNION ALL
    SELECT
        'difficulty' AS column_name,
        r.difficulty AS raw_value,
        count(*) AS row_count
    FROM raw.games AS r
    GROUP BY r.difficulty
    UNION ALL
    SELECT
        'event_type' AS column_name,
        r.event_type AS raw_value,
        count(*) AS row_count
    FROM raw.events AS r
    GROUP BY r.event_type
    UNION ALL
    SELECT
        'device_type' AS column_name,
        r.device_type AS raw_value,
        count(*) AS row_count
    FROM raw.events AS r
    GROUP BY r.device_type
) AS v
LEFT JOIN config.category_map AS m ON m.column_name = v.column_name AND m.value = v.raw_value;

-- {each of 75, 40}
-- The entries of the vocabularies that values meet with a similarity of at least 0.{each}.
-- `unknown` is an entry, or what is called so already would be a correction.
CREATE OR REPLACE TEMP TABLE clean_matches_{each} AS
SELECT
    v.*,
    CASE v.column_name
        WHEN 'age_range'
            THEN
                if(
                    getvariable('age_ranges') IS NULL,
                    category_match(
                        v.read_as,
                        ['-18', '18-25', '26-35', '36-50', '50+', 'unknown'],
                        0.{each}
                    ),
                    category_match(v.read_as, getvariable('age_ranges'), 0.{each})
                )
        WHEN 'workout_frequency'
            THEN
                if(
                    getvariable('workout_frequencies') IS NULL,
                    category_match(
                        v.read_as,
                        ['minimal', 'flexible', 'regular', 'maximal', 'unknown'],
                        0.{each}
                    ),
                    category_match(v.read_as, getvariable('workout_frequencies'), 0.{each})
                )
        WHEN 'gender'
            THEN
                if(
                    getvariable('genders') IS NULL,
                    category_match(
                        v.read_as,
                        map {'M': ['male'], 'F': ['female'], 'Other': [], 'unknown': []},
                        0.{each}
                    ),
                    category_match(v.read_as, getvariable('genders'), 0.{each})
                )
        WHEN 'location'
            THEN
                if(
                    getvariable('cities') IS NULL,
                    category_match(
                        v.read_as,
                        ['Paris', 'Lyon', 'Berlin', 'Madrid', 'Rome', 'unknown'],
                        0.{each}
                    ),
                    category_match(v.read_as, getvariable('cities'), 0.{each})
                )
        WHEN 'subscription_type'
            THEN
                if(
                    getvariable('subscription_types') IS NULL,
                    category_match(
                        v.read_as,
                        ['free', 'trial', 'premium', 'unknown'],
                        0.{each}
                    ),
                    category_match(v.read_as, getvariable('subscription_types'), 0.{each})
                )
        WHEN 'game_type'
            THEN
                if(
                    getvariable('genres') IS NULL,
                    category_match(
                        v.read_as,
                        ['cardio', 'strategy', 'puzzle', 'arcade', 'action', 'unknown'],
                        0.{each}
                    ),
                    category_match(v.read_as, getvariable('genres'), 0.{each})
                )
        WHEN 'platform'
            THEN
                if(
                    getvariable('platforms') IS NULL,
                    category_match(
                        v.read_as,
                        ['iOS', 'Android', 'Web', 'unknown'],
                        0.{each}
                    ),
                    category_match(v.read_as, getvariable('platforms'), 0.{each})
                )
        WHEN 'difficulty'
            THEN
                if(
                    getvariable('difficulties') IS NULL,
                    category_match(
                        v.read_as,
                        ['easy', 'medium', 'hard', 'unknown'],
                        0.{each}
                    ),
                    category_match(v.read_as, getvariable('difficulties'), 0.{each})
                )
        WHEN 'event_type'
            THEN
                category_match(v.read_as, getvariable('clean_event_types'), 0.{each})
        WHEN 'device_type'
            THEN
                if(
                    getvariable('device_types') IS NULL,
                    category_match(
                        v.read_as,
                        map {'mobile': ['tablet'], 'web': [], 'console': [], 'unknown': []},
                        0.{each}
                    ),
                    category_match(v.read_as, getvariable('device_types'), 0.{each})
                )
    END AS match
FROM temp.clean_values AS v;
-- {end}

-- What each value of a category becomes: `unknown`, where neither its vocabulary nor an answer
-- tells.
CREATE OR REPLACE TEMP TABLE clean_categories AS
SELECT
    c.column_name,
    c.raw_value,
    c.row_count,
    coalesce(c.match.normalized, 'unknown') AS clean_value,
    CASE
        WHEN c.is_answered AND c.match.rule NOT IN ('none', 'ambiguous') THEN 'answer'
        WHEN c.match.normalized IS NULL AND lower(trim(c.read_as)) = 'unknown' THEN 'exact'
        ELSE c.match.rule
    END AS rule
FROM temp.clean_matches_75 AS c;

-- What nobody knows the meaning of, with the entry that is nearest: config.category_map takes
-- answers.
CREATE OR REPLACE TABLE clean.unmatched_values AS
SELECT
    c.column_name,
    c.raw_value AS value,
    c.row_count,
    coalesce(n.match.normalized, n.match.runner_up) AS nearest,
    n.match.similarity AS similarity
FROM temp.clean_categories AS c
JOIN temp.clean_matches_40 AS n ON n.column_name = c.column_name AND n.raw_value = c.raw_value
WHERE c.rule IN ('none', 'ambiguous')
ORDER BY ALL;

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
