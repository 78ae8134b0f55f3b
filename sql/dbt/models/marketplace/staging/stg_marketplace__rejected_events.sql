-- stg_marketplace__rejected_events: generated from sql/marketplace/10_clean.sql (make docs).
{{ config(materialized='table', schema='clean', alias='rejected_events') }}

SELECT *
FROM {{ ref('base_marketplace__rejected_rows') }}
