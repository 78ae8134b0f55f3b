-- The lines that the parser rejected, with their first error. The table does not exist before the
-- first one.
SET VARIABLE load_sql = (
    SELECT
        if(
            count(*) = 0,
            'SELECT * FROM raw.rejected_lines LIMIT 0',
            replace(
                $$
                    SELECT
                        s.file_path,
                        e.line,
                        ltrim(any_value(e.csv_line), chr(13) || chr(10)),
                        arg_min(e.error_type::VARCHAR, coalesce(e.column_idx, 0)),
                        arg_min(e.error_message, coalesce(e.column_idx, 0))
                    FROM temp.REJECTS_errors AS e
                    JOIN temp.REJECTS_scans AS s ON s.scan_id = e.scan_id AND s.file_id = e.file_id
                    GROUP BY s.file_path, e.line
                $$,
                'REJECTS',
                getvariable('load_rejects')
            )
        )
    FROM duckdb_tables() AS t
    WHERE t.temporary AND t.table_name = getvariable('load_rejects') || '_errors'
);

CREATE OR REPLACE TEMP TABLE load_rejected AS
SELECT *
FROM raw.rejected_lines
LIMIT 0;

INSERT INTO temp.load_rejected
SELECT *
FROM query(getvariable('load_sql'));

-- Files that were read as lines are read again where fewer rows came than lines.
CREATE OR REPLACE TEMP TABLE load_again AS
SELECT
    q.n,
    t.lines_sql
FROM temp.load_queue AS q
JOIN temp.load_texts AS t ON t.n = q.n
LEFT JOIN temp.load_counts AS c ON c.file_name = q.file_name
WHERE q.is_next AND t.is_odd AND coalesce(c.rows_loaded, 0) < q.line_count - 1 - q.unreadable_lines;

SET VARIABLE load_sql = (
    SELECT
        coalesce(
            string_agg(a.lines_sql, ' UNION ALL '),
            $$SELECT 0 AS n, 0 AS number, '' AS line, csv_fields('', ',') AS f, 0 AS n_columns
            LIMIT 0$$
        )
    FROM temp.load_again AS a
);

CREATE OR REPLACE TEMP TABLE load_unreadable AS
SELECT
    b.n,
    unnest(b.unreadable_lines, recursive := true)
FROM temp.load_bytes AS b
JOIN temp.load_queue AS q ON q.n = b.n AND q.is_next
WHERE len(b.unreadable_lines) > 0;

-- Lines that are not UTF-8 are not among those that are numbered: each puts the lines behind it one
-- further.
INSERT INTO temp.load_rejected
SELECT
    getvariable('load_names')[l.n],
    l.number + (
        SELECT count(*)
        FROM (
            SELECT
                u.n,
                u.line - row_number() OVER (PARTITION BY u.n ORDER BY u.line) + 1 AS next_number
            FROM temp.load_unreadable AS u
            WHERE u.error_type = 'INVALID ENCODING'
        ) AS u
        WHERE u.n = l.n AND u.next_number <= l.number
    ),
    l.line,
    CASE
        WHEN l.f.error_message IS NOT NULL THEN 'UNQUOTED VALUE'
        WHEN len(l.f.fields) < l.n_columns THEN 'MISSING COLUMNS'
        ELSE 'TOO MANY COLUMNS'
    END,
    coalesce(
        l.f.error_message,
        'Expected Number of Columns: ' || l.n_columns || ' Found: ' || len(l.f.fields)
    )
FROM query(getvariable('load_sql')) AS l;

INSERT INTO raw.rejected_lines
SELECT
    r.file_name,
    r.line,
    replace(replace(r.csv_line, '\', '\\'), chr(0), '\x00'),
    r.error_type,
    r.error_message
FROM temp.load_rejected AS r;

INSERT INTO raw.rejected_lines
SELECT
    getvariable('load_names')[u.n],
    u.line,
    u.csv_line,
    u.error_type,
    u.error_message
FROM temp.load_unreadable AS u;

