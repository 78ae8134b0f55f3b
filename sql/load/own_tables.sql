-- What the pipeline makes. Before its first load nothing of this may be there: it would be somebody
-- else's.
CREATE OR REPLACE TEMP TABLE load_own AS
SELECT
    o.name,
    regexp_matches(o.name, 'raw[.][a-z_]+$') AS is_raw,
    t.name IS NOT NULL AS is_there
FROM (
    VALUES
        {tables}
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
    table_name VARCHAR NOT NULL, -- {if several tables}
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

-- {table of runs}

{statements}

