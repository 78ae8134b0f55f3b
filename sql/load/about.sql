-- The load step of every pipeline. `make docs` renders it as sql/<pipeline>/00_raw.sql: {head} and
-- {statements} are the opening comment and the statements of sql/<pipeline>/raw_tables.sql; what
-- stands between {each table} and {end} is there once for each table that is listed there, with its
-- {table} and {columns}; lines that end in {if several tables} are there if it lists more than one.

{head}
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

-- {begin a run}

