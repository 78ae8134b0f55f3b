-- Spellings of one thing, found without a vocabulary.

-- category_variants(source, col, ...): one row per distinct value that has another spelling, group
-- by group.
--
-- A name stands for all spellings with one fingerprint and the same digits: the most frequent of
-- them. Names are ranked by frequency; a link leads from a name to one before it. A name without
-- links is an anchor, and the others go to the best of their anchors: a group is a star around its
-- proposal, never a chain.
CREATE OR REPLACE MACRO category_variants(
    source,
    col,
    min_similarity := 0.8,
    min_ratio := 5
) AS TABLE
    WITH __options AS (
        SELECT
            CASE
                WHEN coalesce(try_cast(min_similarity AS DOUBLE) BETWEEN 0 AND 1, false)
                    THEN try_cast(min_similarity AS DOUBLE)
                ELSE error(format(
                    'category_variants: min_similarity must be between 0 and 1, not {}',
                    coalesce(CAST(min_similarity AS VARCHAR), 'NULL')
                ))
            END AS __min_similarity,
            CASE
                WHEN coalesce(try_cast(min_ratio AS DOUBLE) >= 1
                AND isfinite(try_cast(min_ratio AS DOUBLE)), false)
                    THEN try_cast(min_ratio AS DOUBLE)
                ELSE error(format(
                    'category_variants: min_ratio must be at least 1, not {}',
                    coalesce(CAST(min_ratio AS VARCHAR), 'NULL')
                ))
            END AS __min_ratio
    ),

    __all_values AS (
        SELECT COLUMNS([col]) AS __value
        FROM query_table(source) AS __s
    ),

    __distinct_values AS (
        SELECT
            CAST(__v.__value AS VARCHAR) AS __spelling,
            system.main.category_fingerprint(__v.__value) AS __fingerprint,
            count(*) AS __row_count
        FROM __all_values AS __v
        GROUP BY __v.__value
    ),

    __canonical_spellings AS (
        SELECT
            __d.*,
            system.main.normalize_category(__d.__spelling) AS __canonical
        FROM __distinct_values AS __d
        WHERE __d.__fingerprint IS NOT NULL
    ),

    -- Runs of digits in their order: `2 of 3` is not `3 of 2`. Signs are told apart by fingerprints
    -- and by category_match.
    __numbered_spellings AS (
        SELECT
            __c.*,
            coalesce(array_to_string(regexp_extract_all(__c.__canonical, '\p{N}+'), ' '),
                '') AS __digits
        FROM __canonical_spellings AS __c
    ),

    __spellings AS (
        SELECT
            __d.*,
            first_value(__d.__spelling) OVER (
                PARTITION BY __d.__fingerprint, __d.__digits
                ORDER BY __d.__row_count DESC, __d.__spelling
            ) AS __name
        FROM __numbered_spellings AS __d
    ),

    -- The text without accents and separators is for finding pairs; what becomes of them,
    -- category_match decides. Letters that Unicode does not decompose become the ones that
    -- category_match compares.
    __names AS (
        SELECT
            __s.__name AS __name,
            __s.__row_count AS __row_count,
            __s.__digits AS __digits,
            row_number() OVER (ORDER BY __s.__row_count DESC, __s.__name) AS __rank,
            replace(
                replace(
                    replace(
                        replace(
                            replace(translate(strip_accents(__s.__canonical), 'ıøłđðħŧς',
                                'iolddhtσ'), 'ß', 'ss'),
                            'æ', 'ae'
                        ),
                        'œ', 'oe'
                    ),
                    'þ', 'th'
                ),
                '_', ''
            ) AS __text,
            length(__text) AS __length,
            __o.__min_similarity AS __min_similarity,
            __o.__min_ratio AS __min_ratio
        FROM __spellings AS __s
        CROSS JOIN __options AS __o
        WHERE __s.__spelling = __s.__name
    ),

    __bigrams AS (
        SELECT
            __p.__rank AS __rank,
            __p.__digits AS __digits,
            substr(__p.__text, __p.__position, 2) AS __bigram
        FROM (
            SELECT
                __n.*,
                unnest(range(1, __n.__length)) AS __position
            FROM __names AS __n
            WHERE __n.__length <= 4096
        ) AS __p
    ),

    __ngram_keys AS (
        SELECT
            __b.__rank AS __rank,
            __b.__digits AS __digits,
            list_sort(list(DISTINCT __b.__bigram)) AS __key
        FROM __bigrams AS __b
        GROUP BY __b.__rank, __b.__digits
    ),

    __ngram_pairs AS (
        SELECT
            __a.__rank AS __rank,
            __b.__rank AS __rank_before
        FROM __ngram_keys AS __a
        INNER JOIN __ngram_keys AS __b
            ON __a.__key = __b.__key AND __a.__digits = __b.__digits AND __b.__rank < __a.__rank
    ),

    -- A link by similarity leads from a rare name to a frequent one: the others need no search.
    __candidates AS (
        SELECT
            __n.__rank AS __rank,
            __n.__row_count AS __row_count,
            __n.__min_ratio AS __min_ratio,
            __n.__digits AS __digits,
            __n.__text AS __text,
            __n.__length AS __length,
            least(2, floor((1 - __n.__min_similarity) * __n.__length + 0.000000001)) AS __max_edits
        FROM __names AS __n
        WHERE
            __n.__length BETWEEN 4 AND 4096
            AND (
                __n.__row_count * __n.__min_ratio <= (SELECT max(__m.__row_count)
                    FROM __names AS __m)
                OR __n.__row_count >= __n.__min_ratio * (SELECT min(__m.__row_count)
                    FROM __names AS __m)
            )
    ),

    -- Texts at most two edits apart are equal after at most two deletions in each. The places of
    -- the two, the first one before the second; 0 is none.
    __first_deletions AS (
        SELECT
            __c.*,
            unnest(range(0, CASE WHEN __c.__max_edits = 2 THEN __c.__length + 1 ELSE 1 END))
                AS __first
        FROM __candidates AS __c
        WHERE __c.__length <= 18
    ),

    __deletions AS (
        SELECT
            __f.*,
            unnest(range(
                CASE WHEN __f.__first = 0 THEN 0 ELSE __f.__first + 1 END,
                CASE WHEN __f.__max_edits = 0 THEN 1 ELSE __f.__length + 1 END
            )) AS __second
        FROM __first_deletions AS __f
    ),

    -- Longer ones share one of their nine rarest trigrams, for two edits change eight at most. Both
    -- ways hold for 17 and 18 letters, so that no pair falls between them.
    __trigrams AS (
        SELECT DISTINCT
            __p.__rank AS __rank,
            __p.__row_count AS __row_count,
            __p.__min_ratio AS __min_ratio,
            __p.__digits AS __digits,
            substr(__p.__text, __p.__position, 3) AS __trigram
        FROM (
            SELECT
                __c.*,
                unnest(range(1, __c.__length - 1)) AS __position
            FROM __candidates AS __c
            WHERE __c.__length >= 17
        ) AS __p
    ),

    __counted_trigrams AS (
        SELECT
            __t.*,
            count(*) OVER (PARTITION BY __t.__digits, __t.__trigram) AS __n_names
        FROM __trigrams AS __t
    ),

    __ranked_trigrams AS (
        SELECT
            __t.*,
            row_number() OVER (PARTITION BY __t.__rank ORDER BY __t.__n_names,
                __t.__trigram) AS __rarity
        FROM __counted_trigrams AS __t
    ),

    __blocks AS (
        SELECT
            __d.__rank AS __rank,
            __d.__row_count AS __row_count,
            __d.__min_ratio AS __min_ratio,
            hash(
                'deletions',
                __d.__digits,
                left(__d.__text, greatest(__d.__first - 1, 0))
                || substr(__d.__text, __d.__first + 1, greatest(__d.__second - __d.__first - 1, 0))
                || substr(__d.__text, __d.__second + 1)
            ) AS __block
        FROM __deletions AS __d
        UNION ALL
        SELECT
            __t.__rank,
            __t.__row_count,
            __t.__min_ratio,
            hash('trigram', __t.__digits, __t.__trigram)
        FROM __ranked_trigrams AS __t
        WHERE __t.__rarity <= 9
    ),

    __similar_pairs AS (
        SELECT DISTINCT
            __a.__rank AS __rank,
            __b.__rank AS __rank_before
        FROM __blocks AS __a
        INNER JOIN __blocks AS __b
            ON
                __a.__block = __b.__block
                AND __b.__rank < __a.__rank
                AND __b.__row_count >= __a.__min_ratio * __a.__row_count
    ),

    __pairs AS (
        SELECT
            __p.__rank AS __rank,
            __p.__rank_before AS __rank_before,
            bool_or(__p.__is_ngram) AS __is_ngram
        FROM (
            SELECT
                __g.*,
                true AS __is_ngram
            FROM __ngram_pairs AS __g
            UNION ALL
            SELECT
                __s.*,
                false AS __is_ngram
            FROM __similar_pairs AS __s
        ) AS __p
        GROUP BY __p.__rank, __p.__rank_before
    ),

    __named_pairs AS (
        SELECT
            __p.*,
            __a.__name AS __name,
            __b.__name AS __name_before,
            __a.__min_similarity AS __min_similarity,
            greatest(__a.__length, __b.__length) AS __length,
            system.main.category_similarity(__a.__name, __b.__name) AS __similarity
        FROM __pairs AS __p
        INNER JOIN __names AS __a ON __p.__rank = __a.__rank
        INNER JOIN __names AS __b ON __p.__rank_before = __b.__rank
    ),

    -- The order of tests in CASE is kept: the dear one is for the few pairs that pass the cheap
    -- ones.
    __links AS (
        SELECT __p.*
        FROM __named_pairs AS __p
        WHERE
            CASE
                WHEN __p.__similarity < __p.__min_similarity - 0.000000001 THEN false
                WHEN NOT __p.__is_ngram AND (1 - __p.__similarity) * __p.__length > 2.5 THEN false
                ELSE
                    system.main.category_match(__p.__name, [__p.__name_before],
                        __p.__min_similarity).normalized
                    IS NOT NULL
            END
    ),

    __linked_names AS (
        SELECT
            __l.__name AS __name,
            system.main.category_match(
                __l.__name,
                list(__l.__name_before ORDER BY __l.__rank_before),
                __l.__min_similarity
            ).normalized AS __proposal
        FROM __links AS __l
        WHERE __l.__rank_before NOT IN (SELECT __k.__rank FROM __links AS __k)
        GROUP BY __l.__name, __l.__min_similarity
    ),

    __proposals AS (
        SELECT
            __s.__spelling AS __spelling,
            __s.__row_count AS __row_count,
            __s.__name AS __name,
            coalesce(__n.__proposal, __s.__name) AS __proposal
        FROM __spellings AS __s
        LEFT JOIN __linked_names AS __n ON __s.__name = __n.__name
    ),

    __groups AS (
        SELECT
            __p.*,
            CASE
                WHEN __p.__spelling = __p.__proposal THEN NULL
                WHEN __p.__name = __p.__proposal THEN 'fingerprint'
                WHEN __l.__is_ngram THEN 'ngram'
                ELSE 'similar'
            END AS __method,
            count(*) OVER (PARTITION BY __p.__proposal) AS __n_spellings,
            sum(__p.__row_count) OVER (PARTITION BY __p.__proposal) AS __group_row_count
        FROM __proposals AS __p
        LEFT JOIN __links AS __l ON __p.__name = __l.__name AND __p.__proposal = __l.__name_before
    )

    SELECT
        __g.__proposal AS proposal,
        __g.__spelling AS raw_value,
        __g.__row_count AS row_count,
        __g.__method AS method
    FROM __groups AS __g
    WHERE __g.__n_spellings > 1
    ORDER BY __g.__group_row_count DESC, __g.__proposal, __g.__row_count DESC, __g.__spelling;
