-- base_games__read_games: generated from sql/games/10_clean.sql (make docs).
{{ config(materialized='view', schema='intermediate') }}

SELECT
    g.rowid AS raw_row,
    g.*,
    if(regexp_full_match(g.game_id, '[0-9]+'), TRY_CAST(g.game_id AS BIGINT), NULL) AS typed_id,
    CASE
        WHEN coalesce(g.game_id, '') = '' THEN 'no id'
        WHEN typed_id IS NULL THEN 'bad id'
    END AS reason
FROM {{ source('games', 'games') }} AS g
