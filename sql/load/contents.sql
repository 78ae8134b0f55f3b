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

