-- kpi.demographics: who the users are.

CREATE OR REPLACE TABLE kpi.demographics AS
SELECT
    u.dimension,
    u.value,
    count(*) AS users,
    count(*) FILTER (s.status = 'active') AS active_users,
    (count(*) / sum(count(*)) OVER (PARTITION BY u.dimension))::DOUBLE AS share,
    (count(*) FILTER (s.status = 'active') / count(*))::DOUBLE AS active_rate
FROM (
    UNPIVOT clean.users
    ON age_range, gender, subscription_type, workout_frequency
    INTO NAME dimension VALUE value
) AS u
JOIN kpi.user_status AS s ON s.user_id = u.user_id
GROUP BY
    u.dimension,
    u.value
ORDER BY
    u.dimension,
    u.value;
