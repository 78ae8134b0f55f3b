-- stg_marketplace__unmatched_values: generated from sql/marketplace/10_clean.sql (make docs).
{{ config(materialized='table', schema='clean', alias='unmatched_values') }}

SELECT *
FROM {{ ref('base_marketplace__all_unmatched') }}
ORDER BY ALL
