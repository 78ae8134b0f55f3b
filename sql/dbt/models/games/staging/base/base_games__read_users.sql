-- base_games__read_users: generated from sql/games/10_clean.sql (make docs).
{{ config(materialized='view', schema='intermediate') }}

-- Each raw row with its typed identifiers and the reason, but for duplicates, why it cannot be kept.
SELECT
    u.rowid AS raw_row,
    u.*,
    if(regexp_full_match(u.user_id, '[0-9]+'), TRY_CAST(u.user_id AS BIGINT), NULL) AS typed_id,
    try_strptime(
        u.registration_date,
        ['%Y-%m-%d', '%Y-%m-%dT%H:%M:%S', '%Y-%m-%d %H:%M:%S']
    )::DATE AS typed_date,
    CASE
        WHEN coalesce(u.user_id, '') = '' THEN 'no id'
        WHEN typed_id IS NULL THEN 'bad id'
    END AS reason
FROM {{ source('games', 'users') }} AS u
