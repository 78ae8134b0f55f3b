-- The segments of the run before: of the same day, where this run has been before, what it said was
-- before.
CREATE OR REPLACE TEMP TABLE segments_before AS
SELECT
    h.user_id,
    if(h.as_of = c.as_of, h.as_of_before, h.as_of) AS as_of,
    if(h.as_of = c.as_of, h.segment_before, h.segment) AS segment,
    if(h.as_of = c.as_of, h.name_before, h.name) AS name,
    if(h.as_of = c.as_of, h.series_before, h.series) AS series
FROM kpi.segment_history AS h
CROSS JOIN temp.segment_choice AS c
WHERE h.as_of = (SELECT max(e.as_of) FROM kpi.segment_history AS e WHERE e.as_of <= c.as_of);

DELETE FROM kpi.segment_history AS h
WHERE h.month = (SELECT date_trunc('month', c.as_of)::DATE FROM temp.segment_choice AS c);

INSERT INTO kpi.segment_history
WITH users_of_both AS (
    SELECT
        coalesce(s.user_id, b.user_id) AS user_id,
        s.segment,
        b.segment AS segment_before,
        b.name AS name_before,
        b.series AS series_before
    FROM main.user_segments AS s
    FULL JOIN (
        SELECT *
        FROM temp.segments_before AS p
        WHERE p.segment IS NOT NULL
    ) AS b ON b.user_id = s.user_id
)

SELECT
    date_trunc('month', c.as_of)::DATE AS month,
    c.as_of,
    u.user_id,
    u.segment,
    n.name,
    if(u.segment IS NULL, NULL, c.series) AS series,
    (SELECT max(p.as_of) FROM temp.segments_before AS p) AS as_of_before,
    u.segment_before,
    u.name_before,
    u.series_before
FROM users_of_both AS u
CROSS JOIN temp.segment_choice AS c
LEFT JOIN temp.segment_names AS n ON n.segment = u.segment
WHERE c.as_of IS NOT NULL
ORDER BY u.user_id;

CREATE OR REPLACE TABLE kpi.segment_migration AS
SELECT
    h.as_of_before,
    h.as_of AS as_of_after,
    h.segment_before,
    h.name_before,
    h.segment AS segment_after,
    h.name AS name_after,
    count(*) AS size,
    count(*) / sum(count(*)) OVER (PARTITION BY h.segment_before) AS share,
    coalesce(any_value(h.series_before) = any_value(h.series), true) AS is_comparable
FROM kpi.segment_history AS h
WHERE h.as_of_before IS NOT NULL AND h.as_of = (SELECT c.as_of FROM temp.segment_choice AS c)
GROUP BY
    h.as_of_before,
    h.as_of,
    h.segment_before,
    h.name_before,
    h.segment,
    h.name
ORDER BY
    h.segment_before NULLS LAST,
    h.segment NULLS LAST;

