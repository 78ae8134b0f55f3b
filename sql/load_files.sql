-- The load step of every pipeline. `make docs` renders it as sql/<pipeline>/00_raw.sql: {head} and {statements} are the
-- opening comment and the statements of sql/<pipeline>/raw_tables.sql; what stands between {each table} and {end} is
-- there once for each table that is listed there, with its {table} and {columns}; lines that end in {if several tables}
-- are there if it lists more than one.

{head}
-- raw.loaded_files    one row: a file that was loaded
-- raw.rejected_lines  one row: a line that could not be parsed, with its first error
-- raw.pipeline_runs   one row: a step that was run and committed
--
-- Parameters (session variables):
--   data       the files: a pattern, a path or a list of them ('data/*.csv', and none if there is a source)
--   source     a schema whose tables are loaded like files, such as 'pg.public' of an attached database (none)
--   max_files  new files that one run takes (12); run the step again while it says that files are left
--   run_id     what this run is called in raw.pipeline_runs (a new UUID)
--
-- A file is known by its path, its content by the fingerprint of its lines. Known content is not loaded again, whatever
-- its name; new content under a known path replaces the rows of that path. Files that cannot be loaded refuse the run,
-- all of them named in one message. For each file: lines that are not blank = header + rows + rejected lines. The header
-- of a file says which table its lines go to.
--
-- A table of the source is taken for the table of its name here, and called `pg.public.events` where files have their
-- path. Its rows become the lines that a CSV file of it would have: times as 2024-06-15T14:23:01, in UTC, numbers without
-- decimals that are all zero; columns that are not listed here are left. The same rows again change nothing.
--
-- Statements that read files are built as text, because read_csv refuses an empty list of files and a text can become
-- one that reads none.
--
-- Generated from raw_tables.sql and ../load_files.sql (make docs).

SET VARIABLE load_data = CASE
    WHEN getvariable('data') IS NULL AND getvariable('source') IS NULL THEN 'data/*.csv'
    ELSE getvariable('data')
END;

SET VARIABLE max_files = coalesce(getvariable('max_files'), 12);

SET VARIABLE current_run = coalesce(getvariable('run_id'), uuid()::VARCHAR);

BEGIN TRANSACTION;

CREATE SCHEMA IF NOT EXISTS main;

CREATE SCHEMA IF NOT EXISTS raw;

CREATE TABLE IF NOT EXISTS raw.loaded_files (
    file_name VARCHAR PRIMARY KEY,
    table_name VARCHAR NOT NULL, -- {if several tables}
    size_bytes BIGINT NOT NULL,
    last_modified TIMESTAMP NOT NULL,
    fingerprint UHUGEINT NOT NULL UNIQUE,
    line_count BIGINT NOT NULL,
    rows_loaded BIGINT NOT NULL,
    rows_rejected BIGINT NOT NULL,
    loaded_at TIMESTAMP NOT NULL
);

-- {each table}
CREATE TABLE IF NOT EXISTS raw.{table} (
    {columns},
    file_name VARCHAR NOT NULL
);
-- {end}

CREATE TABLE IF NOT EXISTS raw.rejected_lines (
    file_name VARCHAR NOT NULL,
    line BIGINT,
    csv_line VARCHAR,
    error_type VARCHAR NOT NULL,
    error_message VARCHAR
);

CREATE TABLE IF NOT EXISTS raw.pipeline_runs (
    run_id VARCHAR NOT NULL,
    step VARCHAR NOT NULL,
    started_at TIMESTAMP NOT NULL,
    finished_at TIMESTAMP NOT NULL,
    rows BIGINT NOT NULL
);

{statements}

SET VARIABLE load_check = (
    SELECT
        CASE
            WHEN coalesce(TRY_CAST(getvariable('max_files') AS BIGINT), 0) < 1
                THEN error('00_raw: max_files must be a number of at least 1, not ' || getvariable('max_files')::VARCHAR)
        END
);

-- The files that `data` names, numbered: the texts below call file n by its place in two lists. An empty file is among
-- them, though no reader of lines ever shows it.
SET VARIABLE load_sql = CASE
    WHEN getvariable('load_data') IS NULL THEN $$SELECT '' AS filename, 0 AS size, now() AS last_modified LIMIT 0$$
    ELSE $$SELECT b.filename, b.size, b.last_modified FROM read_blob(getvariable('load_data')) AS b$$
END;

CREATE OR REPLACE TEMP TABLE load_files AS
SELECT
    row_number() OVER (ORDER BY b.filename) AS n,
    b.filename AS file_name,
    any_value(b.size) AS size_bytes,
    make_timestamp(epoch_us(any_value(b.last_modified))) AS last_modified
FROM query(getvariable('load_sql')) AS b
GROUP BY b.filename;

-- A pattern may match nothing, a file that is named may not be absent.
SET VARIABLE load_check = (
    SELECT
        CASE
            WHEN count(*) > 0
                THEN error('00_raw: no such file: ' || string_agg('"' || d.name || '"', ', ' ORDER BY d.name))
        END
    FROM (
        SELECT
            unnest(
                if(
                    typeof(getvariable('load_data')) = 'VARCHAR[]',
                    TRY_CAST(getvariable('load_data') AS VARCHAR[]),
                    [getvariable('load_data')::VARCHAR]
                )
            ) AS name
    ) AS d
    WHERE
        NOT regexp_matches(d.name, '[*?\[]|^~|://')
        AND d.name NOT IN (SELECT f.file_name FROM temp.load_files AS f)
);

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
                    '00_raw: no table of the source "' || getvariable('source')::VARCHAR || '" is called '
                    || (SELECT string_agg(DISTINCT c.table_name, ', ' ORDER BY c.table_name) FROM temp.load_columns AS c)
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
                THEN replace(
                    $$coalesce(
                        regexp_replace(
                            strftime(make_timestamp(epoch_us(s.NAME)), '%Y-%m-%dT%H:%M:%S.%f'), '[.]0+$', ''
                        ),
                        s.NAME::VARCHAR
                    )$$,
                    'NAME',
                    s.source_column
                )
            WHEN s.data_type LIKE 'DECIMAL%' OR s.data_type IN ('DOUBLE', 'FLOAT')
                THEN format($$regexp_replace(s.{}::VARCHAR, '[.]0+$', '')$$, s.source_column)
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
            $$if(regexp_matches(r.NAME, '[,"\r\n]'), '"' || replace(r.NAME, '"', '""') || '"', coalesce(r.NAME, ''))$$,
            'NAME',
            c.column_name
        ),
        $$ || ',' || $$
        ORDER BY c.rowid
    ) FILTER (s.column_name IS NOT NULL)
    || ' AS line FROM temp.load_rows_' || c.table_name || ' AS r' AS lines_sql
FROM temp.load_columns AS c
LEFT JOIN temp.load_source_columns AS s ON s.table_name = c.table_name AND s.column_name = c.column_name
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
                'SELECT ' || s.n || ' AS n, count(*) AS line_count, sum(strlen(l.line) + 1) AS size_bytes, '
                || $$content_hash(l.line) AS fingerprint FROM (SELECT '$$ || array_to_string(s.columns, ',')
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

-- Each name as a pattern that matches nothing else.
SET VARIABLE load_patterns = (
    SELECT
        list(
            CASE
                WHEN contains(f.file_name, '://') THEN f.file_name
                ELSE regexp_replace(f.file_name, '([\[*?])', '[\1]', 'g')
            END
            ORDER BY f.n
        )
    FROM temp.load_files AS f
);

-- One pass over the lines of all files. Here the reader ends a segment at each CR and each LF, so that a CRLF shows as
-- one more, blank segment. These are a group of their own, because a filter would copy each line before it is hashed. A
-- line with an open quote has an odd number of them: split there, an even number of parts (CASE, because an AND would
-- split every line).
CREATE OR REPLACE TEMP TABLE load_lines (
    file_name VARCHAR,
    segments BIGINT,
    line_count BIGINT,
    bytes BIGINT,
    fingerprint UHUGEINT,
    open_quotes BIGINT,
    open_quote_commas BIGINT
);

SET VARIABLE load_sql = CASE
    WHEN getvariable('load_patterns') IS NULL THEN 'FROM temp.load_lines LIMIT 0'
    ELSE $$
        SELECT
            g.filename,
            sum(g.segments),
            sum(g.line_count),
            coalesce(sum(g.bytes), 0),
            any_value(g.fingerprint) FILTER (NOT g.is_blank),
            sum(g.open_quotes),
            min(g.open_quote_commas)
        FROM (
            SELECT
                l.filename,
                l.line IS NULL AS is_blank,
                count(*) AS segments,
                count(l.line) AS line_count,
                sum(strlen(l.line)) AS bytes,
                content_hash(l.line) AS fingerprint,
                count(CASE WHEN contains(l.line, '"') THEN nullif(len(string_split(l.line, '"')) % 2, 1) END) AS open_quotes,
                min(
                    CASE
                        WHEN contains(l.line, '"')
                            THEN if(len(string_split(l.line, '"')) % 2 = 0, len(string_split(l.line, ',')) - 1, NULL)
                    END
                ) AS open_quote_commas
            FROM read_csv(
                getvariable('load_patterns'), columns = {'line': 'VARCHAR'}, auto_detect = false, header = false,
                delim = chr(1) || chr(2), quote = '', escape = '', new_line = '\n', strict_mode = false,
                ignore_errors = true, filename = true
            ) AS l
            GROUP BY l.filename, l.line IS NULL
        ) AS g
        GROUP BY g.filename
    $$
END;

INSERT INTO temp.load_lines
SELECT *
FROM query(getvariable('load_sql'));

-- Lines that are not UTF-8 or overlong are left out there; what was read then does not add up to the file's size. Such
-- files, and compressed ones, are read once more, one by one, because only a scan of one file keeps what it rejects:
-- these texts belong to the lines and to the fingerprint. Tables of rejects are named anew for each run, because their
-- counters are shared by name, and do not exist before the first reject.
SET VARIABLE load_rejects = 'load_' || replace(uuid()::VARCHAR, '-', '_');

SET VARIABLE load_sql = (
    SELECT
        coalesce(
            string_agg(
                replace(
                    replace(
                        $$
                            SELECT
                                getvariable('load_names')[N] AS file_name,
                                count(l.line) AS line_count,
                                content_hash(l.line) FILTER (l.line IS NOT NULL) AS fingerprint
                            FROM read_csv(
                                getvariable('load_patterns')[N], columns = {'line': 'VARCHAR'}, auto_detect = false,
                                header = false, delim = chr(1) || chr(2), quote = '', escape = '', new_line = '\n',
                                strict_mode = false, max_line_size = 16000000, buffer_size = 32000000,
                                store_rejects = true, rejects_limit = 0, rejects_table = 'REJECTS_line_errors',
                                rejects_scan = 'REJECTS_line_scans'
                            ) AS l
                        $$,
                        '[N]',
                        '[' || f.n || ']'
                    ),
                    'REJECTS',
                    getvariable('load_rejects')
                ),
                ' UNION ALL '
            ),
            'SELECT file_name, line_count, fingerprint FROM temp.load_lines LIMIT 0'
        )
    FROM temp.load_files AS f
    LEFT JOIN temp.load_lines AS l ON l.file_name = f.file_name
    WHERE
        f.size_bytes > 0
        AND (l.file_name IS NULL OR f.size_bytes - l.bytes - l.segments NOT IN (0, -1))
);

CREATE OR REPLACE TEMP TABLE load_slow_lines AS
SELECT *
FROM query(getvariable('load_sql'));

SET VARIABLE load_sql = (
    SELECT
        if(
            count(*) = 0,
            'SELECT file_name, line_count, fingerprint FROM temp.load_lines LIMIT 0',
            replace(
                $$
                    SELECT s.file_path AS file_name, count(*) AS line_count, content_hash(e.csv_line) AS fingerprint
                    FROM temp.REJECTS_line_errors AS e
                    JOIN temp.REJECTS_line_scans AS s ON s.scan_id = e.scan_id AND s.file_id = e.file_id
                    GROUP BY s.file_path
                $$,
                'REJECTS',
                getvariable('load_rejects')
            )
        )
    FROM duckdb_tables() AS t
    WHERE t.temporary AND t.table_name = getvariable('load_rejects') || '_line_errors'
);

CREATE OR REPLACE TEMP TABLE load_unreadable_lines AS
SELECT *
FROM query(getvariable('load_sql'));

CREATE OR REPLACE TEMP TABLE load_contents AS
SELECT
    f.*,
    coalesce(s.line_count, l.line_count, 0) + coalesce(u.line_count, 0) AS line_count,
    xor(coalesce(s.fingerprint, l.fingerprint, 0::UHUGEINT), coalesce(u.fingerprint, 0::UHUGEINT)) AS fingerprint,
    l.segments - l.line_count AS blank_segments,
    -- Whether the last line has an end; NULL where the size says nothing about it.
    CASE f.size_bytes - l.bytes - l.segments WHEN 0 THEN true WHEN -1 THEN false END AS is_terminated,
    l.open_quotes,
    l.open_quote_commas
FROM temp.load_files AS f
LEFT JOIN temp.load_lines AS l ON l.file_name = f.file_name
LEFT JOIN temp.load_slow_lines AS s ON s.file_name = f.file_name
LEFT JOIN temp.load_unreadable_lines AS u ON u.file_name = f.file_name
UNION ALL BY NAME
SELECT
    s.n,
    s.file_name,
    l.size_bytes::BIGINT AS size_bytes,
    make_timestamp(epoch_us(now())) AS last_modified,
    l.line_count,
    l.fingerprint
FROM temp.load_sources AS s
JOIN temp.load_source_lines AS l ON l.n = s.n;

-- What is known: every loaded file but those whose path now has another content.
CREATE OR REPLACE TEMP TABLE load_known AS
SELECT
    loaded.file_name,
    loaded.fingerprint
FROM raw.loaded_files AS loaded
LEFT JOIN temp.load_contents AS c ON c.file_name = loaded.file_name
WHERE c.file_name IS NULL OR c.fingerprint = loaded.fingerprint;

CREATE OR REPLACE TEMP TABLE load_new AS
SELECT c.*
FROM temp.load_contents AS c
ANTI JOIN temp.load_known AS k ON k.fingerprint = c.fingerprint;

-- First lines. The reader takes the byte order mark off.
SET VARIABLE load_sql = (
    SELECT
        coalesce(
            string_agg(
                replace(
                    $$(
                        SELECT getvariable('load_names')[N] AS file_name, l.line
                        FROM read_csv(
                            getvariable('load_patterns')[N], columns = {'line': 'VARCHAR'}, auto_detect = false,
                            header = false, delim = chr(1) || chr(2), quote = '', escape = '', strict_mode = false,
                            ignore_errors = true, parallel = false
                        ) AS l
                        LIMIT 1
                    )$$,
                    '[N]',
                    '[' || n.n || ']'
                ),
                ' UNION ALL '
            ),
            $$SELECT '' AS file_name, '' AS line LIMIT 0$$
        )
    FROM temp.load_new AS n
    JOIN temp.load_files AS f ON f.n = n.n
    WHERE n.line_count > 0
);

CREATE OR REPLACE TEMP TABLE load_layouts AS
SELECT
    c.table_name,
    list(c.column_name ORDER BY c.rowid) AS columns,
    list(c.column_name) FILTER (c.is_required) AS required,
    string_agg(if(c.is_required, c.column_name, '[' || c.column_name || ']'), ',' ORDER BY c.rowid) AS header,
    min(c.rowid) AS position
FROM temp.load_columns AS c
GROUP BY c.table_name;

CREATE OR REPLACE TEMP TABLE load_headers AS
SELECT
    h.file_name,
    h.header,
    h.columns,
    t.table_name
FROM (
    SELECT
        q.file_name,
        q.line AS header,
        string_split(replace(q.line, '"', ''), ',') AS columns
    FROM query(getvariable('load_sql')) AS q
) AS h
LEFT JOIN temp.load_layouts AS t
    ON
        list_has_all(t.columns, h.columns)
        AND list_has_all(h.columns, t.required)
        AND len(h.columns) = len(list_distinct(h.columns))
UNION ALL
SELECT
    s.file_name,
    array_to_string(s.columns, ',') AS header,
    s.columns,
    s.table_name
FROM temp.load_sources AS s;

-- Where there are blank segments, they are CRLFs or blank lines: a reader that takes a CRLF for one end tells them apart.
SET VARIABLE load_crlf_patterns = (
    SELECT list(getvariable('load_patterns')[n.n])
    FROM temp.load_new AS n
    WHERE n.blank_segments > 0
);

SET VARIABLE load_sql = CASE
    WHEN getvariable('load_crlf_patterns') IS NULL THEN $$SELECT '' AS file_name, 0 AS blank_lines LIMIT 0$$
    ELSE $$
        SELECT
            l.filename AS file_name,
            count(*) - count(l.line) AS blank_lines
        FROM read_csv(
            getvariable('load_crlf_patterns'), columns = {'line': 'VARCHAR'}, auto_detect = false, header = false,
            delim = chr(1) || chr(2), quote = '', escape = '', new_line = '\r\n', strict_mode = false,
            ignore_errors = true, filename = true
        ) AS l
        GROUP BY l.filename
    $$
END;

CREATE OR REPLACE TEMP TABLE load_line_ends AS
SELECT
    n.file_name,
    n.blank_segments - q.blank_lines AS crlf_count,
    n.line_count + q.blank_lines AS physical_lines
FROM query(getvariable('load_sql')) AS q
JOIN temp.load_new AS n ON n.file_name = q.file_name;

CREATE OR REPLACE TEMP TABLE load_problems AS
SELECT
    n.file_name,
    CASE
        WHEN n.line_count = 0 THEN 'an empty file'
        WHEN h.header IS NULL THEN 'its first line is blank, not the header'
        WHEN
            h.table_name IS NULL AND NOT list_has_any(h.columns, known.columns)
            THEN 'no header, its first line is: ' || h.header[:200]
        WHEN h.table_name IS NULL THEN 'other columns, its header is: ' || h.header[:500]
        WHEN
            e.crlf_count > 0
            AND e.crlf_count <> e.physical_lines - if(n.is_terminated, 0, 1)
            AND (n.is_terminated IS NOT NULL OR e.crlf_count <> e.physical_lines)
            THEN 'mixed line ends (CRLF on ' || e.crlf_count || ' of ' || e.physical_lines || ' lines)'
        WHEN n.open_quote_commas < len(h.columns) - 1 THEN 'line breaks inside quotes'
    END AS problem
FROM temp.load_new AS n
LEFT JOIN temp.load_headers AS h ON h.file_name = n.file_name
LEFT JOIN temp.load_line_ends AS e ON e.file_name = n.file_name
CROSS JOIN (
    SELECT list(c.column_name) AS columns
    FROM temp.load_columns AS c
) AS known;

SET VARIABLE load_check = (
    SELECT
        CASE
            WHEN count(*) > 0
                THEN error(
                    '00_raw: nothing was loaded, ' || count(*) || ' of ' || any_value(len(getvariable('load_names')))
                    || ' files cannot be: '
                    || string_agg('"' || p.file_name || '": ' || p.problem, '; ' ORDER BY p.file_name)
                    || '. Accepted headers (columns in brackets may be absent): '
                    || (SELECT string_agg(t.table_name || ': ' || t.header, '; ' ORDER BY t.position) FROM temp.load_layouts AS t)
                )
        END
    FROM temp.load_problems AS p
    WHERE p.problem IS NOT NULL
);

-- One of the new files for each new content, in the order of their names; no more than max_files are next.
CREATE OR REPLACE TEMP TABLE load_queue AS
SELECT
    n.*,
    row_number() OVER (ORDER BY n.file_name) <= getvariable('max_files')::BIGINT AS is_next
FROM (
    SELECT
        n.n,
        n.file_name,
        n.size_bytes,
        n.last_modified,
        n.fingerprint,
        n.line_count,
        coalesce(n.open_quotes > 0, false) AS has_open_quotes,
        h.columns,
        h.table_name
    FROM temp.load_new AS n
    JOIN temp.load_headers AS h ON h.file_name = n.file_name
    QUALIFY row_number() OVER (PARTITION BY n.fingerprint ORDER BY n.file_name) = 1
) AS n;

-- The old content of a path goes when its new content is known or next, or when the old content is next elsewhere.
CREATE OR REPLACE TEMP TABLE load_replaced AS
SELECT loaded.file_name
FROM raw.loaded_files AS loaded
JOIN temp.load_contents AS c ON c.file_name = loaded.file_name AND c.fingerprint <> loaded.fingerprint
WHERE
    c.fingerprint IN (SELECT k.fingerprint FROM temp.load_known AS k)
    OR c.fingerprint IN (SELECT q.fingerprint FROM temp.load_queue AS q WHERE q.is_next)
    OR loaded.fingerprint IN (SELECT q.fingerprint FROM temp.load_queue AS q WHERE q.is_next);

DELETE FROM raw.rejected_lines
WHERE file_name IN (SELECT r.file_name FROM temp.load_replaced AS r);

DELETE FROM raw.loaded_files
WHERE file_name IN (SELECT r.file_name FROM temp.load_replaced AS r);

-- One read_csv a file: a scan of several loses rejected lines. In a file with open quotes the parser would lose lines
-- up to the next quote, so there no quote is special, and those around whole fields are taken off afterwards; a line of
-- such a file that has a comma inside quotes is a rejected one.
CREATE OR REPLACE TEMP TABLE load_texts AS
SELECT
    t.n,
    t.table_name,
    'SELECT ' || t.fields || $$, getvariable('load_names')[$$ || t.n || '] FROM ' || t.scan
    || ', store_rejects = true, rejects_limit = 0'
    || $$, rejects_table = '$$ || getvariable('load_rejects') || $$_errors'$$
    || $$, rejects_scan = '$$ || getvariable('load_rejects') || $$_scans') AS l$$
    || if(t.has_open_quotes, ' WHERE len(string_split(' || t.whole_line || $$, '"')) % 2 = 1$$, '') AS rows_sql,
    if(
        t.has_open_quotes,
        $$SELECT getvariable('load_names')[$$ || t.n || $$], NULL, l.csv_line, 'UNQUOTED VALUE', $$
        || $$'Value with unterminated quote found.' FROM (SELECT $$ || t.whole_line || ' AS csv_line FROM '
        || t.scan || $$, ignore_errors = true) AS l) AS l WHERE len(string_split(l.csv_line, '"')) % 2 = 0$$,
        NULL
    ) AS open_quotes_sql
FROM (
    SELECT
        q.n,
        q.table_name,
        q.has_open_quotes,
        string_agg(
            CASE
                WHEN NOT list_contains(q.columns, c.column_name) THEN 'NULL'
                WHEN q.has_open_quotes
                    THEN replace(
                        $$nullif(if(l.NAME[1] = '"' AND l.NAME[-1] = '"', replace(l.NAME[2:-2], '""', '"'), l.NAME), '')$$,
                        'NAME',
                        c.column_name
                    )
                ELSE 'l.' || c.column_name
            END,
            ', '
            ORDER BY c.rowid
        ) AS fields,
        string_agg(
            $$coalesce(l.$$ || c.column_name || $$, '')$$,
            $$ || ',' || $$
            ORDER BY list_position(q.columns, c.column_name)
        ) FILTER (list_contains(q.columns, c.column_name)) AS whole_line,
        $$read_csv(getvariable('load_patterns')[$$ || q.n || $$], columns = {$$
        || string_agg(
            $$'$$ || c.column_name || $$': 'VARCHAR'$$,
            ', '
            ORDER BY list_position(q.columns, c.column_name)
        ) FILTER (list_contains(q.columns, c.column_name))
        || $$}, auto_detect = false, header = true, delim = ',', strict_mode = true, $$
        || if(q.has_open_quotes, $$quote = '', escape = ''$$, $$quote = '"', escape = '"'$$) AS scan
    FROM temp.load_queue AS q
    JOIN temp.load_files AS f ON f.n = q.n
    JOIN temp.load_columns AS c ON c.table_name = q.table_name
    WHERE q.is_next
    GROUP BY
        q.n,
        q.table_name,
        q.has_open_quotes
) AS t
UNION ALL
SELECT
    s.n,
    s.table_name,
    $$SELECT *, getvariable('load_names')[$$ || s.n || '] FROM temp.load_rows_' || s.table_name AS rows_sql,
    NULL AS open_quotes_sql
FROM temp.load_sources AS s
JOIN temp.load_queue AS q ON q.n = s.n AND q.is_next;

CREATE OR REPLACE TEMP TABLE load_counts (
    file_name VARCHAR,
    rows_loaded BIGINT
);

-- The lines may come in any order, which saves a fifth of the load. In files of DuckDB before 2.0, columns of text are tried
-- with a dictionary and with FSST. A month's rows are near in time, so that the dictionary mostly wins, and not to try the
-- other saves a seventh of the load. Both settings are of the whole database, so only for as long as this takes.
SET VARIABLE load_keeps_order = current_setting('preserve_insertion_order');

SET VARIABLE load_no_compression = current_setting('disabled_compression_methods');

SET preserve_insertion_order = false;

SET disabled_compression_methods = concat_ws(',', nullif(getvariable('load_no_compression'), ''), 'fsst');

-- {each table}
DELETE FROM raw.{table}
WHERE file_name IN (SELECT r.file_name FROM temp.load_replaced AS r);

SET VARIABLE load_sql = (
    SELECT coalesce(string_agg(t.rows_sql, ' UNION ALL ' ORDER BY t.n), 'SELECT * FROM raw.{table} LIMIT 0')
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

-- The lines that the parser rejected, with their first error.
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

INSERT INTO raw.rejected_lines
SELECT *
FROM query(getvariable('load_sql'));

-- Lines with an open quote: the parser took them, the texts above did not. Their numbers are not known.
SET VARIABLE load_sql = (
    SELECT coalesce(string_agg(t.open_quotes_sql, ' UNION ALL ' ORDER BY t.n), 'SELECT * FROM raw.rejected_lines LIMIT 0')
    FROM temp.load_texts AS t
);

INSERT INTO raw.rejected_lines
SELECT *
FROM query(getvariable('load_sql'));

INSERT INTO raw.loaded_files
SELECT
    q.file_name,
    q.table_name, -- {if several tables}
    q.size_bytes,
    q.last_modified,
    q.fingerprint,
    q.line_count,
    coalesce(c.rows_loaded, 0),
    coalesce(r.rows_rejected, 0),
    make_timestamp(epoch_us(now()))
FROM temp.load_queue AS q
LEFT JOIN temp.load_counts AS c ON c.file_name = q.file_name
LEFT JOIN (
    SELECT
        r.file_name,
        count(*) AS rows_rejected
    FROM raw.rejected_lines AS r
    GROUP BY r.file_name
) AS r ON r.file_name = q.file_name
WHERE q.is_next;

SET VARIABLE load_check = (
    SELECT
        CASE
            WHEN count(*) > 0
                THEN error(
                    '00_raw: nothing was loaded, these files hold records that are not one line each (line breaks'
                    || ' inside quotes, or a quote that is never closed): '
                    || string_agg(
                        '"' || f.file_name || '": ' || f.line_count || ' lines are not 1 header + ' || f.rows_loaded
                        || ' rows + ' || f.rows_rejected || ' rejected lines',
                        '; '
                        ORDER BY f.file_name
                    )
                )
        END
    FROM raw.loaded_files AS f
    JOIN temp.load_queue AS q ON q.file_name = f.file_name AND q.is_next
    WHERE f.line_count <> 1 + f.rows_loaded + f.rows_rejected
);

SET VARIABLE load_summary = (
    SELECT
        {
            'files_found': coalesce(len(getvariable('load_names')), 0),
            'files_loaded': count(*) FILTER (q.is_next),
            'files_left': count(*) FILTER (NOT q.is_next),
            'rows_loaded': coalesce(sum(f.rows_loaded), 0)::BIGINT,
            'lines_rejected': coalesce(sum(f.rows_rejected), 0)::BIGINT,
            'message': CASE
                WHEN count(*) = 0 THEN 'nothing new'
                WHEN count(*) FILTER (NOT q.is_next) > 0 THEN 'files are left: run the step again'
                ELSE 'all files are loaded'
            END
        }
    FROM temp.load_queue AS q
    LEFT JOIN raw.loaded_files AS f ON f.file_name = q.file_name AND q.is_next
);

-- now() stands still in a transaction, the clock of a new UUID does not.
INSERT INTO raw.pipeline_runs
SELECT
    getvariable('current_run'),
    '00_raw',
    make_timestamp(epoch_us(now())),
    make_timestamp(epoch_us(uuid_extract_timestamp(uuidv7()))),
    getvariable('load_summary').rows_loaded;

DROP TABLE temp.load_files;

DROP TABLE temp.load_source_columns;

DROP TABLE temp.load_sources;

DROP TABLE temp.load_source_lines;

-- {each table}
DROP TABLE temp.load_rows_{table};
-- {end}

DROP TABLE temp.load_lines;

DROP TABLE temp.load_slow_lines;

DROP TABLE temp.load_unreadable_lines;

DROP TABLE temp.load_contents;

DROP TABLE temp.load_known;

DROP TABLE temp.load_new;

DROP TABLE temp.load_columns;

DROP TABLE temp.load_layouts;

DROP TABLE temp.load_headers;

DROP TABLE temp.load_line_ends;

DROP TABLE temp.load_problems;

DROP TABLE temp.load_queue;

DROP TABLE temp.load_replaced;

DROP TABLE temp.load_texts;

DROP TABLE temp.load_counts;

COMMIT;

SELECT unnest(getvariable('load_summary'));
