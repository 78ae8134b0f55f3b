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
