-- Tables of rejects are named anew for each run, because their counters are shared by name in a
-- process.
SET VARIABLE load_rejects = 'load_' || replace(uuid()::VARCHAR, '-', '_');

-- One read_csv a file: a scan of several loses rejected lines. In a file where a quote is anything
-- but the sign around a whole field, the parser would lose lines up to the next quote, or take
-- words of one field for the next; of a rejected line it keeps 10,000 bytes, and may end in the
-- middle of a letter. In such files, and where lines cannot be read, it reads lines only, and
-- csv_fields takes each apart on its own.
CREATE OR REPLACE TEMP TABLE load_texts AS
SELECT
    t.n,
    t.table_name,
    t.is_odd,
    if(
        t.is_odd,
        'SELECT ' || t.fields || $$, getvariable('load_names')[$$ || t.n
            || $$] FROM (SELECT csv_fields(l.line, $$ || t.delim
        || ').fields AS f FROM ' || t.lines
        || $$, header = true) AS l WHERE l.line IS NOT NULL AND strlen(l.line) <= 2000000) AS l$$
        || ' WHERE len(l.f) = ' || t.n_columns,
        'SELECT ' || t.fields || $$, getvariable('load_names')[$$ || t.n || '] FROM ' || t.scan
        || ', store_rejects = true, rejects_limit = 0'
        || $$, rejects_table = '$$ || getvariable('load_rejects') || $$_errors'$$
        || $$, rejects_scan = '$$ || getvariable('load_rejects') || $$_scans') AS l$$
    ) AS rows_sql,
    -- Lines that are no record of this many fields, numbered in the order of the file: one thread.
    $$SELECT $$ || t.n || $$ AS n, l.number, l.line, csv_fields(l.line, $$ || t.delim
        || $$) AS f, $$ || t.n_columns
    || $$ AS n_columns FROM (SELECT row_number() OVER () AS number, l.line FROM $$ || t.lines
    || $$, header = false, parallel = false) AS l) AS l
    WHERE l.line IS NOT NULL AND strlen(l.line) <= 2000000 AND l.number > 1$$
    || $$ AND coalesce(len(csv_fields(l.line, $$ || t.delim || $$).fields), 0) <> $$
    || t.n_columns AS lines_sql
FROM (
    SELECT
        q.n,
        q.table_name,
        q.is_odd,
        len(q.columns) AS n_columns,
        'chr(' || ascii(q.separator) || ')' AS delim,
        string_agg(
            CASE
                WHEN NOT list_contains(q.columns, c.column_name) THEN 'NULL'
                WHEN q.is_odd
                    THEN format($$nullif(l.f[{}], '')$$, list_position(q.columns, c.column_name))
                ELSE 'l.' || c.column_name
            END,
            ', '
            ORDER BY c.rowid
        ) AS fields,
        $$read_csv(getvariable('load_patterns')[$$ || q.n || $$], columns = {$$
        || array_to_string(
            list_transform(q.columns, LAMBDA c: $$'$$ || c || $$': 'VARCHAR'$$),
            ', '
        )
        || $$}, auto_detect = false, header = true, hive_partitioning = false,
        strict_mode = true, quote = '"', escape = '"', $$
        || 'delim = ' || 'chr(' || ascii(q.separator) || $$), compression = '$$ || q.compression
        || $$'$$ AS scan,
        $$read_csv(getvariable('load_patterns')[$$ || q.n
            || $$], columns = {'line': 'VARCHAR'}, auto_detect = false, $$
        || $$hive_partitioning = false, delim = chr(1) || chr(2), quote = '', escape = '',
        new_line = '$$
        || q.line_end
        || $$', strict_mode = false, ignore_errors = true, max_line_size = 16000000,
        buffer_size = 32000000, compression = '$$
        || q.compression || $$'$$ AS lines
    FROM temp.load_queue AS q
    JOIN temp.load_files AS f ON f.n = q.n AND f.reader IS NULL
    JOIN temp.load_columns AS c ON c.table_name = q.table_name
    WHERE q.is_next
    GROUP BY
        q.n,
        q.table_name,
        q.is_odd,
        q.columns,
        q.separator,
        q.line_end,
        q.compression
) AS t
UNION ALL
SELECT
    s.n,
    s.table_name,
    false AS is_odd,
    $$SELECT *, getvariable('load_names')[$$ || s.n || '] FROM temp.load_rows_'
        || s.table_name AS rows_sql,
    NULL AS lines_sql
FROM temp.load_sources AS s
JOIN temp.load_queue AS q ON q.n = s.n AND q.is_next
UNION ALL
SELECT
    q.n,
    q.table_name,
    false AS is_odd,
    'SELECT '
    || string_agg(
        CASE
            WHEN d.n IS NULL THEN 'NULL'
            WHEN d.column_type LIKE 'TIMESTAMP%'
                THEN replace(getvariable('load_time_text'), 'NAME', d.name_sql)
            WHEN d.column_type LIKE 'DECIMAL%' OR d.column_type IN ('DOUBLE', 'FLOAT')
                THEN replace(getvariable('load_number_text'), 'NAME', d.name_sql)
            ELSE 'nullif(' || d.name_sql || $$::VARCHAR, '')$$
        END,
        ', '
        ORDER BY c.rowid
    )
    || $$, getvariable('load_names')[$$ || q.n || '] FROM ' || any_value(f.reader)
    || ' AS s' AS rows_sql,
    NULL AS lines_sql
FROM temp.load_queue AS q
JOIN temp.load_files AS f ON f.n = q.n AND f.reader IS NOT NULL
JOIN temp.load_columns AS c ON c.table_name = q.table_name
LEFT JOIN temp.load_file_columns AS d
    ON d.n = q.n AND d.place = list_position(q.columns, c.column_name)
WHERE q.is_next
GROUP BY
    q.n,
    q.table_name;

