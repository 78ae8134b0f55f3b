-- Step 10_clean of the pipeline `marketplace`: text becomes typed events, and nothing disappears on the way.
--
-- clean.events           one row: an event
-- clean.rejected_events  one row: a row of raw.all_events that is not an event, as it was, with the reason
-- clean.corrections      one row: a value that was changed in clean.events, with the number of its events
-- clean.cleaned_files    one row: a file whose rows are in these tables
--
-- Parameter (session variable):
--   rebuild  true makes the tables anew from all of raw.all_events (false)
--
-- The rows of files that are new are added, at the cost of these rows. The tables are made anew where a file that is in
-- them has changed or is gone, and where another version of the extension made them. In each case they hold the same
-- rows: the rules below are about a row, or about all rows of raw.all_events in whatever order they came.
--
-- Raw rows = events + rejected rows; the script checks it. Rules:
--   event_time   `2019-10-01 00:00:00 UTC`, or without ` UTC`, or with `T`; always read as UTC
--   event_type   repaired by normalize_category
--   identifiers  digits only: a cast would take `1.5` and `2.1E+18` and make other numbers of them
--   category_id  may be absent; a mangled one becomes NULL and a correction
--   price        at most two decimals that count, not negative
--   user_session a UUID, upper and lower case are the same: a line cut inside its last field shows here only
-- Of equal rows (all nine columns, in one file or several) one stays, in the file that is first by name; the others are
-- duplicates.

SET VARIABLE current_run = coalesce(getvariable('run_id'), getvariable('current_run'), uuid()::VARCHAR);

BEGIN TRANSACTION;

CREATE SCHEMA IF NOT EXISTS clean;

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
    price DECIMAL(10, 2),
    user_id BIGINT,
    user_session UUID
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

-- The key stops a second run at the same time from adding the same file.
CREATE TABLE IF NOT EXISTS clean.cleaned_files (
    file_name VARCHAR PRIMARY KEY,
    fingerprint UHUGEINT NOT NULL,
    amazing_version VARCHAR NOT NULL
);

SET VARIABLE clean_rebuild = (
    SELECT
        coalesce(getvariable('rebuild')::BOOLEAN, false)
        OR count(*) = 0
        OR bool_or(f.file_name IS NULL OR c.amazing_version <> i.version)
    FROM clean.cleaned_files AS c
    CROSS JOIN amazing_info() AS i
    LEFT JOIN raw.loaded_files AS f ON f.file_name = c.file_name AND f.fingerprint = c.fingerprint
);

DELETE FROM clean.events
WHERE getvariable('clean_rebuild');

DELETE FROM clean.rejected_events
WHERE getvariable('clean_rebuild');

DELETE FROM clean.corrections
WHERE getvariable('clean_rebuild');

DELETE FROM clean.cleaned_files
WHERE getvariable('clean_rebuild');

CREATE OR REPLACE TEMP TABLE clean_new_files AS
SELECT
    f.file_name,
    f.fingerprint
FROM raw.loaded_files AS f
ANTI JOIN clean.cleaned_files AS c ON c.file_name = f.file_name;

CREATE OR REPLACE TEMP VIEW clean_new_rows AS
SELECT
    e.rowid AS raw_row,
    e.*
FROM raw.all_events AS e
WHERE e.file_name IN (SELECT n.file_name FROM temp.clean_new_files AS n);

SET VARIABLE clean_time_formats = [
    '%Y-%m-%d %H:%M:%S UTC', '%Y-%m-%d %H:%M:%S', '%Y-%m-%dT%H:%M:%S', '%Y-%m-%dT%H:%M:%SZ'
];

CREATE OR REPLACE TEMP TABLE clean_event_types AS
SELECT
    a.raw_value,
    a.normalized,
    a.rule
FROM amz.normalize_category(
    'temp.clean_new_rows',
    'event_type',
    ['view', 'cart', 'remove_from_cart', 'purchase']
) AS a;

-- Rows that can be equal to a new row have a time between those of the new rows, which in the order of months leaves old
-- files unread. Times that do not look like one, such as a word, are parsed: they are none, and would widen the bounds.
SET VARIABLE clean_bounds = (
    SELECT
        if(
            getvariable('clean_rebuild'),
            NULL,
            {'first': coalesce(min(t.event_time), ''), 'last': coalesce(max(t.event_time), '')}
        )
    FROM (
        SELECT
            CASE
                WHEN r.event_time LIKE '____-__-__%' THEN r.event_time
                WHEN try_strptime(r.event_time, getvariable('clean_time_formats')) IS NOT NULL THEN r.event_time
            END AS event_time
        FROM temp.clean_new_rows AS r
        WHERE NOT getvariable('clean_rebuild')
    ) AS t
);

CREATE OR REPLACE TEMP VIEW clean_similar_rows AS
SELECT
    e.rowid AS raw_row,
    e.*,
    (hash(e.event_time, e.product_id, e.user_id) >> 1)::BIGINT AS row_hash
FROM raw.all_events AS e
WHERE
    getvariable('clean_bounds') IS NULL
    OR e.event_time BETWEEN getvariable('clean_bounds').first AND getvariable('clean_bounds').last;

-- New rows that are duplicates, with the file whose row is rejected. Where the new row is the one to stay, that is the
-- row which stayed before: but for the file they are the same. Only rows whose hash occurs twice are compared in full;
-- of three columns, because these tell nearly all rows apart and the others need not be read.
CREATE OR REPLACE TEMP TABLE clean_duplicates AS
WITH repeated_hashes AS (
    SELECT unnest(repeated_values(e.row_hash)) AS row_hash
    FROM temp.clean_similar_rows AS e
),

copies AS (
    SELECT
        e.raw_row,
        e.file_name,
        e.category_id,
        n.file_name IS NOT NULL AS is_new,
        row_number() OVER (same_rows ORDER BY e.file_name, e.raw_row) AS copy_number,
        min(if(n.file_name IS NULL, e.file_name, NULL)) OVER same_rows AS known_file
    FROM temp.clean_similar_rows AS e
    LEFT JOIN temp.clean_new_files AS n ON n.file_name = e.file_name
    WHERE e.row_hash IN (SELECT h.row_hash FROM repeated_hashes AS h)
    WINDOW
        same_rows AS (
            PARTITION BY
                e.event_time, e.event_type, e.product_id, e.category_id, e.category_code,
                e.brand, e.price, e.user_id, e.user_session
        )
)

SELECT
    c.raw_row,
    if(c.copy_number > 1, c.file_name, c.known_file) AS file_name,
    c.category_id
FROM copies AS c
WHERE c.is_new AND (c.copy_number > 1 OR c.known_file IS NOT NULL);

-- Casts would take more than is an event. A time in one of the common ways of writing it needs no list of formats.
CREATE OR REPLACE TEMP VIEW clean_exact_rows AS
SELECT
    e.*,
    coalesce(
        exact_timestamp(e.event_time),
        try_strptime(e.event_time, getvariable('clean_time_formats'))
    ) AS typed_time,
    exact_bigint(e.product_id) AS typed_product,
    if(ltrim(e.category_id, '0123456789') = '', nullif(e.category_id, ''), NULL) AS typed_category,
    TRY_CAST(exact_decimal(e.price) AS DECIMAL(10, 2)) AS typed_price,
    exact_bigint(e.user_id) AS typed_user,
    exact_uuid(e.user_session) AS typed_session
FROM temp.clean_new_rows AS e;

-- Every new row with its typed values and the reason why it is not an event, if there is one.
CREATE OR REPLACE TEMP VIEW clean_typed_rows AS
SELECT
    e.*,
    t.normalized AS typed_type,
    t.rule AS type_rule,
    CASE
        WHEN e.typed_time IS NULL THEN 'bad time'
        WHEN typed_type IS NULL THEN 'unknown event_type'
        WHEN e.typed_product IS NULL AND coalesce(e.product_id, '') = '' THEN 'no product'
        WHEN e.typed_product IS NULL THEN 'bad product'
        WHEN e.typed_price IS NULL THEN 'bad price'
        WHEN e.typed_price < 0 THEN 'negative price'
        WHEN e.typed_user IS NULL AND coalesce(e.user_id, '') = '' THEN 'no user'
        WHEN e.typed_user IS NULL THEN 'bad user'
        WHEN e.typed_session IS NULL AND coalesce(e.user_session, '') = '' THEN 'no session'
        WHEN e.typed_session IS NULL THEN 'bad session'
        WHEN d.raw_row IS NOT NULL THEN 'duplicate'
    END AS reason,
    d.file_name AS duplicate_file
FROM temp.clean_exact_rows AS e
LEFT JOIN temp.clean_event_types AS t ON t.raw_value = e.event_type
LEFT JOIN temp.clean_duplicates AS d ON d.raw_row = e.raw_row;

SET VARIABLE clean_before = (
    SELECT
        {
            'events': count(*),
            'categories': count(e.category_id)
        }
    FROM clean.events AS e
);

-- As in 00_raw: what is written here is as small with a dictionary as with FSST, which is not tried.
SET VARIABLE clean_no_compression = current_setting('disabled_compression_methods');

SET disabled_compression_methods = concat_ws(',', nullif(getvariable('clean_no_compression'), ''), 'fsst');

-- A join, because `reason IS NULL` would make each typed value twice: for the filter and for the result.
INSERT INTO clean.events
SELECT
    r.typed_time AS event_time,
    r.typed_type AS event_type,
    r.typed_product AS product_id,
    r.typed_category AS category_id,
    nullif(r.category_code, '') AS category_code,
    nullif(string_split(r.category_code, '.')[1], '') AS category_1,
    nullif(string_split(r.category_code, '.')[2], '') AS category_2,
    nullif(string_split(r.category_code, '.')[3], '') AS category_3,
    nullif(r.brand, '') AS brand,
    r.typed_price AS price,
    r.typed_user AS user_id,
    r.typed_session AS user_session
FROM temp.clean_typed_rows AS r
JOIN (SELECT true AS is_event) AS x ON x.is_event = (r.reason IS NULL);

SET disabled_compression_methods = getvariable('clean_no_compression');

-- Rows that are not taken as they are: few, as a rule, and often none but duplicates. Then the counts show it, and the
-- others need no second look: where all rows but duplicates are events, a category that is not among theirs was mangled.
SET VARIABLE clean_has_defects = (
    SELECT
        n.rows - d.rows <> e.rows - getvariable('clean_before').events
        OR n.categories - d.categories <> e.categories - getvariable('clean_before').categories
        OR t.misspelt > 0
    FROM (
        SELECT
            count(*) AS rows,
            count(*) FILTER (r.category_id <> '') AS categories
        FROM temp.clean_new_rows AS r
    ) AS n
    CROSS JOIN (
        SELECT
            count(*) AS rows,
            count(*) FILTER (d.category_id <> '') AS categories
        FROM temp.clean_duplicates AS d
    ) AS d
    CROSS JOIN (
        SELECT
            count(*) AS rows,
            count(e.category_id) AS categories
        FROM clean.events AS e
    ) AS e
    CROSS JOIN (
        SELECT count(*) FILTER (t.raw_value <> t.normalized) AS misspelt
        FROM temp.clean_event_types AS t
    ) AS t
);

CREATE OR REPLACE TEMP TABLE clean_exceptional_rows AS
SELECT d.raw_row
FROM temp.clean_duplicates AS d
UNION
SELECT r.raw_row
FROM temp.clean_typed_rows AS r
WHERE
    getvariable('clean_has_defects')
    AND (r.reason IS NOT NULL OR r.event_type <> r.typed_type OR (r.category_id <> '' AND r.typed_category IS NULL));

-- The view above takes its rows from this one.
CREATE OR REPLACE TEMP VIEW clean_new_rows AS
SELECT
    e.rowid AS raw_row,
    e.*
FROM raw.all_events AS e
WHERE e.rowid IN (SELECT x.raw_row FROM temp.clean_exceptional_rows AS x);

CREATE OR REPLACE TEMP TABLE clean_exceptions AS
SELECT r.* EXCLUDE (typed_time, typed_product, typed_price, typed_user, typed_session)
FROM temp.clean_typed_rows AS r
WHERE r.reason IS NOT NULL OR r.event_type <> r.typed_type OR (r.category_id <> '' AND r.typed_category IS NULL);

INSERT INTO clean.rejected_events
SELECT
    x.* EXCLUDE (raw_row, typed_type, type_rule, typed_category, duplicate_file)
    REPLACE (if(x.reason = 'duplicate', x.duplicate_file, x.file_name) AS file_name)
FROM temp.clean_exceptions AS x
WHERE x.reason IS NOT NULL;

CREATE OR REPLACE TEMP TABLE clean_all_corrections AS
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
        'event_type' AS column_name,
        x.event_type AS raw_value,
        x.typed_type AS clean_value,
        x.type_rule AS rule,
        1 AS row_count
    FROM temp.clean_exceptions AS x
    WHERE x.reason IS NULL AND x.event_type <> x.typed_type
    UNION ALL
    SELECT
        'events' AS table_name,
        'category_id' AS column_name,
        x.category_id AS raw_value,
        NULL AS clean_value,
        'mangled' AS rule,
        1 AS row_count
    FROM temp.clean_exceptions AS x
    WHERE x.reason IS NULL AND x.category_id <> '' AND x.typed_category IS NULL
) AS c
GROUP BY ALL;

CREATE OR REPLACE TABLE clean.corrections AS
SELECT *
FROM temp.clean_all_corrections
ORDER BY ALL;

INSERT INTO clean.cleaned_files
SELECT
    n.file_name,
    n.fingerprint,
    i.version
FROM temp.clean_new_files AS n
CROSS JOIN amazing_info() AS i;

SET VARIABLE clean_check = (
    SELECT
        if(
            counts.raw_rows <> counts.events + counts.rejected,
            error(
                '10_clean: ' || counts.raw_rows || ' raw rows are not ' || counts.events || ' events + '
                || counts.rejected || ' rejected rows; to make the tables of clean anew: SET VARIABLE rebuild = true'
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

INSERT INTO raw.pipeline_runs
SELECT
    getvariable('current_run'),
    '10_clean',
    make_timestamp(epoch_us(now())),
    make_timestamp(epoch_us(uuid_extract_timestamp(uuidv7()))),
    (SELECT count(*) FROM clean.events);

DROP VIEW temp.clean_typed_rows;

DROP VIEW temp.clean_exact_rows;

DROP VIEW temp.clean_similar_rows;

DROP VIEW temp.clean_new_rows;

DROP TABLE temp.clean_new_files;

DROP TABLE temp.clean_event_types;

DROP TABLE temp.clean_duplicates;

DROP TABLE temp.clean_exceptional_rows;

DROP TABLE temp.clean_exceptions;

DROP TABLE temp.clean_all_corrections;

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
