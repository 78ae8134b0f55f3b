-- clean.corrections and the files that are in the tables; then nothing is lost.

-- Corrections are of events: of all new rows, less those that were rejected now.
CREATE OR REPLACE TEMP TABLE clean_all_corrections AS
WITH rejected_values AS (
    SELECT
        unnest(
            [
                {'column_name': 'event_type', 'raw_value': r.event_type},
                {'column_name': 'category_id', 'raw_value': r.category_id},
                {'column_name': 'category_code', 'raw_value': r.category_code},
                {'column_name': 'brand', 'raw_value': r.brand}
            ],
            recursive := true
        )
    FROM temp.clean_rejected_rows AS r
),

rejected_counts AS (
    SELECT
        v.column_name,
        v.raw_value,
        count(*) AS row_count
    FROM rejected_values AS v
    GROUP BY
        v.column_name,
        v.raw_value
)

SELECT
    c.table_name,
    c.column_name,
    c.raw_value,
    c.clean_value,
    c.rule,
    sum(c.row_count)::BIGINT AS row_count
FROM (
    SELECT *
    FROM clean.corrections
    UNION ALL
    SELECT
        'events' AS table_name,
        s.column_name,
        s.raw_value,
        s.clean_value,
        s.rule,
        s.row_count - coalesce(r.row_count, 0) AS row_count
    FROM temp.clean_spellings AS s
    LEFT JOIN rejected_counts AS r ON r.column_name = s.column_name AND r.raw_value = s.raw_value
    WHERE s.raw_value IS NOT NULL AND s.clean_value IS DISTINCT FROM s.raw_value
) AS c
GROUP BY ALL
HAVING sum(c.row_count) > 0;

CREATE OR REPLACE TABLE clean.corrections AS
SELECT *
FROM temp.clean_all_corrections
ORDER BY ALL;

INSERT INTO clean.cleaned_files
SELECT
    f.file_name,
    f.fingerprint,
    coalesce(list_contains(getvariable('clean_uuid_files'), f.file_name), false),
    i.version,
    getvariable('clean_parameters')
FROM temp.clean_files AS f
CROSS JOIN amazing_info() AS i
WHERE f.is_new;

SET VARIABLE clean_check = (
    SELECT
        if(
            counts.raw_rows <> counts.events + counts.rejected,
            error(
                '10_clean: '
                || counts.raw_rows
                || ' raw rows are not '
                || counts.events
                || ' events + '
                || counts.rejected
                || ' rejected rows; to make the tables of clean anew: SET VARIABLE rebuild = true'
            ),
            NULL
        )
    FROM (
        SELECT
            (SELECT count(*) FROM raw.all_events) AS raw_rows,
            (SELECT count(*) FROM clean.events) AS events,
            (SELECT count(*) FROM clean.rejected_events) AS rejected
    ) AS counts
);
