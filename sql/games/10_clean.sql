-- Step 10_clean of the pipeline `games`: text becomes typed users, games and events, and nothing
-- disappears on the way.
--
-- clean.users            one row: a user
-- clean.games            one row: a game
-- clean.events           one row: an event
-- clean.sessions         one row: a session of a user: events at most 30 minutes apart, also across
--                        midnight
-- clean.session_games    one row: a session and game, with its first and last event of this game;
--                        the game is NULL for events without one
-- clean.rejected_users, clean.rejected_games, clean.rejected_events
--                        one row: a row of the raw table that could not be kept, as it was, with
--                        the reason
-- clean.corrections      one row: a value that is missing or was changed, with the number of clean
--                        rows that have it
-- clean.unmatched_values  one row: a value of a category that nobody knows the meaning of, with the
--                        number of its raw rows and the entry that is nearest
-- config.category_map    one row: a value, and what it is to be taken for: yours to fill
--
-- Parameters (session variables):
--   min_time  no event and no registration is before it (2000-01-01)
--   max_time  none is after it; a day counts to its end (the day after the one on which the file
--             was loaded)
--   event_types          other names for the types of events, as a map from ours (login,
--                        start_game, finish_game, purchase) to theirs:
--                        MAP {'purchase': ['order', 'sale']}
--   cities               the locations there are, as a list or, with other names for them, as a
--                        map (Paris, Lyon, Berlin, Madrid, Rome)
--   genres               the types of games there are, likewise (cardio, strategy, puzzle, arcade,
--                        action)
--   platforms            (iOS, Android, Web)
--   difficulties         (easy, medium, hard)
--   device_types         (mobile, which a tablet is too, web, console)
--   age_ranges           (-18, 18-25, 26-35, 36-50, 50+)
--   genders              (M, F, Other)
--   workout_frequencies  (minimal, flexible, regular, maximal)
--   subscription_types   (free, trial, premium)
--
-- A value that is in no vocabulary is `unknown` and stands in clean.unmatched_values; the next run
-- reads it as the replacement that config.category_map has for it, or as nothing where that is
-- NULL.
--
-- Of each of the three: raw rows = clean rows + rejected rows; the script checks it. An empty text
-- counts as missing, and blanks around a value do not count.
--
-- A row is rejected when it cannot be told who, what or when it is, for the first of these reasons
-- that applies:
--   no id, bad id             digits only: a cast would take `1.5` and `2.1E+18` and make other
--                             numbers of them
--   bad time                  of events: what exact_timestamp does not take; `2024-06-15T14:23:01`
--                             is a time, also with a space for the `T`, a fraction, `Z`, ` UTC` or
--                             an offset; it is in UTC
--   implausible time          of events: before min_time or after max_time
--   no user, bad user, unknown user
--   no game, bad game, unknown game    a login may be without a game
--   duplicate id              another row with this id stays: the one whose typed values most rows
--                             have, else the first by its text, whatever the order of rows
--
-- Everything else is a value, and the row stays. Rules of clean.corrections:
--   case, accent, synonym, typo   a category that normalize_category repaired
--   answer                        a category that config.category_map answered
--   none, ambiguous               a category that it could not repair: `unknown`
--   empty                         a missing value, shown as NULL: `unknown` for a category or game
--                                 name, NULL for a registration date, e-mail address or duration
--   negative                      a duration below 0: NULL
--   invalid                       a duration that is not a whole number, a registration date that
--                                 is none: NULL
--   implausible                   a registration date before min_time or after max_time: NULL
--
-- A session lasts from its first event to its last, so that one event makes a session of 0 seconds;
-- seconds_played is the sum of the durations that its events tell.
--
-- Generated from clean/*.sql and ../steps/*.sql (make docs).

SET VARIABLE current_run = coalesce(
    getvariable('run_id')::VARCHAR,
    getvariable('current_run'),
    uuid()::VARCHAR
);

SET VARIABLE run_started = make_timestamp(epoch_us(uuid_extract_timestamp(uuidv7())));

INSERT INTO raw.pipeline_runs (run_id, step, started_at, finished_at, rows, status)
SELECT
    getvariable('current_run'),
    '10_clean',
    getvariable('run_started'),
    getvariable('run_started'),
    0,
    'started';

BEGIN TRANSACTION;

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

-- What a value is to be taken for: yours to fill, the pipeline only reads it. A replacement that is
-- NULL says that the value means nothing.
CREATE SCHEMA IF NOT EXISTS config;

CREATE TABLE IF NOT EXISTS config.category_map (
    column_name VARCHAR NOT NULL,
    value VARCHAR NOT NULL,
    replacement VARCHAR,
    PRIMARY KEY (column_name, value)
);

-- The types of events, with the names that the parameter event_types gives them.
SET VARIABLE clean_event_types = (
    SELECT map(list(t.name ORDER BY t.name), list(t.others ORDER BY t.name))
    FROM (
        SELECT
            n.name,
            coalesce(list(DISTINCT g.other) FILTER (g.other IS NOT NULL), []::VARCHAR[]) AS others
        FROM (SELECT unnest(['login', 'start_game', 'finish_game', 'purchase', 'unknown']) AS name) AS n
        LEFT JOIN (
            SELECT
                lower(trim(m.name)) AS name,
                unnest(coalesce(TRY_CAST(m.others AS VARCHAR[]), [m.others])) AS other
            FROM (
                SELECT
                    unnest(map_keys(v.given)) AS name,
                    unnest(map_values(v.given)) AS others
                FROM (
                    SELECT
                        TRY_CAST(getvariable('event_types')::VARCHAR AS MAP (VARCHAR, VARCHAR))
                            AS given
                ) AS v
            ) AS m
        ) AS g ON g.name = n.name
        GROUP BY n.name
    ) AS t
);

SET VARIABLE clean_check = (
    SELECT
        CASE
            WHEN
                getvariable('event_types') IS NOT NULL
                AND typeof(getvariable('event_types')) NOT LIKE 'MAP%'
                THEN error(
                    $$10_clean: event_types must be a map as MAP {'purchase': ['order']}, not $$
                    || getvariable('event_types')::VARCHAR
                )
            WHEN count(*) > 0
                THEN error(
                    '10_clean: event_types names '
                    || string_agg('"' || g.name || '"', ', ' ORDER BY g.name)
                    || ', the types are ' || array_to_string(['login', 'start_game', 'finish_game', 'purchase', 'unknown'], ', ')
                )
        END
    FROM (
        SELECT
            lower(
                trim(
                    unnest(
                        map_keys(
                            TRY_CAST(getvariable('event_types')::VARCHAR AS MAP (VARCHAR, VARCHAR))
                        )
                    )
                )
            ) AS name
    ) AS g
    WHERE NOT list_contains(['login', 'start_game', 'finish_game', 'purchase', 'unknown'], g.name)
);

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

-- The entries of the vocabularies that values meet with a similarity of at least 0.75.
-- `unknown` is an entry, or what is called so already would be a correction.
CREATE OR REPLACE TEMP TABLE clean_matches_75 AS
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
                        0.75
                    ),
                    category_match(v.read_as, getvariable('age_ranges'), 0.75)
                )
        WHEN 'workout_frequency'
            THEN
                if(
                    getvariable('workout_frequencies') IS NULL,
                    category_match(
                        v.read_as,
                        ['minimal', 'flexible', 'regular', 'maximal', 'unknown'],
                        0.75
                    ),
                    category_match(v.read_as, getvariable('workout_frequencies'), 0.75)
                )
        WHEN 'gender'
            THEN
                if(
                    getvariable('genders') IS NULL,
                    category_match(
                        v.read_as,
                        map {'M': ['male'], 'F': ['female'], 'Other': [], 'unknown': []},
                        0.75
                    ),
                    category_match(v.read_as, getvariable('genders'), 0.75)
                )
        WHEN 'location'
            THEN
                if(
                    getvariable('cities') IS NULL,
                    category_match(
                        v.read_as,
                        ['Paris', 'Lyon', 'Berlin', 'Madrid', 'Rome', 'unknown'],
                        0.75
                    ),
                    category_match(v.read_as, getvariable('cities'), 0.75)
                )
        WHEN 'subscription_type'
            THEN
                if(
                    getvariable('subscription_types') IS NULL,
                    category_match(
                        v.read_as,
                        ['free', 'trial', 'premium', 'unknown'],
                        0.75
                    ),
                    category_match(v.read_as, getvariable('subscription_types'), 0.75)
                )
        WHEN 'game_type'
            THEN
                if(
                    getvariable('genres') IS NULL,
                    category_match(
                        v.read_as,
                        ['cardio', 'strategy', 'puzzle', 'arcade', 'action', 'unknown'],
                        0.75
                    ),
                    category_match(v.read_as, getvariable('genres'), 0.75)
                )
        WHEN 'platform'
            THEN
                if(
                    getvariable('platforms') IS NULL,
                    category_match(
                        v.read_as,
                        ['iOS', 'Android', 'Web', 'unknown'],
                        0.75
                    ),
                    category_match(v.read_as, getvariable('platforms'), 0.75)
                )
        WHEN 'difficulty'
            THEN
                if(
                    getvariable('difficulties') IS NULL,
                    category_match(
                        v.read_as,
                        ['easy', 'medium', 'hard', 'unknown'],
                        0.75
                    ),
                    category_match(v.read_as, getvariable('difficulties'), 0.75)
                )
        WHEN 'event_type'
            THEN
                category_match(v.read_as, getvariable('clean_event_types'), 0.75)
        WHEN 'device_type'
            THEN
                if(
                    getvariable('device_types') IS NULL,
                    category_match(
                        v.read_as,
                        map {'mobile': ['tablet'], 'web': [], 'console': [], 'unknown': []},
                        0.75
                    ),
                    category_match(v.read_as, getvariable('device_types'), 0.75)
                )
    END AS match
FROM temp.clean_values AS v;

-- The entries of the vocabularies that values meet with a similarity of at least 0.40.
-- `unknown` is an entry, or what is called so already would be a correction.
CREATE OR REPLACE TEMP TABLE clean_matches_40 AS
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
                        0.40
                    ),
                    category_match(v.read_as, getvariable('age_ranges'), 0.40)
                )
        WHEN 'workout_frequency'
            THEN
                if(
                    getvariable('workout_frequencies') IS NULL,
                    category_match(
                        v.read_as,
                        ['minimal', 'flexible', 'regular', 'maximal', 'unknown'],
                        0.40
                    ),
                    category_match(v.read_as, getvariable('workout_frequencies'), 0.40)
                )
        WHEN 'gender'
            THEN
                if(
                    getvariable('genders') IS NULL,
                    category_match(
                        v.read_as,
                        map {'M': ['male'], 'F': ['female'], 'Other': [], 'unknown': []},
                        0.40
                    ),
                    category_match(v.read_as, getvariable('genders'), 0.40)
                )
        WHEN 'location'
            THEN
                if(
                    getvariable('cities') IS NULL,
                    category_match(
                        v.read_as,
                        ['Paris', 'Lyon', 'Berlin', 'Madrid', 'Rome', 'unknown'],
                        0.40
                    ),
                    category_match(v.read_as, getvariable('cities'), 0.40)
                )
        WHEN 'subscription_type'
            THEN
                if(
                    getvariable('subscription_types') IS NULL,
                    category_match(
                        v.read_as,
                        ['free', 'trial', 'premium', 'unknown'],
                        0.40
                    ),
                    category_match(v.read_as, getvariable('subscription_types'), 0.40)
                )
        WHEN 'game_type'
            THEN
                if(
                    getvariable('genres') IS NULL,
                    category_match(
                        v.read_as,
                        ['cardio', 'strategy', 'puzzle', 'arcade', 'action', 'unknown'],
                        0.40
                    ),
                    category_match(v.read_as, getvariable('genres'), 0.40)
                )
        WHEN 'platform'
            THEN
                if(
                    getvariable('platforms') IS NULL,
                    category_match(
                        v.read_as,
                        ['iOS', 'Android', 'Web', 'unknown'],
                        0.40
                    ),
                    category_match(v.read_as, getvariable('platforms'), 0.40)
                )
        WHEN 'difficulty'
            THEN
                if(
                    getvariable('difficulties') IS NULL,
                    category_match(
                        v.read_as,
                        ['easy', 'medium', 'hard', 'unknown'],
                        0.40
                    ),
                    category_match(v.read_as, getvariable('difficulties'), 0.40)
                )
        WHEN 'event_type'
            THEN
                category_match(v.read_as, getvariable('clean_event_types'), 0.40)
        WHEN 'device_type'
            THEN
                if(
                    getvariable('device_types') IS NULL,
                    category_match(
                        v.read_as,
                        map {'mobile': ['tablet'], 'web': [], 'console': [], 'unknown': []},
                        0.40
                    ),
                    category_match(v.read_as, getvariable('device_types'), 0.40)
                )
    END AS match
FROM temp.clean_values AS v;

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

-- Each raw row with its typed values, and the reason why it cannot be kept.

-- Each raw row with its typed values and the reason, but for duplicates, why it cannot be kept.
CREATE OR REPLACE TEMP VIEW clean_read_users AS
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
    FROM raw.users AS r
    JOIN temp.clean_files AS f ON f.file_name = r.file_name
) AS u
LEFT JOIN temp.clean_categories AS a ON a.column_name = 'age_range' AND a.raw_value = u.age_range
LEFT JOIN temp.clean_categories AS w
    ON w.column_name = 'workout_frequency' AND w.raw_value = u.workout_frequency
LEFT JOIN temp.clean_categories AS g ON g.column_name = 'gender' AND g.raw_value = u.gender
LEFT JOIN temp.clean_categories AS l ON l.column_name = 'location' AND l.raw_value = u.location
LEFT JOIN temp.clean_categories AS s
    ON s.column_name = 'subscription_type' AND s.raw_value = u.subscription_type;

CREATE OR REPLACE TEMP VIEW clean_read_games AS
SELECT
    g.*,
    coalesce(t.clean_value, 'unknown') AS clean_type,
    coalesce(nullif(trim(g.game_name), ''), 'unknown') AS clean_name,
    coalesce(p.clean_value, 'unknown') AS clean_platform,
    coalesce(d.clean_value, 'unknown') AS clean_difficulty,
    CASE
        WHEN coalesce(trim(g.game_id), '') = '' THEN 'no id'
        WHEN g.typed_id IS NULL THEN 'bad id'
    END AS reason
FROM (
    SELECT
        r.rowid AS raw_row,
        r.*,
        exact_bigint(trim(r.game_id)) AS typed_id
    FROM raw.games AS r
) AS g
LEFT JOIN temp.clean_categories AS t ON t.column_name = 'game_type' AND t.raw_value = g.game_type
LEFT JOIN temp.clean_categories AS p ON p.column_name = 'platform' AND p.raw_value = g.platform
LEFT JOIN temp.clean_categories AS d ON d.column_name = 'difficulty' AND d.raw_value = g.difficulty;

CREATE OR REPLACE TEMP TABLE clean_user_ids AS
SELECT DISTINCT u.typed_id AS user_id
FROM temp.clean_read_users AS u
WHERE u.reason IS NULL;

CREATE OR REPLACE TEMP TABLE clean_game_ids AS
SELECT DISTINCT g.typed_id AS game_id
FROM temp.clean_read_games AS g
WHERE g.reason IS NULL;

CREATE OR REPLACE TEMP VIEW clean_read_events AS
SELECT
    e.*,
    coalesce(t.clean_value, 'unknown') AS clean_type,
    coalesce(d.clean_value, 'unknown') AS clean_device,
    CASE
        WHEN coalesce(trim(e.event_id), '') = '' THEN 'no id'
        WHEN e.typed_id IS NULL THEN 'bad id'
        WHEN e.typed_time IS NULL THEN 'bad time'
        WHEN e.typed_time NOT BETWEEN e.min_time AND e.max_time THEN 'implausible time'
        WHEN coalesce(trim(e.user_id), '') = '' THEN 'no user'
        WHEN e.typed_user IS NULL THEN 'bad user'
        WHEN u.user_id IS NULL THEN 'unknown user'
        WHEN coalesce(trim(e.game_id), '') = '' THEN if(clean_type = 'login', NULL, 'no game')
        WHEN e.typed_game IS NULL THEN 'bad game'
        WHEN g.game_id IS NULL THEN 'unknown game'
    END AS reason
FROM (
    SELECT
        r.rowid AS raw_row,
        r.*,
        f.min_time,
        f.max_time,
        coalesce(exact_bigint(r.event_id), exact_bigint(trim(r.event_id))) AS typed_id,
        coalesce(exact_bigint(r.user_id), exact_bigint(trim(r.user_id))) AS typed_user,
        coalesce(exact_bigint(r.game_id), exact_bigint(trim(r.game_id))) AS typed_game,
        coalesce(exact_timestamp(r.event_time), exact_timestamp(trim(r.event_time))) AS typed_time,
        -- Spreadsheets and data frames write whole numbers as `60.0`.
        TRY_CAST(
            coalesce(
                exact_bigint(trim(r.duration_seconds)),
                exact_bigint(regexp_extract(trim(r.duration_seconds), '^([0-9]+)[.]0+$', 1))
            ) AS INTEGER
        ) AS typed_duration
    FROM raw.events AS r
    JOIN temp.clean_files AS f ON f.file_name = r.file_name
) AS e
LEFT JOIN temp.clean_categories AS t ON t.column_name = 'event_type' AND t.raw_value = e.event_type
LEFT JOIN temp.clean_categories AS d
    ON d.column_name = 'device_type' AND d.raw_value = e.device_type
LEFT JOIN temp.clean_user_ids AS u ON u.user_id = e.typed_user
LEFT JOIN temp.clean_game_ids AS g ON g.game_id = e.typed_game;

-- The rows that cannot be kept.

-- Only rows whose identifier occurs twice are compared.
CREATE OR REPLACE TEMP TABLE clean_duplicates AS
WITH same_ids AS (
    SELECT
        'users' AS table_name,
        u.raw_row,
        u.typed_id,
        u.file_name,
        [
            u.clean_age,
            u.typed_date::VARCHAR,
            u.clean_email,
            u.clean_frequency,
            u.clean_gender,
            u.clean_location,
            u.clean_subscription
        ] AS content,
        [
            u.age_range,
            u.registration_date,
            u.email,
            u.workout_frequency,
            u.gender,
            u.location,
            u.subscription_type,
            u.user_id
        ] AS texts
    FROM temp.clean_read_users AS u
    WHERE
        u.reason IS NULL
        AND u.typed_id IN (
            SELECT exact_bigint(trim(r.user_id))
            FROM raw.users AS r
            GROUP BY ALL
            HAVING count(*) > 1
        )
    UNION ALL
    SELECT
        'games' AS table_name,
        g.raw_row,
        g.typed_id,
        g.file_name,
        [g.clean_type, g.clean_name, g.clean_platform, g.clean_difficulty] AS content,
        [g.game_type, g.game_name, g.platform, g.difficulty, g.game_id] AS texts
    FROM temp.clean_read_games AS g
    WHERE
        g.reason IS NULL
        AND g.typed_id IN (
            SELECT exact_bigint(trim(r.game_id))
            FROM raw.games AS r
            GROUP BY ALL
            HAVING count(*) > 1
        )
    UNION ALL
    SELECT
        'events' AS table_name,
        e.raw_row,
        e.typed_id,
        e.file_name,
        [
            e.typed_game::VARCHAR, e.typed_user::VARCHAR, e.typed_time::VARCHAR, e.clean_type,
            e.typed_duration::VARCHAR, e.clean_device
        ] AS content,
        [
            e.game_id,
            e.user_id,
            e.event_time,
            e.event_type,
            e.duration_seconds,
            e.device_type,
            e.event_id
        ] AS texts
    FROM temp.clean_read_events AS e
    WHERE
        e.reason IS NULL
        AND e.typed_id IN (
            SELECT coalesce(exact_bigint(r.event_id), exact_bigint(trim(r.event_id)))
            FROM raw.events AS r
            GROUP BY ALL
            HAVING count(*) > 1
        )
),

counted_rows AS (
    SELECT
        s.*,
        count(*) OVER (PARTITION BY s.table_name, s.typed_id, s.content) AS copies
    FROM same_ids AS s
)

SELECT
    c.table_name,
    c.raw_row
FROM counted_rows AS c
QUALIFY
    row_number() OVER (
        PARTITION BY c.table_name, c.typed_id
        ORDER BY
            c.copies DESC,
            c.content,
            c.texts,
            c.file_name,
            c.raw_row
    ) > 1;

-- The rows that cannot be kept: few, as a rule.
CREATE OR REPLACE TEMP TABLE clean_rejected AS
SELECT
    'users' AS table_name,
    u.raw_row,
    u.reason
FROM temp.clean_read_users AS u
WHERE u.reason IS NOT NULL
UNION ALL
SELECT
    'games' AS table_name,
    g.raw_row,
    g.reason
FROM temp.clean_read_games AS g
WHERE g.reason IS NOT NULL
UNION ALL
SELECT
    'events' AS table_name,
    e.raw_row,
    e.reason
FROM temp.clean_read_events AS e
WHERE e.reason IS NOT NULL
UNION ALL
SELECT
    d.table_name,
    d.raw_row,
    'duplicate id' AS reason
FROM temp.clean_duplicates AS d;

CREATE OR REPLACE TABLE clean.rejected_users AS
SELECT
    u.*,
    x.reason
FROM raw.users AS u
JOIN temp.clean_rejected AS x ON x.table_name = 'users' AND x.raw_row = u.rowid;

CREATE OR REPLACE TABLE clean.rejected_games AS
SELECT
    g.*,
    x.reason
FROM raw.games AS g
JOIN temp.clean_rejected AS x ON x.table_name = 'games' AND x.raw_row = g.rowid;

CREATE OR REPLACE TABLE clean.rejected_events AS
SELECT
    e.*,
    x.reason
FROM raw.events AS e
JOIN temp.clean_rejected AS x ON x.table_name = 'events' AND x.raw_row = e.rowid;

-- The rows that are kept, and the sessions of their events.

CREATE OR REPLACE TABLE clean.users AS
SELECT
    u.typed_id AS user_id,
    u.clean_age AS age_range,
    u.typed_date AS registration_date,
    u.clean_email AS email,
    u.clean_frequency AS workout_frequency,
    u.clean_gender AS gender,
    u.clean_location AS location,
    u.clean_subscription AS subscription_type
FROM temp.clean_read_users AS u
ANTI JOIN (
    SELECT x.raw_row
    FROM temp.clean_rejected AS x
    WHERE x.table_name = 'users'
) AS x ON x.raw_row = u.raw_row;

CREATE OR REPLACE TABLE clean.games AS
SELECT
    g.typed_id AS game_id,
    g.clean_type AS game_type,
    g.clean_name AS game_name,
    g.clean_platform AS platform,
    g.clean_difficulty AS difficulty
FROM temp.clean_read_games AS g
ANTI JOIN (
    SELECT x.raw_row
    FROM temp.clean_rejected AS x
    WHERE x.table_name = 'games'
) AS x ON x.raw_row = g.raw_row;

CREATE OR REPLACE TABLE clean.events AS
SELECT
    e.typed_id AS event_id,
    e.typed_game AS game_id,
    e.typed_user AS user_id,
    e.typed_time AS event_time,
    e.clean_type AS event_type,
    e.typed_duration AS duration_seconds,
    e.clean_device AS device_type
FROM temp.clean_read_events AS e
ANTI JOIN (
    SELECT x.raw_row
    FROM temp.clean_rejected AS x
    WHERE x.table_name = 'events'
) AS x ON x.raw_row = e.raw_row;

-- One pass over the events gives them their sessions; what is kept of it are sums.
CREATE OR REPLACE TABLE clean.session_games AS
SELECT
    s.user_id,
    s.session_number,
    s.game_id,
    min(s.event_time) AS first_event_time,
    max(s.event_time) AS last_event_time,
    count(*) AS events,
    coalesce(sum(s.duration_seconds), 0)::BIGINT AS seconds_played
FROM amz.sessionize('clean.events', max_gap := INTERVAL 30 MINUTE) AS s
GROUP BY
    s.user_id,
    s.session_number,
    s.game_id;

CREATE OR REPLACE TABLE clean.sessions AS
SELECT
    g.user_id,
    g.session_number,
    min(g.first_event_time) AS session_start,
    max(g.last_event_time) AS session_end,
    date_sub('second', min(g.first_event_time), max(g.last_event_time)) AS session_seconds,
    sum(g.events)::BIGINT AS events,
    sum(g.seconds_played)::BIGINT AS seconds_played
FROM clean.session_games AS g
GROUP BY
    g.user_id,
    g.session_number;

-- clean.corrections: what was missing or changed; then nothing is lost.

-- The values of the rows that were kept, and what became of them.
CREATE OR REPLACE TABLE clean.corrections AS
WITH kept_users AS (
    SELECT u.*
    FROM temp.clean_read_users AS u
    ANTI JOIN (
        SELECT x.raw_row
        FROM temp.clean_rejected AS x
        WHERE x.table_name = 'users'
    ) AS x ON x.raw_row = u.raw_row
),

kept_games AS (
    SELECT g.*
    FROM temp.clean_read_games AS g
    ANTI JOIN (
        SELECT x.raw_row
        FROM temp.clean_rejected AS x
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
    FROM temp.clean_read_events AS e
    ANTI JOIN (
        SELECT x.raw_row
        FROM temp.clean_rejected AS x
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
LEFT JOIN temp.clean_categories AS c ON c.column_name = v.column_name AND c.raw_value = v.raw_value
WHERE c.rule IS DISTINCT FROM 'exact'
ORDER BY ALL;

SET VARIABLE clean_check = (
    SELECT
        string_agg(
            if(
                counts.raw_rows <> counts.clean_rows + counts.rejected_rows,
                error(
                    '10_clean: '
                    || counts.raw_rows
                    || ' raw rows of '
                    || counts.table_name
                    || ' are not '
                    || counts.clean_rows || ' + ' || counts.rejected_rows || ' rejected rows'
                ),
                NULL
            )
        )
    FROM (
        SELECT
            'users' AS table_name,
            (SELECT count(*) FROM raw.users) AS raw_rows,
            (SELECT count(*) FROM clean.users) AS clean_rows,
            (SELECT count(*) FROM clean.rejected_users) AS rejected_rows
        UNION ALL
        SELECT
            'games' AS table_name,
            (SELECT count(*) FROM raw.games) AS raw_rows,
            (SELECT count(*) FROM clean.games) AS clean_rows,
            (SELECT count(*) FROM clean.rejected_games) AS rejected_rows
        UNION ALL
        SELECT
            'events' AS table_name,
            (SELECT count(*) FROM raw.events) AS raw_rows,
            (SELECT count(*) FROM clean.events) AS clean_rows,
            (SELECT count(*) FROM clean.rejected_events) AS rejected_rows
    ) AS counts
);

SET VARIABLE run_counts = (
    SELECT
        {
            'rows_in': k.users + k.games + k.events + r.rows_rejected,
            'rows': k.events,
            'rows_replaced': getvariable('replaced_rows'),
            'rows_rejected': r.rows_rejected,
            'message': k.users || ' users, ' || k.games || ' games, ' || k.events || ' events, '
            || r.rows_rejected || ' rows rejected, ' || getvariable('replaced_rows')
            || ' events replaced'
        }
    FROM (
        SELECT
            (SELECT count(*) FROM clean.users) AS users,
            (SELECT count(*) FROM clean.games) AS games,
            (SELECT count(*) FROM clean.events) AS events
    ) AS k
    CROSS JOIN (SELECT count(*) AS rows_rejected FROM temp.clean_rejected) AS r
);

DELETE FROM raw.pipeline_runs AS r
WHERE
    r.run_id = getvariable('current_run')
    AND r.step = '10_clean'
    AND r.started_at = getvariable('run_started')
    AND r.status = 'started';

-- now() stands still in a transaction, the clock of a new UUID does not.
INSERT INTO raw.pipeline_runs
SELECT
    getvariable('current_run') AS run_id,
    '10_clean' AS step,
    getvariable('run_started') AS started_at,
    t.finished_at,
    getvariable('run_counts').rows AS rows,
    'done' AS status,
    getvariable('run_counts').rows_in AS rows_in,
    getvariable('run_counts').rows_replaced AS rows_replaced,
    getvariable('run_counts').rows_rejected AS rows_rejected,
    date_diff('microsecond', getvariable('run_started'), t.finished_at) / 1e6 AS seconds,
    getvariable('run_counts').message AS message,
    (
        SELECT map_from_entries(list({'name': v.name, 'value': v.value::VARCHAR} ORDER BY v.name))
        FROM duckdb_variables() AS v
        WHERE
            v.name IN (
                'min_time',
                'max_time',
                'event_types',
                'cities',
                'genres',
                'platforms',
                'difficulties',
                'device_types',
                'age_ranges',
                'genders',
                'workout_frequencies',
                'subscription_types'
            )
    ) AS parameters,
    i.version AS amazing_version,
    version() AS duckdb_version
FROM amazing_info() AS i
CROSS JOIN (
    SELECT make_timestamp(epoch_us(uuid_extract_timestamp(uuidv7()))) AS finished_at
) AS t;

DROP TABLE temp.clean_rejected;

DROP TABLE temp.clean_duplicates;

DROP VIEW temp.clean_read_events;

DROP TABLE temp.clean_game_ids;

DROP TABLE temp.clean_user_ids;

DROP VIEW temp.clean_read_games;

DROP VIEW temp.clean_read_users;

DROP TABLE temp.clean_files;

DROP TABLE temp.clean_categories;

DROP TABLE temp.clean_matches_40;

DROP TABLE temp.clean_matches_75;

DROP TABLE temp.clean_values;

COMMIT;

SELECT
    o.table_name,
    o.outcome,
    count(*) AS row_count
FROM (
    SELECT
        'users' AS table_name,
        'kept' AS outcome
    FROM clean.users
    UNION ALL
    SELECT
        'users' AS table_name,
        x.reason
    FROM clean.rejected_users AS x
    UNION ALL
    SELECT
        'games' AS table_name,
        'kept' AS outcome
    FROM clean.games
    UNION ALL
    SELECT
        'games' AS table_name,
        x.reason
    FROM clean.rejected_games AS x
    UNION ALL
    SELECT
        'events' AS table_name,
        'kept' AS outcome
    FROM clean.events
    UNION ALL
    SELECT
        'events' AS table_name,
        x.reason
    FROM clean.rejected_events AS x
) AS o
GROUP BY ALL
ORDER BY
    o.table_name,
    row_count DESC,
    o.outcome;
