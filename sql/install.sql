-- install.sql: creates the relations of amazing in the current database, under their bare names.
-- Generated from sql/functions (make docs). Needs LOAD amazing before; replaces what an earlier version installed.

SET VARIABLE amazing_check = (
    SELECT
        CASE
            WHEN count(*) = 0
                THEN error(
                    'install: the extension is not loaded, or it is an older one than this script: '
                    || 'LOAD amazing'
                )
        END
    FROM duckdb_functions() AS f
    WHERE f.function_name = 'content_summary'
);

CREATE OR REPLACE MACRO sessionize(
    source,
    max_gap := '30 minutes',
    user := 'user_id',
    "time" := 'event_time'
) AS TABLE
    WITH __no_rows AS (
        SELECT __source_row AS __row
        FROM query_table(source) AS __source_row
        WHERE false
    ),

    __check AS (
        SELECT
            system.main.check_new_columns(
                first(__n.__row),
                ['session_number', '__user', '__time', '__max_gap', '__is_start'],
                'sessionize'
            ) AS __is_good
        FROM __no_rows AS __n
    ),

    __events AS (
        SELECT
            __s.*,
            COLUMNS(system.main.source_columns((*), user, 'user', 'sessionize')) AS __user,
            system.main.event_timestamp(
                COLUMNS(system.main.source_columns((*), "time", 'time', 'sessionize')),
                'sessionize', "time"
            ) AS __time,
            CASE
                WHEN
                    coalesce(
                        regexp_matches(CAST(max_gap AS VARCHAR), '[a-z:]')
                        AND try_cast(CAST(max_gap AS VARCHAR) AS INTERVAL) >= INTERVAL 0 SECOND,
                        false
                    )
                    THEN try_cast(CAST(max_gap AS VARCHAR) AS INTERVAL)
                ELSE error(
                    'sessionize: max_gap must be an interval of at least 0 with its unit, such '
                    || 'as INTERVAL 30 MINUTE, not '
                    || coalesce(CAST(max_gap AS VARCHAR), 'NULL')
                )
            END AS __max_gap
        FROM query_table(source) AS __s
        WHERE (SELECT __c.__is_good FROM __check AS __c)
    ),

    __starts AS (
        SELECT
            __e.*,
            CASE
                WHEN
                    lag(__e.__time) OVER (
                        PARTITION BY __e.__user ORDER BY __e.__time NULLS LAST
                    ) + __e.__max_gap
                    >= __e.__time
                    THEN 0
                ELSE 1
            END AS __is_start
        FROM __events AS __e
    )

    SELECT
        __b.* EXCLUDE (__user, __time, __max_gap, __is_start),
        CASE
            WHEN __b.__user IS NOT NULL AND __b.__time IS NOT NULL
                THEN CAST(
                    sum(__b.__is_start) OVER (
                        PARTITION BY __b.__user
                        ORDER BY __b.__time NULLS LAST
                        RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
                    ) AS BIGINT
                )
        END AS session_number
    FROM __starts AS __b;

COMMENT ON MACRO TABLE sessionize IS 'amazing 0.1.0: The session of each event: a pause longer than `max_gap` since the user''s event before begins a new one.';

CREATE OR REPLACE MACRO user_activity(
    source,
    user := 'user_id',
    "time" := 'event_time'
) AS TABLE
    WITH __events AS (
        SELECT
            COLUMNS(system.main.source_columns((*), user, 'user', 'user_activity')) AS __user,
            system.main.event_timestamp(
                COLUMNS(system.main.source_columns((*), "time", 'time', 'user_activity')),
                'user_activity', "time"
            ) AS __time
        FROM query_table(source) AS __s
    )

    SELECT
        __e.__user AS user_id,
        count(*) AS events,
        min(__e.__time) AS first_event_time,
        max(__e.__time) AS last_event_time,
        date_diff('microsecond', min(__e.__time), max(__e.__time)) / 1e6 / nullif(count(*) - 1, 0)
            AS avg_time_between_events
    FROM __events AS __e
    WHERE __e.__user IS NOT NULL AND isfinite(__e.__time)
    GROUP BY __e.__user;

COMMENT ON MACRO TABLE user_activity IS 'amazing 0.1.0: How often and when each user was active, one row per user.';

CREATE OR REPLACE MACRO monthly_activity(
    source,
    col := NULL,
    user := 'user_id',
    "time" := 'event_time'
) AS TABLE
    WITH __events AS (
        SELECT
            CASE
                WHEN
                    lower(CAST(col AS VARCHAR)) IN (
                        'month', 'events', 'active_users', 'new_users', 'churned_users',
                        'reactivated_users'
                    )
                    THEN error('monthly_activity: col must not be a column of the result, not "'
                    || col || '"')
                ELSE COLUMNS(system.main.source_columns((*),
                    coalesce(CAST(col AS VARCHAR), '__no_group'), 'col', 'monthly_activity'))
            END AS __group,
            COLUMNS(system.main.source_columns((*), user, 'user', 'monthly_activity')) AS __user,
            system.main.event_timestamp(
                COLUMNS(system.main.source_columns((*), "time", 'time', 'monthly_activity')),
                'monthly_activity', "time"
            ) AS __time
        FROM (
            SELECT
                __t.*,
                NULL AS __no_group
            FROM query_table(source) AS __t
        ) AS __s
    ),

    __user_months AS (
        SELECT
            __e.__group AS __group,
            __e.__user AS __user,
            CAST(date_trunc('month', __e.__time) AS DATE) AS __month,
            count(*) AS __n_events
        FROM __events AS __e
        WHERE __e.__user IS NOT NULL AND isfinite(__e.__time)
        GROUP BY __e.__group, __e.__user, CAST(date_trunc('month', __e.__time) AS DATE)
    ),

    __dated_user_months AS (
        SELECT
            __u.*,
            lag(__u.__month) OVER (
                PARTITION BY __u.__group, __u.__user ORDER BY __u.__month
            ) AS __month_before
        FROM __user_months AS __u
    ),

    __active_months AS (
        SELECT
            __u.__group AS __group,
            __u.__month AS __month,
            CAST(sum(__u.__n_events) AS BIGINT) AS __n_events,
            count(*) AS __n_users,
            count(*) FILTER (WHERE __u.__month_before IS NULL) AS __n_new,
            count(*) FILTER (WHERE __u.__month_before < __u.__month - INTERVAL 1 MONTH)
                AS __n_reactivated
        FROM __dated_user_months AS __u
        GROUP BY __u.__group, __u.__month
    ),

    __calendar AS (
        SELECT CAST(unnest(generate_series(min(__a.__month), max(__a.__month), INTERVAL 1 MONTH))
            AS DATE) AS __month
        FROM __active_months AS __a
    ),

    __groups AS (
        SELECT DISTINCT __a.__group AS __group
        FROM __active_months AS __a
    ),

    __months AS (
        SELECT
            __g.__group AS __group,
            __c.__month AS __month,
            coalesce(__a.__n_events, 0) AS __n_events,
            coalesce(__a.__n_users, 0) AS __n_users,
            coalesce(__a.__n_new, 0) AS __n_new,
            coalesce(__a.__n_reactivated, 0) AS __n_reactivated
        FROM __groups AS __g
        CROSS JOIN __calendar AS __c
        LEFT JOIN __active_months AS __a
            ON __g.__group IS NOT DISTINCT FROM __a.__group AND __c.__month = __a.__month
    ),

    -- Users who stay are those who are neither new nor reactivated; the others of the month before
    -- are gone.
    __results AS (
        SELECT
            COLUMNS(system.main.source_columns((*), coalesce(CAST(col AS VARCHAR), '__no_group'),
                'col', 'monthly_activity')),
            CAST(NULL AS DATE) AS month,
            CAST(NULL AS BIGINT) AS events,
            CAST(NULL AS BIGINT) AS active_users,
            CAST(NULL AS BIGINT) AS new_users,
            CAST(NULL AS BIGINT) AS churned_users,
            CAST(NULL AS BIGINT) AS reactivated_users
        FROM (
            SELECT
                __t.*,
                NULL AS __no_group
            FROM query_table(source) AS __t
        ) AS __s
        WHERE false
        UNION ALL
        SELECT
            __m.__group,
            __m.__month,
            __m.__n_events,
            __m.__n_users,
            __m.__n_new,
            coalesce(lag(__m.__n_users) OVER (PARTITION BY __m.__group ORDER BY __m.__month), 0)
            - (__m.__n_users - __m.__n_new - __m.__n_reactivated),
            __m.__n_reactivated
        FROM __months AS __m
    )

    SELECT COLUMNS(
        CASE
            WHEN col IS NULL
                THEN ['month', 'events', 'active_users', 'new_users', 'churned_users',
                    'reactivated_users']
            ELSE [
                CAST(col AS VARCHAR),
                'month', 'events', 'active_users', 'new_users', 'churned_users', 'reactivated_users'
            ]
        END
    )
    FROM __results AS __r
    ORDER BY ALL;

COMMENT ON MACRO TABLE monthly_activity IS 'amazing 0.1.0: Users who are active, new, gone and back, one row per calendar month.';

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

COMMENT ON MACRO TABLE normalize_category IS 'amazing 0.1.0: The audit of a repair: each distinct value of a column with the entry that it becomes, and why.';

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

COMMENT ON MACRO TABLE category_variants IS 'amazing 0.1.0: Spellings of one thing in a column, found without a vocabulary, with a proposal for each group.';

CREATE OR REPLACE MACRO user_features(
    source,
    user := 'user_id',
    "time" := 'event_time',
    type := 'event_type',
    value := 'price',
    session := 'user_session',
    view := 'view',
    purchase := 'purchase',
    min_events := 1,
    as_of := NULL,
    types := NULL
) AS TABLE
    WITH __columns AS NOT MATERIALIZED (
        SELECT
            COLUMNS(system.main.source_columns((*), user, 'user', 'user_features')) AS __user,
            system.main.event_timestamp(
                COLUMNS(system.main.source_columns((*), "time", 'time', 'user_features')),
                'user_features', "time"
            ) AS __time,
            CAST(
                COLUMNS(system.main.source_columns((*),
                    coalesce(CAST(type AS VARCHAR), '__no_text'), 'type', 'user_features'))
                        AS VARCHAR
            ) AS __type,
            COLUMNS(system.main.source_columns((*), coalesce(CAST(value AS VARCHAR), '__no_number'),
                'value', 'user_features')) AS __value,
            COLUMNS(system.main.source_columns((*), coalesce(CAST(session AS VARCHAR), '__no_text'),
                'session', 'user_features'))
                AS __session
        FROM (
            SELECT
                __t.*,
                CAST(NULL AS VARCHAR) AS __no_text,
                CAST(NULL AS DOUBLE) AS __no_number
            FROM query_table(source) AS __t
        ) AS __s
    ),

    __events AS NOT MATERIALIZED (
        SELECT
            __c.*,
            __c.__type = CAST(view AS VARCHAR) AS __is_view,
            CASE WHEN type IS NULL THEN true
                ELSE __c.__type = CAST(purchase AS VARCHAR) END AS __is_purchase
        FROM __columns AS __c
        WHERE
            __c.__user IS NOT NULL
            AND isfinite(__c.__time)
            AND (
                as_of IS NULL
                OR __c.__time
                < CAST(
                    system.main.event_timestamp(as_of, 'user_features', 'as_of') AS DATE
                ) + INTERVAL 1 DAY
            )
    ),

    __users AS MATERIALIZED (
        SELECT
            __e.__user AS __user,
            count(*) AS __n_events,
            count(*) FILTER (WHERE __e.__is_view) AS __n_views,
            count(*) FILTER (WHERE __e.__is_purchase) AS __n_purchases,
            coalesce(list_unique(list(__e.__session) FILTER (WHERE __e.__is_purchase)),
                0) AS __n_baskets,
            coalesce(
                CASE
                    WHEN typeof(sum(__e.__value) FILTER (WHERE __e.__is_purchase)) = 'DOUBLE'
                        THEN list_sum(
                            list_sort(
                                list(__e.__value) FILTER (
                                    WHERE __e.__is_purchase
                                    AND __e.__value IS NOT NULL
                                    AND typeof(__e.__value) IN ('DOUBLE', 'FLOAT', 'UHUGEINT')
                                )
                            )
                        )
                    ELSE sum(__e.__value) FILTER (WHERE __e.__is_purchase)
                END,
                0
            ) AS __spent,
            min(__e.__time) AS __first_time,
            max(__e.__time) AS __last_time
        FROM __events AS __e
        GROUP BY __e.__user
    ),

    __totals AS (
        SELECT
            coalesce(
                CAST(system.main.event_timestamp(as_of, 'user_features', 'as_of') AS DATE),
                CAST(max(__u.__last_time) AS DATE)
            ) AS __as_of,
            sum(__u.__n_views) AS __n_views,
            sum(__u.__n_purchases) AS __n_purchases
        FROM __users AS __u
    ),

    __counts AS (FROM query(system.main.event_counts_query(types, 'user_features'))),

    __features AS (
        SELECT
            __u.__user AS user_id,
            __u.__n_events AS total_events,
            __u.__n_views AS total_views,
            __u.__n_purchases AS total_purchases,
            date_diff('microsecond', __u.__first_time,
                __u.__last_time) / 1e6 / nullif(__u.__n_events - 1, 0)
                AS avg_time_between_events,
            __u.__spent AS total_spent,
            CAST(
                CASE WHEN __u.__n_purchases = 0 THEN 0
                    ELSE __u.__spent / nullif(__u.__n_baskets, 0) END AS DOUBLE
            ) AS avg_basket,
            __u.__last_time AS last_event_time,
            CAST(__u.__n_purchases / nullif(__u.__n_views, 0) AS DOUBLE) AS conversion_rate,
            CAST(__u.__n_purchases / __u.__n_events AS DOUBLE) AS purchase_ratio,
            date_diff('day', CAST(__u.__last_time AS DATE), __t.__as_of) AS days_since_last_event,
            __n.*
        FROM __users AS __u
        CROSS JOIN __totals AS __t
        LEFT JOIN __counts AS __n
            ON __u.__user = __n.__user
        WHERE
            __u.__n_events >= CASE
                WHEN coalesce(try_cast(min_events AS DOUBLE) >= 1, false)
                    THEN try_cast(min_events AS DOUBLE)
                ELSE error(
                    'user_features: min_events must be a number of at least 1, not '
                    || coalesce(CAST(min_events AS VARCHAR), 'NULL')
                )
            END
            AND CASE
                WHEN __t.__n_views = 0 AND type IS NOT NULL AND view IS NOT NULL
                    THEN error(
                        'user_features: no event has the type ''' || CAST(view AS VARCHAR)
                        || ''', say by view := ''...'' which type a view has, or by view := NULL '
                        || 'that there is none'
                    )
                WHEN __t.__n_purchases = 0 AND type IS NOT NULL AND purchase IS NOT NULL
                    THEN error(
                        'user_features: no event has the type ''' || CAST(purchase AS VARCHAR)
                        || ''', say by purchase := ''...'' which type a purchase has, or by '
                        || 'purchase := NULL that there '
                        || 'is none'
                    )
                ELSE true
            END
    )

    SELECT COLUMNS(
        list_concat(
            ['user_id', 'total_events'],
            CASE WHEN type IS NULL OR view IS NULL THEN CAST([] AS VARCHAR[])
                ELSE ['total_views'] END,
            CASE WHEN type IS NULL OR purchase IS NULL THEN CAST([] AS VARCHAR[])
                ELSE ['total_purchases'] END,
            ['avg_time_between_events'],
            CASE
                WHEN value IS NULL OR (type IS NOT NULL AND purchase IS NULL)
                    THEN CAST([] AS VARCHAR[])
                WHEN session IS NULL THEN ['total_spent']
                ELSE ['total_spent', 'avg_basket']
            END,
            ['last_event_time'],
            CASE
                WHEN type IS NULL OR view IS NULL OR purchase IS NULL THEN CAST([] AS VARCHAR[])
                ELSE ['conversion_rate']
            END,
            CASE WHEN type IS NULL OR purchase IS NULL THEN CAST([] AS VARCHAR[])
                ELSE ['purchase_ratio'] END,
            ['days_since_last_event'],
            CASE
                WHEN types IS NULL THEN CAST([] AS VARCHAR[])
                ELSE string_split(
                    'total_' || array_to_string(list_concat(types, CAST([] AS VARCHAR[])), chr(1)
                        || 'total_'), chr(1)
                )
            END
        )
    )
    FROM __features AS __f;

COMMENT ON MACRO TABLE user_features IS 'amazing 0.1.0: What each user did, one row per user, in columns that segments can be made of.';

CREATE OR REPLACE MACRO funnel(
    source,
    steps := NULL,
    user := 'user_id',
    "time" := 'event_time',
    type := 'event_type',
    within := NULL
) AS TABLE
    WITH __options AS (
        SELECT
            CASE
                WHEN coalesce(len(CAST(steps AS VARCHAR[])), 0) = 0
                    THEN error(
                        'funnel: steps must be a list of event types such as [''view'', '
                        || '''purchase''], not '
                        || coalesce(CAST(steps AS VARCHAR), 'NULL')
                    )
                WHEN len(list_distinct(CAST(steps AS VARCHAR[]))) < len(CAST(steps AS VARCHAR[]))
                    THEN error('funnel: steps must differ and not be NULL, not '
                    || CAST(steps AS VARCHAR))
                ELSE CAST(steps AS VARCHAR[])
            END AS __steps,
            CASE
                WHEN within IS NULL THEN NULL
                WHEN
                    coalesce(
                        regexp_matches(CAST(within AS VARCHAR), '[a-z:]')
                        AND try_cast(CAST(within AS VARCHAR) AS INTERVAL) >= INTERVAL 0 SECOND
                        AND date_part('month', try_cast(CAST(within AS VARCHAR) AS INTERVAL)) = 0
                        AND date_part('year', try_cast(CAST(within AS VARCHAR) AS INTERVAL)) = 0,
                        false
                    )
                    THEN epoch_us(try_cast(CAST(within AS VARCHAR) AS INTERVAL))
                ELSE error(
                    'funnel: within must be an interval of at least 0, in days or smaller units, '
                    || 'such as INTERVAL 7 DAY, not '
                    || CAST(within AS VARCHAR)
                )
            END AS __within
    ),

    __events AS (
        SELECT
            COLUMNS(system.main.source_columns((*), user, 'user', 'funnel')) AS __user,
            system.main.event_timestamp(
                COLUMNS(system.main.source_columns((*), "time", 'time', 'funnel')), 'funnel', "time"
            ) AS __time,
            CAST(
                list_position(
                    (SELECT __o.__steps FROM __options AS __o),
                    CAST(COLUMNS(system.main.source_columns((*), type, 'type', 'funnel'))
                        AS VARCHAR)
                ) AS INTEGER
            ) AS __step
        FROM query_table(source) AS __s
    ),

    __users AS (
        SELECT system.main.funnel_steps(
            list({'time': __e.__time, 'step': __e.__step}),
            (SELECT __o.__within FROM __options AS __o)
        ) AS __n_steps
        FROM __events AS __e
        WHERE __e.__user IS NOT NULL AND isfinite(__e.__time) AND __e.__step > 0
        GROUP BY __e.__user
    ),

    __ends AS (
        SELECT
            __u.__n_steps AS __step,
            count(*) AS __n_users
        FROM __users AS __u
        GROUP BY __u.__n_steps
    ),

    __steps AS (
        SELECT
            unnest(generate_series(1, len(__o.__steps))) AS __step,
            unnest(__o.__steps) AS __type
        FROM __options AS __o
    ),

    -- Who ends at a later step has reached this one.
    __reached AS (
        SELECT
            __s.__step AS __step,
            __s.__type AS __type,
            CAST(coalesce(sum(__e.__n_users) OVER (ORDER BY __s.__step DESC), 0) AS BIGINT)
                AS __n_users
        FROM __steps AS __s
        LEFT JOIN __ends AS __e
            ON __s.__step = __e.__step
    )

    SELECT
        CAST(__r.__step AS INTEGER) AS step,
        __r.__type AS event_type,
        __r.__n_users AS users,
        __r.__n_users / nullif(first_value(__r.__n_users) OVER (ORDER BY __r.__step), 0) AS rate,
        __r.__n_users / nullif(lag(__r.__n_users) OVER (ORDER BY __r.__step), 0) AS step_rate
    FROM __reached AS __r
    ORDER BY __r.__step;

COMMENT ON MACRO TABLE funnel IS 'amazing 0.1.0: How many users take the steps of a funnel in their order, one row per step.';

CREATE OR REPLACE MACRO retention(
    source,
    period := 'month',
    user := 'user_id',
    "time" := 'event_time'
) AS TABLE
    WITH __events AS (
        SELECT
            COLUMNS(system.main.source_columns((*), user, 'user', 'retention')) AS __user,
            system.main.event_timestamp(
                COLUMNS(system.main.source_columns((*), "time", 'time', 'retention')), 'retention',
                "time"
            ) AS __time
        FROM query_table(source) AS __s
    ),

    __user_periods AS (
        SELECT DISTINCT
            __e.__user AS __user,
            CAST(
                date_trunc(
                    CASE
                        WHEN lower(CAST(period AS VARCHAR)) IN ('day', 'week', 'month', 'quarter',
                            'year')
                            THEN lower(CAST(period AS VARCHAR))
                        ELSE error(
                            'retention: period must be one of ''day'', ''week'', ''month'', '
                            || '''quarter'', ''year'', not '
                            || coalesce('''' || CAST(period AS VARCHAR) || '''', 'NULL')
                        )
                    END,
                    __e.__time
                ) AS DATE
            ) AS __period
        FROM __events AS __e
        WHERE __e.__user IS NOT NULL AND isfinite(__e.__time)
    ),

    __cohort_periods AS (
        SELECT
            __u.__period AS __period,
            min(__u.__period) OVER (PARTITION BY __u.__user) AS __cohort
        FROM __user_periods AS __u
    ),

    __active AS (
        SELECT
            __p.__cohort AS __cohort,
            __p.__period AS __period,
            count(*) AS __n_active
        FROM __cohort_periods AS __p
        GROUP BY __p.__cohort, __p.__period
    ),

    __grid AS (
        SELECT
            __a.__cohort AS __cohort,
            __a.__n_active AS __n_users,
            CAST(
                unnest(
                    generate_series(
                        __a.__cohort,
                        __a.__last,
                        CASE lower(CAST(period AS VARCHAR))
                            WHEN 'day' THEN INTERVAL 1 DAY
                            WHEN 'week' THEN INTERVAL 7 DAY
                            WHEN 'month' THEN INTERVAL 1 MONTH
                            WHEN 'quarter' THEN INTERVAL 3 MONTH
                            ELSE INTERVAL 1 YEAR
                        END
                    )
                ) AS DATE
            ) AS __period
        FROM (
            SELECT
                __b.*,
                max(__b.__period) OVER () AS __last
            FROM __active AS __b
        ) AS __a
        WHERE __a.__cohort = __a.__period
    )

    SELECT
        __g.__cohort AS cohort,
        date_diff(lower(CAST(period AS VARCHAR)), __g.__cohort, __g.__period) AS periods_since,
        __g.__n_users AS users,
        coalesce(__a.__n_active, 0) AS active_users,
        coalesce(__a.__n_active, 0) / __g.__n_users AS retention
    FROM __grid AS __g
    LEFT JOIN __active AS __a
        ON __g.__cohort = __a.__cohort AND __g.__period = __a.__period
    ORDER BY cohort, periods_since;

COMMENT ON MACRO TABLE retention IS 'amazing 0.1.0: Who comes back: the users of each first period, and how many of them are active in the periods after it.';

CREATE OR REPLACE MACRO file_fingerprint(path) AS TABLE
    WITH __files AS (
        SELECT
            __b.filename AS file_name,
            any_value(__b.size) AS size_bytes,
            make_timestamp(epoch_us(any_value(__b.last_modified))) AS last_modified,
            CASE
                WHEN count(*) > 1
                    THEN error('file_fingerprint: the file "' || __b.filename || '" is named twice')
            END AS problem
        FROM read_blob(path) AS __b
        GROUP BY __b.filename
    ),
    __contents AS (
        SELECT
            __l.filename AS file_name,
            count(__l.line) AS line_count,
            -- The size of what was read, with one byte for each end; the last line may do without.
            sum(coalesce(strlen(__l.line), 0) + 1) AS bytes_read,
            system.main.content_hash(__l.line) FILTER (__l.line IS NOT NULL) AS fingerprint
        FROM read_csv(
            path,
            columns = {'line': 'VARCHAR'},
            auto_detect = false,
            header = false,
            delim = chr(1) || chr(2),
            quote = '',
            escape = '',
            new_line = '\n',
            strict_mode = false,
            ignore_errors = true,
            max_line_size = 16000000,
            buffer_size = 32000000,
            filename = true,
            hive_partitioning = false
        ) AS __l
        GROUP BY __l.filename
    )
    SELECT
        __f.file_name AS file_name,
        __f.size_bytes AS size_bytes,
        __f.last_modified AS last_modified,
        coalesce(__c.line_count, 0) AS line_count,
        CASE
            WHEN __f.size_bytes = 0 THEN 0::UHUGEINT
            WHEN
                __c.bytes_read - __f.size_bytes IN (0, 1)
                OR regexp_matches(__f.file_name, '\.(gz|zst)$')
                THEN coalesce(__c.fingerprint, 0::UHUGEINT)
        END AS fingerprint
    FROM __files AS __f
    LEFT JOIN __contents AS __c ON __c.file_name = __f.file_name
    WHERE __f.problem IS NULL
    ORDER BY __f.file_name;

COMMENT ON MACRO TABLE file_fingerprint IS 'amazing 0.1.0: Size, time, number of lines that are not blank, and fingerprint of the content of files, one row per file.';

CREATE OR REPLACE MACRO amazing_info() AS TABLE
    SELECT
        __s.* REPLACE (
            CASE
                WHEN __s.stale_macros IS NULL THEN __s.advice
                ELSE concat_ws(
                    '; ', __s.advice, 'the current database has relations of another version: '
                    || 'run sql/install.sql again'
                )
            END AS advice
        )
    FROM (
        SELECT
            __i.*,
            (
                SELECT list(DISTINCT __f.function_name ORDER BY __f.function_name)
                FROM duckdb_functions() AS __f
                WHERE
                    __f.database_name = current_database()
                    AND __f.comment LIKE 'amazing %'
                    AND NOT starts_with(__f.comment, 'amazing ' || __i.version || ':')
            ) AS stale_macros
        FROM system.main.amazing_session() AS __i
    ) AS __s;

COMMENT ON MACRO TABLE amazing_info IS 'amazing 0.1.0: What `amazing_info()` tells, and relations in the current database that another version installed.';

CREATE OR REPLACE MACRO kmeans_segments(
    source,
    k := 5,
    features := NULL,
    id := NULL,
    model := NULL,
    scale := 'standard',
    log := NULL,
    nulls := 'skip',
    weight := NULL,
    init := NULL,
    n_init := 10,
    max_iter := 300,
    tol := 0.0001,
    seed := 42,
    memory := 1073741824,
    passes := NULL
) AS TABLE
    WITH RECURSIVE __no_rows AS (
        SELECT __source_row AS __row
        FROM query_table(source) AS __source_row
        WHERE false
    ),

    __check AS (
        SELECT system.main.check_new_columns(first(__n.__row), ['segment'],
            'kmeans_segments') AS __is_good
        FROM __no_rows AS __n
    ),

    __fit AS (
        SELECT
            system.main.kmeans_fit(
                __source_row,
                k,
                {
                    'relation': 'kmeans_segments',
                    'features': features,
                    'id': id,
                    'model': model,
                    'scale': scale,
                    'log': log,
                    'nulls': nulls,
                    'weight': weight,
                    'init': init,
                    'n_init': n_init,
                    'max_iter': max_iter,
                    'tol': tol,
                    'seed': seed,
                    'memory': memory,
                    'passes': passes,
                    'threads': current_setting('threads')
                }
            ) AS __model
        FROM query_table(source) AS __source_row
    ),

    -- Passes over all rows, each of which can be interrupted. Without passes, none is planned.
    __runs AS (
        SELECT
            0 AS __pass,
            __f.__model
        FROM __fit AS __f
        UNION ALL
        SELECT
            __r.__pass + 1 AS __pass,
            system.main.kmeans_iterate(
                __r.__model,
                __source_row,
                {'relation': 'kmeans_segments', 'weight': weight, 'tol': tol}
            ) AS __model
        FROM __runs AS __r
        CROSS JOIN query_table(source) AS __source_row
        WHERE
            __r.__pass < passes
            AND (__r.__pass = 0 OR NOT __r.__model.converged)
        GROUP BY __r.__pass
        HAVING count(*) > 0
    ),

    __last AS (
        SELECT arg_max(__r.__model, __r.__pass) AS __model
        FROM __runs AS __r
    )

    SELECT
        __source_row.*,
        system.main.kmeans_predict((SELECT __l.__model FROM __last AS __l), __source_row) AS segment
    FROM query_table(source) AS __source_row
    WHERE (SELECT __c.__is_good FROM __check AS __c);

COMMENT ON MACRO TABLE kmeans_segments IS 'amazing 0.1.0: Every row of a source with its segment.';

CREATE OR REPLACE MACRO kmeans_centroids(
    source,
    k := 5,
    features := NULL,
    id := NULL,
    model := NULL,
    scale := 'standard',
    log := NULL,
    nulls := 'skip',
    weight := NULL,
    init := NULL,
    n_init := 10,
    max_iter := 300,
    tol := 0.0001,
    seed := 42,
    memory := 1073741824,
    passes := NULL
) AS TABLE
    WITH RECURSIVE __fit AS (
        SELECT
            system.main.kmeans_fit(
                __source_row,
                k,
                {
                    'relation': 'kmeans_centroids',
                    'features': features,
                    'id': id,
                    'model': model,
                    'scale': scale,
                    'log': log,
                    'nulls': nulls,
                    'weight': weight,
                    'init': init,
                    'n_init': n_init,
                    'max_iter': max_iter,
                    'tol': tol,
                    'seed': seed,
                    'memory': memory,
                    'passes': passes,
                    'threads': current_setting('threads')
                }
            ) AS __model
        FROM query_table(source) AS __source_row
    ),

    __runs AS (
        SELECT
            0 AS __pass,
            __f.__model
        FROM __fit AS __f
        UNION ALL
        SELECT
            __r.__pass + 1 AS __pass,
            system.main.kmeans_iterate(
                __r.__model,
                __source_row,
                {'relation': 'kmeans_centroids', 'weight': weight, 'tol': tol}
            ) AS __model
        FROM __runs AS __r
        CROSS JOIN query_table(source) AS __source_row
        WHERE
            __r.__pass < passes
            AND (__r.__pass = 0 OR NOT __r.__model.converged)
        GROUP BY __r.__pass
        HAVING count(*) > 0
    ),

    __last AS (
        SELECT arg_max(__r.__model, __r.__pass) AS __model
        FROM __runs AS __r
    )

    SELECT
        __c.__centroid.segment AS segment,
        __c.__centroid.size AS size,
        __c.__centroid.share AS share,
        __c.__centroid.feature AS feature,
        __c.__centroid.value AS value,
        __c.__centroid.z_score AS z_score
    FROM (
        SELECT unnest(system.main.kmeans_centroids(__l.__model)) AS __centroid
        FROM __last AS __l
    ) AS __c;

COMMENT ON MACRO TABLE kmeans_centroids IS 'amazing 0.1.0: The centroids of a source''s segments in original units, one row for each segment and feature.';

CREATE OR REPLACE MACRO kmeans_metrics(
    source,
    k_min := 2,
    k_max := 10,
    features := NULL,
    id := NULL,
    scale := 'standard',
    log := NULL,
    nulls := 'skip',
    weight := NULL,
    n_init := 10,
    max_iter := 300,
    tol := 0.0001,
    seed := 42,
    memory := 1073741824
) AS TABLE
    SELECT
        __e.__evaluation.k AS k,
        __e.__evaluation.inertia AS inertia,
        __e.__evaluation.silhouette AS silhouette,
        __e.__evaluation.davies_bouldin AS davies_bouldin,
        __e.__evaluation.calinski_harabasz AS calinski_harabasz,
        __e.__evaluation.silhouette IS NOT NULL
        AND row_number() OVER (ORDER BY __e.__evaluation.silhouette DESC NULLS LAST,
            __e.__evaluation.k) = 1
            AS recommended
    FROM (
        SELECT unnest(
            system.main.kmeans_evaluate(
                __source_row,
                k_min,
                k_max,
                {
                    'relation': 'kmeans_metrics',
                    'features': features,
                    'id': id,
                    'scale': scale,
                    'log': log,
                    'nulls': nulls,
                    'weight': weight,
                    'n_init': n_init,
                    'max_iter': max_iter,
                    'tol': tol,
                    'seed': seed,
                    'memory': memory,
                    'threads': current_setting('threads')
                }
            )
        ) AS __evaluation
        FROM query_table(source) AS __source_row
    ) AS __e
    ORDER BY __e.__evaluation.k;

COMMENT ON MACRO TABLE kmeans_metrics IS 'amazing 0.1.0: How good the segments of a source are for each number of segments, and which number to take.';

CREATE OR REPLACE MACRO kmeans_features(
    source,
    features := NULL,
    id := NULL,
    weight := NULL
) AS TABLE
    WITH __no_rows AS (
        SELECT __source_row AS __row
        FROM query_table(source) AS __source_row
        WHERE false
    ),

    __columns AS (
        SELECT unnest(
            system.main.kmeans_features(
                first(__n.__row),
                {'relation': 'kmeans_features', 'features': features, 'id': id, 'weight': weight}
            )
        ) AS __column
        FROM __no_rows AS __n
    )

    SELECT
        __c.__column.column_name AS column_name,
        __c.__column.column_type AS column_type,
        __c.__column.taken AS taken,
        __c.__column.reason AS reason
    FROM __columns AS __c;

COMMENT ON MACRO TABLE kmeans_features IS 'amazing 0.1.0: Which columns of a source a fit takes as features, which it leaves, and why: one row per column, in order.';

CREATE OR REPLACE MACRO gmm_segments(
    source,
    k := 5,
    features := NULL,
    id := NULL,
    model := NULL,
    scale := 'standard',
    log := NULL,
    nulls := 'skip',
    weight := NULL,
    covariance := 'full',
    n_init := 10,
    max_iter := 300,
    tol := 0.0001,
    seed := 42,
    memory := 1073741824
) AS TABLE
    WITH __no_rows AS (
        SELECT __source_row AS __row
        FROM query_table(source) AS __source_row
        WHERE false
    ),

    __check AS (
        SELECT
            system.main.check_new_columns(
                first(__n.__row),
                ['segment', 'probability', '__gmm_probabilities'],
                'gmm_segments'
            ) AS __is_good
        FROM __no_rows AS __n
    ),

    __fit AS (
        SELECT
            system.main.gmm_fit(
                __source_row,
                k,
                {
                    'relation': 'gmm_segments',
                    'features': features,
                    'id': id,
                    'model': model,
                    'scale': scale,
                    'log': log,
                    'nulls': nulls,
                    'weight': weight,
                    'covariance': covariance,
                    'n_init': n_init,
                    'max_iter': max_iter,
                    'tol': tol,
                    'seed': seed,
                    'memory': memory,
                    'threads': current_setting('threads')
                }
            ) AS __model
        FROM query_table(source) AS __source_row
    ),

    __scored_rows AS (
        SELECT
            __source_row.*,
            system.main.gmm_probabilities((SELECT __f.__model FROM __fit AS __f),
                __source_row) AS __gmm_probabilities
        FROM query_table(source) AS __source_row
        WHERE (SELECT __c.__is_good FROM __check AS __c)
    )

    SELECT
        __s.* EXCLUDE (__gmm_probabilities),
        (list_position(__s.__gmm_probabilities, list_max(__s.__gmm_probabilities)) - 1)::INTEGER
            AS segment,
        list_max(__s.__gmm_probabilities) AS probability
    FROM __scored_rows AS __s;

COMMENT ON MACRO TABLE gmm_segments IS 'amazing 0.1.0: Every row of a source with the segment of a Gaussian mixture that it most probably belongs to, and how probably.';

CREATE OR REPLACE MACRO gmm_metrics(
    source,
    k_min := 1,
    k_max := 10,
    features := NULL,
    id := NULL,
    scale := 'standard',
    log := NULL,
    nulls := 'skip',
    weight := NULL,
    covariances := NULL,
    n_init := 10,
    max_iter := 300,
    tol := 0.0001,
    seed := 42,
    memory := 1073741824
) AS TABLE
    SELECT
        __e.__evaluation.k AS k,
        __e.__evaluation.covariance AS covariance,
        __e.__evaluation.log_likelihood AS log_likelihood,
        __e.__evaluation.bic AS bic,
        __e.__evaluation.aic AS aic,
        __e.__evaluation.converged AS converged,
        row_number() OVER (
            ORDER BY
                __e.__evaluation.bic,
                __e.__evaluation.k,
                list_position(['spherical', 'diag', 'tied', 'full'], __e.__evaluation.covariance)
        ) = 1 AS recommended
    FROM (
        SELECT unnest(
            system.main.gmm_evaluate(
                __source_row,
                k_min,
                k_max,
                {
                    'relation': 'gmm_metrics',
                    'features': features,
                    'id': id,
                    'scale': scale,
                    'log': log,
                    'nulls': nulls,
                    'weight': weight,
                    'covariances': covariances,
                    'n_init': n_init,
                    'max_iter': max_iter,
                    'tol': tol,
                    'seed': seed,
                    'memory': memory,
                    'threads': current_setting('threads')
                }
            )
        ) AS __evaluation
        FROM query_table(source) AS __source_row
    ) AS __e
    ORDER BY
        __e.__evaluation.k,
        list_position(['full', 'tied', 'diag', 'spherical'], __e.__evaluation.covariance);

COMMENT ON MACRO TABLE gmm_metrics IS 'amazing 0.1.0: How good Gaussian mixtures fit a source for each number of segments and kind of covariance, and which to take.';

CREATE OR REPLACE MACRO pca_2d(
    source,
    features := NULL,
    id := NULL,
    scale := 'standard',
    log := NULL,
    nulls := 'skip',
    memory := 1073741824
) AS TABLE
    WITH __no_rows AS (
        SELECT __source_row AS __row
        FROM query_table(source) AS __source_row
        WHERE false
    ),

    __check AS (
        SELECT system.main.check_new_columns(first(__n.__row), ['pc1', 'pc2', '__pca_scores'],
            'pca_2d') AS __is_good
        FROM __no_rows AS __n
    ),

    __fit AS (
        SELECT
            system.main.pca_fit(
                __source_row,
                {
                    'relation': 'pca_2d',
                    'n': 2,
                    'features': features,
                    'id': id,
                    'scale': scale,
                    'log': log,
                    'nulls': nulls,
                    'memory': memory,
                    'threads': current_setting('threads')
                }
            ) AS __model
        FROM query_table(source) AS __source_row
    ),

    __scored_rows AS (
        SELECT
            __source_row.*,
            system.main.pca_transform((SELECT __f.__model FROM __fit AS __f),
                __source_row) AS __pca_scores
        FROM query_table(source) AS __source_row
        WHERE (SELECT __c.__is_good FROM __check AS __c)
    )

    SELECT
        __s.* EXCLUDE (__pca_scores),
        __s.__pca_scores[1] AS pc1,
        __s.__pca_scores[2] AS pc2
    FROM __scored_rows AS __s;

COMMENT ON MACRO TABLE pca_2d IS 'amazing 0.1.0: Every row of a source with its place on the first two principal components: a map.';

CREATE OR REPLACE MACRO pca_components(
    source,
    n := 2,
    features := NULL,
    id := NULL,
    scale := 'standard',
    log := NULL,
    nulls := 'skip',
    memory := 1073741824
) AS TABLE
    SELECT
        __c.__loading.component AS component,
        __c.__loading.explained_variance AS explained_variance,
        __c.__loading.explained_variance_ratio AS explained_variance_ratio,
        __c.__loading.cumulative_ratio AS cumulative_ratio,
        __c.__loading.feature AS feature,
        __c.__loading.loading AS loading
    FROM (
        SELECT unnest(
            system.main.pca_components(
                system.main.pca_fit(
                    __source_row,
                    {
                        'relation': 'pca_components',
                        'n': n,
                        'features': features,
                        'id': id,
                        'scale': scale,
                        'log': log,
                        'nulls': nulls,
                        'memory': memory,
                        'threads': current_setting('threads')
                    }
                )
            )
        ) AS __loading
        FROM query_table(source) AS __source_row
    ) AS __c;

COMMENT ON MACRO TABLE pca_components IS 'amazing 0.1.0: The principal components of a source, one row for each component and feature.';

CREATE OR REPLACE MACRO rfm_scores(
    source,
    customer := 'user_id',
    "time" := 'event_time',
    amount := 'price',
    as_of := NULL,
    bins := 5,
    recency_cuts := NULL,
    frequency_cuts := NULL,
    monetary_cuts := NULL,
    names := NULL
) AS TABLE
    WITH __orders AS NOT MATERIALIZED (
        SELECT
            COLUMNS(system.main.source_columns((*), customer, 'customer', 'rfm_scores'))
                AS __customer,
            system.main.event_timestamp(
                COLUMNS(system.main.source_columns((*), "time", 'time', 'rfm_scores')),
                'rfm_scores', "time"
            ) AS __time,
            COLUMNS(system.main.source_columns((*), amount, 'amount', 'rfm_scores')) AS __amount
        FROM query_table(source) AS __s
    ),

    __customers AS MATERIALIZED (
        SELECT
            __o.__customer AS __customer,
            count(*) AS __frequency,
            max(__o.__time) AS __last_time,
            coalesce(
                CASE
                    WHEN typeof(sum(__o.__amount)) = 'DOUBLE'
                        THEN list_sum(
                            list_sort(
                                list(__o.__amount) FILTER (
                                    WHERE __o.__amount IS NOT NULL
                                        AND typeof(__o.__amount) IN ('DOUBLE', 'FLOAT', 'UHUGEINT')
                                )
                            )
                        )
                    ELSE sum(__o.__amount)
                END,
                0
            ) AS __monetary
        FROM __orders AS __o
        WHERE
            __o.__customer IS NOT NULL
            AND isfinite(__o.__time)
            AND (
                as_of IS NULL
                OR __o.__time < CAST(
                    system.main.event_timestamp(as_of, 'rfm_scores', 'as_of') AS DATE
                ) + INTERVAL 1 DAY
            )
        GROUP BY __o.__customer
    ),

    __measures AS MATERIALIZED (
        SELECT
            __c.__customer AS __customer,
            date_diff(
                'day',
                CAST(__c.__last_time AS DATE),
                coalesce(
                    CAST(system.main.event_timestamp(as_of, 'rfm_scores', 'as_of') AS DATE),
                    CAST(max(__c.__last_time) OVER () AS DATE)
                )
            ) AS __recency,
            __c.__frequency AS __frequency,
            __c.__monetary AS __monetary
        FROM __customers AS __c
    ),

    -- One row: of each measure the least value of each score but the first.
    __cuts AS (
        SELECT
            coalesce(recency_cuts,
                system.main.quantile_cuts(list(__m.__recency), bins, 'rfm_scores')) AS __recency,
            coalesce(frequency_cuts,
                system.main.quantile_cuts(list(__m.__frequency), bins, 'rfm_scores'))
                    AS __frequency,
            coalesce(monetary_cuts,
                system.main.quantile_cuts(list(__m.__monetary), bins, 'rfm_scores')) AS __monetary
        FROM __measures AS __m
    ),

    -- The more recent, the higher the score.
    __scores AS MATERIALIZED (
        SELECT
            __m.*,
            len(__c.__recency) + 2 - system.main.cut_score(__m.__recency, __c.__recency,
                'rfm_scores', 'recency_cuts')
                AS __r,
            system.main.cut_score(__m.__frequency, __c.__frequency, 'rfm_scores',
                'frequency_cuts') AS __f,
            system.main.cut_score(__m.__monetary, __c.__monetary, 'rfm_scores',
                'monetary_cuts') AS __m
        FROM __measures AS __m
        CROSS JOIN __cuts AS __c
    ),

    -- The names of five bins, and those of the table that the caller gives. They do not look at the
    -- money.
    __names AS (
        SELECT
            __d.*,
            1 AS m_min,
            9 AS m_max
        FROM (
            VALUES
            ('champions', 5, 5, 4, 5),
            ('loyal', 3, 4, 4, 5),
            ('potential loyalist', 4, 5, 2, 3),
            ('new', 5, 5, 1, 1),
            ('promising', 4, 4, 1, 1),
            ('need attention', 3, 3, 3, 3),
            ('about to sleep', 3, 3, 1, 2),
            ('cannot lose', 1, 2, 5, 5),
            ('at risk', 1, 2, 3, 4),
            ('hibernating', 1, 2, 1, 2)
        ) AS __d (name, r_min, r_max, f_min, f_max)
        WHERE names IS NULL AND bins = 5 AND recency_cuts IS NULL AND frequency_cuts IS NULL
        UNION ALL BY NAME
        SELECT
            CAST(__g.name AS VARCHAR) AS name,
            __g.r_min AS r_min,
            __g.r_max AS r_max,
            __g.f_min AS f_min,
            __g.f_max AS f_max,
            __g.m_min AS m_min,
            __g.m_max AS m_max
        FROM query(
            'SELECT name, r_min, r_max, f_min, f_max, m_min, m_max FROM ' || coalesce(
                CAST(names AS VARCHAR),
                '(VALUES ('''', 0, 0, 0, 0, 0, 0)) AS __t(name, r_min, r_max, f_min, f_max, '
                || 'm_min, m_max) WHERE false'
            )
        ) AS __g
    ),

    __named_scores AS (
        SELECT
            __s.__r AS __r,
            __s.__f AS __f,
            __s.__m AS __m,
            min(__n.name) AS __name,
            CASE
                WHEN count(*) > 1
                    THEN error(
                        'rfm_scores: the scores ' || __s.__r || ', ' || __s.__f || ', ' || __s.__m
                        || ' have more than one name: ''' || min(__n.name) || ''' and '''
                        || max(__n.name)
                        || ''', each may be in one row of "' || CAST(names AS VARCHAR) || '"'
                    )
                ELSE true
            END AS __is_one
        FROM (
            SELECT DISTINCT
                __a.__r,
                __a.__f,
                __a.__m
            FROM __scores AS __a
        ) AS __s
        INNER JOIN __names AS __n
            ON
                __s.__r BETWEEN __n.r_min AND __n.r_max
                AND __s.__f BETWEEN __n.f_min AND __n.f_max
                AND __s.__m BETWEEN __n.m_min AND __n.m_max
        GROUP BY __s.__r, __s.__f, __s.__m
    )

    SELECT
        __s.__customer AS customer,
        __s.__recency AS recency_days,
        __s.__frequency AS frequency,
        __s.__monetary AS monetary,
        CAST(__s.__r AS INTEGER) AS r,
        __s.__f AS f,
        __s.__m AS m,
        CAST(100 * __s.__r + 10 * __s.__f + __s.__m AS INTEGER) AS rfm,
        __n.__name AS rfm_segment
    FROM __scores AS __s
    LEFT JOIN __named_scores AS __n
        ON __s.__r = __n.__r AND __s.__f = __n.__f AND __s.__m = __n.__m
    WHERE coalesce(__n.__is_one, true);

COMMENT ON MACRO TABLE rfm_scores IS 'amazing 0.1.0: Recency, frequency and monetary value of each customer, scored by quantiles, and the name of the scores.';

CREATE OR REPLACE MACRO segment_rules(
    source,
    segment := 'segment',
    features := NULL,
    id := NULL,
    max_rules := NULL
) AS TABLE
    WITH __labelled_rows AS (
        SELECT
            __source_row AS __row,
            COLUMNS([segment]) AS __segment
        FROM query_table(source) AS __source_row
    ),

    __segments AS (
        SELECT
            __s.__segment AS __segment,
            __s.__size AS __size,
            row_number() OVER (ORDER BY __s.__segment NULLS LAST) - 1 AS __label
        FROM (
            SELECT
                __r.__segment AS __segment,
                count(*) AS __size
            FROM __labelled_rows AS __r
            GROUP BY __r.__segment
        ) AS __s
    ),

    __numbered_rows AS (
        SELECT
            __r.__row AS __row,
            __s.__label AS __label
        FROM __labelled_rows AS __r
        INNER JOIN __segments AS __s
            ON __r.__segment IS NOT DISTINCT FROM __s.__segment
    ),

    __fit AS (
        SELECT
            system.main.rules_fit(
                __n.__row,
                __n.__label,
                {
                    'relation': 'segment_rules',
                    'features': features,
                    'id': id,
                    'label': segment,
                    'max_rules': max_rules
                }
            ) AS __model
        FROM __numbered_rows AS __n
    ),

    __cells AS (
        SELECT
            __p.__leaf AS __leaf,
            __p.__label AS __label,
            count(*) AS __rows
        FROM (
            SELECT
                system.main.rules_predict((SELECT __f.__model FROM __fit AS __f),
                    __n.__row) AS __leaf,
                __n.__label AS __label
            FROM __numbered_rows AS __n
        ) AS __p
        GROUP BY __p.__leaf, __p.__label
    ),

    __leaves AS (
        SELECT
            __c.__leaf AS __leaf,
            __c.__label AS __label,
            __c.__rows AS __own_rows,
            sum(__c.__rows) OVER (PARTITION BY __c.__leaf) AS __rows,
            sum(__c.__rows) OVER () AS __all_rows
        FROM __cells AS __c
        QUALIFY row_number() OVER (PARTITION BY __c.__leaf ORDER BY __c.__rows DESC,
            __c.__label) = 1
    )

    SELECT
        __s.__segment AS segment,
        row_number() OVER (PARTITION BY __l.__label ORDER BY __l.__rows DESC, __l.__leaf) AS rule,
        (SELECT __f.__model FROM __fit AS __f).conditions[__l.__leaf + 1] AS condition,
        CAST(__l.__rows AS BIGINT) AS rows,
        __l.__rows / __l.__all_rows AS share,
        __l.__own_rows / __l.__rows AS precision,
        __l.__own_rows / __s.__size AS coverage
    FROM __leaves AS __l
    INNER JOIN __segments AS __s
        ON __l.__label = __s.__label
    ORDER BY __l.__label, __l.__rows DESC, __l.__leaf;

COMMENT ON MACRO TABLE segment_rules IS 'amazing 0.1.0: Each segment of a source as conditions that stand in a WHERE.';

CREATE OR REPLACE MACRO segment_profile(
    source,
    segment := 'segment',
    features := NULL,
    id := NULL,
    log := NULL,
    model := NULL
) AS TABLE
    WITH __labelled_rows AS (
        SELECT
            __source_row AS __row,
            COLUMNS([segment]) AS __segment
        FROM query_table(source) AS __source_row
    ),

    __segments AS (
        SELECT
            __r.__segment AS __segment,
            count(*) AS __size,
            system.main.feature_summary(
                __r.__row,
                {
                    'relation': 'segment_profile',
                    'features': features,
                    'id': id,
                    'log': log,
                    'model': model,
                    'label': segment
                }
            ) AS __summary
        FROM __labelled_rows AS __r
        WHERE __r.__segment IS NOT NULL
        GROUP BY __r.__segment
    ),

    __everyone AS (
        SELECT
            count(*) AS __size,
            system.main.feature_summary(
                __r.__row,
                {
                    'relation': 'segment_profile',
                    'features': features,
                    'id': id,
                    'log': log,
                    'model': model,
                    'label': segment
                }
            ) AS __summary
        FROM __labelled_rows AS __r
        WHERE __r.__segment IS NOT NULL
    ),

    __feature_pairs AS (
        SELECT
            __g.__segment AS __segment,
            __g.__size AS __size,
            __g.__size / __e.__size AS __share,
            unnest(__g.__summary) AS __own,
            unnest(__e.__summary) AS __all
        FROM __segments AS __g
        CROSS JOIN __everyone AS __e
    ),

    __scored_features AS (
        SELECT
            __p.__segment AS __segment,
            __p.__size AS __size,
            __p.__share AS __share,
            __p.__own.feature AS __feature,
            __p.__own.mean AS __mean,
            coalesce(__p.__own.log_mean, __p.__own.mean) AS __own_mean,
            coalesce(__p.__all.log_mean, __p.__all.mean) AS __all_mean,
            coalesce(__p.__all.log_stddev, __p.__all.stddev) AS __all_stddev,
            CASE
                WHEN __all_stddev > 0 THEN (__own_mean - __all_mean) / __all_stddev
                WHEN __own_mean IS NOT NULL THEN 0.0
            END AS __z_score
        FROM __feature_pairs AS __p
    ),

    __ranked_features AS (
        SELECT
            __f.*,
            CASE
                WHEN abs(__f.__z_score) < 0.25 THEN 'average '
                ELSE
                    CASE WHEN abs(__f.__z_score) >= 2 THEN 'very ' ELSE '' END
                    || CASE WHEN __f.__z_score > 0 THEN 'high ' ELSE 'low ' END
            END || __f.__feature AS __words,
            row_number() OVER (
                PARTITION BY __f.__segment
                ORDER BY abs(__f.__z_score) DESC NULLS LAST, __f.__feature
            ) AS __rank
        FROM __scored_features AS __f
    ),

    -- On each feature the segments below and above, and how far they are.
    __neighbours AS (
        SELECT
            __f.__segment AS __segment,
            __f.__rank AS __rank,
            lag(__f.__segment) OVER __by_z_score AS __below,
            __f.__z_score - lag(__f.__z_score) OVER __by_z_score AS __to_below,
            lead(__f.__segment) OVER __by_z_score AS __above,
            lead(__f.__z_score) OVER __by_z_score - __f.__z_score AS __to_above
        FROM __ranked_features AS __f
        WHERE __f.__z_score IS NOT NULL
        WINDOW __by_z_score AS (PARTITION BY __f.__feature ORDER BY __f.__z_score, __f.__segment)
    ),

    -- The second feature of a name tells the segment from the one that is most alike in the first.
    __second_features AS (
        SELECT
            __f.__segment AS __segment,
            __f.__feature AS __feature,
            row_number() OVER (
                PARTITION BY __f.__segment
                ORDER BY sign(__f.__z_score) * (__f.__z_score - coalesce(__r.__z_score, 0)) DESC,
                __f.__rank
            ) AS __place
        FROM __ranked_features AS __f
        INNER JOIN __neighbours AS __n
            ON __f.__segment = __n.__segment AND __n.__rank = 1
        LEFT JOIN __ranked_features AS __r
            ON
                __f.__feature = __r.__feature
                AND __r.__segment = CASE
                    WHEN __n.__below IS NULL OR __n.__to_above < __n.__to_below THEN __n.__above
                    ELSE __n.__below
                END
        WHERE __f.__rank > 1 AND abs(__f.__z_score) >= 0.25
    ),

    __named_segments AS (
        SELECT
            __f.__segment AS __segment,
            coalesce(
                string_agg(__f.__words, ', ' ORDER BY __f.__rank)
                FILTER (WHERE abs(__f.__z_score) >= 0.25 AND (__f.__rank = 1 OR __s.__place = 1)),
                'average'
            ) AS __name
        FROM __ranked_features AS __f
        LEFT JOIN __second_features AS __s
            ON __f.__segment = __s.__segment AND __f.__feature = __s.__feature
        GROUP BY __f.__segment
    ),

    -- Segments of one name: the feature that tells most of them apart is said too.
    __alike_segments AS (
        SELECT
            __n.__segment AS __segment,
            __n.__name AS __name
        FROM __named_segments AS __n
        QUALIFY count(*) OVER (PARTITION BY __n.__name) > 1
    ),

    __telling_features AS (
        SELECT
            __a.__name AS __name,
            __f.__feature AS __feature
        FROM __alike_segments AS __a
        INNER JOIN __ranked_features AS __f
            ON __a.__segment = __f.__segment
        GROUP BY __a.__name, __f.__feature
        HAVING count(DISTINCT __f.__words) > 1
        QUALIFY row_number() OVER (
            PARTITION BY __a.__name
            ORDER BY count(DISTINCT __f.__words) DESC, max(__f.__z_score) - min(__f.__z_score) DESC,
            __f.__feature
        ) = 1
    ),

    -- What is alike in every word is numbered.
    __told_segments AS (
        SELECT
            __n.__segment AS __segment,
            concat_ws(', ', nullif(__n.__name, CASE WHEN __f.__words IS NULL THEN ''
                ELSE 'average' END), __f.__words)
                AS __long_name,
            row_number() OVER (PARTITION BY __long_name ORDER BY __n.__segment) AS __number
        FROM __named_segments AS __n
        LEFT JOIN __telling_features AS __t
            ON __n.__name = __t.__name
        LEFT JOIN __ranked_features AS __f
            ON __n.__segment = __f.__segment AND __t.__feature = __f.__feature
    )

    SELECT
        __f.__segment AS segment,
        __f.__size AS size,
        __f.__share AS share,
        __n.__long_name || CASE WHEN __n.__number > 1 THEN ' (' || __n.__number || ')'
            ELSE '' END AS name,
        __f.__feature AS feature,
        __f.__mean AS mean,
        __f.__z_score AS z_score,
        __f.__rank AS rank
    FROM __ranked_features AS __f
    INNER JOIN __told_segments AS __n
        ON __f.__segment = __n.__segment
    ORDER BY __f.__segment, __f.__rank;

COMMENT ON MACRO TABLE segment_profile IS 'amazing 0.1.0: What makes each segment different: its means against those of all rows, and a short name.';

CREATE OR REPLACE MACRO segment_migration(
    before,
    after,
    key := 'user_id',
    segment := 'segment'
) AS TABLE
    WITH __rows AS (
        SELECT
            __s.__key AS __key,
            __s.__segment AS __before,
            NULL AS __after,
            1 AS __n_before,
            0 AS __n_after
        FROM (
            SELECT
                COLUMNS([CAST(key AS VARCHAR)]) AS __key,
                COLUMNS([CAST(segment AS VARCHAR)]) AS __segment
            FROM query_table(before) AS __t
        ) AS __s
        UNION ALL
        SELECT
            __s.__key,
            NULL,
            __s.__segment,
            0,
            1
        FROM (
            SELECT
                COLUMNS([CAST(key AS VARCHAR)]) AS __key,
                COLUMNS([CAST(segment AS VARCHAR)]) AS __segment
            FROM query_table(after) AS __t
        ) AS __s
    ),

    __keys AS (
        SELECT
            __r.__key AS __key,
            any_value(__r.__before) AS __before,
            any_value(__r.__after) AS __after,
            CASE
                WHEN __r.__key IS NULL AND sum(__r.__n_before) > 0 THEN 'before'
                WHEN __r.__key IS NULL THEN 'after'
            END AS __null_side,
            CASE
                WHEN sum(__r.__n_before) > 1 THEN 'before'
                WHEN sum(__r.__n_after) > 1 THEN 'after'
            END AS __repeated_side
        FROM __rows AS __r
        GROUP BY __r.__key
    ),

    __pairs AS (
        SELECT
            __k.__before AS __before,
            __k.__after AS __after,
            count(*) AS __size,
            any_value(__k.__null_side) AS __null_side,
            min({'key': __k.__key, 'side': __k.__repeated_side})
                FILTER (WHERE __k.__repeated_side IS NOT NULL) AS __repeated
        FROM __keys AS __k
        GROUP BY __k.__before, __k.__after
    ),

    __checked_pairs AS (
        SELECT
            __p.__before AS __before,
            __p.__after AS __after,
            __p.__size AS __size,
            min(__p.__null_side) OVER () AS __null_side,
            min(__p.__repeated) OVER () AS __repeated
        FROM __pairs AS __p
    )

    SELECT
        __c.__before AS segment_before,
        __c.__after AS segment_after,
        __c.__size AS size,
        __c.__size / sum(__c.__size) OVER (PARTITION BY __c.__before) AS share
    FROM __checked_pairs AS __c
    WHERE
        CASE
            WHEN __c.__null_side IS NOT NULL
                THEN error(
                    'segment_migration: "' || key || '" is NULL in a row of "' || __c.__null_side
                    || '", leave such rows out: WHERE "' || key || '" IS NOT NULL'
                )
            WHEN __c.__repeated IS NOT NULL
                THEN error(
                    'segment_migration: "' || key || '" ' || CAST(__c.__repeated.key AS VARCHAR)
                    || ' occurs more than once in "' || __c.__repeated.side
                    || '", keep one row of each: SELECT DISTINCT ON ("' || key || '") *'
                )
            ELSE true
        END
    ORDER BY __c.__before NULLS LAST, __c.__after NULLS LAST;

COMMENT ON MACRO TABLE segment_migration IS 'amazing 0.1.0: Who moves from segment to segment: one row per pair of segments that a key has before and after.';

CREATE OR REPLACE MACRO customer_value(
    source,
    customer := 'user_id',
    "time" := 'event_time',
    amount := 'price',
    as_of := NULL,
    unit := 'week',
    horizon := 52,
    discount := 0
) AS TABLE
    WITH __options AS (
        SELECT
            CASE lower(CAST(unit AS VARCHAR))
                WHEN 'day' THEN CAST(1 AS DOUBLE)
                WHEN 'week' THEN 7
                WHEN 'month' THEN 30.4375
                WHEN 'year' THEN 365.25
                ELSE error(
                    'customer_value: unit must be ''day'', ''week'', ''month'' or ''year'', not '
                    || coalesce('''' || CAST(unit AS VARCHAR) || '''', 'NULL')
                )
            END AS __days,
            CASE
                WHEN coalesce(try_cast(CAST(horizon AS VARCHAR) AS DOUBLE) BETWEEN 0 AND 1e6, false)
                    THEN try_cast(CAST(horizon AS VARCHAR) AS DOUBLE)
                ELSE error(
                    'customer_value: horizon must be a number between 0 and 1000000, not '
                    || coalesce(CAST(horizon AS VARCHAR), 'NULL')
                )
            END AS __horizon,
            CASE
                WHEN coalesce(
                    try_cast(CAST(discount AS VARCHAR) AS DOUBLE) BETWEEN 0 AND 1e6, false
                )
                    THEN try_cast(CAST(discount AS VARCHAR) AS DOUBLE)
                ELSE error(
                    'customer_value: discount must be a number between 0 and 1000000, not '
                    || coalesce(CAST(discount AS VARCHAR), 'NULL')
                )
            END AS __discount
    ),

    __purchases AS NOT MATERIALIZED (
        SELECT
            COLUMNS(system.main.source_columns((*), customer, 'customer', 'customer_value'))
                AS __customer,
            system.main.event_timestamp(
                COLUMNS(system.main.source_columns((*), "time", 'time', 'customer_value')),
                'customer_value', "time"
            ) AS __time,
            COLUMNS(system.main.source_columns((*),
                coalesce(CAST(amount AS VARCHAR), '__no_amount'), 'amount', 'customer_value'))
                AS __amount
        FROM (
            SELECT
                __t.*,
                CAST(NULL AS DECIMAL(18, 3)) AS __no_amount
            FROM query_table(source) AS __t
        ) AS __s
    ),

    __days AS (
        SELECT
            __p.__customer AS __customer,
            CAST(__p.__time AS DATE) AS __day,
            CASE
                WHEN typeof(sum(__p.__amount)) = 'DOUBLE'
                    THEN list_sum(
                        list_sort(
                            list(__p.__amount) FILTER (
                                WHERE __p.__amount IS NOT NULL
                                    AND typeof(__p.__amount) IN ('DOUBLE', 'FLOAT', 'UHUGEINT')
                            )
                        )
                    )
                ELSE sum(__p.__amount)
            END AS __amount
        FROM __purchases AS __p
        WHERE
            __p.__customer IS NOT NULL
            AND isfinite(__p.__time)
            AND (
                as_of IS NULL
                OR __p.__time < CAST(
                    system.main.event_timestamp(as_of, 'customer_value', 'as_of') AS DATE
                ) + INTERVAL 1 DAY
            )
        GROUP BY __p.__customer, CAST(__p.__time AS DATE)
    ),

    -- What is not of the first day: its amount in a STRUCT, because arg_min passes NULL over.
    __sums AS (
        SELECT
            __d.__customer AS __customer,
            count(*) - 1 AS __frequency,
            min(__d.__day) AS __first_day,
            max(__d.__day) AS __last_day,
            count(__d.__amount) AS __n_amounts,
            arg_min({'amount': __d.__amount}, __d.__day) AS __first,
            CASE
                WHEN typeof(sum(__d.__amount)) = 'DOUBLE'
                    THEN list_sum(
                        list_sort(
                            list(__d.__amount) FILTER (
                                WHERE __d.__amount IS NOT NULL
                                    AND typeof(__d.__amount) IN ('DOUBLE', 'FLOAT', 'UHUGEINT')
                            )
                        )
                    )
                ELSE sum(__d.__amount)
            END AS __sum
        FROM __days AS __d
        WHERE
            CASE
                WHEN __d.__amount < 0
                    THEN error(
                        'customer_value: the amount of a day must be at least 0, not '
                            || CAST(__d.__amount AS VARCHAR)
                        || ' (customer ' || CAST(__d.__customer AS VARCHAR) || ', '
                        || CAST(__d.__day AS VARCHAR)
                        || '), leave out returns'
                    )
                ELSE true
            END
        GROUP BY __d.__customer
    ),

    __histories AS MATERIALIZED (
        SELECT
            __s.__customer AS __customer,
            __s.__frequency AS __frequency,
            date_diff('day', __s.__first_day, __s.__last_day) / __u.__days AS __recency,
            date_diff(
                'day',
                __s.__first_day,
                coalesce(
                    CAST(system.main.event_timestamp(as_of, 'customer_value', 'as_of') AS DATE),
                    max(__s.__last_day) OVER ()
                )
            ) / __u.__days AS __age,
            CASE
                WHEN __s.__n_amounts > CASE WHEN __s.__first.amount IS NULL THEN 0 ELSE 1 END
                    THEN
                        nullif(
                            CAST(__s.__sum - coalesce(__s.__first.amount, 0) AS DOUBLE)
                            / (
                                __s.__n_amounts
                                - CASE WHEN __s.__first.amount IS NULL THEN 0 ELSE 1 END
                            ),
                            0
                        )
            END AS __value
        FROM __sums AS __s
        CROSS JOIN __options AS __u
    ),

    __customers AS (
        SELECT
            __h.__customer AS customer,
            __h.__frequency AS frequency,
            __h.__recency AS recency,
            __h.__age AS age,
            __h.__value AS value,
            {'frequency': __h.__frequency, 'recency': __h.__recency, 'age': __h.__age,
                'value': __h.__value} AS __row,
            (
                SELECT
                    system.main.clv_fit(
                        {
                            'frequency': __f.__frequency,
                            'recency': __f.__recency,
                            'age': __f.__age,
                            'value': __f.__value
                        },
                        {'relation': 'customer_value', 'threads': current_setting('threads')}
                    )
                FROM __histories AS __f
            ) AS __model
        FROM __histories AS __h
    ),

    __expectations AS (
        SELECT
            __c.customer AS customer,
            __c.frequency AS frequency,
            __c.recency AS recency,
            __c.age AS age,
            __c.value AS value,
            system.main.clv_alive(__c.__model, __c.__row) AS alive,
            system.main.clv_purchases(__c.__model, __c.__row, __o.__horizon) AS expected_purchases,
            CASE
                WHEN amount IS NOT NULL
                    THEN system.main.clv_value(__c.__model, __c.__row, __o.__horizon,
                        __o.__discount)
            END AS expected_value
        FROM __customers AS __c
        CROSS JOIN __options AS __o
        WHERE
            CASE
                WHEN NOT __c.__model.converged
                    THEN error('customer_value: the fit did not converge in '
                    || __c.__model.iterations || ' iterations')
                ELSE true
            END
    )

    SELECT COLUMNS(
        CASE
            WHEN amount IS NULL
                THEN ['customer', 'frequency', 'recency', 'age', 'alive', 'expected_purchases']
            ELSE [
                'customer', 'frequency', 'recency', 'age', 'value', 'alive', 'expected_purchases',
                'expected_value'
            ]
        END
    )
    FROM __expectations AS __e;

COMMENT ON MACRO TABLE customer_value IS 'amazing 0.1.0: Who still is a customer, how often he will buy, and what he is worth, one row per customer.';

CREATE OR REPLACE MACRO customer_value_check(
    source,
    split := NULL,
    customer := 'user_id',
    "time" := 'event_time',
    amount := 'price',
    unit := 'week'
) AS TABLE
    WITH __options AS (
        SELECT
            CASE lower(CAST(unit AS VARCHAR))
                WHEN 'day' THEN CAST(1 AS DOUBLE)
                WHEN 'week' THEN 7
                WHEN 'month' THEN 30.4375
                WHEN 'year' THEN 365.25
                ELSE error(
                    'customer_value_check: unit must be ''day'', ''week'', ''month'' or '
                    || '''year'', not '
                    || coalesce('''' || CAST(unit AS VARCHAR) || '''', 'NULL')
                )
            END AS __days,
            CASE
                WHEN split IS NULL
                    THEN error(
                        'customer_value_check: split must be a day such as DATE ''2024-01-01'', '
                        || 'purchases before it are for the fit, not NULL'
                    )
                ELSE CAST(system.main.event_timestamp(split, 'customer_value_check',
                    'split') AS DATE)
            END AS __split
    ),

    __purchases AS NOT MATERIALIZED (
        SELECT
            COLUMNS(system.main.source_columns((*), customer, 'customer', 'customer_value_check'))
                AS __customer,
            system.main.event_timestamp(
                COLUMNS(system.main.source_columns((*), "time", 'time', 'customer_value_check')),
                'customer_value_check',
                "time"
            ) AS __time,
            COLUMNS(
                system.main.source_columns(
                    (*), coalesce(CAST(amount AS VARCHAR), '__no_amount'), 'amount',
                    'customer_value_check'
                )
            ) AS __amount
        FROM (
            SELECT
                __t.*,
                CAST(NULL AS DECIMAL(18, 3)) AS __no_amount
            FROM query_table(source) AS __t
        ) AS __s
    ),

    __days AS MATERIALIZED (
        SELECT
            __p.__customer AS __customer,
            CAST(__p.__time AS DATE) AS __day,
            CAST(sum(CAST(__p.__amount AS DECIMAL(38, 6))) AS DECIMAL(38, 6)) AS __amount
        FROM __purchases AS __p
        WHERE __p.__customer IS NOT NULL AND isfinite(__p.__time)
        GROUP BY __p.__customer, CAST(__p.__time AS DATE)
    ),

    __sums AS (
        SELECT
            __d.__customer AS __customer,
            count(*) - 1 AS __frequency,
            min(__d.__day) AS __first_day,
            max(__d.__day) AS __last_day,
            count(__d.__amount) AS __n_amounts,
            arg_min({'amount': __d.__amount}, __d.__day) AS __first,
            sum(__d.__amount) AS __sum
        FROM __days AS __d
        CROSS JOIN __options AS __o
        WHERE
            __d.__day < __o.__split
            AND CASE
                WHEN __d.__amount < 0
                    THEN error(
                        'customer_value_check: the amount of a day must be at least 0, not '
                        || CAST(__d.__amount AS VARCHAR) || ' (customer '
                        || CAST(__d.__customer AS VARCHAR) || ', '
                        || CAST(__d.__day AS VARCHAR) || '), leave out returns'
                    )
                ELSE true
            END
        GROUP BY __d.__customer
    ),

    __histories AS MATERIALIZED (
        SELECT
            __s.__customer AS __customer,
            {
                'frequency': __s.__frequency,
                'recency': date_diff('day', __s.__first_day, __s.__last_day) / __o.__days,
                'age': (date_diff('day', __s.__first_day, __o.__split) - 1) / __o.__days,
                'value': CASE
                    WHEN __s.__n_amounts > CASE WHEN __s.__first.amount IS NULL THEN 0 ELSE 1 END
                        THEN
                            nullif(
                                CAST(__s.__sum - coalesce(__s.__first.amount, 0) AS DOUBLE)
                                / (
                                    __s.__n_amounts
                                    - CASE WHEN __s.__first.amount IS NULL THEN 0 ELSE 1 END
                                ),
                                0
                            )
                END
            } AS __row
        FROM __sums AS __s
        CROSS JOIN __options AS __o
    ),

    -- One row: the model, and how long its customers are watched.
    __model AS MATERIALIZED (
        SELECT
            (
                SELECT
                    system.main.clv_fit(
                        __h.__row, {'relation': 'customer_value_check',
                            'threads': current_setting('threads')}
                    )
                FROM __histories AS __h
            ) AS __fit,
            (
                SELECT greatest(date_diff('day', __o.__split, max(__d.__day)) + 1, 0)
                FROM __days AS __d
            ) / __o.__days AS __horizon,
            __o.__split AS __split,
            __o.__days AS __days
        FROM __options AS __o
    ),

    __actual AS (
        SELECT
            __d.__customer AS __customer,
            count(*) AS __purchases,
            sum(__d.__amount) AS __value
        FROM __days AS __d
        CROSS JOIN __options AS __o
        WHERE __d.__day >= __o.__split
        GROUP BY __d.__customer
    ),

    __expected AS MATERIALIZED (
        SELECT
            __h.__row.frequency AS __frequency,
            system.main.clv_purchases(__m.__fit, __h.__row, __m.__horizon) AS __expected,
            coalesce(__a.__purchases, 0) AS __actual,
            CASE
                WHEN amount IS NOT NULL AND __m.__fit.p IS NOT NULL
                    THEN system.main.clv_value(__m.__fit, __h.__row, __m.__horizon)
            END AS __expected_value,
            coalesce(__a.__value, 0) AS __actual_value
        FROM __histories AS __h
        CROSS JOIN __model AS __m
        LEFT JOIN __actual AS __a
            ON __h.__customer = __a.__customer
        WHERE
            CASE
                WHEN NOT __m.__fit.converged
                    THEN error(
                        'customer_value_check: the fit did not converge in ' || __m.__fit.iterations
                            || ' iterations'
                    )
                ELSE true
            END
    ),

    __cuts AS (
        SELECT system.main.quantile_cuts(list(__e.__expected), 5, 'customer_value_check') AS __cuts
        FROM __expected AS __e
    ),

    __groups AS (
        SELECT
            unnest([
                {'part': 'total', 'bucket': CAST(NULL AS BIGINT)},
                {'part': 'frequency', 'bucket': least(__e.__frequency, 7)},
                {'part': 'fifth', 'bucket': CAST(
                    system.main.cut_score(__e.__expected, __c.__cuts) AS BIGINT
                )}
            ]) AS __group,
            __e.*
        FROM __expected AS __e
        CROSS JOIN __cuts AS __c
    ),

    __periods AS (
        SELECT
            unnest(range(1, CAST(floor(__m.__horizon) AS BIGINT) + 1)) AS __period,
            __m.*
        FROM __model AS __m
    ),

    __distinct AS (
        SELECT
            __h.__row AS __row,
            count(*) AS __n
        FROM (
            SELECT
                {
                    'frequency': __i.__row.frequency, 'recency': __i.__row.recency,
                    'age': __i.__row.age
                } AS __row
            FROM __histories AS __i
        ) AS __h
        GROUP BY __h.__row
    ),

    __expected_periods AS (
        SELECT
            __p.__period AS __period,
            sum(__d.__n) AS __n,
            sum(
                CAST(
                    __d.__n * (
                        system.main.clv_purchases(__p.__fit, __d.__row, __p.__period)
                        - system.main.clv_purchases(__p.__fit, __d.__row, __p.__period - 1)
                    ) AS DECIMAL(38, 9)
                )
            ) AS __expected
        FROM __periods AS __p
        CROSS JOIN __distinct AS __d
        GROUP BY __p.__period
    ),

    __actual_periods AS (
        SELECT
            CAST(floor(date_diff('day', __m.__split, __d.__day) / __m.__days) AS BIGINT) + 1
                AS __period,
            count(*) AS __actual
        FROM __days AS __d
        CROSS JOIN __model AS __m
        WHERE
            __d.__day >= __m.__split
            AND __d.__customer IN (SELECT __h.__customer FROM __histories AS __h)
        GROUP BY CAST(floor(date_diff('day', __m.__split, __d.__day) / __m.__days) AS BIGINT) + 1
    ),

    __results AS (
        SELECT
            __g.__group.part AS part,
            __g.__group.bucket AS bucket,
            count(*) AS customers,
            CAST(sum(CAST(__g.__expected AS DECIMAL(38, 9))) AS DOUBLE) AS expected_purchases,
            CAST(sum(__g.__actual) AS BIGINT) AS actual_purchases,
            CASE
                WHEN amount IS NOT NULL
                    THEN CAST(sum(CAST(__g.__expected_value AS DECIMAL(38, 9))) AS DOUBLE)
            END AS expected_value,
            CASE WHEN amount IS NOT NULL
                THEN CAST(sum(__g.__actual_value) AS DOUBLE) END AS actual_value
        FROM __groups AS __g
        GROUP BY __g.__group.part, __g.__group.bucket
        UNION ALL
        SELECT
            'period',
            __e.__period,
            CAST(__e.__n AS BIGINT),
            CAST(__e.__expected AS DOUBLE),
            coalesce(__a.__actual, 0),
            NULL,
            NULL
        FROM __expected_periods AS __e
        LEFT JOIN __actual_periods AS __a
            ON __e.__period = __a.__period
    )

    SELECT
        __r.part AS part,
        __r.bucket AS bucket,
        __r.customers AS customers,
        __r.expected_purchases AS expected_purchases,
        __r.actual_purchases AS actual_purchases,
        __r.expected_purchases / nullif(__r.actual_purchases, 0) - 1 AS error,
        __r.expected_value AS expected_value,
        __r.actual_value AS actual_value
    FROM __results AS __r
    ORDER BY list_position(['total', 'period', 'frequency', 'fifth'], __r.part), __r.bucket;

COMMENT ON MACRO TABLE customer_value_check IS 'amazing 0.1.0: Whether to believe `customer_value`: what it expects of customers before a day, beside what they did from then on.';
