-- int_marketplace__segment_news: generated from sql/marketplace/30_user_segments.sql (make docs).
{{ config(materialized='table', schema='intermediate', post_hook='{{ amazing.tell(this, "marketplace") }}') }}

-- What this run has done to the meaning of the numbers.
WITH moves AS (
    SELECT
        unnest(range(len(d.moved)))::INTEGER AS segment,
        unnest(d.moved) AS moved
    FROM {{ ref('int_marketplace__segment_drift') }} AS d
),

news AS (
    SELECT
        (
            SELECT string_agg('segment ' || m.segment || ' by ' || round(m.moved, 2),
                ', ' ORDER BY m.segment)
            FROM moves AS m
            WHERE m.moved > 0.5
        ) AS moved,
        (
            SELECT
                count(*) FILTER (h.segment <> h.segment_before) || ' of ' || count(*)
                    || ' users have another segment than on '
                || h.as_of_before
            FROM {{ ref('marketplace__segment_history') }} AS h
            WHERE
                h.as_of = (SELECT c.as_of FROM {{ ref('int_marketplace__segment_choice') }} AS c)
                AND h.segment IS NOT NULL
                AND h.segment_before IS NOT NULL
            GROUP BY h.as_of_before
        ) AS changed,
        (
            SELECT
                string_agg('segment ' || n.segment || ' is now "' || n.name || '", was "'
                    || n.old_name || '"', ', ' ORDER BY n.segment)
            FROM {{ ref('int_marketplace__segment_names') }} AS n
            WHERE n.name <> n.old_name
        ) AS renamed
)

SELECT
    concat_ws(
        '; ',
        CASE
            WHEN c.fit = 'warm' THEN 'model ' || c.model_id || ', refit from model ' || c.stored_id
            WHEN c.fit = 'none' THEN 'model ' || c.model_id || ', as it was'
            WHEN c.stored_id IS NULL THEN 'model 1, the first'
            ELSE
                'WARNING: model ' || c.model_id || ' is a fresh fit (' || c.reason
                || '): its numbers and names are not those of model ' || c.stored_id
        END,
        'WARNING: moved far from where it was: ' || w.moved
            || ' of the way to the nearest other (beyond 0.5)',
        w.changed,
        w.renamed
    ) AS news
FROM {{ ref('int_marketplace__segment_choice') }} AS c
CROSS JOIN news AS w
