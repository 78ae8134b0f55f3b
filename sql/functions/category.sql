-- Audits of category repair.

-- normalize_category(source, col, vocabulary, ...): one row per distinct value of the column, the
-- most frequent first.
CREATE OR REPLACE MACRO normalize_category(
    source,
    col,
    vocabulary,
    min_similarity := 0.75
) AS TABLE
    WITH __all_values AS (
        SELECT COLUMNS([col]) AS __value
        FROM query_table(source) AS __s
    ),

    __distinct_values AS (
        SELECT
            __v.__value AS __value,
            count(*) AS __row_count
        FROM __all_values AS __v
        GROUP BY __v.__value
    ),

    __matched_values AS (
        SELECT
            __d.__value AS __value,
            __d.__row_count AS __row_count,
            system.main.category_match(
                __d.__value,
                vocabulary,
                {'relation': 'normalize_category', 'min_similarity': min_similarity}
            ) AS __match
        FROM __distinct_values AS __d
    )

    SELECT
        __m.__value AS raw_value,
        __m.__row_count AS row_count,
        __m.__match.normalized AS normalized,
        __m.__match.similarity AS similarity,
        __m.__match.rule AS rule,
        __m.__match.runner_up AS runner_up
    FROM __matched_values AS __m
    ORDER BY __m.__row_count DESC, __m.__value NULLS LAST;
