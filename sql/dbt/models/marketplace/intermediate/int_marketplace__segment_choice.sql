-- int_marketplace__segment_choice: generated from sql/marketplace/30_user_segments.sql (make docs).
{{ config(materialized='table', schema='intermediate') }}

{% set no_segment_model %}(
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
HAVING false
){% endset %}
{% set k %}coalesce({{ amazing.parameter('marketplace_k') }}, 5){% endset %}
{% set refit %}coalesce({{ amazing.parameter('marketplace_refit') }}::VARCHAR, 'warm'){% endset %}
{% set seed %}coalesce({{ amazing.parameter('marketplace_seed') }}, 42){% endset %}
{% set segment_features %}[
    'total_events', 'total_views', 'total_purchases', 'avg_time_between_events', 'total_spent',
        'avg_basket',
    'conversion_rate', 'purchase_ratio', 'days_since_last_event'
]{% endset %}
{% set segment_log %}['total_events', 'total_views', 'total_purchases', 'total_spent',
    'avg_basket']{% endset %}
{% set segment_count %}(
    SELECT if(count(*) BETWEEN 1 AND {{ k }} - 1, count(*), {{ k }})
    FROM (
        SELECT DISTINCT u.* EXCLUDE (user_id, last_event_time)
        FROM {{ ref('int_marketplace__segment_users') }} AS u
    ) AS different_users
){% endset %}
-- One row: what this run does (`fit`: fresh, warm, none), why, and the stored model where it still
-- counts.
WITH stored AS (
    SELECT m.*
    FROM {{ amazing.kept('marketplace', 'kpi', 'segment_model', no_segment_model) }} AS m
    ORDER BY m.model_id DESC
    LIMIT 1
),

today AS (
    SELECT
        count(*) AS users,
        coalesce(bit_xor(hash(u)), 0)::UBIGINT AS users_hash,
        max(u.last_event_time::DATE + u.days_since_last_event::INTEGER) AS as_of
    FROM {{ ref('int_marketplace__segment_users') }} AS u
),

compared AS (
    SELECT
        t.*,
        s.* EXCLUDE (users_hash, as_of),
        s.users_hash = t.users_hash AS is_same_data,
        s.parameters['seed'] = {{ seed }}::VARCHAR AS is_same_seed,
        nullif(
            concat_ws(
                ', ',
                if(s.parameters['k'] <> {{ k }}::VARCHAR, 'k was ' || s.parameters['k'],
                    NULL),
                if(s.model.features <> {{ segment_features }}, 'the features were others',
                    NULL),
                if(
                    list_sort(s.model.log) <> list_sort({{ segment_log }})
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
            WHEN {{ refit }} NOT IN ('never', 'warm', 'fresh')
                THEN error(
                    '30_user_segments: refit must be one of ''never'', ''warm'', ''fresh'', not '''
                        || {{ refit }} || ''''
                )
            WHEN {{ refit }} = 'never' AND c.change IS NOT NULL
                THEN error(
                    '30_user_segments: refit is ''never'', but of model ' || c.model_id || ' '
                        || c.change
                    || ': take what it was fitted with, or refit := ''fresh'''
                )
            WHEN c.users = 0 THEN 'none'
            WHEN c.model_id IS NULL OR c.change IS NOT NULL THEN 'fresh'
            WHEN {{ refit }} = 'never' THEN 'none'
            WHEN {{ refit }} = 'fresh'
                THEN if(c.is_same_data AND c.is_same_seed AND c.fit = 'fresh', 'none', 'fresh')
            WHEN c.is_same_data THEN 'none'
            WHEN c.model.k <> {{ segment_count }} THEN 'fresh'
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
        WHEN {{ refit }} = 'fresh' THEN 'refit is ''fresh'''
        ELSE 'different users were enough for ' || c.model.k || ' segments, not '
        || {{ segment_count }}
    END AS reason,
    c.as_of,
    c.users_hash,
    c.model_id AS stored_id,
    coalesce(c.model_id, 0) + if(c.next_fit = 'none', 0, 1) AS model_id,
    if(c.next_fit = 'fresh', coalesce(c.model_id, 0) + 1, c.series) AS series,
    if(c.next_fit = 'fresh', NULL, c.names) AS names,
    if(c.next_fit = 'fresh', NULL, c.model) AS model
FROM choices AS c
