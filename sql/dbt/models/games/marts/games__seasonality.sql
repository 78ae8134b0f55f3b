-- games__seasonality: generated from sql/games/20_kpi.sql (make docs).
{{ config(materialized='table', schema='kpi', alias='seasonality') }}

WITH smoothed_months AS (
    SELECT
        m.month,
        m.events,
        avg(m.events) OVER (ORDER BY m.month ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING) AS trend,
        median(m.events) OVER (ORDER BY m.month ROWS BETWEEN 6 PRECEDING AND 6 FOLLOWING)::DOUBLE AS level
    FROM {{ ref('games__monthly') }} AS m
),

calendar_months AS (
    SELECT
        month(s.month) AS calendar_month,
        list_aggregate(list_append(list(s.events / s.level), 1.0), 'median') AS seasonal_index
    FROM smoothed_months AS s
    WHERE s.level > 0
    GROUP BY month(s.month)
    HAVING count(*) > 1
),

expected_months AS (
    SELECT
        s.*,
        c.seasonal_index,
        s.level * coalesce(c.seasonal_index, 1) AS expected,
        s.events / nullif(expected, 0) - 1 AS deviation
    FROM smoothed_months AS s
    LEFT JOIN calendar_months AS c ON c.calendar_month = month(s.month)
),

centred_months AS (
    SELECT
        e.*,
        e.deviation - median(e.deviation) OVER () AS centred_deviation
    FROM expected_months AS e
)

SELECT
    c.* EXCLUDE (centred_deviation),
    coalesce(
        abs(c.centred_deviation)
        > 3.5 * greatest(median(abs(c.centred_deviation)) OVER () / 0.6745, 1 / sqrt(nullif(c.expected, 0))),
        false
    ) AS is_outlier
FROM centred_months AS c
ORDER BY c.month
