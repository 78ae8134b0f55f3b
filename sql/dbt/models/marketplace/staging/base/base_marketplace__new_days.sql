-- base_marketplace__new_days: generated from sql/marketplace/10_clean.sql (make docs).
{{ config(materialized='table', schema='intermediate') }}

-- The days between which the times of new rows are, one more at each end because of the offset from
-- UTC, and whether a text begins with a blank; without rows where no file is known.
SELECT
    strftime(min(t.moment)::DATE - 1, '%Y-%m-%d') AS first_day,
    strftime(max(t.moment)::DATE + 2, '%Y-%m-%d') AS day_behind,
    (SELECT count(*) FROM {{ source('marketplace', 'all_events') }} AS e WHERE e.event_time BETWEEN ' ' AND '!') > 0
        AS has_blanks
FROM (
    SELECT coalesce(exact_timestamp(r.event_time), exact_timestamp(trim(r.event_time))) AS moment
    FROM {{ ref('base_marketplace__new_rows') }} AS r
    JOIN (
        SELECT n.*
        FROM {{ ref('base_marketplace__files') }} AS n
        CROSS JOIN (SELECT count(*) AS known FROM {{ ref('base_marketplace__files') }} AS k WHERE NOT k.is_new) AS f
        WHERE f.known > 0
    ) AS f ON f.file_name = r.file_name
    WHERE moment BETWEEN f.min_time AND f.max_time
) AS t
