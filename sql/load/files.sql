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
