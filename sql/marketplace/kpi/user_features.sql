-- kpi.user_features: what each user does.

CREATE OR REPLACE TABLE kpi.user_features AS
WITH buyers AS (
    SELECT
        v.user_id,
        count(DISTINCT v.user_session) AS session_count
    FROM temp.kpi_visits AS v
    WHERE v.purchases > 0
    GROUP BY v.user_id
)

SELECT
    u.user_id,
    u.events AS total_events,
    u.views AS total_views,
    u.purchases AS total_purchases,
    date_diff('microsecond', u.first_event_time, u.last_event_time) / 1e6 / nullif(u.events - 1, 0)
        AS avg_time_between_events,
    u.revenue AS total_spent,
    coalesce(u.revenue / b.session_count, 0)::DOUBLE AS avg_basket,
    u.last_event_time,
    (u.purchases / nullif(u.views, 0))::DOUBLE AS conversion_rate,
    (u.purchases / u.events)::DOUBLE AS purchase_ratio,
    date_diff('day', u.last_event_time::DATE, d.as_of) AS days_since_last_event
FROM temp.kpi_users AS u
CROSS JOIN temp.kpi_time AS d
LEFT JOIN buyers AS b ON b.user_id = u.user_id;
