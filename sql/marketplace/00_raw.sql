-- Step 00_raw of the pipeline `marketplace`: the lines of the event files, as text, and what became
-- of each file.
--
-- raw.all_events      one row: a line of a file; `main.all_events` shows the same,
--                     `main.loaded_files` the files
-- raw.loaded_files    one row: a file that was loaded
-- raw.rejected_lines  one row: a line that could not be parsed, with its first error
-- raw.pipeline_runs   one row: a step that was run and committed
--
-- Parameters (session variables):
--   data       the files: a pattern, a path, a folder, or a list of them ('data/*.csv', and none if
--              there is a source)
--   source     a schema whose tables are loaded like files, such as 'pg.public' of an attached
--              database (none)
--   columns    what files call columns otherwise, as a map from ours to theirs, in any case:
--              MAP {'user_id': 'customer', 'event_time': 'ts'}, or to lists of names. With it,
--              further columns of a file are left out, which the last message says; MAP {} only
--              does that (none: files have our names, and no others)
--   bad_files  'refuse': a file that cannot be loaded refuses the run; 'skip': it is left out, and
--              the last message says which and why ('refuse')
--   deleted_files  'keep': the rows of a file that was loaded and is gone stay, and the last
--              message says which files are; 'remove': they are removed ('keep')
--   max_files  new files that one run takes (12); run the step again while it says that files are
--              left
--   run_id     what this run is called in raw.pipeline_runs (a new UUID)
--
-- A file is known by its path, its content by the fingerprint of its lines. Known content is not
-- loaded again, whatever its name; new content under a known path replaces the rows of that path.
-- Files that cannot be loaded refuse the run, all of them named in one message. For each file:
-- lines that are not blank = header + rows + rejected lines. The header of a file says which table
-- its lines go to, and what stands between its fields: comma, semicolon, tab or `|`. Files may be
-- compressed (gzip, zstd). Folders called name=value mean nothing.
--
-- Parquet files (.parquet) and JSON files (.json, .jsonl, .ndjson) are loaded beside CSV: a row is
-- a line there, and its values become the texts that a CSV file would have (see below).
--
-- The text of a rejected line is whole: a backslash is doubled, NUL and bytes that are no UTF-8 are
-- written \xNN.
--
-- A table of the source is taken for the table of its name here, and called `pg.public.events`
-- where files have their path. Its rows become the lines that a CSV file of it would have: times as
-- 2024-06-15T14:23:01, in UTC, numbers without decimals that are all zero; columns that are not
-- listed here are left. The same rows again change nothing.
--
-- Statements that read files are built as text, because read_csv refuses an empty list of files and
-- a text can become one that reads none.
--
-- Generated from raw_tables.sql and ../load (make docs).

SET VARIABLE load_check = (
    SELECT
        CASE
            WHEN count(*) = 0
                THEN error('00_raw: the extension is not loaded, or it is an older one than this '
                || 'script: LOAD amazing')
        END
    FROM duckdb_functions() AS f
    WHERE f.function_name = 'content_summary'
);

SET VARIABLE load_data = CASE
    WHEN getvariable('data') IS NULL AND getvariable('source') IS NULL THEN ['data/*.csv']
    WHEN typeof(getvariable('data')) LIKE '%[]' THEN TRY_CAST(getvariable('data') AS VARCHAR[])
    WHEN getvariable('data') IS NOT NULL THEN [getvariable('data')::VARCHAR]
END;

SET VARIABLE max_files = coalesce(getvariable('max_files'), 12);

-- A load begins a run of its own.
SET VARIABLE current_run = uuid()::VARCHAR;

SET VARIABLE current_run = coalesce(
    getvariable('run_id')::VARCHAR,
    getvariable('current_run'),
    uuid()::VARCHAR
);

SET VARIABLE run_started = make_timestamp(epoch_us(uuid_extract_timestamp(uuidv7())));

BEGIN TRANSACTION;

-- What the pipeline makes. Before its first load nothing of this may be there: it would be somebody
-- else's.
CREATE OR REPLACE TEMP TABLE load_own AS
SELECT
    o.name,
    regexp_matches(o.name, 'raw[.][a-z_]+$') AS is_raw,
    t.name IS NOT NULL AS is_there
FROM (
    VALUES
        ('raw.loaded_files'),
        ('raw.all_events'),
        ('raw.rejected_lines'),
        ('raw.pipeline_runs'),
        ('main.all_events'),
        ('main.loaded_files'),
        ('clean.events'),
        ('clean.rejected_events'),
        ('clean.corrections'),
        ('clean.unmatched_values'),
        ('clean.cleaned_files'),
        ('kpi.user_features'),
        ('kpi.daily'),
        ('kpi.monthly'),
        ('kpi.category'),
        ('kpi.brand'),
        ('kpi.funnel'),
        ('kpi.cohorts'),
        ('kpi.segment_model'),
        ('kpi.segment_history'),
        ('main.user_segments'),
        ('kpi.segment_profile'),
        ('kpi.segment_migration'),
        ('kpi.segment_map'),
        ('kpi.segment_components')
) AS o (name)
LEFT JOIN (
    SELECT t.schema_name || '.' || t.table_name AS name
    FROM duckdb_tables() AS t
    WHERE t.database_name = current_database()
    UNION ALL
    SELECT v.schema_name || '.' || v.view_name AS name
    FROM duckdb_views() AS v
    WHERE v.database_name = current_database()
) AS t
    ON t.name = o.name;

SET VARIABLE load_check = (
    SELECT
        CASE
            WHEN count(*) > 0
                THEN error(
                    '00_raw: nothing was loaded, because this pipeline would replace what it did '
                    || 'not make: '
                    || string_agg(o.name, ', ' ORDER BY o.name)
                    || '; rename it, or take another database, or a schema_prefix (amazing_scripts)'
                )
        END
    FROM temp.load_own AS o
    WHERE o.is_there AND EXISTS (SELECT 1 FROM temp.load_own AS r WHERE r.is_raw AND NOT r.is_there)
);

DROP TABLE temp.load_own;

CREATE SCHEMA IF NOT EXISTS main;

CREATE SCHEMA IF NOT EXISTS raw;

CREATE TABLE IF NOT EXISTS raw.loaded_files (
    file_name VARCHAR PRIMARY KEY,
    size_bytes BIGINT NOT NULL,
    last_modified TIMESTAMP NOT NULL,
    fingerprint UHUGEINT NOT NULL UNIQUE,
    line_count BIGINT NOT NULL,
    rows_loaded BIGINT NOT NULL,
    rows_rejected BIGINT NOT NULL,
    loaded_at TIMESTAMP NOT NULL,
    fingerprint_version INTEGER
);

-- Databases of earlier versions: there, lines that cannot be read had another share in the
-- fingerprint.
ALTER TABLE raw.loaded_files ADD COLUMN IF NOT EXISTS fingerprint_version INTEGER;

CREATE TABLE IF NOT EXISTS raw.all_events (
    event_time VARCHAR,
    event_type VARCHAR,
    product_id VARCHAR,
    category_id VARCHAR,
    category_code VARCHAR,
    brand VARCHAR,
    price VARCHAR,
    user_id VARCHAR,
    user_session VARCHAR,
    file_name VARCHAR NOT NULL
);

CREATE TABLE IF NOT EXISTS raw.rejected_lines (
    file_name VARCHAR NOT NULL,
    line BIGINT,
    csv_line VARCHAR,
    error_type VARCHAR NOT NULL,
    error_message VARCHAR
);

-- A run is 'started' until it tells that it is 'done', and 'failed' where its runner has told so:
-- one that is 'started' and does not run any more has failed. Then finished_at is when it began.
CREATE TABLE IF NOT EXISTS raw.pipeline_runs (
    run_id VARCHAR NOT NULL,
    step VARCHAR NOT NULL,
    started_at TIMESTAMP NOT NULL,
    finished_at TIMESTAMP NOT NULL,
    rows BIGINT NOT NULL
);

-- Databases of earlier versions have the columns above, and a row for each step that was done.
ALTER TABLE raw.pipeline_runs ADD COLUMN IF NOT EXISTS status VARCHAR DEFAULT 'done';

ALTER TABLE raw.pipeline_runs ADD COLUMN IF NOT EXISTS rows_in BIGINT;

ALTER TABLE raw.pipeline_runs ADD COLUMN IF NOT EXISTS rows_replaced BIGINT;

ALTER TABLE raw.pipeline_runs ADD COLUMN IF NOT EXISTS rows_rejected BIGINT;

ALTER TABLE raw.pipeline_runs ADD COLUMN IF NOT EXISTS seconds DOUBLE;

ALTER TABLE raw.pipeline_runs ADD COLUMN IF NOT EXISTS message VARCHAR;

ALTER TABLE raw.pipeline_runs ADD COLUMN IF NOT EXISTS parameters MAP (VARCHAR, VARCHAR);

ALTER TABLE raw.pipeline_runs ADD COLUMN IF NOT EXISTS amazing_version VARCHAR;

ALTER TABLE raw.pipeline_runs ADD COLUMN IF NOT EXISTS duckdb_version VARCHAR;

-- The tables and their columns; a file may lack those that are not required.
CREATE OR REPLACE TEMP TABLE load_columns AS
SELECT *
FROM (
    VALUES
        ('all_events', 'event_time', true),
        ('all_events', 'event_type', true),
        ('all_events', 'product_id', true),
        ('all_events', 'category_id', false),
        ('all_events', 'category_code', true),
        ('all_events', 'brand', false),
        ('all_events', 'price', true),
        ('all_events', 'user_id', true),
        ('all_events', 'user_session', true)
) AS c (table_name, column_name, is_required);

CREATE OR REPLACE VIEW main.all_events AS
SELECT *
FROM raw.all_events;

CREATE OR REPLACE VIEW main.loaded_files AS
SELECT *
FROM raw.loaded_files;

SET VARIABLE load_check = (
    SELECT
        CASE
            WHEN coalesce(TRY_CAST(getvariable('max_files') AS BIGINT), 0) < 1
                THEN error('00_raw: max_files must be a number of at least 1, not '
                || getvariable('max_files')::VARCHAR)
        END
);

-- The files that `data` names: branch 0 finds those without pattern characters, and the files of
-- those that are folders; each pattern has a branch of its own.
SET VARIABLE load_sql = (
    SELECT
        coalesce(
            string_agg(
                'SELECT ' || b.branch || ' AS branch, g.file FROM glob(['
                || b.globs || ']) AS g',
                ' UNION ALL '
            ),
            $$SELECT 0 AS branch, '' AS file LIMIT 0$$
        )
    FROM (
        SELECT
            d.branch,
            string_agg(
                $$'$$ || replace(d.name, $$'$$, $$''$$) || $$'$$
                || if(d.branch = 0, $$, '$$ || replace(rtrim(d.name, '/'), $$'$$, $$''$$)
                || $$/*'$$, ''),
                ', '
            ) AS globs
        FROM (
            SELECT
                n.name,
                if(regexp_matches(n.name, '[*?\[]|^~|://'), row_number() OVER (), 0) AS branch
            FROM (SELECT unnest(getvariable('load_data')) AS name) AS n
        ) AS d
        GROUP BY d.branch
    ) AS b
);

CREATE OR REPLACE TEMP TABLE load_found AS
SELECT
    g.branch,
    g.file AS file_name
FROM query(getvariable('load_sql')) AS g;

-- What is named must be there.
SET VARIABLE load_check = (
    SELECT
        CASE
            WHEN len(getvariable('load_data')) = 0
                THEN error('00_raw: data names no file')
            WHEN count(*) > 0
                THEN error(
                    '00_raw: no such file: '
                        || string_agg('"' || d.name || '"', ', ' ORDER BY d.name)
                    || ' (data is a pattern, a path, a folder, or a list of them; paths begin in '
                    || 'the folder of the process)'
                )
        END
    FROM (
        SELECT
            n.name,
            if(regexp_matches(n.name, '[*?\[]|^~|://'), row_number() OVER (), 0) AS branch
        FROM (SELECT unnest(getvariable('load_data')) AS name) AS n
    ) AS d
    WHERE
        NOT EXISTS (
            SELECT 1
            FROM temp.load_found AS f
            WHERE
                f.branch = d.branch
                AND (d.branch > 0 OR f.file_name = d.name
                OR starts_with(f.file_name, rtrim(d.name, '/') || '/'))
        )
);

-- In folders of these names, read_blob would end in an internal error that invalidates the
-- database.
SET VARIABLE load_check = (
    SELECT
        CASE
            WHEN count(*) > 0
                THEN error(
                    '00_raw: DuckDB cannot read files in a folder called filename=, content=, '
                    || 'size= or last_modified=, rename it: '
                    || string_agg('"' || f.file_name || '"', ', ' ORDER BY f.file_name)
                )
        END
    FROM temp.load_found AS f
    WHERE regexp_matches(f.file_name, '(^|[/\\])(filename|content|size|last_modified)=', 'i')
);

-- Files that `data` names by a folder are taken if they are not hidden. Each name as a pattern that
-- matches nothing else.
SET VARIABLE load_patterns = (
    SELECT
        list(
            CASE
                WHEN contains(f.file_name, '://') THEN f.file_name
                ELSE regexp_replace(f.file_name, '([\[*?])', '[\1]', 'g')
            END
            ORDER BY f.file_name
        )
    FROM (
        SELECT DISTINCT f.file_name
        FROM temp.load_found AS f
        WHERE
            f.branch > 0
            OR f.file_name IN (SELECT unnest(getvariable('load_data')))
            OR NOT regexp_matches(f.file_name, '[/\\][._][^/\\]*$')
    ) AS f
);

-- Numbered: the texts below call file n by its place in two lists. An empty file is among them,
-- though no reader of lines ever shows it.
SET VARIABLE load_sql = CASE
    WHEN getvariable('load_patterns') IS NULL
        THEN $$SELECT '' AS filename, 0 AS size, now() AS last_modified LIMIT 0$$
    ELSE
        $$SELECT b.filename, b.size, b.last_modified
        FROM read_blob(getvariable('load_patterns')) AS b$$
END;

CREATE OR REPLACE TEMP TABLE load_files AS
SELECT
    f.*,
    -- What reads a file that is no text.
    CASE
        WHEN regexp_matches(f.file_name, '\.parquet$', 'i')
            THEN 'read_parquet(getvariable(''load_patterns'')[' || f.n
                || '], hive_partitioning = false)'
        WHEN regexp_matches(f.file_name, '\.(json|ndjson|jsonl)(\.gz|\.zst)?$', 'i')
            THEN 'read_json(getvariable(''load_patterns'')[' || f.n
                || '], hive_partitioning = false, sample_size = -1)'
    END AS reader
FROM (
    SELECT
        row_number() OVER (ORDER BY b.filename) AS n,
        b.filename AS file_name,
        any_value(b.size) AS size_bytes,
        -- Some releases of DuckDB know it to the second only.
        make_timestamp(epoch_us(date_trunc('second', any_value(b.last_modified)))) AS last_modified
    FROM query(getvariable('load_sql')) AS b
    GROUP BY b.filename
) AS f;
CREATE OR REPLACE TEMP TABLE load_layouts AS
SELECT
    c.table_name,
    list(c.column_name ORDER BY c.rowid) AS columns,
    list(c.column_name) FILTER (c.is_required) AS required,
    string_agg(if(c.is_required, c.column_name, '[' || c.column_name || ']'),
        ',' ORDER BY c.rowid) AS header,
    min(c.rowid) AS position
FROM temp.load_columns AS c
GROUP BY c.table_name;

-- Other names of columns, in small letters.
CREATE OR REPLACE TEMP TABLE load_synonyms AS
SELECT
    lower(trim(m.column_name)) AS column_name,
    lower(trim(unnest(coalesce(TRY_CAST(m.names AS VARCHAR[]), [m.names])))) AS name
FROM (
    SELECT
        unnest(map_keys(v.given)) AS column_name,
        unnest(map_values(v.given)) AS names
    FROM (
        SELECT TRY_CAST(getvariable('columns')::VARCHAR AS MAP (VARCHAR, VARCHAR)) AS given
    ) AS v
) AS m;

SET VARIABLE load_check = (
    SELECT
        CASE
            WHEN
                getvariable('columns') IS NOT NULL
                AND typeof(getvariable('columns')) NOT LIKE 'MAP%'
                THEN error(
                    $$00_raw: columns must be a map such as MAP {'user_id': 'customer'}, not $$
                    || getvariable('columns')::VARCHAR
                )
            WHEN count(*) FILTER (s.known IS NULL) > 0
                THEN error(
                    '00_raw: columns names '
                    || string_agg(DISTINCT '"' || s.column_name || '", did you mean "' || s.nearest
                        || '"', ', ') FILTER (s.known IS NULL)
                    || '; the columns are '
                    || (SELECT string_agg(DISTINCT c.column_name, ', ' ORDER BY c.column_name)
                        FROM temp.load_columns AS c)
                )
            WHEN count(*) FILTER (s.n > 1) > 0
                THEN error(
                    '00_raw: columns gives one name to several columns: '
                    || string_agg(DISTINCT '"' || s.name || '"', ', ') FILTER (s.n > 1)
                )
        END
    FROM (
        SELECT
            y.*,
            count(DISTINCT y.column_name) OVER (PARTITION BY y.name) AS n,
            k.column_name AS known,
            (
                SELECT arg_max(c.column_name, jaro_winkler_similarity(c.column_name, y.column_name))
                FROM temp.load_columns AS c
            ) AS nearest
        FROM temp.load_synonyms AS y
        LEFT JOIN (SELECT DISTINCT c.column_name FROM temp.load_columns AS c) AS k
            ON k.column_name = y.column_name
    ) AS s
);

SET VARIABLE load_synonyms = (
    SELECT map(coalesce(list(s.name), []::VARCHAR[]), coalesce(list(s.column_name), []::VARCHAR[]))
    FROM temp.load_synonyms AS s
);

-- The columns of files that are no text, by their names, so that their order in a file does not
-- count. Their types are those of the file.
SET VARIABLE load_sql = (
    SELECT
        coalesce(
            string_agg(
                'SELECT ' || f.n || ' AS n, d.column_name, d.column_type FROM (DESCRIBE FROM '
                || f.reader || ') AS d',
                ' UNION ALL '
            ),
            $$SELECT 0 AS n, '' AS column_name, '' AS column_type LIMIT 0$$
        )
    FROM temp.load_files AS f
    WHERE f.reader IS NOT NULL
);

CREATE OR REPLACE TEMP TABLE load_file_columns AS
SELECT
    d.n,
    row_number() OVER (PARTITION BY d.n ORDER BY d.column_name) AS place,
    d.column_name,
    format('s."{}"', replace(d.column_name, '"', '""')) AS name_sql,
    d.column_type
FROM query(getvariable('load_sql')) AS d;

-- Their rows and what they hold, each as one text, of the columns by their names: s alone would be
-- a column called so.
SET VARIABLE load_sql = (
    SELECT
        coalesce(
            string_agg(
                'SELECT ' || f.n || ' AS n, count(*) AS line_count, content_hash(l.line) AS '
                || 'fingerprint FROM (SELECT '
                || $$'$$ || replace(c.names, $$'$$, $$''$$) || $$' AS line UNION ALL SELECT $$
                || 'row(' || c.values_sql || ')::VARCHAR FROM ' || f.reader || ' AS s) AS l',
                ' UNION ALL '
            ),
            'SELECT 0 AS n, 0 AS line_count, 0::UHUGEINT AS fingerprint LIMIT 0'
        )
    FROM temp.load_files AS f
    JOIN (
        SELECT
            c.n,
            string_agg(c.column_name || ' ' || c.column_type, ',' ORDER BY c.place) AS names,
            string_agg(c.name_sql, ', ' ORDER BY c.place) AS values_sql
        FROM temp.load_file_columns AS c
        GROUP BY c.n
    ) AS c ON c.n = f.n
);

CREATE OR REPLACE TEMP TABLE load_file_lines AS
SELECT *
FROM query(getvariable('load_sql'));

-- What a CSV file would have for a value called NAME: a time as 2024-06-15T14:23:01, in UTC, a
-- number without decimals that are all zero.
SET VARIABLE load_time_text = $$coalesce(
    regexp_replace(
        strftime(make_timestamp(epoch_us(NAME)), '%Y-%m-%dT%H:%M:%S.%f'), '[.]0+$', ''
    ),
    NAME::VARCHAR
)$$;

SET VARIABLE load_number_text = $$regexp_replace(NAME::VARCHAR, '[.]0+$', '')$$;
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

SET VARIABLE load_sql = coalesce(
    (SELECT s.rows_sql FROM temp.load_sources AS s WHERE s.table_name = 'all_events'),
    'SELECT * EXCLUDE (file_name) FROM raw.all_events LIMIT 0'
);

CREATE OR REPLACE TEMP TABLE load_rows_all_events AS
SELECT *
FROM query(getvariable('load_sql'));

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

-- One pass over the lines of all files that are not compressed. Here the reader ends a line at each
-- CR and each LF, so that a CRLF shows as one more, blank line.
CREATE OR REPLACE TEMP TABLE load_lines (
    file_name VARCHAR,
    line_count BIGINT,
    blank_lines BIGINT,
    bytes BIGINT,
    fingerprint UHUGEINT,
    odd_lines BIGINT[],
    least_separators BIGINT[]
);

SET VARIABLE load_plain_patterns = (
    SELECT list(getvariable('load_patterns')[f.n])
    FROM temp.load_files AS f
    WHERE NOT regexp_matches(f.file_name, '\.(gz|zst)$', 'i') AND f.reader IS NULL
);

SET VARIABLE load_sql = CASE
    WHEN getvariable('load_plain_patterns') IS NULL THEN 'FROM temp.load_lines LIMIT 0'
    ELSE $$
        SELECT
            l.filename,
            unnest(line_summary(l.line))
        FROM read_csv(
            getvariable('load_plain_patterns'), columns = {'line': 'VARCHAR'}, auto_detect = false,
            header = false, delim = chr(1) || chr(2), quote = '', escape = '',
            new_line = '\n', strict_mode = false, ignore_errors = true, filename = true,
            hive_partitioning = false, compression = 'none'
        ) AS l
        GROUP BY l.filename
    $$
END;

INSERT INTO temp.load_lines
SELECT *
FROM query(getvariable('load_sql'));

-- Lines that are not UTF-8 or overlong are left out there; what was read then does not add up to
-- the file's size. Such files, and compressed ones, are read as bytes, which a BLOB holds up to 4
-- GB of. What is left over may also be a byte order mark, which the reader takes off.
CREATE OR REPLACE TEMP TABLE load_places AS
SELECT
    f.n,
    f.size_bytes - l.bytes - l.line_count - l.blank_lines AS missing_bytes,
    f.size_bytes > 0 AND coalesce(missing_bytes NOT IN (0, -1), true) AS is_special,
    is_special AND f.size_bytes <= 4000000000 AS is_read_as_bytes
FROM temp.load_files AS f
LEFT JOIN temp.load_lines AS l ON l.file_name = f.file_name
WHERE f.reader IS NULL;

CREATE OR REPLACE TEMP TABLE load_bytes (
    n BIGINT,
    compression VARCHAR,
    problem VARCHAR,
    size_bytes BIGINT,
    line_count BIGINT,
    blank_lines BIGINT,
    fingerprint UHUGEINT,
    odd_lines BIGINT[],
    least_separators BIGINT[],
    first_line VARCHAR,
    beginning VARCHAR,
    line_ends BIGINT[],
    unreadable_lines STRUCT(line BIGINT, csv_line VARCHAR, error_type VARCHAR,
        error_message VARCHAR)[]
);

SET VARIABLE load_sql = (
    SELECT
        coalesce(
            string_agg(
                replace(
                    $$SELECT N, unnest(content_summary(b.content))
                    FROM read_blob(getvariable('load_patterns')[N]) AS b$$,
                    'N',
                    p.n::VARCHAR
                ),
                ' UNION ALL '
            ),
            'FROM temp.load_bytes LIMIT 0'
        )
    FROM temp.load_places AS p
    WHERE p.is_read_as_bytes
);

INSERT INTO temp.load_bytes
SELECT *
FROM query(getvariable('load_sql'));

CREATE OR REPLACE TEMP TABLE load_contents AS
SELECT
    f.* EXCLUDE (reader),
    coalesce(b.line_count, l.line_count, 0) AS line_count,
    coalesce(b.fingerprint, l.fingerprint, 0::UHUGEINT) AS fingerprint,
    coalesce(b.compression, 'none') AS compression,
    CASE
        WHEN p.is_special AND b.n IS NULL AND l.file_name IS NULL
            THEN 'more than 4 GB, and compressed or one line: unpack it, or split it'
        WHEN p.is_special AND b.n IS NULL AND p.missing_bytes NOT IN (2, 3)
            THEN
                'more than 4 GB, with lines that are not UTF-8 or longer than 2 MB ('
                    || p.missing_bytes
                || ' bytes): split it, or convert it'
        ELSE b.problem
    END AS problem,
    b.n IS NOT NULL AS is_read_as_bytes,
    b.first_line,
    b.beginning,
    b.line_ends,
    coalesce(len(b.unreadable_lines), 0) AS unreadable_lines,
    if(b.n IS NULL, l.blank_lines, NULL) AS blank_segments,
    CASE WHEN b.n IS NULL THEN p.missing_bytes NOT IN (-1, 2)
        ELSE b.line_ends[4] = 0 END AS is_terminated,
    coalesce(b.odd_lines, l.odd_lines) AS odd_lines,
    coalesce(b.least_separators, l.least_separators) AS least_separators
FROM temp.load_files AS f
JOIN temp.load_places AS p ON p.n = f.n
LEFT JOIN temp.load_lines AS l ON l.file_name = f.file_name
LEFT JOIN temp.load_bytes AS b ON b.n = f.n
UNION ALL BY NAME
SELECT
    f.* EXCLUDE (reader),
    l.line_count,
    l.fingerprint
FROM temp.load_files AS f
JOIN temp.load_file_lines AS l ON l.n = f.n
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
                            getvariable('load_patterns')[N], columns = {'line': 'VARCHAR'},
                            auto_detect = false, header = false, delim = chr(1) || chr(2),
                            quote = '', escape = '', strict_mode = false, ignore_errors = true,
                            parallel = false, hive_partitioning = false, compression = 'none'
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
    WHERE n.line_count > 0 AND n.problem IS NULL AND NOT n.is_read_as_bytes
);

-- What stands between the fields: the separator under which the header is one that is known, or
-- else, for the message, the one under which most of its names are.
CREATE OR REPLACE TEMP TABLE load_headers AS
SELECT
    f.file_name,
    f.header,
    f.place,
    f.separator,
    f.columns,
    f.others,
    t.table_name
FROM (
    SELECT
        n.*,
        -- By our names; what else there is, by its place.
        list_transform(
            n.named,
            LAMBDA c, i: if(
                list_contains(known.columns, c),
                c,
                '__' || i
            )
        ) AS columns,
        list_filter(n.fields, LAMBDA c, i: NOT list_contains(known.columns, n.named[i])) AS others,
        known.columns AS known
    FROM (
        SELECT
            r.*,
            -- A column of ours that is called otherwise in this file is none of that name.
            list_transform(
                r.fields,
                LAMBDA c: coalesce(
                    getvariable('load_synonyms')[c],
                    if(
                        list_has_any(
                            map_keys(getvariable('load_synonyms')),
                            list_filter(
                                r.fields,
                                LAMBDA d: getvariable('load_synonyms')[d] = c
                            )
                        ),
                        '',
                        c
                    )
                )
            ) AS named
        FROM (
            SELECT
                h.file_name,
                h.header,
                p.place,
                p.separator,
                list_transform(
                    coalesce(csv_fields(lower(h.header), p.separator).fields, []),
                    LAMBDA c: trim(c)
                ) AS fields
            FROM (
                SELECT
                    q.file_name,
                    q.line AS header
                FROM query(getvariable('load_sql')) AS q
                UNION ALL
                SELECT
                    n.file_name,
                    n.first_line AS header
                FROM temp.load_new AS n
                WHERE n.is_read_as_bytes
            ) AS h
            CROSS JOIN (
                VALUES
                    (1, ','),
                    (2, ';'),
                    (3, chr(9)),
                    (4, '|')
            ) AS p (place, separator)
            UNION ALL
            SELECT
                f.file_name,
                string_agg(c.column_name, ',' ORDER BY c.place) AS header,
                1 AS place,
                ',' AS separator,
                list(lower(trim(c.column_name)) ORDER BY c.place) AS fields
            FROM temp.load_file_columns AS c
            JOIN temp.load_files AS f ON f.n = c.n
            JOIN temp.load_new AS n ON n.file_name = f.file_name
            GROUP BY f.file_name
        ) AS r
    ) AS n
    CROSS JOIN (
        SELECT list(DISTINCT c.column_name) AS columns
        FROM temp.load_columns AS c
    ) AS known
) AS f
LEFT JOIN temp.load_layouts AS t
    ON
        list_has_all(f.columns, t.required)
        AND (getvariable('columns') IS NOT NULL OR list_has_all(t.columns, f.columns))
        AND len(f.columns) = len(list_distinct(f.columns))
QUALIFY
    row_number() OVER (
        PARTITION BY f.file_name
        ORDER BY
            t.table_name IS NULL,
            len(list_intersect(coalesce(t.columns, f.known), f.columns)) DESC,
            f.place
    ) = 1
UNION ALL
SELECT
    s.file_name,
    array_to_string(s.columns, ',') AS header,
    1 AS place,
    ',' AS separator,
    s.columns,
    [] AS others,
    s.table_name
FROM temp.load_sources AS s;

SET VARIABLE load_check = (
    SELECT
        CASE
            WHEN count(*) > 0
                THEN error(
                    '00_raw: nothing was loaded, no new file has a column '
                    || string_agg(y.column_name || ', called ' || y.names,
                        '; ' ORDER BY y.column_name)
                    || ' (parameter columns)'
                )
        END
    FROM (
        SELECT
            s.column_name,
            string_agg('"' || s.name || '"', ' or ' ORDER BY s.name) AS names
        FROM temp.load_synonyms AS s
        GROUP BY s.column_name
    ) AS y
    WHERE
        EXISTS (SELECT 1 FROM temp.load_headers AS h WHERE h.table_name IS NOT NULL)
        AND NOT EXISTS (
            SELECT 1
            FROM temp.load_headers AS h
            WHERE list_contains(h.columns, y.column_name)
        )
);

-- Where there are blank segments, they are CRLFs or blank lines: a reader that takes a CRLF for one
-- end tells them apart.
SET VARIABLE load_crlf_patterns = (
    SELECT list(getvariable('load_patterns')[n.n])
    FROM temp.load_new AS n
    WHERE n.blank_segments > 0
);

SET VARIABLE load_sql = CASE
    WHEN getvariable('load_crlf_patterns') IS NULL
        THEN $$SELECT '' AS file_name, 0 AS blank_lines LIMIT 0$$
    ELSE $$
        SELECT
            l.filename AS file_name,
            count(*) - count(l.line) AS blank_lines
        FROM read_csv(
            getvariable('load_crlf_patterns'), columns = {'line': 'VARCHAR'}, auto_detect = false,
            header = false, delim = chr(1) || chr(2), quote = '', escape = '',
            new_line = '\r\n', strict_mode = false, ignore_errors = true, filename = true,
            hive_partitioning = false, compression = 'none'
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
        WHEN n.problem IS NOT NULL THEN n.problem
        WHEN n.line_count = 0 THEN 'an empty file'
        WHEN h.header IS NULL AND n.is_read_as_bytes
            THEN 'its first line is not UTF-8 or longer than 2 MB, it begins with: ' || n.beginning
        WHEN coalesce(h.header, '') = '' THEN 'its first line is blank, not the header'
        WHEN contains(h.header, chr(0))
        AND strlen(replace(h.header, chr(0), '')) <= strlen(h.header) // 2 + 1
            THEN 'text in UTF-16: convert it to UTF-8, as with iconv -f UTF-16 -t UTF-8'
        WHEN starts_with(lower(h.header), 'sep=')
            THEN 'its first line is "' || h.header[:20]
            || '", which is a word to Excel only: take it off'
        WHEN
            h.table_name IS NULL AND NOT list_has_any(h.columns, known.columns)
            THEN 'no header, its first line is: ' || replace(h.header[:200], chr(0), '\x00')
        WHEN h.table_name IS NULL THEN 'other columns, its header is: ' || h.header[:500]
        WHEN (n.line_ends[1] > 0)::INTEGER + (n.line_ends[2] > 0)::INTEGER + (
            n.line_ends[3] > 0
        )::INTEGER > 1
            THEN format('mixed line ends (CRLF on {}, LF on {}, CR on {} lines)', n.line_ends[1],
                n.line_ends[2], n.line_ends[3])
        WHEN
            e.crlf_count > 0
            AND e.crlf_count <> e.physical_lines - if(n.is_terminated, 0, 1)
            THEN 'mixed line ends (CRLF on ' || e.crlf_count || ' of ' || e.physical_lines
            || ' lines)'
        WHEN n.least_separators[h.place] < len(h.columns) - 1 THEN 'line breaks inside quotes'
        WHEN old.file_name IS NOT NULL
            THEN
                'it has lines that cannot be read, and the size of "' || old.file_name
                    || '", which an earlier version of amazing'
                || ' loaded; give it that name if it is the same, and UPDATE raw.loaded_files '
                || 'SET fingerprint_version = 0'
                || ' of that name if it is not'
    END AS problem
FROM temp.load_new AS n
LEFT JOIN temp.load_headers AS h ON h.file_name = n.file_name
LEFT JOIN temp.load_line_ends AS e ON e.file_name = n.file_name
LEFT JOIN (
    SELECT
        loaded.size_bytes,
        min(loaded.file_name) AS file_name
    FROM raw.loaded_files AS loaded
    WHERE
        loaded.fingerprint_version IS NULL
        AND loaded.rows_rejected > 0
        AND loaded.file_name NOT IN (SELECT f.file_name FROM temp.load_files AS f)
    GROUP BY loaded.size_bytes
) AS old
    ON old.size_bytes = n.size_bytes AND n.unreadable_lines > 0
CROSS JOIN (
    SELECT list(c.column_name) AS columns
    FROM temp.load_columns AS c
) AS known;

SET VARIABLE load_check = (
    SELECT
        CASE
            WHEN coalesce(getvariable('bad_files')::VARCHAR, '') NOT IN ('', 'refuse', 'skip')
                THEN error($$00_raw: bad_files must be 'refuse' or 'skip', not $$
                || getvariable('bad_files')::VARCHAR)
            WHEN count(*) > 0 AND coalesce(getvariable('bad_files')::VARCHAR, '') <> 'skip'
                THEN error(
                    '00_raw: nothing was loaded, ' || count(*) || ' of '
                        || any_value(len(getvariable('load_names')))
                    || ' files cannot be: '
                    || string_agg('"' || p.file_name || '": ' || p.problem,
                        '; ' ORDER BY p.file_name)
                    || '. Where columns have other names, or there are further ones, use the '
                    || $$parameter columns, MAP {'user_id': 'customer'}$$
                    || '. Accepted headers (columns in brackets may be absent): '
                    || (SELECT string_agg(t.table_name || ': ' || t.header,
                        '; ' ORDER BY t.position) FROM temp.load_layouts AS t)
                )
        END
    FROM temp.load_problems AS p
    WHERE p.problem IS NOT NULL
);

-- Only where bad_files says so.
DELETE FROM temp.load_new
WHERE file_name IN (SELECT p.file_name FROM temp.load_problems AS p WHERE p.problem IS NOT NULL);
-- One of the new files for each new content, in the order of their names; no more than max_files
-- are next.
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
        n.compression,
        n.unreadable_lines,
        coalesce(n.odd_lines[h.place] > 0, false) OR n.unreadable_lines > 0 AS is_odd,
        if(e.crlf_count > 0 OR n.line_ends[1] > 0, '\r\n', '\n') AS line_end,
        h.separator,
        h.columns,
        h.table_name
    FROM temp.load_new AS n
    JOIN temp.load_headers AS h ON h.file_name = n.file_name
    LEFT JOIN temp.load_line_ends AS e ON e.file_name = n.file_name
    QUALIFY row_number() OVER (PARTITION BY n.fingerprint ORDER BY n.file_name) = 1
) AS n;

-- Files that were loaded, that `data` means, and that are not there any more; one whose content is
-- there under another name is not gone.
CREATE OR REPLACE TEMP TABLE load_gone AS
SELECT
    loaded.file_name,
    loaded.rows_loaded
FROM raw.loaded_files AS loaded
WHERE
    NOT EXISTS (
        SELECT 1
        FROM temp.load_contents AS c
        WHERE c.file_name = loaded.file_name OR c.fingerprint = loaded.fingerprint
    )
    AND EXISTS (
        SELECT 1
        FROM (SELECT unnest(getvariable('load_data')) AS name) AS d
        WHERE
            if(
                regexp_matches(d.name, '[*?\[]'),
                loaded.file_name GLOB d.name,
                starts_with(loaded.file_name, rtrim(d.name, '/') || '/')
                AND NOT contains(loaded.file_name[len(rtrim(d.name, '/')) + 2:], '/')
            )
    );

SET VARIABLE load_check = (
    SELECT
        CASE
            WHEN
                coalesce(getvariable('deleted_files')::VARCHAR, 'keep') NOT IN ('keep', 'remove')
                THEN error($$00_raw: deleted_files must be 'keep' or 'remove', not $$
                || getvariable('deleted_files')::VARCHAR)
        END
);

-- The old content of a path goes when its new content is known or next, or when the old content is
-- next elsewhere.
CREATE OR REPLACE TEMP TABLE load_replaced AS
SELECT loaded.file_name
FROM raw.loaded_files AS loaded
JOIN temp.load_contents AS c ON c.file_name = loaded.file_name
    AND c.fingerprint <> loaded.fingerprint
WHERE
    c.fingerprint IN (SELECT k.fingerprint FROM temp.load_known AS k)
    OR c.fingerprint IN (SELECT q.fingerprint FROM temp.load_queue AS q WHERE q.is_next)
    OR loaded.fingerprint IN (SELECT q.fingerprint FROM temp.load_queue AS q WHERE q.is_next)
UNION ALL
SELECT g.file_name
FROM temp.load_gone AS g
WHERE getvariable('deleted_files')::VARCHAR = 'remove';

DELETE FROM raw.rejected_lines
WHERE file_name IN (SELECT r.file_name FROM temp.load_replaced AS r);

SET VARIABLE load_replaced_rows = (
    SELECT coalesce(sum(f.rows_loaded), 0)::BIGINT
    FROM raw.loaded_files AS f
    WHERE f.file_name IN (SELECT r.file_name FROM temp.load_replaced AS r)
);

DELETE FROM raw.loaded_files
WHERE file_name IN (SELECT r.file_name FROM temp.load_replaced AS r);

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

DELETE FROM raw.all_events
WHERE file_name IN (SELECT r.file_name FROM temp.load_replaced AS r);

SET VARIABLE load_sql = (
    SELECT coalesce(string_agg(t.rows_sql, ' UNION ALL ' ORDER BY t.n),
        'SELECT * FROM raw.all_events LIMIT 0')
    FROM temp.load_texts AS t
    WHERE t.table_name = 'all_events'
);

INSERT INTO raw.all_events
SELECT *
FROM query(getvariable('load_sql'));

INSERT INTO temp.load_counts
SELECT
    r.file_name,
    count(*)
FROM raw.all_events AS r
WHERE r.file_name IN (SELECT q.file_name FROM temp.load_queue AS q WHERE q.is_next)
GROUP BY r.file_name;

SET preserve_insertion_order = getvariable('load_keeps_order');

SET disabled_compression_methods = getvariable('load_no_compression');

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

INSERT INTO raw.loaded_files
SELECT
    q.file_name,
    q.size_bytes,
    q.last_modified,
    q.fingerprint,
    q.line_count,
    coalesce(c.rows_loaded, 0),
    coalesce(r.rows_rejected, 0),
    make_timestamp(epoch_us(now())),
    1
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
                    '00_raw: nothing was loaded, these files hold records that are not one line '
                    || 'each (line breaks'
                    || ' inside quotes, or a quote that is never closed): '
                    || string_agg(
                        '"' || f.file_name || '": ' || f.line_count || ' lines are not 1 header + '
                            || f.rows_loaded
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
            || coalesce(
                '; WARNING: no line could be loaded of '
                || string_agg(
                    format('"{}" ({} lines: {})', f.file_name, f.rows_rejected, r.reason),
                    ', '
                    ORDER BY f.file_name
                ) FILTER (f.rows_loaded = 0 AND f.rows_rejected > 0)
                || ', see raw.rejected_lines',
                ''
            )
            || coalesce(
                '; gone since they were loaded are '
                || (
                    SELECT string_agg(format('"{}" ({} rows)', g.file_name, g.rows_loaded), ', '
                        ORDER BY g.file_name)
                    FROM temp.load_gone AS g
                )
                || if(
                    getvariable('deleted_files')::VARCHAR = 'remove',
                    ', which were removed',
                    $$, whose rows stay; deleted_files 'remove' removes them$$
                ),
                ''
            )
            || coalesce(
                '; skipped are '
                || (
                    SELECT string_agg(format('"{}" ({})', p.file_name, p.problem), ', '
                        ORDER BY p.file_name)
                    FROM temp.load_problems AS p
                    WHERE p.problem IS NOT NULL
                ),
                ''
            )
            || coalesce(
                '; left out are the columns '
                || (
                    SELECT string_agg(o.name, ', ' ORDER BY o.name)
                    FROM (
                        SELECT '"' || unnest(h.others) || '" of "' || h.file_name || '"' AS name
                        FROM temp.load_headers AS h
                        JOIN temp.load_queue AS q ON q.file_name = h.file_name AND q.is_next
                    ) AS o
                ),
                ''
            )
        }
    FROM temp.load_queue AS q
    LEFT JOIN raw.loaded_files AS f ON f.file_name = q.file_name AND q.is_next
    LEFT JOIN (
        SELECT
            r.file_name,
            arg_min(r.error_message, coalesce(r.line, 0)) AS reason
        FROM raw.rejected_lines AS r
        GROUP BY r.file_name
    ) AS r
        ON r.file_name = f.file_name
);

SET VARIABLE run_counts = (
    SELECT
        {
            'rows_in': s.rows_loaded + s.lines_rejected,
            'rows': s.rows_loaded,
            'rows_replaced': getvariable('load_replaced_rows'),
            'rows_rejected': s.lines_rejected,
            'message': s.files_loaded || ' new of ' || s.files_found || ' files, ' || s.rows_loaded
            || ' rows, ' || s.lines_rejected || ' lines rejected, '
            || getvariable('load_replaced_rows') || ' rows replaced; ' || s.message
        }
    FROM (SELECT unnest(getvariable('load_summary'))) AS s
);

DELETE FROM raw.pipeline_runs AS r
WHERE
    r.run_id = getvariable('current_run')
    AND r.step = '00_raw'
    AND r.started_at = getvariable('run_started')
    AND r.status = 'started';

-- now() stands still in a transaction, the clock of a new UUID does not.
INSERT INTO raw.pipeline_runs
SELECT
    getvariable('current_run') AS run_id,
    '00_raw' AS step,
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
                'data',
                'source',
                'columns',
                'bad_files',
                'deleted_files',
                'max_files',
                'run_id'
            )
    ) AS parameters,
    i.version AS amazing_version,
    version() AS duckdb_version
FROM amazing_info() AS i
CROSS JOIN (
    SELECT make_timestamp(epoch_us(uuid_extract_timestamp(uuidv7()))) AS finished_at
) AS t;

DROP TABLE temp.load_found;

DROP TABLE temp.load_files;

DROP TABLE temp.load_file_columns;

DROP TABLE temp.load_file_lines;

DROP TABLE temp.load_source_columns;

DROP TABLE temp.load_sources;

DROP TABLE temp.load_source_lines;

DROP TABLE temp.load_rows_all_events;

DROP TABLE temp.load_lines;

DROP TABLE temp.load_places;

DROP TABLE temp.load_bytes;

DROP TABLE temp.load_contents;

DROP TABLE temp.load_known;

DROP TABLE temp.load_new;

DROP TABLE temp.load_columns;

DROP TABLE temp.load_layouts;

DROP TABLE temp.load_headers;

DROP TABLE temp.load_synonyms;

DROP TABLE temp.load_line_ends;

DROP TABLE temp.load_problems;

DROP TABLE temp.load_queue;

DROP TABLE temp.load_replaced;

DROP TABLE temp.load_gone;

DROP TABLE temp.load_texts;

DROP TABLE temp.load_counts;

DROP TABLE temp.load_rejected;

DROP TABLE temp.load_again;

DROP TABLE temp.load_unreadable;

COMMIT;

SELECT unnest(getvariable('load_summary'));
