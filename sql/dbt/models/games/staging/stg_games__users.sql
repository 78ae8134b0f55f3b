-- stg_games__users: generated from sql/games/10_clean.sql (make docs).
{{ config(materialized='table', schema='clean', alias='users') }}

SELECT
    u.typed_id AS user_id,
    u.clean_age AS age_range,
    u.typed_date AS registration_date,
    u.clean_email AS email,
    u.clean_frequency AS workout_frequency,
    u.clean_gender AS gender,
    u.clean_location AS location,
    u.clean_subscription AS subscription_type
FROM {{ ref('base_games__read_users') }} AS u
ANTI JOIN (
    SELECT x.raw_row
    FROM {{ ref('base_games__rejected') }} AS x
    WHERE x.table_name = 'users'
) AS x ON x.raw_row = u.raw_row
