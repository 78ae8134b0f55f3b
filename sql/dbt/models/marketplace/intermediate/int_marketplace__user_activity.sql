-- int_marketplace__user_activity: generated from sql/marketplace/20_kpi.sql (make docs).
{{ config(materialized='table', schema='intermediate') }}

SELECT *
FROM amz.user_activity('{{ ref('stg_marketplace__events') }}')
