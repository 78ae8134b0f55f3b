-- base_marketplace__spellings: generated from sql/marketplace/10_clean.sql (make docs).
{{ config(materialized='table', schema='intermediate') }}

{% set clean_blanks %}' ' || chr(9) || chr(160){% endset %}
-- What becomes of those that may not stay as they are: every type of event, and of the others those
-- that are mangled, in capitals or with blanks; every one where a vocabulary is given.
SELECT
    m.column_name,
    m.raw_value,
    m.row_count,
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
        WHEN m.column_name = 'event_type' OR m.match.normalized IS NOT NULL THEN m.match.rule
        ELSE if(clean_value IS NULL, 'empty', 'case')
    END AS rule
FROM (
    SELECT
        v.*,
        regexp_replace(
            trim(lower(v.raw_value), {{ clean_blanks }}), '[\s\x{a0}]+', ' ', 'g'
        ) AS canonical,
        CASE v.column_name
            WHEN 'event_type'
                THEN category_match(v.raw_value, ['view', 'cart', 'remove_from_cart', 'purchase'])
            WHEN 'category_code' THEN category_match(v.raw_value, {{ amazing.parameter('marketplace_category_codes') }})
            WHEN 'brand' THEN category_match(v.raw_value, {{ amazing.parameter('marketplace_brands') }})
        END AS match
    FROM {{ ref('base_marketplace__values') }} AS v
    WHERE
        CASE v.column_name
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
