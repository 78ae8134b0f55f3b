-- kpi.location and kpi.location_behaviour: where users live, and what they do there.

CREATE OR REPLACE TABLE kpi.location AS
WITH locations AS (
    SELECT
        u.location,
        count(*) AS users,
        count(*) FILTER (s.status = 'active') AS active_users,
        count(*) FILTER (s.status = 'churned') AS churned_users,
        count(*) FILTER (s.status = 'inactive') AS inactive_users
    FROM clean.users AS u
    JOIN kpi.user_status AS s ON s.user_id = u.user_id
    GROUP BY u.location
)

SELECT
    l.location,
    l.users,
    l.active_users,
    (l.active_users / nullif(sum(l.active_users) OVER (), 0))::DOUBLE AS share,
    rank() OVER (ORDER BY l.active_users DESC) AS rank,
    l.churned_users,
    l.inactive_users
FROM locations AS l
ORDER BY
    rank,
    l.location;

CREATE OR REPLACE TABLE kpi.location_behaviour AS
WITH locations AS (
    SELECT
        u.location,
        count(*) FILTER (n.events > 0) AS players,
        sum(n.events)::BIGINT AS events,
        sum(n.sessions)::BIGINT AS sessions,
        sum(n.seconds_played)::BIGINT AS seconds_played,
        sum(n.purchases)::BIGINT AS purchases
    FROM clean.users AS u
    JOIN kpi.user_engagement AS n ON n.user_id = u.user_id
    GROUP BY u.location
),

location_types AS (
    SELECT
        u.location,
        g.game_type,
        sum(p.events) AS events
    FROM temp.kpi_user_games AS p
    JOIN clean.users AS u ON u.user_id = p.user_id
    JOIN clean.games AS g ON g.game_id = p.game_id
    WHERE g.game_type <> 'unknown'
    GROUP BY
        u.location,
        g.game_type
),

favourite_types AS (
    SELECT
        t.location,
        t.game_type
    FROM location_types AS t
    QUALIFY
        row_number() OVER (
            PARTITION BY t.location
            ORDER BY
                t.events DESC,
                t.game_type
        ) = 1
)

SELECT
    l.location,
    l.players,
    (l.events / nullif(l.players, 0))::DOUBLE AS events_per_user,
    (l.sessions / nullif(l.players, 0))::DOUBLE AS sessions_per_user,
    (l.seconds_played / nullif(l.players, 0))::DOUBLE AS seconds_per_user,
    (l.purchases / nullif(l.players, 0))::DOUBLE AS purchases_per_user,
    t.game_type AS favourite_game_type
FROM locations AS l
LEFT JOIN favourite_types AS t ON t.location = l.location
ORDER BY l.location;
