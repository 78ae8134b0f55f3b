-- The rows that are kept, and the sessions of their events.

CREATE OR REPLACE TABLE clean.users AS
SELECT
    u.typed_id AS user_id,
    u.clean_age AS age_range,
    u.typed_date AS registration_date,
    u.clean_email AS email,
    u.clean_frequency AS workout_frequency,
    u.clean_gender AS gender,
    u.clean_location AS location,
    u.clean_subscription AS subscription_type
FROM temp.clean_read_users AS u
ANTI JOIN (
    SELECT x.raw_row
    FROM temp.clean_rejected AS x
    WHERE x.table_name = 'users'
) AS x ON x.raw_row = u.raw_row;

CREATE OR REPLACE TABLE clean.games AS
SELECT
    g.typed_id AS game_id,
    g.clean_type AS game_type,
    g.clean_name AS game_name,
    g.clean_platform AS platform,
    g.clean_difficulty AS difficulty
FROM temp.clean_read_games AS g
ANTI JOIN (
    SELECT x.raw_row
    FROM temp.clean_rejected AS x
    WHERE x.table_name = 'games'
) AS x ON x.raw_row = g.raw_row;

CREATE OR REPLACE TABLE clean.events AS
SELECT
    e.typed_id AS event_id,
    e.typed_game AS game_id,
    e.typed_user AS user_id,
    e.typed_time AS event_time,
    e.clean_type AS event_type,
    e.typed_duration AS duration_seconds,
    e.clean_device AS device_type
FROM temp.clean_read_events AS e
ANTI JOIN (
    SELECT x.raw_row
    FROM temp.clean_rejected AS x
    WHERE x.table_name = 'events'
) AS x ON x.raw_row = e.raw_row;

-- One pass over the events gives them their sessions; what is kept of it are sums.
CREATE OR REPLACE TABLE clean.session_games AS
SELECT
    s.user_id,
    s.session_number,
    s.game_id,
    min(s.event_time) AS first_event_time,
    max(s.event_time) AS last_event_time,
    count(*) AS events,
    coalesce(sum(s.duration_seconds), 0)::BIGINT AS seconds_played
FROM amz.sessionize('clean.events', max_gap := INTERVAL 30 MINUTE) AS s
GROUP BY
    s.user_id,
    s.session_number,
    s.game_id;

CREATE OR REPLACE TABLE clean.sessions AS
SELECT
    g.user_id,
    g.session_number,
    min(g.first_event_time) AS session_start,
    max(g.last_event_time) AS session_end,
    date_sub('second', min(g.first_event_time), max(g.last_event_time)) AS session_seconds,
    sum(g.events)::BIGINT AS events,
    sum(g.seconds_played)::BIGINT AS seconds_played
FROM clean.session_games AS g
GROUP BY
    g.user_id,
    g.session_number;
