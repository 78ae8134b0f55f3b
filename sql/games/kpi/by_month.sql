-- Status, frequency and demographics of each month.

CREATE OR REPLACE TABLE kpi.status_by_month AS
WITH calendar AS (
    SELECT
        m.month,
        m.is_complete,
        least((m.month + INTERVAL 1 MONTH - INTERVAL 1 DAY)::DATE, t.as_of) AS last_day
    FROM kpi.monthly AS m
    CROSS JOIN temp.kpi_active_time AS t
),

-- A user's last event of a month is the last one until the user's next month: seen from the six
-- months that follow.
spans AS (
    SELECT
        m.month,
        m.last_event_time,
        lead(m.month) OVER (PARTITION BY m.user_id ORDER BY m.month) AS next_month
    FROM temp.kpi_user_months AS m
),

active AS (
    SELECT
        c.month,
        count(*) AS users
    FROM (
        SELECT
            s.*,
            unnest(range(7)) AS months_since
        FROM spans AS s
    ) AS s
    JOIN calendar AS c ON c.month = (s.month + to_months(s.months_since::INTEGER))::DATE
    WHERE
        (s.next_month IS NULL OR s.next_month > c.month)
        AND s.last_event_time >= c.last_day - INTERVAL 6 MONTH
    GROUP BY c.month
),

known AS (
    SELECT
        least(u.registration_date, s.first_event_time::DATE) AS since,
        s.first_event_time::DATE AS first_day
    FROM clean.users AS u
    JOIN kpi.user_status AS s ON s.user_id = u.user_id
),

counts AS (
    SELECT
        c.month,
        count(*) FILTER (k.since IS NULL OR k.since <= c.last_day) AS users,
        count(*) FILTER (k.first_day <= c.last_day) AS players
    FROM calendar AS c
    CROSS JOIN known AS k
    GROUP BY c.month
)

SELECT
    c.month,
    n.users,
    coalesce(a.users, 0) AS active_users,
    n.players - coalesce(a.users, 0) AS churned_users,
    n.users - n.players AS inactive_users,
    c.is_complete
FROM calendar AS c
JOIN counts AS n ON n.month = c.month
LEFT JOIN active AS a ON a.month = c.month
ORDER BY c.month;

CREATE OR REPLACE TABLE kpi.event_frequency AS
SELECT
    NULL::DATE AS month,
    count(DISTINCT u.user_id) AS users,
    coalesce(sum(u.events), 0)::BIGINT AS events,
    (sum(u.events) / nullif(count(DISTINCT u.user_id), 0))::DOUBLE AS events_per_user
FROM temp.kpi_user_months AS u
UNION ALL
SELECT
    m.month,
    m.active_users,
    m.events,
    (m.events / nullif(m.active_users, 0))::DOUBLE
FROM kpi.monthly AS m
ORDER BY month NULLS FIRST;

CREATE OR REPLACE TABLE kpi.demographics_by_month AS
WITH people AS (
    UNPIVOT clean.users
    ON age_range, gender, subscription_type, workout_frequency
    INTO NAME dimension VALUE value
),

found AS (
    SELECT
        m.month,
        p.dimension,
        p.value,
        count(*) AS active_users,
        sum(m.events)::BIGINT AS events
    FROM temp.kpi_user_months AS m
    JOIN people AS p ON p.user_id = m.user_id
    GROUP BY
        m.month,
        p.dimension,
        p.value
)

SELECT
    c.month,
    v.dimension,
    v.value,
    coalesce(f.active_users, 0) AS active_users,
    coalesce(f.events, 0) AS events,
    (coalesce(f.active_users, 0) / nullif(c.active_users, 0))::DOUBLE AS share
FROM kpi.monthly AS c
CROSS JOIN (
    SELECT DISTINCT
        p.dimension,
        p.value
    FROM people AS p
) AS v
LEFT JOIN found AS f ON f.month = c.month AND f.dimension = v.dimension AND f.value = v.value
ORDER BY
    c.month,
    v.dimension,
    v.value;
