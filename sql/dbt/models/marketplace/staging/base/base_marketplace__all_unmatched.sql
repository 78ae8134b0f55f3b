-- base_marketplace__all_unmatched: generated from sql/marketplace/10_clean.sql (make docs).
{{ config(materialized='table', schema='intermediate') }}

-- What nobody knows the meaning of, with the number of its rows and the entry that is nearest:
-- config.category_map takes answers.
SELECT
    u.column_name,
    u.value,
    sum(u.row_count)::BIGINT AS row_count,
    u.nearest,
    u.similarity
FROM (
    SELECT *
    FROM (SELECT NULL::VARCHAR AS column_name, NULL::VARCHAR AS value, NULL::BIGINT AS row_count, NULL::VARCHAR AS nearest, NULL::DOUBLE AS similarity LIMIT 0)
    UNION ALL
    SELECT
        n.column_name,
        n.raw_value AS value,
        n.row_count,
        coalesce(n.match.normalized, n.match.runner_up) AS nearest,
        n.match.similarity AS similarity
    FROM (
        SELECT
            s.*,
            CASE s.column_name
                WHEN 'event_type'
                    THEN
                        category_match(
                            s.read_as, ['view', 'cart', 'remove_from_cart', 'purchase'], 0.4
                        )
                WHEN 'category_code'
                    THEN category_match(s.read_as, {{ amazing.parameter('marketplace_category_codes') }}, 0.4)
                WHEN 'brand' THEN category_match(s.read_as, {{ amazing.parameter('marketplace_brands') }}, 0.4)
            END AS match
        FROM {{ ref('base_marketplace__spellings') }} AS s
        WHERE
            s.match_rule IN ('none', 'ambiguous')
            AND s.row_count > 0
    ) AS n
) AS u
GROUP BY ALL
