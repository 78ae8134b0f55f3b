-- The rows to clean: those of new files, and of known ones those that can be equal to them.

-- The files, with the times that an event in them can have.
CREATE OR REPLACE TEMP TABLE clean_files AS
SELECT
    f.file_name,
    f.fingerprint,
    f.rows_loaded,
    c.file_name IS NULL AS is_new,
    c.has_uuids,
    coalesce(getvariable('min_time')::TIMESTAMP, TIMESTAMP '2000-01-01') AS min_time,
    coalesce(getvariable('max_time')::TIMESTAMP, f.loaded_at::DATE + INTERVAL 1 DAY) AS last_time,
    if(
        last_time = last_time::DATE, last_time + INTERVAL 1 DAY - INTERVAL 1 MICROSECOND, last_time
    ) AS max_time
FROM raw.loaded_files AS f
LEFT JOIN clean.cleaned_files AS c ON c.file_name = f.file_name;

CREATE OR REPLACE TEMP VIEW clean_new_rows AS
SELECT
    e.rowid AS raw_row,
    e.*
FROM raw.all_events AS e
WHERE e.file_name IN (SELECT f.file_name FROM temp.clean_files AS f WHERE f.is_new);

-- The days between which the times of new rows are, one more at each end because of the offset from
-- UTC, and whether a text begins with a blank; without rows where no file is known.
CREATE OR REPLACE TEMP TABLE clean_new_days AS
SELECT
    strftime(min(t.moment)::DATE - 1, '%Y-%m-%d') AS first_day,
    strftime(max(t.moment)::DATE + 2, '%Y-%m-%d') AS day_behind,
    (SELECT count(*) FROM raw.all_events AS e WHERE e.event_time BETWEEN ' ' AND '!') > 0
        AS has_blanks
FROM (
    SELECT coalesce(exact_timestamp(r.event_time), exact_timestamp(trim(r.event_time))) AS moment
    FROM temp.clean_new_rows AS r
    JOIN (
        SELECT n.*
        FROM temp.clean_files AS n
        CROSS JOIN (SELECT count(*) AS known FROM temp.clean_files AS k WHERE NOT k.is_new) AS f
        WHERE f.known > 0
    ) AS f ON f.file_name = r.file_name
    WHERE moment BETWEEN f.min_time AND f.max_time
) AS t;

-- A variable, so that a scan knows before it begins which rows it can leave out.
SET VARIABLE clean_new_days = (
    SELECT {'first_day': d.first_day, 'day_behind': d.day_behind, 'has_blanks': d.has_blanks}
    FROM temp.clean_new_days AS d
);

-- Rows of known files that can be equal to a new one: those whose text begins with a day between
-- theirs, which in the order of months leaves old files unread. Where texts begin with blanks, all.
CREATE OR REPLACE TEMP VIEW clean_known_rows AS
SELECT
    e.rowid AS raw_row,
    e.*
FROM raw.all_events AS e
WHERE
    e.file_name IN (SELECT f.file_name FROM temp.clean_files AS f WHERE NOT f.is_new)
    AND (
        getvariable('clean_new_days').has_blanks
        OR (
            e.event_time >= getvariable('clean_new_days').first_day
            AND e.event_time < getvariable('clean_new_days').day_behind
        )
    );

CREATE OR REPLACE TEMP VIEW clean_rows AS
SELECT
    true AS is_new,
    n.*
FROM temp.clean_new_rows AS n
UNION ALL
SELECT
    false AS is_new,
    k.*
FROM temp.clean_known_rows AS k;

-- Files whose sessions are UUIDs, all but one of ten at most.
CREATE OR REPLACE TEMP TABLE clean_uuid_files AS
SELECT f.file_name
FROM temp.clean_files AS f
LEFT JOIN (
    SELECT
        r.file_name,
        count(*) AS row_count
    FROM temp.clean_new_rows AS r
    WHERE coalesce(exact_uuid(r.user_session), exact_uuid(trim(r.user_session))) IS NULL
    GROUP BY r.file_name
) AS o ON o.file_name = f.file_name
WHERE if(f.is_new, coalesce(o.row_count, 0) * 10 <= f.rows_loaded, f.has_uuids);

SET VARIABLE clean_uuid_files = (
    SELECT list(u.file_name)
    FROM temp.clean_uuid_files AS u
);
