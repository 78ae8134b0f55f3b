-- kpi.user_status and its counts: who is active, churned, inactive.

CREATE OR REPLACE TABLE kpi.user_status AS
WITH histories AS (
    SELECT
        m.user_id,
        min(m.first_event_time) AS first_event_time,
        max(m.last_event_time) AS last_event_time
    FROM temp.kpi_user_months AS m
    GROUP BY m.user_id
)

SELECT
    u.user_id,
    CASE
        WHEN h.user_id IS NULL THEN 'inactive'
        WHEN h.last_event_time >= t.start_time THEN 'active'
        ELSE 'churned'
    END AS status,
    h.first_event_time,
    h.last_event_time,
    date_diff('day', h.last_event_time::DATE, t.as_of) AS days_since_last_event
FROM clean.users AS u
CROSS JOIN temp.kpi_active_time AS t
LEFT JOIN histories AS h ON h.user_id = u.user_id;

CREATE OR REPLACE TABLE kpi.user_status_counts AS
SELECT
    known.status,
    count(s.user_id) AS users,
    (count(s.user_id) / nullif(sum(count(s.user_id)) OVER (), 0))::DOUBLE AS share
FROM (
    VALUES
        ('active'),
        ('churned'),
        ('inactive')
) AS known (status)
LEFT JOIN kpi.user_status AS s ON s.status = known.status
GROUP BY known.status
ORDER BY known.status;
