-- The columns of the tables of `source` that have a place here.
CREATE OR REPLACE TEMP TABLE load_source_columns AS
SELECT
    t.table_name,
    t.column_name,
    t.position,
    format('"{}"', replace(d.column_name, '"', '""')) AS source_column,
    d.data_type,
    format(
        '"{}"."{}"."{}"',
        replace(d.database_name, '"', '""'),
        replace(d.schema_name, '"', '""'),
        replace(d.table_name, '"', '""')
    ) AS source_table
FROM duckdb_columns() AS d
JOIN (
    SELECT
        c.table_name,
        c.column_name,
        c.rowid AS position
    FROM temp.load_columns AS c
) AS t
    ON t.table_name = lower(d.table_name) AND t.column_name = lower(d.column_name)
WHERE
    getvariable('source') IS NOT NULL
    AND getvariable('source')::VARCHAR IN (
        d.database_name || '.' || d.schema_name,
        if(d.database_name = current_database(), d.schema_name, NULL),
        if(d.schema_name IN ('main', 'public'), d.database_name, NULL)
    );

SET VARIABLE load_check = (
    SELECT
        CASE
            WHEN count(*) = 0
                THEN error(
                    '00_raw: no table of the source "' || getvariable('source')::VARCHAR
                        || '" is called '
                    || (SELECT string_agg(DISTINCT c.table_name, ', ' ORDER BY c.table_name)
                        FROM temp.load_columns AS c)
                    || '; write it as <attached database>.<schema>'
                )
            WHEN count(DISTINCT s.source_table) > count(DISTINCT s.table_name)
                THEN error(
                    '00_raw: the source "' || getvariable('source')::VARCHAR || '" is ambiguous: '
                    || string_agg(DISTINCT s.source_table, ', ' ORDER BY s.source_table)
                )
        END
    FROM temp.load_source_columns AS s
    WHERE getvariable('source') IS NOT NULL
    HAVING getvariable('source') IS NOT NULL
);

SET VARIABLE load_check = (
    SELECT
        CASE
            WHEN count(*) > 0
                THEN error(
                    '00_raw: nothing was loaded, the source lacks columns: '
                    || string_agg(s.source_table || '.' || c.column_name, ', ' ORDER BY c.rowid)
                )
        END
    FROM temp.load_columns AS c
    JOIN (
        SELECT
            s.table_name,
            any_value(s.source_table) AS source_table,
            list(s.column_name) AS columns
        FROM temp.load_source_columns AS s
        GROUP BY s.table_name
    ) AS s
        ON s.table_name = c.table_name
    WHERE c.is_required AND NOT list_contains(s.columns, c.column_name)
);

-- Each table of the source with the texts that read its rows and, from the copy in temp, its lines.
CREATE OR REPLACE TEMP TABLE load_sources AS
SELECT
    (SELECT count(*) FROM temp.load_files) + row_number() OVER (ORDER BY min(c.rowid)) AS n,
    getvariable('source')::VARCHAR || '.' || c.table_name AS file_name,
    c.table_name,
    list(c.column_name ORDER BY c.rowid) FILTER (s.column_name IS NOT NULL) AS columns,
    'SELECT '
    || string_agg(
        CASE
            WHEN s.column_name IS NULL THEN 'NULL::VARCHAR'
            WHEN s.data_type LIKE 'TIMESTAMP%'
                THEN replace(getvariable('load_time_text'), 'NAME', 's.' || s.source_column)
            WHEN s.data_type LIKE 'DECIMAL%' OR s.data_type IN ('DOUBLE', 'FLOAT')
                THEN replace(getvariable('load_number_text'), 'NAME', 's.' || s.source_column)
            ELSE format($$nullif(s.{}::VARCHAR, '')$$, s.source_column)
        END
        || ' AS ' || c.column_name,
        ', '
        ORDER BY c.rowid
    )
    || ' FROM ' || any_value(s.source_table) || ' AS s' AS rows_sql,
    'SELECT '
    || string_agg(
        replace(
            $$if(regexp_matches(r.NAME, '[,"\r\n]'), '"' || replace(r.NAME, '"', '""') || '"',
            coalesce(r.NAME, ''))$$,
            'NAME',
            c.column_name
        ),
        $$ || ',' || $$
        ORDER BY c.rowid
    ) FILTER (s.column_name IS NOT NULL)
    || ' AS line FROM temp.load_rows_' || c.table_name || ' AS r' AS lines_sql
FROM temp.load_columns AS c
LEFT JOIN temp.load_source_columns AS s ON s.table_name = c.table_name
    AND s.column_name = c.column_name
GROUP BY c.table_name
HAVING count(s.column_name) > 0;

SET VARIABLE load_names = (
    SELECT list(f.file_name ORDER BY f.n)
    FROM (
        SELECT
            f.n,
            f.file_name
        FROM temp.load_files AS f
        UNION ALL
        SELECT
            s.n,
            s.file_name
        FROM temp.load_sources AS s
    ) AS f
);

-- {each table}
SET VARIABLE load_sql = coalesce(
    (SELECT s.rows_sql FROM temp.load_sources AS s WHERE s.table_name = '{table}'),
    'SELECT * EXCLUDE (file_name) FROM raw.{table} LIMIT 0'
);

CREATE OR REPLACE TEMP TABLE load_rows_{table} AS
SELECT *
FROM query(getvariable('load_sql'));
-- {end}

SET VARIABLE load_sql = (
    SELECT
        coalesce(
            string_agg(
                'SELECT ' || s.n || ' AS n, count(*) AS line_count, sum(strlen(l.line) + 1) AS '
                || 'size_bytes, '
                || $$content_hash(l.line) AS fingerprint FROM (SELECT '$$
                || array_to_string(s.columns, ',')
                || $$' AS line UNION ALL $$ || s.lines_sql || ') AS l',
                ' UNION ALL '
            ),
            'SELECT 0 AS n, 0 AS line_count, 0 AS size_bytes, 0::UHUGEINT AS fingerprint LIMIT 0'
        )
    FROM temp.load_sources AS s
);

CREATE OR REPLACE TEMP TABLE load_source_lines AS
SELECT *
FROM query(getvariable('load_sql'));

