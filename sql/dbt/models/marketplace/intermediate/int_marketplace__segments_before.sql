-- int_marketplace__segments_before: generated from sql/marketplace/30_user_segments.sql (make docs).
{{ config(materialized='table', schema='intermediate') }}

{% set no_segment_history %}(
SELECT
    NULL::DATE AS month,
    NULL::DATE AS as_of,
    u.user_id,
    NULL::INTEGER AS segment,
    NULL::VARCHAR AS name,
    NULL::INTEGER AS series,
    NULL::DATE AS as_of_before,
    NULL::INTEGER AS segment_before,
    NULL::VARCHAR AS name_before,
    NULL::INTEGER AS series_before
FROM {{ ref('marketplace__user_features') }} AS u
WHERE false
){% endset %}
-- The segments of the run before: of the same day, where this run has been before, what it said was
-- before.
SELECT
    h.user_id,
    if(h.as_of = c.as_of, h.as_of_before, h.as_of) AS as_of,
    if(h.as_of = c.as_of, h.segment_before, h.segment) AS segment,
    if(h.as_of = c.as_of, h.name_before, h.name) AS name,
    if(h.as_of = c.as_of, h.series_before, h.series) AS series
FROM {{ amazing.kept('marketplace', 'kpi', 'segment_history', no_segment_history) }} AS h
CROSS JOIN {{ ref('int_marketplace__segment_choice') }} AS c
WHERE h.as_of = (SELECT max(e.as_of) FROM {{ amazing.kept('marketplace', 'kpi', 'segment_history', no_segment_history) }} AS e WHERE e.as_of <= c.as_of)
