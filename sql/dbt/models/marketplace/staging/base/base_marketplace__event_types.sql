-- base_marketplace__event_types: generated from sql/marketplace/10_clean.sql (make docs).
{{ config(materialized='table', schema='intermediate') }}

SELECT
    a.raw_value,
    a.normalized,
    a.rule
FROM amz.normalize_category(
    '{{ ref('base_marketplace__new_rows') }}',
    'event_type',
    ['view', 'cart', 'remove_from_cart', 'purchase']
) AS a
