-- What this run has done to the meaning of the numbers.
CREATE OR REPLACE TEMP TABLE segment_news AS
WITH moves AS (
    SELECT
        unnest(range(len(d.moved)))::INTEGER AS segment,
        unnest(d.moved) AS moved
    FROM temp.segment_drift AS d
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
            FROM kpi.segment_history AS h
            WHERE
                h.as_of = (SELECT c.as_of FROM temp.segment_choice AS c)
                AND h.segment IS NOT NULL
                AND h.segment_before IS NOT NULL
            GROUP BY h.as_of_before
        ) AS changed,
        (
            SELECT
                string_agg('segment ' || n.segment || ' is now "' || n.name || '", was "'
                    || n.old_name || '"', ', ' ORDER BY n.segment)
            FROM temp.segment_names AS n
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
FROM temp.segment_choice AS c
CROSS JOIN news AS w;

SET VARIABLE segment_news = (SELECT n.news FROM temp.segment_news AS n);

SET VARIABLE run_counts = (
    SELECT
        {
            'rows_in': u.users,
            'rows': s.users,
            'rows_replaced': getvariable('replaced_rows'),
            'rows_rejected': u.users - s.users,
            'message': s.users || ' users in ' || s.segments || ' segments, ' || (u.users - s.users)
            || ' with fewer than ' || getvariable('min_events') || ' events left out; '
            || getvariable('segment_news')
        }
    FROM (
        SELECT
            count(*) AS users,
            count(DISTINCT m.segment) AS segments
        FROM main.user_segments AS m
    ) AS s
    CROSS JOIN (SELECT count(*) AS users FROM {users}) AS u
);

-- {record a run}

DROP TABLE temp.segment_users;

DROP TABLE temp.segment_choice;

DROP TABLE temp.segment_start;

DROP TABLE temp.segment_fit;

DROP TABLE temp.segment_figures;

DROP TABLE temp.segment_names;

DROP TABLE temp.segment_drift;

DROP TABLE temp.segments_before;

DROP TABLE temp.segment_news;

COMMIT;

SELECT
    count(*) AS users,
    count(DISTINCT s.segment) AS segments,
    CASE
        WHEN count(*) = 0 THEN 'no user has at least ' || getvariable('min_events') || ' events'
        ELSE
            concat_ws(
                '; ',
                if(
                    count(DISTINCT s.segment) < getvariable('k'),
                    'fewer segments than k = ' || getvariable('k')
                        || ': the users do not differ more',
                    NULL
                ),
                getvariable('segment_news'),
                'see kpi.segment_profile and ' || getvariable('svg')
            )
    END AS message
FROM main.user_segments AS s;
