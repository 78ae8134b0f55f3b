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

