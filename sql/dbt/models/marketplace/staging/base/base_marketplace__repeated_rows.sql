-- base_marketplace__repeated_rows: generated from sql/marketplace/10_clean.sql (make docs).
{{ config(materialized='table', schema='intermediate') }}

SELECT h.raw_row
FROM {{ ref('base_marketplace__hashed_rows') }} AS h
WHERE
    h.row_hash IN (
        SELECT unnest(repeated_values(r.row_hash)) AS row_hash
        FROM {{ ref('base_marketplace__hashed_rows') }} AS r
    )
