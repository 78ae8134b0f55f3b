-- Step 30_user_segments of the pipeline `marketplace`: users in segments, what makes each different, and a picture.
--
-- main.user_segments      one row: a user with at least min_events events: the columns of kpi.user_features, then segment
-- kpi.segment_profile     one row: a segment and feature
-- kpi.segment_map         one row: a user of user_segments on the first two principal components
-- kpi.segment_components  one row: a principal component and feature: what the axes of the map mean
-- the file `svg`          segment_map as a picture
--
-- Parameters (session variables):
--   min_events  events that a user needs (10): of a few events no habit can be read
--   k           segments (5); fewer where there are fewer different users than that
--   seed        of the random draws (42)
--   svg         the file that the picture goes to ('segments.svg')
--
-- Features: everything in kpi.user_features but the identifier and the time. Spend and counts are taken as ln(1 + x):
-- they are spread over powers of ten, and without it the few largest customers would be segments of their own.

SET VARIABLE min_events = coalesce(getvariable('min_events'), 10);

SET VARIABLE k = coalesce(getvariable('k'), 5);

SET VARIABLE seed = coalesce(getvariable('seed'), 42);

SET VARIABLE svg = coalesce(getvariable('svg'), 'segments.svg');

SET VARIABLE current_run = coalesce(getvariable('run_id'), getvariable('current_run'), uuid()::VARCHAR);

SET VARIABLE segment_features = [
    'total_events', 'total_views', 'total_purchases', 'avg_time_between_events', 'total_spent', 'avg_basket',
    'conversion_rate', 'purchase_ratio', 'days_since_last_event'
];

SET VARIABLE segment_log = ['total_events', 'total_views', 'total_purchases', 'total_spent', 'avg_basket'];

BEGIN TRANSACTION;

-- A table of this name that no run of the pipeline made is somebody else's.
SET VARIABLE segment_check = (
    SELECT
        CASE
            WHEN
                count(*) > 0
                AND NOT EXISTS (
                    SELECT 1
                    FROM raw.pipeline_runs AS r
                    WHERE r.step = '30_user_segments' OR r.run_id LIKE 'dbt %'
                )
                THEN error(
                    '30_user_segments: main.user_segments is there already, and this pipeline did not make it: rename it, or take'
                    || ' a schema_prefix (amazing_scripts)'
                )
        END
    FROM duckdb_tables() AS t
    WHERE t.database_name = current_database() AND t.schema_name || '.' || t.table_name = 'main.user_segments'
);

CREATE OR REPLACE TEMP TABLE segment_users AS
SELECT f.*
FROM kpi.user_features AS f
WHERE f.total_events >= getvariable('min_events')::BIGINT;

SET VARIABLE segment_count = (
    SELECT if(count(*) BETWEEN 1 AND getvariable('k') - 1, count(*), getvariable('k'))
    FROM (
        SELECT DISTINCT u.* EXCLUDE (user_id, last_event_time)
        FROM temp.segment_users AS u
    ) AS different_users
);

-- A user with one event has no time between events (min_events = 1): zero.
CREATE OR REPLACE TABLE main.user_segments AS
SELECT *
FROM amz.kmeans_segments(
    'temp.segment_users',
    k := getvariable('segment_count'),
    features := getvariable('segment_features'),
    log := getvariable('segment_log'),
    nulls := 'zero',
    seed := getvariable('seed')
);

CREATE OR REPLACE TABLE kpi.segment_profile AS
SELECT *
FROM amz.segment_profile(
    'main.user_segments',
    segment := 'segment',
    features := getvariable('segment_features'),
    log := getvariable('segment_log')
);

CREATE OR REPLACE TABLE kpi.segment_map AS
SELECT
    m.user_id,
    m.segment,
    m.pc1,
    m.pc2
FROM amz.pca_2d(
    'main.user_segments',
    features := getvariable('segment_features'),
    log := getvariable('segment_log'),
    nulls := 'zero'
) AS m;

CREATE OR REPLACE TABLE kpi.segment_components AS
SELECT *
FROM amz.pca_components(
    'main.user_segments',
    n := 2,
    features := getvariable('segment_features'),
    log := getvariable('segment_log'),
    nulls := 'zero'
);

SET VARIABLE segment_axes = (
    SELECT
        list(
            'principal component ' || a.component || coalesce(
                ' (' || round(100 * a.explained_variance_ratio)::BIGINT || ' % of the variance)',
                ''
            )
            ORDER BY a.component
        )
    FROM (
        SELECT DISTINCT
            c.component,
            c.explained_variance_ratio
        FROM kpi.segment_components AS c
    ) AS a
);

COPY (
    SELECT
        encode(
            coalesce(
                scatter_svg(
                    m.pc1,
                    m.pc2,
                    m.segment || ': ' || p.name,
                    {
                        'title': 'User segments',
                        'x_label': getvariable('segment_axes')[1],
                        'y_label': getvariable('segment_axes')[2]
                    }
                ),
                '<svg xmlns="http://www.w3.org/2000/svg" width="800" height="80">'
                || '<text x="20" y="45" font-family="sans-serif">No user has enough events for a segment.</text></svg>'
            )
        ) AS svg
    FROM kpi.segment_map AS m
    INNER JOIN kpi.segment_profile AS p
        ON m.segment = p.segment AND p.rank = 1
) TO (getvariable('svg')) (FORMAT blob);

INSERT INTO raw.pipeline_runs
SELECT
    getvariable('current_run'),
    '30_user_segments',
    make_timestamp(epoch_us(now())),
    make_timestamp(epoch_us(uuid_extract_timestamp(uuidv7()))),
    (SELECT count(*) FROM main.user_segments);

DROP TABLE temp.segment_users;

COMMIT;

SELECT
    count(*) AS users,
    count(DISTINCT s.segment) AS segments,
    CASE
        WHEN count(*) = 0 THEN 'no user has at least ' || getvariable('min_events') || ' events'
        WHEN count(DISTINCT s.segment) < getvariable('k')
            THEN 'fewer segments than k = ' || getvariable('k') || ': the users do not differ more'
        ELSE 'see kpi.segment_profile and ' || getvariable('svg')
    END AS message
FROM main.user_segments AS s;
