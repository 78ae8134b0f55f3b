-- The stored centroids at their place among the users of today: of one segment only the scale is
-- asked for.
CREATE OR REPLACE TEMP TABLE segment_start AS
WITH today AS (
    SELECT
        kmeans_fit(
            u,
            1,
            {
                'features': getvariable('segment_features'),
                'log': getvariable('segment_log'),
                'nulls': 'zero',
                'n_init': 1,
                'threads': current_setting('threads')
            }
        ) AS model
    FROM temp.segment_users AS u
    WHERE (SELECT c.fit FROM temp.segment_choice AS c) = 'warm'
)

SELECT
    {
        'version': c.model.version,
        'k': c.model.k,
        'features': t.model.features,
        'scale': t.model.scale,
        'log': t.model.log,
        'nulls': t.model.nulls,
        'fill': t.model.fill,
        'center': t.model.center,
        'spread': t.model.spread,
        'mean': t.model.mean,
        'stddev': t.model.stddev,
        'centroids': c.model.centroids
    } AS model
FROM temp.segment_choice AS c
CROSS JOIN today AS t
WHERE t.model IS NOT NULL;

-- One row: the model that segments are told by. A user with one event has no time between events
-- (min_events = 1): zero.
CREATE OR REPLACE TEMP TABLE segment_fit AS
WITH fresh AS (
    SELECT
        kmeans_fit(
            u,
            getvariable('segment_count'),
            {
                'features': getvariable('segment_features'),
                'log': getvariable('segment_log'),
                'nulls': 'zero',
                'seed': getvariable('seed'),
                'threads': current_setting('threads')
            }
        ) AS model
    FROM temp.segment_users AS u
    WHERE (SELECT c.fit FROM temp.segment_choice AS c) = 'fresh'
),

warm AS (
    SELECT
        kmeans_fit(
            u,
            getvariable('segment_count'),
            {
                'features': getvariable('segment_features'),
                'log': getvariable('segment_log'),
                'nulls': 'zero',
                'init': (SELECT s.model FROM temp.segment_start AS s),
                'seed': getvariable('seed'),
                'threads': current_setting('threads')
            }
        ) AS model
    FROM temp.segment_users AS u
    WHERE (SELECT c.fit FROM temp.segment_choice AS c) = 'warm'
)

SELECT coalesce(f.model, w.model, c.model) AS model
FROM temp.segment_choice AS c
CROSS JOIN fresh AS f
CROSS JOIN warm AS w;

CREATE OR REPLACE TABLE main.user_segments AS
SELECT
    u.*,
    kmeans_predict((SELECT f.model FROM temp.segment_fit AS f), u) AS segment
FROM temp.segment_users AS u;

CREATE OR REPLACE TEMP TABLE segment_figures AS
SELECT *
FROM amz.segment_profile(
    'main.user_segments',
    segment := 'segment',
    features := getvariable('segment_features'),
    log := getvariable('segment_log')
);

