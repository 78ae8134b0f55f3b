-- Step 30_user_segments of the pipeline `games`: players in segments, what makes each
-- different, who moved, a picture.
--
-- main.user_segments      one row: a user with at least min_events events: the columns of kpi.user_engagement,
--                         then segment
-- kpi.segment_model       one row: a model that a run has fitted, the last one is what the next run
--                         starts from
-- kpi.segment_profile     one row: a segment and feature
-- kpi.segment_history     one row: a month and a user who was in a segment in it or in the run
--                         before
-- kpi.segment_migration   one row: a pair of segments that users have in the run before and in this
--                         one
-- kpi.segment_map         one row: a user of user_segments on the first two principal components
-- kpi.segment_components  one row: a principal component and feature: what the axes of the map mean
-- the file `svg`          segment_map as a picture
--
-- Parameters (session variables):
--   min_events  events that a user needs (10): of a few events no habit can be read
--   k           segments (5); fewer where there are fewer different users than that
--   refit       'warm' (default): a fit that starts from the stored model; 'never': the stored
--               model; 'fresh': a new fit
--   seed        of the random draws (42)
--   svg         the file that the picture goes to (beside the database, shop.games.svg of
--               shop.duckdb; of a database in memory 'segments.svg')
--
-- Features: the figures of kpi.user_engagement, that is everything but identifiers, favourites and
-- the time, all on the standard scale. Counts and seconds are taken as ln(1 + x): they are spread
-- over powers of ten, and without it the few keenest players would be segments of their own. Time
-- since the last event is not: there each day counts the same. Of a session's two lengths it is
-- avg_seconds_played, as avg_session_seconds says 0 of one event.
--
-- Segments keep their numbers. A run starts from the centroids of the stored model, at their place
--   among the users of today (in standard deviations from the mean, as figures that add up over the
--   months grow for everyone). Another k, other features or other options are a fresh fit with new
--   numbers, and the last message says so; `series` tells which numbers can be compared. A run on
--   the users that the stored model was fitted to applies it, and changes nothing. `moved` of a
--   segment is the distance from where its centroid started to where it ended, as a part of the
--   distance to the nearest other: up to a half, the centroid is still where the stored model says
--   its number. Beyond, the last message warns. It always tells how many users have another segment
--   than in the run before. A name is kept while each of its words holds: `high` and `low` to the
--   mean of all, `very` to a standard deviation from it, `average` within half of one. (In a new
--   name they begin at 0.25, 2 and 0.25.) The history holds the last run of each month, by `as_of`,
--   the day of the data; the run before is the one with the last earlier day. Who has left the
--   segments since then has a row with segment NULL.

SET VARIABLE min_events = coalesce(getvariable('min_events'), 10);

SET VARIABLE k = coalesce(getvariable('k'), 5);

SET VARIABLE refit = coalesce(getvariable('refit')::VARCHAR, 'warm');

SET VARIABLE seed = coalesce(getvariable('seed'), 42);

SET VARIABLE svg = coalesce(
    getvariable('svg')::VARCHAR,
    (
        SELECT regexp_replace(d.path, '[.](duckdb|db|ddb)$', '') || '.games.svg'
        FROM duckdb_databases() AS d
        WHERE d.database_name = current_database()
    ),
    'segments.svg'
);

SET VARIABLE segment_features = [
    'events', 'sessions', 'days_active', 'months_active', 'events_per_active_month',
        'avg_time_between_events',
    'avg_seconds_played', 'seconds_played', 'games_played', 'purchases', 'days_since_last_event'
];

SET VARIABLE segment_log = [
    'events', 'sessions', 'days_active', 'months_active', 'events_per_active_month',
        'avg_time_between_events',
    'avg_seconds_played', 'seconds_played', 'games_played', 'purchases'
];

SET VARIABLE current_run = coalesce(
    getvariable('run_id')::VARCHAR,
    getvariable('current_run'),
    uuid()::VARCHAR
);

SET VARIABLE run_started = make_timestamp(epoch_us(uuid_extract_timestamp(uuidv7())));

INSERT INTO raw.pipeline_runs (run_id, step, started_at, finished_at, rows, status)
SELECT
    getvariable('current_run'),
    '30_user_segments',
    getvariable('run_started'),
    getvariable('run_started'),
    0,
    'started';

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
                    WHERE r.step = '30_user_segments' AND r.status = 'done' OR r.run_id LIKE 'dbt %'
                )
                THEN error(
                    '30_user_segments: main.user_segments is there already, and this pipeline '
                    || 'did not make it: rename it, or take'
                    || ' a schema_prefix (amazing_scripts)'
                )
        END
    FROM duckdb_tables() AS t
    WHERE t.database_name = current_database()
        AND t.schema_name || '.' || t.table_name = 'main.user_segments'
);

-- How many rows the run before has left, which this one replaces.
SET VARIABLE replaced_rows = (
    SELECT coalesce(sum(t.estimated_size), 0)::BIGINT
    FROM duckdb_tables() AS t
    WHERE
        t.database_name = current_database()
        AND t.schema_name || '.' || t.table_name = 'main.user_segments'
);

CREATE TABLE IF NOT EXISTS kpi.segment_model AS
SELECT
    NULL::INTEGER AS model_id,
    NULL::INTEGER AS series,
    NULL::VARCHAR AS run_id,
    NULL::TIMESTAMP AS created_at,
    NULL::DATE AS as_of,
    NULL::VARCHAR AS fit,
    NULL::VARCHAR AS reason,
    map([''], ['']) AS parameters,
    NULL::UBIGINT AS users_hash,
    NULL::DOUBLE[] AS moved,
    NULL::VARCHAR[] AS names,
    kmeans_fit({'x': 0.0}, 1) AS model
HAVING false;

CREATE TABLE IF NOT EXISTS kpi.segment_history AS
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
FROM kpi.user_engagement AS u
WHERE false;

CREATE OR REPLACE TEMP TABLE segment_users AS
SELECT f.*
FROM kpi.user_engagement AS f
WHERE f.events >= getvariable('min_events')::BIGINT;

SET VARIABLE segment_count = (
    SELECT if(count(*) BETWEEN 1 AND getvariable('k') - 1, count(*), getvariable('k'))
    FROM (
        SELECT DISTINCT u.* EXCLUDE (user_id, favourite_game, favourite_device, last_event_time)
        FROM temp.segment_users AS u
    ) AS different_users
);

-- One row: what this run does (`fit`: fresh, warm, none), why, and the stored model where it still
-- counts.
CREATE OR REPLACE TEMP TABLE segment_choice AS
WITH stored AS (
    SELECT m.*
    FROM kpi.segment_model AS m
    ORDER BY m.model_id DESC
    LIMIT 1
),

today AS (
    SELECT
        count(*) AS users,
        coalesce(bit_xor(hash(u)), 0)::UBIGINT AS users_hash,
        max(u.last_event_time::DATE + u.days_since_last_event::INTEGER) AS as_of
    FROM temp.segment_users AS u
),

compared AS (
    SELECT
        t.*,
        s.* EXCLUDE (users_hash, as_of),
        s.users_hash = t.users_hash AS is_same_data,
        s.parameters['seed'] = getvariable('seed')::VARCHAR AS is_same_seed,
        nullif(
            concat_ws(
                ', ',
                if(s.parameters['k'] <> getvariable('k')::VARCHAR, 'k was ' || s.parameters['k'],
                    NULL),
                if(s.model.features <> getvariable('segment_features'), 'the features were others',
                    NULL),
                if(
                    list_sort(s.model.log) <> list_sort(getvariable('segment_log'))
                    OR s.model.nulls <> 'zero'
                    OR s.model.scale <> 'standard',
                    'the options were others',
                    NULL
                )
            ),
            ''
        ) AS change
    FROM today AS t
    LEFT JOIN stored AS s ON true
),

choices AS (
    SELECT
        c.*,
        CASE
            WHEN getvariable('refit') NOT IN ('never', 'warm', 'fresh')
                THEN error(
                    '30_user_segments: refit must be one of ''never'', ''warm'', ''fresh'', not '''
                        || getvariable('refit') || ''''
                )
            WHEN getvariable('refit') = 'never' AND c.change IS NOT NULL
                THEN error(
                    '30_user_segments: refit is ''never'', but of model ' || c.model_id || ' '
                        || c.change
                    || ': take what it was fitted with, or refit := ''fresh'''
                )
            WHEN c.users = 0 THEN 'none'
            WHEN c.model_id IS NULL OR c.change IS NOT NULL THEN 'fresh'
            WHEN getvariable('refit') = 'never' THEN 'none'
            WHEN getvariable('refit') = 'fresh'
                THEN if(c.is_same_data AND c.is_same_seed AND c.fit = 'fresh', 'none', 'fresh')
            WHEN c.is_same_data THEN 'none'
            WHEN c.model.k <> getvariable('segment_count') THEN 'fresh'
            ELSE 'warm'
        END AS next_fit
    FROM compared AS c
)

SELECT
    c.next_fit AS fit,
    CASE
        WHEN c.next_fit <> 'fresh' THEN NULL
        WHEN c.model_id IS NULL THEN 'no model was stored'
        WHEN c.change IS NOT NULL THEN c.change
        WHEN getvariable('refit') = 'fresh' THEN 'refit is ''fresh'''
        ELSE 'different users were enough for ' || c.model.k || ' segments, not '
        || getvariable('segment_count')
    END AS reason,
    c.as_of,
    c.users_hash,
    c.model_id AS stored_id,
    coalesce(c.model_id, 0) + if(c.next_fit = 'none', 0, 1) AS model_id,
    if(c.next_fit = 'fresh', coalesce(c.model_id, 0) + 1, c.series) AS series,
    if(c.next_fit = 'fresh', NULL, c.names) AS names,
    if(c.next_fit = 'fresh', NULL, c.model) AS model
FROM choices AS c;

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

-- One row: a segment with users, its name, and the stored name where there is one. A stored name
-- whose words all hold stays; a new name that is, but for a number in brackets, a stored one that
-- stays has a number after that.
CREATE OR REPLACE TEMP TABLE segment_names AS
WITH segments AS (
    SELECT
        f.segment,
        any_value(f.name) AS new_name,
        (SELECT c.names FROM temp.segment_choice AS c)[f.segment + 1] AS old_name,
        max(abs(f.z_score)) AS farthest
    FROM temp.segment_figures AS f
    GROUP BY f.segment
),

words AS (
    SELECT
        s.segment,
        unnest(string_split(regexp_replace(s.old_name, ' \([0-9]+\)$', ''), ', ')) AS words
    FROM segments AS s
    WHERE s.old_name IS NOT NULL
),

held AS (
    SELECT
        w.segment,
        bool_and(
            coalesce(
                CASE regexp_extract(w.words, '^(.* )?[^ ]+$', 1)
                    WHEN 'very high ' THEN f.z_score >= 1
                    WHEN 'high ' THEN f.z_score > 0
                    WHEN 'low ' THEN f.z_score < 0
                    WHEN 'very low ' THEN f.z_score <= -1
                    WHEN 'average ' THEN abs(f.z_score) < 0.5
                    ELSE w.words = 'average' AND s.farthest < 0.5
                END,
                false
            )
        ) AS is_true
    FROM words AS w
    INNER JOIN segments AS s ON s.segment = w.segment
    LEFT JOIN temp.segment_figures AS f
        ON f.segment = w.segment AND f.feature = regexp_extract(w.words, '[^ ]+$')
    GROUP BY w.segment
),

named AS (
    SELECT
        s.segment,
        s.old_name,
        coalesce(h.is_true, false) AS is_kept,
        if(is_kept, s.old_name, s.new_name) AS name,
        regexp_replace(name, ' \([0-9]+\)$', '') AS words
    FROM segments AS s
    LEFT JOIN held AS h ON h.segment = s.segment
)

SELECT
    n.segment,
    n.old_name,
    CASE
        WHEN n.is_kept OR NOT bool_or(n.is_kept) OVER same_words THEN n.name
        ELSE
            n.words || ' ('
            || max(if(n.is_kept, coalesce(
                try_cast(regexp_extract(n.name, ' \(([0-9]+)\)$', 1) AS INTEGER), 1
            ), 0)) OVER same_words
            + count(*) FILTER (NOT n.is_kept) OVER (PARTITION BY n.words ORDER BY n.segment) || ')'
    END AS name
FROM named AS n
WINDOW same_words AS (PARTITION BY n.words);

CREATE OR REPLACE TABLE kpi.segment_profile AS
SELECT f.* REPLACE (n.name AS name)
FROM temp.segment_figures AS f
INNER JOIN temp.segment_names AS n ON n.segment = f.segment
ORDER BY
    f.segment,
    f.rank;

CREATE OR REPLACE TEMP TABLE segment_drift AS
WITH segments AS (
    SELECT
        unnest(range(len(s.model.centroids)))::INTEGER AS segment,
        s.model.centroids AS old_centroids,
        f.model.centroids AS new_centroids
    FROM temp.segment_start AS s
    CROSS JOIN temp.segment_fit AS f
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
FROM distances AS d;

INSERT INTO kpi.segment_model
SELECT
    c.model_id,
    c.series,
    getvariable('current_run') AS run_id,
    make_timestamp(epoch_us(now())) AS created_at,
    c.as_of,
    c.fit,
    c.reason,
    MAP {
        'k': getvariable('k')::VARCHAR,
        'min_events': getvariable('min_events')::VARCHAR,
        'refit': getvariable('refit')::VARCHAR,
        'seed': getvariable('seed')::VARCHAR
    } AS parameters,
    c.users_hash,
    d.moved,
    n.names,
    f.model
FROM temp.segment_choice AS c
CROSS JOIN temp.segment_fit AS f
CROSS JOIN temp.segment_drift AS d
CROSS JOIN (
    SELECT list(s.name ORDER BY s.segment) AS names
    FROM temp.segment_names AS s
) AS n
WHERE c.fit <> 'none';

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
                        'title': 'Player segments',
                        'x_label': getvariable('segment_axes')[1],
                        'y_label': getvariable('segment_axes')[2]
                    }
                ),
                '<svg xmlns="http://www.w3.org/2000/svg" width="800" height="80">'
                || '<text x="20" y="45" font-family="sans-serif">No user has enough events for a '
                || 'segment.</text></svg>'
            )
        ) AS svg
    FROM kpi.segment_map AS m
    INNER JOIN kpi.segment_profile AS p
        ON m.segment = p.segment AND p.rank = 1
) TO (getvariable('svg')) (FORMAT blob);

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
    CROSS JOIN (SELECT count(*) AS users FROM kpi.user_engagement) AS u
);

DELETE FROM raw.pipeline_runs AS r
WHERE
    r.run_id = getvariable('current_run')
    AND r.step = '30_user_segments'
    AND r.started_at = getvariable('run_started')
    AND r.status = 'started';

-- now() stands still in a transaction, the clock of a new UUID does not.
INSERT INTO raw.pipeline_runs
SELECT
    getvariable('current_run') AS run_id,
    '30_user_segments' AS step,
    getvariable('run_started') AS started_at,
    t.finished_at,
    getvariable('run_counts').rows AS rows,
    'done' AS status,
    getvariable('run_counts').rows_in AS rows_in,
    getvariable('run_counts').rows_replaced AS rows_replaced,
    getvariable('run_counts').rows_rejected AS rows_rejected,
    date_diff('microsecond', getvariable('run_started'), t.finished_at) / 1e6 AS seconds,
    getvariable('run_counts').message AS message,
    (
        SELECT map_from_entries(list({'name': v.name, 'value': v.value::VARCHAR} ORDER BY v.name))
        FROM duckdb_variables() AS v
        WHERE
            v.name IN (
                'min_events',
                'k',
                'refit',
                'seed',
                'svg'
            )
    ) AS parameters,
    i.version AS amazing_version,
    version() AS duckdb_version
FROM amazing_info() AS i
CROSS JOIN (
    SELECT make_timestamp(epoch_us(uuid_extract_timestamp(uuidv7()))) AS finished_at
) AS t;

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
