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
