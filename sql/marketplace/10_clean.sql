-- Step 10_clean of the pipeline `marketplace`: text becomes typed events, and nothing disappears on the way.
--
-- clean.events           one row: an event
-- clean.rejected_events  one row: a row of raw.all_events that is not an event, as it was, with the reason
-- clean.corrections      one row: a value that was changed in clean.events, with the number of its events
--
-- Raw rows = events + rejected rows; the script checks it. Rules:
--   event_time   `2019-10-01 00:00:00 UTC`, or without ` UTC`, or with `T`; UTC in any case
--   event_type   repaired by normalize_category
--   identifiers  digits only: a cast would take `1.5` and `2.1E+18` and make other numbers of them
--   category_id  may be absent; a mangled one becomes NULL and a correction
--   price        at most two decimals that count, not negative
--   user_session a UUID: a line cut inside its last field shows here only
-- Of equal rows (all nine columns) one stays; the others are duplicates.

SET VARIABLE current_run = coalesce(getvariable('run_id'), getvariable('current_run'), uuid()::VARCHAR);

BEGIN TRANSACTION;

CREATE SCHEMA IF NOT EXISTS clean;

CREATE OR REPLACE TEMP TABLE clean_event_types AS
SELECT
    a.raw_value,
    a.normalized,
    a.rule
FROM amz.normalize_category(
    'raw.all_events',
    'event_type',
    ['view', 'cart', 'remove_from_cart', 'purchase']
) AS a;

-- Only rows whose hash occurs twice are compared in full.
CREATE OR REPLACE TEMP TABLE clean_duplicates AS
WITH repeated_hashes AS (
    SELECT
        hash(
            e.event_time, e.event_type, e.product_id, e.category_id, e.category_code,
            e.brand, e.price, e.user_id, e.user_session
        ) AS row_hash
    FROM raw.all_events AS e
    GROUP BY row_hash
    HAVING count(*) > 1
),

similar_rows AS (
    SELECT
        e.rowid AS raw_row,
        row_number() OVER (
            PARTITION BY
                e.event_time, e.event_type, e.product_id, e.category_id, e.category_code,
                e.brand, e.price, e.user_id, e.user_session
            ORDER BY
                e.file_name,
                e.rowid
        ) AS copy_number
    FROM raw.all_events AS e
    WHERE
        hash(
            e.event_time, e.event_type, e.product_id, e.category_id, e.category_code,
            e.brand, e.price, e.user_id, e.user_session
        ) IN (SELECT h.row_hash FROM repeated_hashes AS h)
)

SELECT s.raw_row
FROM similar_rows AS s
WHERE s.copy_number > 1;

-- Every raw row with its typed values and the reason why it is not an event, if there is one.
CREATE OR REPLACE TEMP VIEW clean_typed_rows AS
SELECT
    e.rowid AS raw_row,
    e.*,
    try_strptime(
        e.event_time,
        ['%Y-%m-%d %H:%M:%S UTC', '%Y-%m-%d %H:%M:%S', '%Y-%m-%dT%H:%M:%S', '%Y-%m-%dT%H:%M:%SZ']
    ) AS typed_time,
    t.normalized AS typed_type,
    t.rule AS type_rule,
    if(regexp_full_match(e.product_id, '[0-9]+'), TRY_CAST(e.product_id AS BIGINT), NULL) AS typed_product,
    if(regexp_full_match(e.category_id, '[0-9]+'), e.category_id, NULL) AS typed_category,
    if(
        regexp_full_match(e.price, '-?[0-9]+(\.[0-9]{1,2}0*)?'),
        TRY_CAST(e.price AS DECIMAL(10, 2)),
        NULL
    ) AS typed_price,
    if(regexp_full_match(e.user_id, '[0-9]+'), TRY_CAST(e.user_id AS BIGINT), NULL) AS typed_user,
    CASE
        WHEN typed_time IS NULL THEN 'bad time'
        WHEN typed_type IS NULL THEN 'unknown event_type'
        WHEN coalesce(e.product_id, '') = '' THEN 'no product'
        WHEN typed_product IS NULL THEN 'bad product'
        WHEN typed_price IS NULL THEN 'bad price'
        WHEN typed_price < 0 THEN 'negative price'
        WHEN coalesce(e.user_id, '') = '' THEN 'no user'
        WHEN typed_user IS NULL THEN 'bad user'
        WHEN coalesce(e.user_session, '') = '' THEN 'no session'
        -- The cast also takes other spellings of a UUID.
        WHEN TRY_CAST(e.user_session AS UUID)::VARCHAR IS DISTINCT FROM lower(e.user_session) THEN 'bad session'
        WHEN d.raw_row IS NOT NULL THEN 'duplicate'
    END AS reason
FROM raw.all_events AS e
LEFT JOIN temp.clean_event_types AS t ON t.raw_value = e.event_type
LEFT JOIN temp.clean_duplicates AS d ON d.raw_row = e.rowid;

-- Rows that are not taken as they are, in one pass: few, as a rule.
CREATE OR REPLACE TEMP TABLE clean_exceptions AS
SELECT r.* EXCLUDE (typed_time, typed_product, typed_price, typed_user)
FROM temp.clean_typed_rows AS r
WHERE r.reason IS NOT NULL OR r.event_type <> r.typed_type OR (r.category_id <> '' AND r.typed_category IS NULL);

-- An anti join, because `reason IS NULL` would make each typed value twice: for the filter and for the result.
CREATE OR REPLACE TABLE clean.events AS
SELECT
    r.typed_time AS event_time,
    r.typed_type AS event_type,
    r.typed_product AS product_id,
    r.typed_category AS category_id,
    nullif(r.category_code, '') AS category_code,
    nullif(split_part(r.category_code, '.', 1), '') AS category_1,
    nullif(split_part(r.category_code, '.', 2), '') AS category_2,
    nullif(split_part(r.category_code, '.', 3), '') AS category_3,
    nullif(r.brand, '') AS brand,
    r.typed_price AS price,
    r.typed_user AS user_id,
    r.user_session
FROM temp.clean_typed_rows AS r
ANTI JOIN (
    SELECT x.raw_row
    FROM temp.clean_exceptions AS x
    WHERE x.reason IS NOT NULL
) AS x ON x.raw_row = r.raw_row;

CREATE OR REPLACE TABLE clean.rejected_events AS
SELECT x.* EXCLUDE (raw_row, typed_type, type_rule, typed_category)
FROM temp.clean_exceptions AS x
WHERE x.reason IS NOT NULL;

CREATE OR REPLACE TABLE clean.corrections AS
SELECT
    'events' AS table_name,
    c.column_name,
    c.raw_value,
    c.clean_value,
    c.rule,
    count(*) AS row_count
FROM (
    SELECT
        'event_type' AS column_name,
        x.event_type AS raw_value,
        x.typed_type AS clean_value,
        x.type_rule AS rule
    FROM temp.clean_exceptions AS x
    WHERE x.reason IS NULL AND x.event_type <> x.typed_type
    UNION ALL
    SELECT
        'category_id' AS column_name,
        x.category_id AS raw_value,
        NULL AS clean_value,
        'mangled' AS rule
    FROM temp.clean_exceptions AS x
    WHERE x.reason IS NULL AND x.category_id <> '' AND x.typed_category IS NULL
) AS c
GROUP BY ALL
ORDER BY ALL;

SET VARIABLE clean_check = (
    SELECT
        if(
            counts.raw_rows <> counts.events + counts.rejected,
            error(
                '10_clean: ' || counts.raw_rows || ' raw rows are not ' || counts.events || ' events + '
                || counts.rejected || ' rejected rows'
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

DROP TABLE temp.clean_event_types;

DROP TABLE temp.clean_duplicates;

DROP TABLE temp.clean_exceptions;

COMMIT;

SELECT
    coalesce(r.reason, 'events') AS outcome,
    count(*) AS row_count
FROM (
    SELECT NULL::VARCHAR AS reason
    FROM clean.events
    UNION ALL
    SELECT x.reason
    FROM clean.rejected_events AS x
) AS r
GROUP BY ALL
ORDER BY
    row_count DESC,
    outcome;
