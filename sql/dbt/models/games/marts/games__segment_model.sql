-- games__segment_model: generated from sql/games/30_user_segments.sql (make docs).
{{ config(materialized='incremental', unique_key='model_id', full_refresh=false, schema='kpi', alias='segment_model') }}

{% set current_run %}coalesce(
    {{ amazing.parameter('games_run_id') }}::VARCHAR,
    {{ amazing.parameter('games_current_run') }},
    uuid()::VARCHAR
){% endset %}
{% set min_events %}coalesce({{ amazing.parameter('games_min_events') }}, 10){% endset %}
{% set k %}coalesce({{ amazing.parameter('games_k') }}, 5){% endset %}
{% set refit %}coalesce({{ amazing.parameter('games_refit') }}::VARCHAR, 'warm'){% endset %}
{% set seed %}coalesce({{ amazing.parameter('games_seed') }}, 42){% endset %}
SELECT
    c.model_id,
    c.series,
    {{ current_run }} AS run_id,
    make_timestamp(epoch_us(now())) AS created_at,
    c.as_of,
    c.fit,
    c.reason,
    MAP {
        'k': {{ k }}::VARCHAR,
        'min_events': {{ min_events }}::VARCHAR,
        'refit': {{ refit }}::VARCHAR,
        'seed': {{ seed }}::VARCHAR
    } AS parameters,
    c.users_hash,
    d.moved,
    n.names,
    f.model
FROM {{ ref('int_games__segment_choice') }} AS c
CROSS JOIN {{ ref('int_games__segment_fit') }} AS f
CROSS JOIN {{ ref('int_games__segment_drift') }} AS d
CROSS JOIN (
    SELECT list(s.name ORDER BY s.segment) AS names
    FROM {{ ref('int_games__segment_names') }} AS s
) AS n
WHERE c.fit <> 'none'
