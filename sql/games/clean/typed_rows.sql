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
