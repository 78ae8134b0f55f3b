-- base_games__rejected: generated from sql/games/10_clean.sql (make docs).
{{ config(materialized='table', schema='intermediate') }}

-- The rows that cannot be kept: few, as a rule.
SELECT
    'users' AS table_name,
    u.raw_row,
    u.reason
FROM {{ ref('base_games__read_users') }} AS u
WHERE u.reason IS NOT NULL
UNION ALL
SELECT
    'games' AS table_name,
    g.raw_row,
    g.reason
FROM {{ ref('base_games__read_games') }} AS g
WHERE g.reason IS NOT NULL
UNION ALL
SELECT
    'events' AS table_name,
    e.raw_row,
    e.reason
FROM {{ ref('base_games__read_events') }} AS e
WHERE e.reason IS NOT NULL
UNION ALL
SELECT
    d.table_name,
    d.raw_row,
    'duplicate id' AS reason
FROM {{ ref('base_games__duplicates') }} AS d
