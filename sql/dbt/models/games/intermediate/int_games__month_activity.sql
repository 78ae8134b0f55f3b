-- int_games__month_activity: generated from sql/games/20_kpi.sql (make docs).
{{ config(materialized='table', schema='intermediate') }}

SELECT
    'all' AS level,
    NULL::BIGINT AS game_id,
    NULL::VARCHAR AS location,
    a.*
FROM amz.monthly_activity('{{ ref('int_games__events') }}') AS a
UNION ALL
SELECT
    'game' AS level,
    a.game_id,
    NULL AS location,
    a.* EXCLUDE (game_id)
FROM amz.monthly_activity('{{ ref('int_games__events') }}', col := 'game_id') AS a
UNION ALL
SELECT
    'location' AS level,
    NULL AS game_id,
    a.location,
    a.* EXCLUDE (location)
FROM amz.monthly_activity('{{ ref('int_games__located_events') }}', col := 'location') AS a
