-- The tables, and whether they are made anew.

CREATE SCHEMA IF NOT EXISTS clean;

-- {category map}

CREATE TABLE IF NOT EXISTS clean.events (
    event_time TIMESTAMP,
    event_type VARCHAR,
    product_id BIGINT,
    category_id VARCHAR,
    category_code VARCHAR,
    category_1 VARCHAR,
    category_2 VARCHAR,
    category_3 VARCHAR,
    brand VARCHAR,
    price DECIMAL(18, 2),
    user_id BIGINT,
    user_session VARCHAR
);

CREATE TABLE IF NOT EXISTS clean.rejected_events (
    event_time VARCHAR,
    event_type VARCHAR,
    product_id VARCHAR,
    category_id VARCHAR,
    category_code VARCHAR,
    brand VARCHAR,
    price VARCHAR,
    user_id VARCHAR,
    user_session VARCHAR,
    file_name VARCHAR,
    reason VARCHAR
);

CREATE TABLE IF NOT EXISTS clean.corrections (
    table_name VARCHAR,
    column_name VARCHAR,
    raw_value VARCHAR,
    clean_value VARCHAR,
    rule VARCHAR,
    row_count BIGINT
);

CREATE TABLE IF NOT EXISTS clean.unmatched_values (
    column_name VARCHAR,
    value VARCHAR,
    row_count BIGINT,
    nearest VARCHAR,
    similarity DOUBLE
);

-- The key stops a second run at the same time from adding the same file.
CREATE TABLE IF NOT EXISTS clean.cleaned_files (
    file_name VARCHAR PRIMARY KEY,
    fingerprint UHUGEINT NOT NULL,
    has_uuids BOOLEAN NOT NULL,
    amazing_version VARCHAR NOT NULL,
    parameters VARCHAR NOT NULL
);

-- What decides, beside the rows, what the tables hold.
SET VARIABLE clean_parameters = concat_ws(
    '; ',
    'min_time ' || getvariable('min_time')::VARCHAR,
    'max_time ' || getvariable('max_time')::VARCHAR,
    'event_types ' || getvariable('event_types')::VARCHAR,
    'brands ' || getvariable('brands')::VARCHAR,
    'category_codes ' || getvariable('category_codes')::VARCHAR,
    'category_map ' || (
        SELECT bit_xor(hash(m.column_name, m.value, m.replacement))
        FROM config.category_map AS m
    )
);

SET VARIABLE clean_check = (
    SELECT
        CASE
            WHEN count(*) < 3
                THEN error(
                    '10_clean: the tables of clean were made by an older version of these scripts;'
                    || ' to make them anew: DROP SCHEMA clean CASCADE'
                )
        END
    FROM (
        SELECT d.*
        FROM (DESCRIBE clean.events) AS d
        UNION ALL
        SELECT d.*
        FROM (DESCRIBE clean.cleaned_files) AS d
    ) AS c
    WHERE
        (c.column_name = 'price' AND c.column_type = 'DECIMAL(18,2)')
        OR (c.column_name = 'user_session' AND c.column_type = 'VARCHAR')
        OR c.column_name = 'parameters'
);

SET VARIABLE clean_rebuild = (
    SELECT
        coalesce(getvariable('rebuild')::BOOLEAN, false)
        OR count(*) = 0
        OR bool_or(
            f.file_name IS NULL
            OR c.amazing_version <> i.version
            OR c.parameters <> getvariable('clean_parameters')
        )
    FROM clean.cleaned_files AS c
    CROSS JOIN amazing_info() AS i
    LEFT JOIN raw.loaded_files AS f ON f.file_name = c.file_name AND f.fingerprint = c.fingerprint
);

SET VARIABLE replaced_rows = (
    SELECT count(*)
    FROM clean.events
    WHERE getvariable('clean_rebuild')
);

DELETE FROM clean.events
WHERE getvariable('clean_rebuild');

DELETE FROM clean.rejected_events
WHERE getvariable('clean_rebuild');

DELETE FROM clean.corrections
WHERE getvariable('clean_rebuild');

DELETE FROM clean.unmatched_values
WHERE getvariable('clean_rebuild');

DELETE FROM clean.cleaned_files
WHERE getvariable('clean_rebuild');
