-- Step 10_clean of the pipeline `marketplace`: text becomes typed events, and nothing disappears on
-- the way.
--
-- clean.events           one row: an event
-- clean.rejected_events  one row: a row of raw.all_events that is not an event, as it was, with the
--                        reason
-- clean.corrections      one row: a value that was changed in clean.events, with the number of its
--                        events
-- clean.unmatched_values one row: a type of event, or a category code or brand where those that
--                        there are were given, that nobody knows the meaning of, with the number of
--                        its raw rows and the entry that is nearest
-- config.category_map    one row: a value of these, and what it is to be taken for: yours to fill;
--                        the next run reads it so, or as nothing where that is NULL
-- clean.cleaned_files    one row: a file whose rows are in these tables
--
-- Parameters (session variables):
--   min_time        events before it are none (2000-01-01)
--   max_time        events after it are none; a day counts to its end (the day after the one on
--                   which the file was loaded)
--   event_types     other names for the types of events, as a map from ours (view, cart,
--                   remove_from_cart, purchase) to theirs: MAP {'cart': ['addtocart']}
--   brands          the brands there are, as a list or, with other names for them, as a map
--                   (whatever the files hold)
--   category_codes  the category codes there are, likewise
--   rebuild         true makes the tables anew from all of raw.all_events (false)
--
-- The rows of files that are new are added, at the cost of these rows. The tables are made anew
-- where a file that is in them has changed or is gone, where another version of the extension made
-- them, and where a parameter has changed. In each case they hold the same rows: the rules below
-- are about a row, a file, or all rows of raw.all_events in whatever order they came.
--
-- Raw rows = events + rejected rows; the script checks it. Rules, with blanks around a value left
-- out of account:
--   event_time    as exact_timestamp takes it, in UTC: `2019-10-01 00:00:00 UTC`, with `T`, a
--                 fraction, `Z`, an offset
--   event_type    repaired by category_match
--   identifiers   digits only: a cast would take `1.5` and `2.1E+18` and make other numbers of them
--   category_id   may be absent; a mangled one becomes NULL and a correction
--   category_code, brand
--                 in small letters, with single blanks; what is not among the brands and
--                 category_codes that are given is repaired by category_match, or stays where that
--                 finds none
--   price         at most two decimals that count, at most 16 digits before the point, not negative
--   user_session  any text; a UUID in small letters. In a file where nine of ten rows have a UUID,
--                 the beginning of one is a line that was cut inside its last field
-- Of rows that are equal in all columns of clean.events, however they were written, one stays: in
-- the file that is first by name, there the first by its text. The others are duplicates.
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

-- The tables, and whether they are made anew.

CREATE SCHEMA IF NOT EXISTS clean;

-- What a value is to be taken for: yours to fill, the pipeline only reads it. A replacement that is
-- NULL says that the value means nothing.
CREATE SCHEMA IF NOT EXISTS config;

CREATE TABLE IF NOT EXISTS config.category_map (
    column_name VARCHAR NOT NULL,
    value VARCHAR NOT NULL,
    replacement VARCHAR,
    PRIMARY KEY (column_name, value)
);

CREATE TABLE IF NOT EXISTS clean.events (
    event_time TIMESTAMP,
    event_type VARCHAR,
    product_id BIGINT,
    category_id VARCHAR,
    category_code VARCHAR,
    category_1 VARCHAR,
    category_2 VARCHAR,
    category_3 VARCHAR,
    brand VARCHAR,
    price DECIMAL(18, 2),
    user_id BIGINT,
    user_session VARCHAR
);

CREATE TABLE IF NOT EXISTS clean.rejected_events (
    event_time VARCHAR,
    event_type VARCHAR,
    product_id VARCHAR,
    category_id VARCHAR,
    category_code VARCHAR,
    brand VARCHAR,
    price VARCHAR,
    user_id VARCHAR,
    user_session VARCHAR,
    file_name VARCHAR,
    reason VARCHAR
);

CREATE TABLE IF NOT EXISTS clean.corrections (
    table_name VARCHAR,
    column_name VARCHAR,
    raw_value VARCHAR,
    clean_value VARCHAR,
    rule VARCHAR,
    row_count BIGINT
);

CREATE TABLE IF NOT EXISTS clean.unmatched_values (
    column_name VARCHAR,
    value VARCHAR,
    row_count BIGINT,
    nearest VARCHAR,
    similarity DOUBLE
);

-- The key stops a second run at the same time from adding the same file.
CREATE TABLE IF NOT EXISTS clean.cleaned_files (
    file_name VARCHAR PRIMARY KEY,
    fingerprint UHUGEINT NOT NULL,
    has_uuids BOOLEAN NOT NULL,
    amazing_version VARCHAR NOT NULL,
    parameters VARCHAR NOT NULL
);

-- What decides, beside the rows, what the tables hold.
SET VARIABLE clean_parameters = concat_ws(
    '; ',
    'min_time ' || getvariable('min_time')::VARCHAR,
    'max_time ' || getvariable('max_time')::VARCHAR,
    'event_types ' || getvariable('event_types')::VARCHAR,
    'brands ' || getvariable('brands')::VARCHAR,
    'category_codes ' || getvariable('category_codes')::VARCHAR,
    'category_map ' || (
        SELECT bit_xor(hash(m.column_name, m.value, m.replacement))
        FROM config.category_map AS m
    )
);

SET VARIABLE clean_check = (
    SELECT
        CASE
            WHEN count(*) < 3
                THEN error(
                    '10_clean: the tables of clean were made by an older version of these scripts;'
                    || ' to make them anew: DROP SCHEMA clean CASCADE'
                )
        END
    FROM (
        SELECT d.*
        FROM (DESCRIBE clean.events) AS d
        UNION ALL
        SELECT d.*
        FROM (DESCRIBE clean.cleaned_files) AS d
    ) AS c
    WHERE
        (c.column_name = 'price' AND c.column_type = 'DECIMAL(18,2)')
        OR (c.column_name = 'user_session' AND c.column_type = 'VARCHAR')
        OR c.column_name = 'parameters'
);

SET VARIABLE clean_rebuild = (
    SELECT
        coalesce(getvariable('rebuild')::BOOLEAN, false)
        OR count(*) = 0
        OR bool_or(
            f.file_name IS NULL
            OR c.amazing_version <> i.version
            OR c.parameters <> getvariable('clean_parameters')
        )
    FROM clean.cleaned_files AS c
    CROSS JOIN amazing_info() AS i
    LEFT JOIN raw.loaded_files AS f ON f.file_name = c.file_name AND f.fingerprint = c.fingerprint
);

SET VARIABLE replaced_rows = (
    SELECT count(*)
    FROM clean.events
    WHERE getvariable('clean_rebuild')
);

DELETE FROM clean.events
WHERE getvariable('clean_rebuild');

DELETE FROM clean.rejected_events
WHERE getvariable('clean_rebuild');

DELETE FROM clean.corrections
WHERE getvariable('clean_rebuild');

DELETE FROM clean.unmatched_values
WHERE getvariable('clean_rebuild');

DELETE FROM clean.cleaned_files
WHERE getvariable('clean_rebuild');

-- The rows to clean: those of new files, and of known ones those that can be equal to them.

-- The files, with the times that an event in them can have.
CREATE OR REPLACE TEMP TABLE clean_files AS
SELECT
    f.file_name,
    f.fingerprint,
    f.rows_loaded,
    c.file_name IS NULL AS is_new,
    c.has_uuids,
    coalesce(getvariable('min_time')::TIMESTAMP, TIMESTAMP '2000-01-01') AS min_time,
    coalesce(getvariable('max_time')::TIMESTAMP, f.loaded_at::DATE + INTERVAL 1 DAY) AS last_time,
    if(
        last_time = last_time::DATE, last_time + INTERVAL 1 DAY - INTERVAL 1 MICROSECOND, last_time
    ) AS max_time
FROM raw.loaded_files AS f
LEFT JOIN clean.cleaned_files AS c ON c.file_name = f.file_name;

CREATE OR REPLACE TEMP VIEW clean_new_rows AS
SELECT
    e.rowid AS raw_row,
    e.*
FROM raw.all_events AS e
WHERE e.file_name IN (SELECT f.file_name FROM temp.clean_files AS f WHERE f.is_new);

-- The days between which the times of new rows are, one more at each end because of the offset from
-- UTC, and whether a text begins with a blank; without rows where no file is known.
CREATE OR REPLACE TEMP TABLE clean_new_days AS
SELECT
    strftime(min(t.moment)::DATE - 1, '%Y-%m-%d') AS first_day,
    strftime(max(t.moment)::DATE + 2, '%Y-%m-%d') AS day_behind,
    (SELECT count(*) FROM raw.all_events AS e WHERE e.event_time BETWEEN ' ' AND '!') > 0
        AS has_blanks
FROM (
    SELECT coalesce(exact_timestamp(r.event_time), exact_timestamp(trim(r.event_time))) AS moment
    FROM temp.clean_new_rows AS r
    JOIN (
        SELECT n.*
        FROM temp.clean_files AS n
        CROSS JOIN (SELECT count(*) AS known FROM temp.clean_files AS k WHERE NOT k.is_new) AS f
        WHERE f.known > 0
    ) AS f ON f.file_name = r.file_name
    WHERE moment BETWEEN f.min_time AND f.max_time
) AS t;

-- A variable, so that a scan knows before it begins which rows it can leave out.
SET VARIABLE clean_new_days = (
    SELECT {'first_day': d.first_day, 'day_behind': d.day_behind, 'has_blanks': d.has_blanks}
    FROM temp.clean_new_days AS d
);

-- Rows of known files that can be equal to a new one: those whose text begins with a day between
-- theirs, which in the order of months leaves old files unread. Where texts begin with blanks, all.
CREATE OR REPLACE TEMP VIEW clean_known_rows AS
SELECT
    e.rowid AS raw_row,
    e.*
FROM raw.all_events AS e
WHERE
    e.file_name IN (SELECT f.file_name FROM temp.clean_files AS f WHERE NOT f.is_new)
    AND (
        getvariable('clean_new_days').has_blanks
        OR (
            e.event_time >= getvariable('clean_new_days').first_day
            AND e.event_time < getvariable('clean_new_days').day_behind
        )
    );

CREATE OR REPLACE TEMP VIEW clean_rows AS
SELECT
    true AS is_new,
    n.*
FROM temp.clean_new_rows AS n
UNION ALL
SELECT
    false AS is_new,
    k.*
FROM temp.clean_known_rows AS k;

-- Files whose sessions are UUIDs, all but one of ten at most.
CREATE OR REPLACE TEMP TABLE clean_uuid_files AS
SELECT f.file_name
FROM temp.clean_files AS f
LEFT JOIN (
    SELECT
        r.file_name,
        count(*) AS row_count
    FROM temp.clean_new_rows AS r
    WHERE coalesce(exact_uuid(r.user_session), exact_uuid(trim(r.user_session))) IS NULL
    GROUP BY r.file_name
) AS o ON o.file_name = f.file_name
WHERE if(f.is_new, coalesce(o.row_count, 0) * 10 <= f.rows_loaded, f.has_uuids);

SET VARIABLE clean_uuid_files = (
    SELECT list(u.file_name)
    FROM temp.clean_uuid_files AS u
);

-- What becomes of texts that may be misspelt.

-- The types of events, with the names that the parameter event_types gives them.
SET VARIABLE clean_event_types = (
    SELECT map(list(t.name ORDER BY t.name), list(t.others ORDER BY t.name))
    FROM (
        SELECT
            n.name,
            coalesce(list(DISTINCT g.other) FILTER (g.other IS NOT NULL), []::VARCHAR[]) AS others
        FROM (SELECT unnest(['view', 'cart', 'remove_from_cart', 'purchase']) AS name) AS n
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
                    || ', the types are ' || array_to_string(['view', 'cart', 'remove_from_cart', 'purchase'], ', ')
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
    WHERE NOT list_contains(['view', 'cart', 'remove_from_cart', 'purchase'], g.name)
);

SET VARIABLE clean_blanks = ' ' || chr(9) || chr(160);

-- The values of texts that may be misspelt, with the number of their new rows. A table, because a
-- condition on the values would be moved before the count, and be tested of each row.
CREATE OR REPLACE TEMP TABLE clean_values AS
SELECT
    'event_type' AS column_name,
    r.event_type AS raw_value,
    count(*) FILTER (r.is_new) AS row_count
FROM temp.clean_rows AS r
GROUP BY r.event_type
UNION ALL
SELECT
    'category_id' AS column_name,
    r.category_id AS raw_value,
    count(*) FILTER (r.is_new) AS row_count
FROM temp.clean_rows AS r
GROUP BY r.category_id
UNION ALL
SELECT
    'category_code' AS column_name,
    r.category_code AS raw_value,
    count(*) FILTER (r.is_new) AS row_count
FROM temp.clean_rows AS r
GROUP BY r.category_code
UNION ALL
SELECT
    'brand' AS column_name,
    r.brand AS raw_value,
    count(*) FILTER (r.is_new) AS row_count
FROM temp.clean_rows AS r
GROUP BY r.brand;

-- What becomes of those that may not stay as they are: every type of event, and of the others those
-- that are mangled, in capitals or with blanks; every one where a vocabulary is given.
CREATE OR REPLACE TEMP TABLE clean_spellings AS
SELECT
    m.column_name,
    m.raw_value,
    m.row_count,
    m.read_as,
    m.match.rule AS match_rule,
    CASE m.column_name
        WHEN 'event_type' THEN m.match.normalized
        WHEN 'category_code'
            THEN
                coalesce(
                    m.match.normalized, nullif(regexp_replace(m.canonical, ' ?[.] ?', '.', 'g'), '')
                )
        WHEN 'brand' THEN coalesce(m.match.normalized, nullif(m.canonical, ''))
    END AS clean_value,
    CASE
        WHEN m.column_name = 'category_id' THEN 'mangled'
        WHEN m.is_answered THEN 'answer'
        WHEN m.column_name = 'event_type' OR m.match.normalized IS NOT NULL THEN m.match.rule
        ELSE if(clean_value IS NULL, 'empty', 'case')
    END AS rule
FROM (
    SELECT
        v.*,
        a.value IS NOT NULL AS is_answered,
        if(a.value IS NULL, v.raw_value, a.replacement) AS read_as,
        regexp_replace(
            trim(lower(read_as), getvariable('clean_blanks')), '[\s\x{a0}]+', ' ', 'g'
        ) AS canonical,
        CASE v.column_name
            WHEN 'event_type'
                THEN category_match(read_as, getvariable('clean_event_types'))
            WHEN 'category_code' THEN category_match(read_as, getvariable('category_codes'))
            WHEN 'brand' THEN category_match(read_as, getvariable('brands'))
        END AS match
    FROM temp.clean_values AS v
    LEFT JOIN config.category_map AS a ON a.column_name = v.column_name AND a.value = v.raw_value
    WHERE
        a.value IS NOT NULL
        OR CASE v.column_name
            WHEN 'event_type' THEN true
            WHEN 'category_id' THEN ltrim(trim(v.raw_value), '0123456789') <> ''
            WHEN 'category_code'
                THEN
                    getvariable('category_codes') IS NOT NULL
                    OR v.raw_value <> lower(trim(v.raw_value, getvariable('clean_blanks')))
                    OR regexp_matches(v.raw_value, '[\s\x{a0}]{2}|[\t\x{a0}]| [.]|[.] ')
            ELSE
                getvariable('brands') IS NOT NULL
                OR v.raw_value <> lower(trim(v.raw_value, getvariable('clean_blanks')))
                OR regexp_matches(v.raw_value, '[\s\x{a0}]{2}|[\t\x{a0}]')
        END
) AS m;

-- Whether a category code or a brand is written anew: where none is, they go as they are, which is
-- faster.
SET VARIABLE clean_respells = (
    SELECT count(*) > 0
    FROM temp.clean_spellings AS s
    WHERE s.column_name IN ('category_code', 'brand')
);

-- What nobody knows the meaning of, with the number of its rows and the entry that is nearest:
-- config.category_map takes answers.
CREATE OR REPLACE TEMP TABLE clean_all_unmatched AS
SELECT
    u.column_name,
    u.value,
    sum(u.row_count)::BIGINT AS row_count,
    u.nearest,
    u.similarity
FROM (
    SELECT *
    FROM clean.unmatched_values
    UNION ALL
    SELECT
        n.column_name,
        n.raw_value AS value,
        n.row_count,
        coalesce(n.match.normalized, n.match.runner_up) AS nearest,
        n.match.similarity AS similarity
    FROM (
        SELECT
            s.*,
            CASE s.column_name
                WHEN 'event_type'
                    THEN category_match(s.read_as, getvariable('clean_event_types'), 0.4)
                WHEN 'category_code'
                    THEN category_match(s.read_as, getvariable('category_codes'), 0.4)
                WHEN 'brand' THEN category_match(s.read_as, getvariable('brands'), 0.4)
            END AS match
        FROM temp.clean_spellings AS s
        WHERE
            s.match_rule IN ('none', 'ambiguous')
            AND s.row_count > 0
    ) AS n
) AS u
GROUP BY ALL;

CREATE OR REPLACE TABLE clean.unmatched_values AS
SELECT *
FROM temp.clean_all_unmatched
ORDER BY ALL;

-- Rows that are equal to others.

-- Only rows whose hash occurs twice are compared in full; it is of three columns, because these
-- tell nearly all rows apart and the others need not be read.
CREATE OR REPLACE TEMP VIEW clean_hashed_rows AS
SELECT
    t.raw_row,
    if(
        t.typed_time IS NULL, NULL, (hash(t.typed_time, t.typed_product, t.typed_user) >> 1)::BIGINT
    ) AS row_hash
FROM (
    SELECT
        r.raw_row,
        coalesce(exact_timestamp(r.event_time), exact_timestamp(trim(r.event_time))) AS typed_time,
        coalesce(exact_bigint(r.product_id), exact_bigint(trim(r.product_id))) AS typed_product,
        coalesce(exact_bigint(r.user_id), exact_bigint(trim(r.user_id))) AS typed_user
    FROM temp.clean_rows AS r
) AS t;

CREATE OR REPLACE TEMP TABLE clean_repeated_rows AS
SELECT h.raw_row
FROM temp.clean_hashed_rows AS h
WHERE
    h.row_hash IN (
        SELECT unnest(repeated_values(r.row_hash)) AS row_hash
        FROM temp.clean_hashed_rows AS r
    );

CREATE OR REPLACE TEMP VIEW clean_repeats AS
SELECT
    f.is_new,
    e.rowid AS raw_row,
    e.*
FROM raw.all_events AS e
JOIN temp.clean_files AS f ON f.file_name = e.file_name
WHERE e.rowid IN (SELECT r.raw_row FROM temp.clean_repeated_rows AS r);

-- Rows with their typed values.

-- Each row of clean_new_rows with its typed values and, unless it is an event or a duplicate of one,
-- the reason why not. Casts would take more than is an event. Most values have no blanks around
-- them: those of the others are taken off in a second try.
CREATE OR REPLACE TEMP VIEW clean_typed_new_rows AS
SELECT
    e.*,
    CASE
        WHEN e.typed_time IS NULL THEN 'bad time'
        WHEN e.typed_time NOT BETWEEN e.min_time AND e.max_time THEN 'implausible time'
        WHEN e.typed_type IS NULL THEN 'unknown event_type'
        WHEN e.typed_product IS NULL AND coalesce(trim(e.product_id), '') = '' THEN 'no product'
        WHEN e.typed_product IS NULL THEN 'bad product'
        WHEN e.typed_price IS NULL THEN 'bad price'
        WHEN e.typed_price < 0 THEN 'negative price'
        WHEN e.typed_user IS NULL AND coalesce(trim(e.user_id), '') = '' THEN 'no user'
        WHEN e.typed_user IS NULL THEN 'bad user'
        WHEN e.typed_session IS NULL AND coalesce(trim(e.user_session), '') = '' THEN 'no session'
        WHEN e.typed_session IS NULL THEN 'bad session'
    END AS reason
FROM (
    SELECT
        r.*,
        f.min_time,
        f.max_time,
        coalesce(exact_timestamp(r.event_time), exact_timestamp(trim(r.event_time))) AS typed_time,
        coalesce(exact_bigint(r.product_id), exact_bigint(trim(r.product_id))) AS typed_product,
        coalesce(exact_bigint(r.user_id), exact_bigint(trim(r.user_id))) AS typed_user,
        t.clean_value AS typed_type,
        if(ltrim(trim(r.category_id), '0123456789') = '', nullif(trim(r.category_id), ''), NULL)
            AS typed_category,
        if(
            getvariable('clean_respells') AND c.raw_value IS NOT NULL,
            c.clean_value,
            nullif(r.category_code, '')
        ) AS typed_code,
        if(
            getvariable('clean_respells') AND b.raw_value IS NOT NULL,
            b.clean_value,
            nullif(r.brand, '')
        ) AS typed_brand,
        coalesce(exact_decimal(r.price), exact_decimal(trim(r.price))) AS typed_price,
        CASE
            WHEN exact_uuid(r.user_session) IS NOT NULL THEN lower(r.user_session)
            WHEN exact_uuid(trim(r.user_session)) IS NOT NULL THEN lower(trim(r.user_session))
            WHEN
                list_contains(getvariable('clean_uuid_files'), r.file_name)
                AND exact_uuid(
                    trim(r.user_session)
                    || substr(
                        '00000000-0000-0000-0000-000000000000',
                        strlen(trim(r.user_session))::INTEGER + 1
                    )
                ) IS NOT NULL
                THEN NULL
            ELSE nullif(trim(r.user_session), '')
        END AS typed_session
    FROM temp.clean_new_rows AS r
    JOIN temp.clean_files AS f ON f.file_name = r.file_name
    LEFT JOIN temp.clean_spellings AS t
        ON t.column_name = 'event_type' AND t.raw_value = r.event_type
    LEFT JOIN temp.clean_spellings AS c
        ON c.column_name = 'category_code' AND c.raw_value = r.category_code
    LEFT JOIN temp.clean_spellings AS b ON b.column_name = 'brand' AND b.raw_value = r.brand
) AS e;

-- Each row of clean_repeats with its typed values and, unless it is an event or a duplicate of one,
-- the reason why not. Casts would take more than is an event. Most values have no blanks around
-- them: those of the others are taken off in a second try.
CREATE OR REPLACE TEMP VIEW clean_typed_repeats AS
SELECT
    e.*,
    CASE
        WHEN e.typed_time IS NULL THEN 'bad time'
        WHEN e.typed_time NOT BETWEEN e.min_time AND e.max_time THEN 'implausible time'
        WHEN e.typed_type IS NULL THEN 'unknown event_type'
        WHEN e.typed_product IS NULL AND coalesce(trim(e.product_id), '') = '' THEN 'no product'
        WHEN e.typed_product IS NULL THEN 'bad product'
        WHEN e.typed_price IS NULL THEN 'bad price'
        WHEN e.typed_price < 0 THEN 'negative price'
        WHEN e.typed_user IS NULL AND coalesce(trim(e.user_id), '') = '' THEN 'no user'
        WHEN e.typed_user IS NULL THEN 'bad user'
        WHEN e.typed_session IS NULL AND coalesce(trim(e.user_session), '') = '' THEN 'no session'
        WHEN e.typed_session IS NULL THEN 'bad session'
    END AS reason
FROM (
    SELECT
        r.*,
        f.min_time,
        f.max_time,
        coalesce(exact_timestamp(r.event_time), exact_timestamp(trim(r.event_time))) AS typed_time,
        coalesce(exact_bigint(r.product_id), exact_bigint(trim(r.product_id))) AS typed_product,
        coalesce(exact_bigint(r.user_id), exact_bigint(trim(r.user_id))) AS typed_user,
        t.clean_value AS typed_type,
        if(ltrim(trim(r.category_id), '0123456789') = '', nullif(trim(r.category_id), ''), NULL)
            AS typed_category,
        if(
            getvariable('clean_respells') AND c.raw_value IS NOT NULL,
            c.clean_value,
            nullif(r.category_code, '')
        ) AS typed_code,
        if(
            getvariable('clean_respells') AND b.raw_value IS NOT NULL,
            b.clean_value,
            nullif(r.brand, '')
        ) AS typed_brand,
        coalesce(exact_decimal(r.price), exact_decimal(trim(r.price))) AS typed_price,
        CASE
            WHEN exact_uuid(r.user_session) IS NOT NULL THEN lower(r.user_session)
            WHEN exact_uuid(trim(r.user_session)) IS NOT NULL THEN lower(trim(r.user_session))
            WHEN
                list_contains(getvariable('clean_uuid_files'), r.file_name)
                AND exact_uuid(
                    trim(r.user_session)
                    || substr(
                        '00000000-0000-0000-0000-000000000000',
                        strlen(trim(r.user_session))::INTEGER + 1
                    )
                ) IS NOT NULL
                THEN NULL
            ELSE nullif(trim(r.user_session), '')
        END AS typed_session
    FROM temp.clean_repeats AS r
    JOIN temp.clean_files AS f ON f.file_name = r.file_name
    LEFT JOIN temp.clean_spellings AS t
        ON t.column_name = 'event_type' AND t.raw_value = r.event_type
    LEFT JOIN temp.clean_spellings AS c
        ON c.column_name = 'category_code' AND c.raw_value = r.category_code
    LEFT JOIN temp.clean_spellings AS b ON b.column_name = 'brand' AND b.raw_value = r.brand
) AS e;

-- Which of equal rows stays.

-- Rows that do not become events because others are equal. A new row may be the one to stay where
-- an equal one is an event already: then the event is left, and the row that it came of is
-- rejected.
CREATE OR REPLACE TEMP TABLE clean_duplicates AS
WITH copies AS (
    SELECT
        r.raw_row,
        r.is_new,
        row_number() OVER (equal_rows ORDER BY r.file_name, r.texts, r.raw_row) AS copy_number,
        row_number() OVER (
            equal_rows
            ORDER BY r.is_new, r.file_name, r.texts, r.raw_row
        ) AS known_number,
        bool_or(NOT r.is_new) OVER equal_rows AS is_known
    FROM (
        SELECT
            t.*,
            [
                t.event_time,
                t.event_type,
                t.product_id,
                t.category_id,
                t.category_code,
                t.brand,
                t.price,
                t.user_id,
                t.user_session
            ] AS texts
        FROM temp.clean_typed_repeats AS t
        WHERE t.reason IS NULL
    ) AS r
    WINDOW
        equal_rows AS (
            PARTITION BY
                r.typed_time,
                r.typed_type,
                r.typed_product,
                r.typed_category,
                r.typed_code,
                r.typed_brand,
                r.typed_price,
                r.typed_user,
                r.typed_session
        )
)

SELECT
    c.raw_row,
    c.is_new,
    c.copy_number > 1 AS is_rejected
FROM copies AS c
WHERE if(c.is_new, c.copy_number > 1 OR c.is_known, c.known_number = 1 AND c.copy_number > 1);

-- The rows that are events, and those that are not.

SET VARIABLE clean_before = (
    SELECT count(*)
    FROM clean.events
);

-- As in 00_raw: what is written here is as small with a dictionary as with FSST, which is not
-- tried.
SET VARIABLE clean_no_compression = current_setting('disabled_compression_methods');

SET disabled_compression_methods = concat_ws(
    ',',
    nullif(getvariable('clean_no_compression'), ''),
    'fsst'
);

-- A join, because a filter on the reason would make each typed value twice: for the filter and for
-- the result.
INSERT INTO clean.events
SELECT
    r.typed_time AS event_time,
    r.typed_type AS event_type,
    r.typed_product AS product_id,
    r.typed_category AS category_id,
    r.typed_code AS category_code,
    nullif(string_split(r.typed_code, '.')[1], '') AS category_1,
    nullif(string_split(r.typed_code, '.')[2], '') AS category_2,
    nullif(string_split(r.typed_code, '.')[3], '') AS category_3,
    r.typed_brand AS brand,
    r.typed_price AS price,
    r.typed_user AS user_id,
    r.typed_session AS user_session
FROM temp.clean_typed_new_rows AS r
LEFT JOIN temp.clean_duplicates AS d ON d.raw_row = r.raw_row
JOIN (SELECT true AS is_event) AS x ON x.is_event = (r.reason IS NULL AND d.raw_row IS NULL);

SET disabled_compression_methods = getvariable('clean_no_compression');

-- Rows that are no events: few, as a rule, and often none but duplicates. Then the counts show it,
-- and the others need no second look.
SET VARIABLE clean_has_defects = (
    SELECT n.rows - d.rows <> e.rows - getvariable('clean_before')
    FROM (SELECT count(*) AS rows FROM temp.clean_new_rows) AS n
    CROSS JOIN (SELECT count(*) AS rows FROM temp.clean_duplicates AS d WHERE d.is_new) AS d
    CROSS JOIN (SELECT count(*) AS rows FROM clean.events) AS e
);

CREATE OR REPLACE TEMP TABLE clean_rejected AS
SELECT
    d.raw_row,
    'duplicate' AS reason
FROM temp.clean_duplicates AS d
WHERE d.is_rejected
UNION ALL
SELECT
    r.raw_row,
    r.reason
FROM temp.clean_typed_new_rows AS r
WHERE getvariable('clean_has_defects') AND r.reason IS NOT NULL;

CREATE OR REPLACE TEMP TABLE clean_rejected_rows AS
SELECT
    e.*,
    x.reason
FROM raw.all_events AS e
JOIN temp.clean_rejected AS x ON x.raw_row = e.rowid;

INSERT INTO clean.rejected_events
SELECT *
FROM temp.clean_rejected_rows;

-- clean.corrections and the files that are in the tables; then nothing is lost.

-- Corrections are of events: of all new rows, less those that were rejected now.
CREATE OR REPLACE TEMP TABLE clean_all_corrections AS
WITH rejected_values AS (
    SELECT
        unnest(
            [
                {'column_name': 'event_type', 'raw_value': r.event_type},
                {'column_name': 'category_id', 'raw_value': r.category_id},
                {'column_name': 'category_code', 'raw_value': r.category_code},
                {'column_name': 'brand', 'raw_value': r.brand}
            ],
            recursive := true
        )
    FROM temp.clean_rejected_rows AS r
),

rejected_counts AS (
    SELECT
        v.column_name,
        v.raw_value,
        count(*) AS row_count
    FROM rejected_values AS v
    GROUP BY
        v.column_name,
        v.raw_value
)

SELECT
    c.table_name,
    c.column_name,
    c.raw_value,
    c.clean_value,
    c.rule,
    sum(c.row_count)::BIGINT AS row_count
FROM (
    SELECT *
    FROM clean.corrections
    UNION ALL
    SELECT
        'events' AS table_name,
        s.column_name,
        s.raw_value,
        s.clean_value,
        s.rule,
        s.row_count - coalesce(r.row_count, 0) AS row_count
    FROM temp.clean_spellings AS s
    LEFT JOIN rejected_counts AS r ON r.column_name = s.column_name AND r.raw_value = s.raw_value
    WHERE s.raw_value IS NOT NULL AND s.clean_value IS DISTINCT FROM s.raw_value
) AS c
GROUP BY ALL
HAVING sum(c.row_count) > 0;

CREATE OR REPLACE TABLE clean.corrections AS
SELECT *
FROM temp.clean_all_corrections
ORDER BY ALL;

INSERT INTO clean.cleaned_files
SELECT
    f.file_name,
    f.fingerprint,
    coalesce(list_contains(getvariable('clean_uuid_files'), f.file_name), false),
    i.version,
    getvariable('clean_parameters')
FROM temp.clean_files AS f
CROSS JOIN amazing_info() AS i
WHERE f.is_new;

SET VARIABLE clean_check = (
    SELECT
        if(
            counts.raw_rows <> counts.events + counts.rejected,
            error(
                '10_clean: '
                || counts.raw_rows
                || ' raw rows are not '
                || counts.events
                || ' events + '
                || counts.rejected
                || ' rejected rows; to make the tables of clean anew: SET VARIABLE rebuild = true'
            ),
            NULL
        )
    FROM (
        SELECT
            (SELECT count(*) FROM raw.all_events) AS raw_rows,
            (SELECT count(*) FROM clean.events) AS events,
            (SELECT count(*) FROM clean.rejected_events) AS rejected
    ) AS counts
);

SET VARIABLE run_counts = (
    SELECT
        {
            'rows_in': n.rows_in,
            'rows': e.rows,
            'rows_replaced': getvariable('replaced_rows'),
            'rows_rejected': r.rows_rejected,
            'message': n.rows_in || ' rows of ' || n.files || ' new files, ' || r.rows_rejected
            || ' rows rejected, ' || getvariable('replaced_rows') || ' events replaced; ' || e.rows
            || ' events in all'
        }
    FROM (
        SELECT
            count(*) AS files,
            coalesce(sum(f.rows_loaded), 0)::BIGINT AS rows_in
        FROM temp.clean_files AS f
        WHERE f.is_new
    ) AS n
    CROSS JOIN (SELECT count(*) AS rows FROM clean.events) AS e
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
                'brands',
                'category_codes',
                'rebuild'
            )
    ) AS parameters,
    i.version AS amazing_version,
    version() AS duckdb_version
FROM amazing_info() AS i
CROSS JOIN (
    SELECT make_timestamp(epoch_us(uuid_extract_timestamp(uuidv7()))) AS finished_at
) AS t;

DROP TABLE temp.clean_all_corrections;

DROP TABLE temp.clean_rejected_rows;

DROP TABLE temp.clean_rejected;

DROP TABLE temp.clean_duplicates;

DROP VIEW temp.clean_typed_repeats;

DROP VIEW temp.clean_typed_new_rows;

DROP VIEW temp.clean_repeats;

DROP TABLE temp.clean_repeated_rows;

DROP VIEW temp.clean_hashed_rows;

DROP TABLE temp.clean_all_unmatched;

DROP TABLE temp.clean_spellings;

DROP TABLE temp.clean_values;

DROP TABLE temp.clean_uuid_files;

DROP VIEW temp.clean_rows;

DROP VIEW temp.clean_known_rows;

DROP TABLE temp.clean_new_days;

DROP VIEW temp.clean_new_rows;

DROP TABLE temp.clean_files;

COMMIT;

SELECT
    'events' AS outcome,
    count(*) AS row_count
FROM clean.events
HAVING count(*) > 0
UNION ALL
SELECT
    r.reason,
    count(*)
FROM clean.rejected_events AS r
GROUP BY r.reason
ORDER BY
    row_count DESC,
    outcome;
