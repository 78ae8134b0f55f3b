-- stg_games__rejected_users: generated from sql/games/10_clean.sql (make docs).
{{ config(materialized='table', schema='clean', alias='rejected_users') }}

SELECT
    u.*,
    x.reason
FROM {{ source('games', 'users') }} AS u
JOIN {{ ref('base_games__rejected') }} AS x ON x.table_name = 'users' AND x.raw_row = u.rowid
