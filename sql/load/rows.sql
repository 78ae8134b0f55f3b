CREATE OR REPLACE TEMP TABLE load_counts (
    file_name VARCHAR,
    rows_loaded BIGINT
);

-- The lines may come in any order, which saves a fifth of the load. In files of DuckDB before 2.0,
-- columns of text are tried with a dictionary and with FSST. A month's rows are near in time, so
-- that the dictionary mostly wins, and not to try the other saves a seventh of the load. Both
-- settings are of the whole database, so only for as long as this takes.
SET VARIABLE load_keeps_order = current_setting('preserve_insertion_order');

SET VARIABLE load_no_compression = current_setting('disabled_compression_methods');

SET preserve_insertion_order = false;

SET disabled_compression_methods = concat_ws(',', nullif(getvariable('load_no_compression'), ''),
    'fsst');

-- {each table}
DELETE FROM raw.{table}
WHERE file_name IN (SELECT r.file_name FROM temp.load_replaced AS r);

SET VARIABLE load_sql = (
    SELECT coalesce(string_agg(t.rows_sql, ' UNION ALL ' ORDER BY t.n),
        'SELECT * FROM raw.{table} LIMIT 0')
    FROM temp.load_texts AS t
    WHERE t.table_name = '{table}'
);

INSERT INTO raw.{table}
SELECT *
FROM query(getvariable('load_sql'));

INSERT INTO temp.load_counts
SELECT
    r.file_name,
    count(*)
FROM raw.{table} AS r
WHERE r.file_name IN (SELECT q.file_name FROM temp.load_queue AS q WHERE q.is_next)
GROUP BY r.file_name;
-- {end}

SET preserve_insertion_order = getvariable('load_keeps_order');

SET disabled_compression_methods = getvariable('load_no_compression');

