-- int_marketplace__product_groups: generated from sql/marketplace/20_kpi.sql (make docs).
{{ config(materialized='table', schema='intermediate') }}

-- By category and by brand in one pass; is_category tells the rows apart, as both have one for NULL.
WITH product_groups AS (
    SELECT
        grouping(e.category_code) = 0 AS is_category,
        e.category_code,
        e.brand,
        count(*) FILTER (e.event_type = 'view') AS views,
        count(*) FILTER (e.event_type = 'cart') AS carts,
        count(*) FILTER (e.event_type = 'purchase') AS purchases,
        coalesce(sum(e.price) FILTER (e.event_type = 'purchase'), 0)::DECIMAL(18, 2) AS revenue,
        count(DISTINCT e.user_id) FILTER (e.event_type = 'purchase') AS buyers
    FROM {{ ref('stg_marketplace__events') }} AS e
    GROUP BY GROUPING SETS ((e.category_code), (e.brand))
)

SELECT
    g.*,
    coalesce(g.purchases / nullif(g.views, 0), 0)::DOUBLE AS conversion_rate,
    coalesce(g.revenue / nullif(sum(g.revenue) OVER (PARTITION BY g.is_category), 0), 0)::DOUBLE AS share,
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
