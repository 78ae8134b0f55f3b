-- games__seasonality: generated from sql/games/20_kpi.sql (make docs).
{{ config(materialized='table', schema='kpi', alias='seasonality') }}

WITH series AS (
    SELECT
        list(m.month ORDER BY m.month) AS months,
        list(m.events ORDER BY m.month) AS events
    FROM {{ ref('games__monthly') }} AS m
    WHERE m.is_complete
),

parts AS (
    SELECT
        unnest(s.months) AS month,
        unnest(seasonal_decompose(s.events)) AS part
    FROM series AS s
)

SELECT
    m.month,
    m.events,
    if(
        m.is_complete,
        avg(if(m.is_complete, m.events, NULL))
            OVER (ORDER BY m.month ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING),
        NULL
    ) AS trend,
    p.part.level AS level,
    p.part.seasonal_index AS seasonal_index,
    p.part.expected AS expected,
    p.part.deviation AS deviation,
    p.part.is_outlier AS is_outlier
FROM {{ ref('games__monthly') }} AS m
LEFT JOIN parts AS p ON p.month = m.month
ORDER BY m.month
