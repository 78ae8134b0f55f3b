-- kpi.daily and kpi.monthly: what each day and month brought.

CREATE OR REPLACE TABLE kpi.daily AS
WITH new_users AS (
    SELECT
        u.first_event_time::DATE AS day,
        count(*) AS new_users
    FROM temp.kpi_users AS u
    GROUP BY u.first_event_time::DATE
),

days AS (
    SELECT
        v.day,
        sum(v.events)::BIGINT AS events,
        count(DISTINCT v.user_id) AS users,
        count(*) AS visits,
        sum(v.views)::BIGINT AS views,
        sum(v.carts)::BIGINT AS carts,
        sum(v.purchases)::BIGINT AS purchases,
        sum(v.revenue)::DECIMAL(38, 2) AS revenue,
        count(*) FILTER (v.purchases > 0) AS purchase_visits,
        count(DISTINCT v.user_id) FILTER (v.purchases > 0) AS buyers
    FROM temp.kpi_visits AS v
    GROUP BY v.day
),

-- Visits of a day that are of a session with another one in it: several users.
repeats AS (
    SELECT
        r.day,
        count(*) - count(DISTINCT r.user_session) AS visits,
        count(*) FILTER (r.purchases > 0)
        - count(DISTINCT r.user_session) FILTER (r.purchases > 0) AS purchase_visits
    FROM temp.kpi_repeated_visits AS r
    GROUP BY r.day
)

SELECT
    d.day,
    d.events,
    d.users,
    coalesce(n.new_users, 0) AS new_users,
    d.visits - coalesce(r.visits, 0) AS sessions,
    d.views,
    d.carts,
    d.purchases,
    d.revenue,
    (d.purchases / nullif(d.views, 0))::DOUBLE AS conversion_rate,
    coalesce(d.revenue / nullif(d.purchase_visits - coalesce(r.purchase_visits, 0), 0), 0)::DOUBLE
        AS avg_basket,
    (
        (d.purchase_visits - coalesce(r.purchase_visits, 0)) / (d.visits - coalesce(r.visits, 0))
    )::DOUBLE AS session_conversion_rate,
    (d.buyers / d.users)::DOUBLE AS user_conversion_rate
FROM days AS d
LEFT JOIN new_users AS n ON n.day = d.day
LEFT JOIN repeats AS r ON r.day = d.day
ORDER BY d.day;

-- One row: a month and a last step of the funnel, with the number of sessions that reached it and
-- no later one.
CREATE OR REPLACE TEMP TABLE kpi_session_months AS
SELECT
    s.month,
    s.last_step,
    count(*) AS sessions
FROM (
    SELECT
        date_trunc('month', v.day)::DATE AS month,
        CASE
            WHEN v.purchases > 0 THEN 3
            WHEN v.carts > 0 THEN 2
            WHEN v.views > 0 THEN 1
            ELSE 0
        END AS last_step
    FROM temp.kpi_visits AS v
    WHERE v.user_session NOT IN (SELECT r.user_session FROM temp.kpi_repeated_visits AS r)
    UNION ALL
    SELECT
        date_trunc('month', r.day)::DATE AS month,
        CASE
            WHEN sum(r.purchases) > 0 THEN 3
            WHEN sum(r.carts) > 0 THEN 2
            WHEN sum(r.views) > 0 THEN 1
            ELSE 0
        END AS last_step
    FROM temp.kpi_repeated_visits AS r
    GROUP BY
        date_trunc('month', r.day),
        r.user_session
) AS s
GROUP BY
    s.month,
    s.last_step;

-- A change is (this month - the month before) / the month before; NULL where that month has no
-- events or a zero.
CREATE OR REPLACE TABLE kpi.monthly AS
WITH new_users AS (
    SELECT
        date_trunc('month', u.first_event_time)::DATE AS month,
        count(*) AS new_users
    FROM temp.kpi_users AS u
    GROUP BY date_trunc('month', u.first_event_time)
),

sessions AS (
    SELECT
        s.month,
        sum(s.sessions)::BIGINT AS sessions,
        coalesce(sum(s.sessions) FILTER (s.last_step = 3), 0)::BIGINT AS purchase_sessions
    FROM temp.kpi_session_months AS s
    GROUP BY s.month
),

user_sums AS (
    SELECT
        u.month,
        sum(u.events)::BIGINT AS events,
        count(*) AS users,
        sum(u.views)::BIGINT AS views,
        sum(u.carts)::BIGINT AS carts,
        sum(u.purchases)::BIGINT AS purchases,
        sum(u.revenue)::DECIMAL(38, 2) AS revenue,
        count(*) FILTER (u.purchases > 0) AS buyers
    FROM temp.kpi_user_months AS u
    GROUP BY u.month
),

months AS (
    SELECT
        u.*,
        coalesce(n.new_users, 0) AS new_users,
        s.sessions,
        s.purchase_sessions,
        u.month + INTERVAL 1 MONTH <= t.end_time AS is_complete
    FROM user_sums AS u
    CROSS JOIN temp.kpi_time AS t
    JOIN sessions AS s ON s.month = u.month
    LEFT JOIN new_users AS n ON n.month = u.month
)

SELECT
    m.month,
    m.events,
    m.users,
    m.new_users,
    m.sessions,
    m.views,
    m.carts,
    m.purchases,
    m.revenue,
    (m.purchases / nullif(m.views, 0))::DOUBLE AS conversion_rate,
    coalesce(m.revenue / nullif(m.purchase_sessions, 0), 0)::DOUBLE AS avg_basket,
    if(m.is_complete, (m.events - before.events) / nullif(before.events, 0), NULL)::DOUBLE
        AS events_change,
    if(m.is_complete, (m.users - before.users) / nullif(before.users, 0), NULL)::DOUBLE
        AS users_change,
    if(
        m.is_complete, (m.purchases - before.purchases) / nullif(before.purchases, 0), NULL
    )::DOUBLE AS purchases_change,
    if(m.is_complete, (m.revenue - before.revenue) / nullif(before.revenue, 0), NULL)::DOUBLE
        AS revenue_change,
    coalesce(m.purchase_sessions / nullif(m.sessions, 0), 0)::DOUBLE AS session_conversion_rate,
    (m.buyers / m.users)::DOUBLE AS user_conversion_rate,
    (m.events / m.users)::DOUBLE AS events_per_user,
    m.is_complete
FROM months AS m
LEFT JOIN months AS before ON before.month = m.month - INTERVAL 1 MONTH
ORDER BY m.month;
