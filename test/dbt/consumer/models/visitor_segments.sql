-- visitor_segments: one row per visitor, with the segment.
{{ config(materialized='table') }}

SELECT *
FROM amz.kmeans_segments({{ ref('visitors') }}, k := 3)
