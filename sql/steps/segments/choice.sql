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
FROM {users} AS u
WHERE false;

CREATE OR REPLACE TEMP TABLE segment_users AS
SELECT f.*
FROM {users} AS f
WHERE f.{events} >= getvariable('min_events')::BIGINT;

SET VARIABLE segment_count = (
    SELECT if(count(*) BETWEEN 1 AND getvariable('k') - 1, count(*), getvariable('k'))
    FROM (
        SELECT DISTINCT u.* EXCLUDE ({no_figures})
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

