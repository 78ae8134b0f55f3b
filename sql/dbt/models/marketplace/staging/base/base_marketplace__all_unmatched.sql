-- base_marketplace__all_unmatched: generated from sql/marketplace/10_clean.sql (make docs).
{{ config(materialized='table', schema='intermediate') }}

{% set clean_event_types %}(
    SELECT map(list(t.name ORDER BY t.name), list(t.others ORDER BY t.name))
    FROM (
        SELECT
            n.name,
            coalesce(list(DISTINCT g.other) FILTER (g.other IS NOT NULL), []::VARCHAR[]) AS others
        FROM (SELECT unnest(['view', 'cart', 'remove_from_cart', 'purchase']) AS name) AS n
        LEFT JOIN (
            SELECT
                lower(trim(m.name)) AS name,
                unnest(coalesce(TRY_CAST(m.others AS VARCHAR[]), [m.others])) AS other
            FROM (
                SELECT
                    unnest(map_keys(v.given)) AS name,
                    unnest(map_values(v.given)) AS others
                FROM (
                    SELECT
                        TRY_CAST({{ amazing.parameter('marketplace_event_types') }}::VARCHAR AS MAP (VARCHAR, VARCHAR))
                            AS given
                ) AS v
            ) AS m
        ) AS g ON g.name = n.name
        GROUP BY n.name
    ) AS t
){% endset %}
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
                    THEN category_match(s.read_as, {{ clean_event_types }}, 0.4)
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
