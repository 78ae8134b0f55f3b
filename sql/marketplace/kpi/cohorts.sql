-- kpi.cohorts: who comes back in the months after the first.

CREATE OR REPLACE TABLE kpi.cohorts AS
WITH cohort_months AS (
    SELECT
        u.first_month,
        u.month,
        count(*) AS active_users,
        sum(u.revenue) AS revenue
    FROM (
        SELECT
            m.month,
            m.revenue,
            date_trunc('month', f.first_event_time)::DATE AS first_month
        FROM temp.kpi_user_months AS m
        JOIN temp.kpi_users AS f ON f.user_id = m.user_id
    ) AS u
    GROUP BY
        u.first_month,
        u.month
),

calendar AS (
    SELECT
        c.first_month,
        c.active_users AS users,
        unnest(generate_series(c.first_month, max(m.month), INTERVAL 1 MONTH))::DATE AS month
    FROM cohort_months AS c
    CROSS JOIN cohort_months AS m
    WHERE c.month = c.first_month
    GROUP BY
        c.first_month,
        c.active_users
)

SELECT
    c.first_month,
    date_diff('month', c.first_month, c.month) AS months_since,
    c.users,
    coalesce(m.active_users, 0) AS active_users,
    (coalesce(m.active_users, 0) / c.users)::DOUBLE AS retention,
    coalesce(m.revenue, 0)::DECIMAL(38, 2) AS revenue,
    c.month + INTERVAL 1 MONTH <= t.end_time AS is_complete
FROM calendar AS c
CROSS JOIN temp.kpi_time AS t
LEFT JOIN cohort_months AS m ON m.first_month = c.first_month AND m.month = c.month
ORDER BY
    c.first_month,
    months_since;
