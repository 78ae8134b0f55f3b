-- base_marketplace__new_files: generated from sql/marketplace/10_clean.sql (make docs).
{{ config(materialized='table', schema='intermediate') }}

SELECT
    f.file_name,
    f.fingerprint
FROM {{ source('marketplace', 'loaded_files') }} AS f
