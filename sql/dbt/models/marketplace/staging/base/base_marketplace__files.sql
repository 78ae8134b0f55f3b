-- base_marketplace__files: generated from sql/marketplace/10_clean.sql (make docs).
{{ config(materialized='table', schema='intermediate') }}

-- The files, with the times that an event in them can have.
SELECT
    f.file_name,
    f.fingerprint,
    f.rows_loaded,
    c.file_name IS NULL AS is_new,
    c.has_uuids,
    coalesce({{ amazing.parameter('marketplace_min_time') }}::TIMESTAMP, TIMESTAMP '2000-01-01') AS min_time,
    coalesce({{ amazing.parameter('marketplace_max_time') }}::TIMESTAMP, f.loaded_at::DATE + INTERVAL 1 DAY) AS last_time,
    if(
        last_time = last_time::DATE, last_time + INTERVAL 1 DAY - INTERVAL 1 MICROSECOND, last_time
    ) AS max_time
FROM {{ source('marketplace', 'loaded_files') }} AS f
LEFT JOIN (SELECT NULL::VARCHAR AS file_name, NULL::UHUGEINT AS fingerprint, NULL::BOOLEAN AS has_uuids, NULL::VARCHAR AS amazing_version, NULL::VARCHAR AS parameters LIMIT 0) AS c ON c.file_name = f.file_name
