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
