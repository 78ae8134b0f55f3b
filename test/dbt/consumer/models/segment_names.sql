-- segment_names: one row a segment.
SELECT
    p.segment,
    p.size,
    p.name
FROM amz.segment_profile({{ ref('visitor_segments') }}) AS p
WHERE p.rank = 1
