-- stg_marketplace__corrections: generated from sql/marketplace/10_clean.sql (make docs).
{{ config(materialized='table', schema='clean', alias='corrections') }}

SELECT *
FROM {{ ref('base_marketplace__all_corrections') }}
ORDER BY ALL
