-- visitors: one row a visitor of a library, with figures to segment.
{{ config(materialized='table') }}

SELECT
    v.visitor_id,
    v.visitor_id % 3 * 20 + v.visitor_id % 5 AS visits,
    v.visitor_id % 3 * 7 + v.visitor_id % 4 AS books
FROM range({{ amazing.parameter('visitors') }}) AS v (visitor_id)
