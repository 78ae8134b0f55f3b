-- What becomes of texts that may be misspelt.

-- {event types: view, cart, remove_from_cart, purchase}

SET VARIABLE clean_blanks = ' ' || chr(9) || chr(160);

-- The values of texts that may be misspelt, with the number of their new rows. A table, because a
-- condition on the values would be moved before the count, and be tested of each row.
CREATE OR REPLACE TEMP TABLE clean_values AS
SELECT
    'event_type' AS column_name,
    r.event_type AS raw_value,
    count(*) FILTER (r.is_new) AS row_count
FROM temp.clean_rows AS r
GROUP BY r.event_type
UNION ALL
SELECT
    'category_id' AS column_name,
    r.category_id AS raw_value,
    count(*) FILTER (r.is_new) AS row_count
FROM temp.clean_rows AS r
GROUP BY r.category_id
UNION ALL
SELECT
    'category_code' AS column_name,
    r.category_code AS raw_value,
    count(*) FILTER (r.is_new) AS row_count
FROM temp.clean_rows AS r
GROUP BY r.category_code
UNION ALL
SELECT
    'brand' AS column_name,
    r.brand AS raw_value,
    count(*) FILTER (r.is_new) AS row_count
FROM temp.clean_rows AS r
GROUP BY r.brand;

-- What becomes of those that may not stay as they are: every type of event, and of the others those
-- that are mangled, in capitals or with blanks; every one where a vocabulary is given.
CREATE OR REPLACE TEMP TABLE clean_spellings AS
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
            trim(lower(read_as), getvariable('clean_blanks')), '[\s\x{a0}]+', ' ', 'g'
        ) AS canonical,
        CASE v.column_name
            WHEN 'event_type'
                THEN category_match(read_as, getvariable('clean_event_types'))
            WHEN 'category_code' THEN category_match(read_as, getvariable('category_codes'))
            WHEN 'brand' THEN category_match(read_as, getvariable('brands'))
        END AS match
    FROM temp.clean_values AS v
    LEFT JOIN config.category_map AS a ON a.column_name = v.column_name AND a.value = v.raw_value
    WHERE
        a.value IS NOT NULL
        OR CASE v.column_name
            WHEN 'event_type' THEN true
            WHEN 'category_id' THEN ltrim(trim(v.raw_value), '0123456789') <> ''
            WHEN 'category_code'
                THEN
                    getvariable('category_codes') IS NOT NULL
                    OR v.raw_value <> lower(trim(v.raw_value, getvariable('clean_blanks')))
                    OR regexp_matches(v.raw_value, '[\s\x{a0}]{2}|[\t\x{a0}]| [.]|[.] ')
            ELSE
                getvariable('brands') IS NOT NULL
                OR v.raw_value <> lower(trim(v.raw_value, getvariable('clean_blanks')))
                OR regexp_matches(v.raw_value, '[\s\x{a0}]{2}|[\t\x{a0}]')
        END
) AS m;

-- Whether a category code or a brand is written anew: where none is, they go as they are, which is
-- faster.
SET VARIABLE clean_respells = (
    SELECT count(*) > 0
    FROM temp.clean_spellings AS s
    WHERE s.column_name IN ('category_code', 'brand')
);

-- What nobody knows the meaning of, with the number of its rows and the entry that is nearest:
-- config.category_map takes answers.
CREATE OR REPLACE TEMP TABLE clean_all_unmatched AS
SELECT
    u.column_name,
    u.value,
    sum(u.row_count)::BIGINT AS row_count,
    u.nearest,
    u.similarity
FROM (
    SELECT *
    FROM clean.unmatched_values
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
                    THEN category_match(s.read_as, getvariable('clean_event_types'), 0.4)
                WHEN 'category_code'
                    THEN category_match(s.read_as, getvariable('category_codes'), 0.4)
                WHEN 'brand' THEN category_match(s.read_as, getvariable('brands'), 0.4)
            END AS match
        FROM temp.clean_spellings AS s
        WHERE
            s.match_rule IN ('none', 'ambiguous')
            AND s.row_count > 0
    ) AS n
) AS u
GROUP BY ALL;

CREATE OR REPLACE TABLE clean.unmatched_values AS
SELECT *
FROM temp.clean_all_unmatched
ORDER BY ALL;
