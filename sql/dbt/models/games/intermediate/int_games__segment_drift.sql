-- int_games__segment_drift: generated from sql/games/30_user_segments.sql (make docs).
{{ config(materialized='table', schema='intermediate') }}

WITH segments AS (
    SELECT
        unnest(range(len(s.model.centroids)))::INTEGER AS segment,
        s.model.centroids AS old_centroids,
        f.model.centroids AS new_centroids
    FROM {{ ref('int_games__segment_start') }} AS s
    CROSS JOIN {{ ref('int_games__segment_fit') }} AS f
),

distances AS (
    SELECT
        s.segment,
        list_distance(s.old_centroids[s.segment + 1], s.new_centroids[s.segment + 1]) AS distance,
        min(list_distance(s.old_centroids[s.segment + 1], s.old_centroids[o.segment + 1]))
            AS to_nearest
    FROM segments AS s
    LEFT JOIN segments AS o ON o.segment <> s.segment
    GROUP BY ALL
)

SELECT list(d.distance / nullif(d.to_nearest, 0) ORDER BY d.segment) AS moved
FROM distances AS d
