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
