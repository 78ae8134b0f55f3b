-- base_marketplace__uuid_files: generated from sql/marketplace/10_clean.sql (make docs).
{{ config(materialized='table', schema='intermediate') }}

-- Files whose sessions are UUIDs, all but one of ten at most.
SELECT f.file_name
FROM {{ ref('base_marketplace__files') }} AS f
LEFT JOIN (
    SELECT
        r.file_name,
        count(*) AS row_count
    FROM {{ ref('base_marketplace__new_rows') }} AS r
    WHERE coalesce(exact_uuid(r.user_session), exact_uuid(trim(r.user_session))) IS NULL
    GROUP BY r.file_name
) AS o ON o.file_name = f.file_name
WHERE if(f.is_new, coalesce(o.row_count, 0) * 10 <= f.rows_loaded, f.has_uuids)
