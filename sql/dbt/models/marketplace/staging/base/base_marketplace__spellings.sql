-- base_marketplace__spellings: generated from sql/marketplace/10_clean.sql (make docs).
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
{% set clean_blanks %}' ' || chr(9) || chr(160){% endset %}
-- What becomes of those that may not stay as they are: every type of event, and of the others those
-- that are mangled, in capitals or with blanks; every one where a vocabulary is given.
SELECT
    m.column_name,
    m.raw_value,
    m.row_count,
    m.read_as,
    m.match.rule AS match_rule,
    CASE m.column_name
        WHEN 'event_type' THEN m.match.normalized
        WHEN 'category_code'
            THEN
                coalesce(
                    m.match.normalized, nullif(regexp_replace(m.canonical, ' ?[.] ?', '.', 'g'), '')
                )
        WHEN 'brand' THEN coalesce(m.match.normalized, nullif(m.canonical, ''))
    END AS clean_value,
    CASE
        WHEN m.column_name = 'category_id' THEN 'mangled'
        WHEN m.is_answered THEN 'answer'
        WHEN m.column_name = 'event_type' OR m.match.normalized IS NOT NULL THEN m.match.rule
        ELSE if(clean_value IS NULL, 'empty', 'case')
    END AS rule
FROM (
    SELECT
        v.*,
        a.value IS NOT NULL AS is_answered,
        if(a.value IS NULL, v.raw_value, a.replacement) AS read_as,
        regexp_replace(
            trim(lower(read_as), {{ clean_blanks }}), '[\s\x{a0}]+', ' ', 'g'
        ) AS canonical,
        CASE v.column_name
            WHEN 'event_type'
                THEN category_match(read_as, {{ clean_event_types }})
            WHEN 'category_code' THEN category_match(read_as, {{ amazing.parameter('marketplace_category_codes') }})
            WHEN 'brand' THEN category_match(read_as, {{ amazing.parameter('marketplace_brands') }})
        END AS match
    FROM {{ ref('base_marketplace__values') }} AS v
    LEFT JOIN {{ amazing.kept('marketplace', 'config', 'category_map', '(SELECT NULL::VARCHAR AS column_name, NULL::VARCHAR AS value, NULL::VARCHAR AS replacement LIMIT 0)') }} AS a ON a.column_name = v.column_name AND a.value = v.raw_value
    WHERE
        a.value IS NOT NULL
        OR CASE v.column_name
            WHEN 'event_type' THEN true
            WHEN 'category_id' THEN ltrim(trim(v.raw_value), '0123456789') <> ''
            WHEN 'category_code'
                THEN
                    {{ amazing.parameter('marketplace_category_codes') }} IS NOT NULL
                    OR v.raw_value <> lower(trim(v.raw_value, {{ clean_blanks }}))
                    OR regexp_matches(v.raw_value, '[\s\x{a0}]{2}|[\t\x{a0}]| [.]|[.] ')
            ELSE
                {{ amazing.parameter('marketplace_brands') }} IS NOT NULL
                OR v.raw_value <> lower(trim(v.raw_value, {{ clean_blanks }}))
                OR regexp_matches(v.raw_value, '[\s\x{a0}]{2}|[\t\x{a0}]')
        END
) AS m
