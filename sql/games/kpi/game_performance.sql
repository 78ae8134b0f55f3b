-- kpi.game_performance: what each game brings.

CREATE OR REPLACE TABLE kpi.game_performance AS
WITH game_users AS (
    SELECT
        g.game_id,
        count(*) AS users,
        count(*) FILTER (g.is_active) AS active_users
    FROM temp.kpi_user_games AS g
    GROUP BY g.game_id
),

game_sessions AS (
    SELECT
        g.game_id,
        count(*) AS sessions,
        sum(date_sub('second', g.first_event_time, g.last_event_time))::BIGINT AS session_seconds,
        sum(g.seconds_played)::BIGINT AS seconds_played
    FROM temp.kpi_session_games AS g
    GROUP BY g.game_id
),

game_events AS (
    SELECT
        e.game_id,
        count(*) AS events,
        count(*) FILTER (e.event_type = 'start_game') AS starts,
        count(*) FILTER (e.event_type = 'finish_game') AS finishes,
        count(*) FILTER (e.event_type = 'purchase') AS purchases
    FROM temp.kpi_events AS e
    GROUP BY e.game_id
)

SELECT
    g.game_id,
    g.game_name,
    g.game_type,
    g.platform,
    g.difficulty,
    coalesce(e.events, 0) AS events,
    coalesce(u.users, 0) AS users,
    coalesce(u.active_users, 0) AS active_users,
    rank() OVER (ORDER BY coalesce(u.active_users, 0) DESC) AS rank,
    coalesce(s.sessions, 0) AS sessions,
    (s.session_seconds / s.sessions)::DOUBLE AS avg_session_seconds,
    coalesce(s.seconds_played, 0) AS seconds_played,
    coalesce(e.starts, 0) AS starts,
    coalesce(e.finishes, 0) AS finishes,
    (e.finishes / nullif(e.starts, 0))::DOUBLE AS finish_rate,
    coalesce(e.purchases, 0) AS purchases
FROM clean.games AS g
LEFT JOIN game_events AS e ON e.game_id = g.game_id
LEFT JOIN game_users AS u ON u.game_id = g.game_id
LEFT JOIN game_sessions AS s ON s.game_id = g.game_id
ORDER BY
    rank,
    g.game_id;
