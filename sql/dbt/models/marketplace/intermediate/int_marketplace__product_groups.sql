-- int_marketplace__product_groups: generated from sql/marketplace/20_kpi.sql (make docs).
{{ config(materialized='table', schema='intermediate') }}

-- By category and by brand in one pass; is_category tells the rows apart, as both have one for
-- NULL. Nearly all events are views, which are counted by what else there is: so the aggregates
-- that cost most see few rows.
WITH totals AS (
    SELECT
        grouping(e.category_code) = 0 AS is_category,
        e.category_code,
        e.brand,
        count(*) AS events
    FROM {{ ref('stg_marketplace__events') }} AS e
    WHERE e.event_time < (SELECT t.end_time FROM {{ ref('int_marketplace__time') }} AS t)
    GROUP BY GROUPING SETS ((e.category_code), (e.brand))
),

others AS (
    SELECT
        grouping(e.category_code) = 0 AS is_category,
        e.category_code,
        e.brand,
        count(*) AS events,
        count(*) FILTER (e.event_type = 'cart') AS carts,
        count(*) FILTER (e.event_type = 'purchase') AS purchases,
        sum(e.price) FILTER (e.event_type = 'purchase') AS revenue,
        count(DISTINCT e.user_id) FILTER (e.event_type = 'purchase') AS buyers
    FROM {{ ref('stg_marketplace__events') }} AS e
    WHERE e.event_type <> 'view' AND e.event_time < (SELECT t.end_time FROM {{ ref('int_marketplace__time') }} AS t)
    GROUP BY GROUPING SETS ((e.category_code), (e.brand))
),

product_groups AS (
    SELECT
        t.is_category,
        t.category_code,
        t.brand,
        t.events - coalesce(o.events, 0) AS views,
        coalesce(o.carts, 0) AS carts,
        coalesce(o.purchases, 0) AS purchases,
        coalesce(o.revenue, 0)::DECIMAL(38, 2) AS revenue,
        coalesce(o.buyers, 0) AS buyers
    FROM totals AS t
    LEFT JOIN others AS o
        ON
            o.is_category = t.is_category
            AND o.category_code IS NOT DISTINCT FROM t.category_code
            AND o.brand IS NOT DISTINCT FROM t.brand
)

SELECT
    g.*,
    (g.purchases / nullif(g.views, 0))::DOUBLE AS conversion_rate,
    coalesce(g.revenue / nullif(sum(g.revenue) OVER (PARTITION BY g.is_category), 0), 0)::DOUBLE
        AS share,
    if(
        coalesce(g.category_code, g.brand) IS NULL,
        NULL,
        rank() OVER (
            PARTITION BY
                g.is_category,
                coalesce(g.category_code, g.brand) IS NULL
            ORDER BY g.revenue DESC
        )
    ) AS rank
FROM product_groups AS g
