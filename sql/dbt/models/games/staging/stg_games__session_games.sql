-- stg_games__session_games: generated from sql/games/10_clean.sql (make docs).
{{ config(materialized='table', schema='clean', alias='session_games') }}

-- One pass over the events gives them their sessions; what is kept of it are sums.
SELECT
    s.user_id,
    s.session_number,
    s.game_id,
    min(s.event_time) AS first_event_time,
    max(s.event_time) AS last_event_time,
    count(*) AS events,
    coalesce(sum(s.duration_seconds), 0)::BIGINT AS seconds_played
FROM amz.sessionize('{{ ref('stg_games__events') }}', max_gap := INTERVAL 30 MINUTE) AS s
GROUP BY
    s.user_id,
    s.session_number,
    s.game_id
