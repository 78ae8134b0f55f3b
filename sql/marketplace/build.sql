.bail on
-- build.sql: builds the layers of the pipeline marketplace in the current database.
-- Generated from the steps in this folder (make docs). Needs LOAD amazing before; can be run again.

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

-- Step 00_raw of the pipeline `marketplace`: the lines of the event files, as text, and what became
-- of each file.
--
-- raw.all_events      one row: a line of a file; `main.all_events` shows the same,
--                     `main.loaded_files` the files
-- raw.loaded_files    one row: a file that was loaded
-- raw.rejected_lines  one row: a line that could not be parsed, with its first error
-- raw.pipeline_runs   one row: a step that was run and committed
--
-- Parameters (session variables):
--   data       the files: a pattern, a path, a folder, or a list of them ('data/*.csv', and none if
--              there is a source)
--   source     a schema whose tables are loaded like files, such as 'pg.public' of an attached
--              database (none)
--   columns    what files call columns otherwise, as a map from ours to theirs, in any case:
--              MAP {'user_id': 'customer', 'event_time': 'ts'}, or to lists of names. With it,
--              further columns of a file are left out, which the last message says; MAP {} only
--              does that (none: files have our names, and no others)
--   bad_files  'refuse': a file that cannot be loaded refuses the run; 'skip': it is left out, and
--              the last message says which and why ('refuse')
--   deleted_files  'keep': the rows of a file that was loaded and is gone stay, and the last
--              message says which files are; 'remove': they are removed ('keep')
--   max_files  new files that one run takes (12); run the step again while it says that files are
--              left
--   run_id     what this run is called in raw.pipeline_runs (a new UUID)
--
-- A file is known by its path, its content by the fingerprint of its lines. Known content is not
-- loaded again, whatever its name; new content under a known path replaces the rows of that path.
-- Files that cannot be loaded refuse the run, all of them named in one message. For each file:
-- lines that are not blank = header + rows + rejected lines. The header of a file says which table
-- its lines go to, and what stands between its fields: comma, semicolon, tab or `|`. Files may be
-- compressed (gzip, zstd). Folders called name=value mean nothing.
--
-- Parquet files (.parquet) and JSON files (.json, .jsonl, .ndjson) are loaded beside CSV: a row is
-- a line there, and its values become the texts that a CSV file would have (see below).
--
-- The text of a rejected line is whole: a backslash is doubled, NUL and bytes that are no UTF-8 are
-- written \xNN.
--
-- A table of the source is taken for the table of its name here, and called `pg.public.events`
-- where files have their path. Its rows become the lines that a CSV file of it would have: times as
-- 2024-06-15T14:23:01, in UTC, numbers without decimals that are all zero; columns that are not
-- listed here are left. The same rows again change nothing.
--
-- Statements that read files are built as text, because read_csv refuses an empty list of files and
-- a text can become one that reads none.
--
-- Generated from raw_tables.sql and ../load (make docs).

SET VARIABLE load_check = (
    SELECT
        CASE
            WHEN count(*) = 0
                THEN error('00_raw: the extension is not loaded, or it is an older one than this '
                || 'script: LOAD amazing')
        END
    FROM duckdb_functions() AS f
    WHERE f.function_name = 'content_summary'
);

SET VARIABLE load_data = CASE
    WHEN getvariable('data') IS NULL AND getvariable('source') IS NULL THEN ['data/*.csv']
    WHEN typeof(getvariable('data')) LIKE '%[]' THEN TRY_CAST(getvariable('data') AS VARCHAR[])
    WHEN getvariable('data') IS NOT NULL THEN [getvariable('data')::VARCHAR]
END;

SET VARIABLE max_files = coalesce(getvariable('max_files'), 12);

-- A load begins a run of its own.
SET VARIABLE current_run = uuid()::VARCHAR;

SET VARIABLE current_run = coalesce(
    getvariable('run_id')::VARCHAR,
    getvariable('current_run'),
    uuid()::VARCHAR
);

SET VARIABLE run_started = make_timestamp(epoch_us(uuid_extract_timestamp(uuidv7())));

BEGIN TRANSACTION;

-- What the pipeline makes. Before its first load nothing of this may be there: it would be somebody
-- else's.
CREATE OR REPLACE TEMP TABLE load_own AS
SELECT
    o.name,
    regexp_matches(o.name, 'raw[.][a-z_]+$') AS is_raw,
    t.name IS NOT NULL AS is_there
FROM (
    VALUES
        ('raw.loaded_files'),
        ('raw.all_events'),
        ('raw.rejected_lines'),
        ('raw.pipeline_runs'),
        ('main.all_events'),
        ('main.loaded_files'),
        ('clean.events'),
        ('clean.rejected_events'),
        ('clean.corrections'),
        ('clean.unmatched_values'),
        ('clean.cleaned_files'),
        ('kpi.user_features'),
        ('kpi.daily'),
        ('kpi.monthly'),
        ('kpi.category'),
        ('kpi.brand'),
        ('kpi.funnel'),
        ('kpi.cohorts'),
        ('kpi.segment_model'),
        ('kpi.segment_history'),
        ('main.user_segments'),
        ('kpi.segment_profile'),
        ('kpi.segment_migration'),
        ('kpi.segment_map'),
        ('kpi.segment_components')
) AS o (name)
LEFT JOIN (
    SELECT t.schema_name || '.' || t.table_name AS name
    FROM duckdb_tables() AS t
    WHERE t.database_name = current_database()
    UNION ALL
    SELECT v.schema_name || '.' || v.view_name AS name
    FROM duckdb_views() AS v
    WHERE v.database_name = current_database()
) AS t
    ON t.name = o.name;

SET VARIABLE load_check = (
    SELECT
        CASE
            WHEN count(*) > 0
                THEN error(
                    '00_raw: nothing was loaded, because this pipeline would replace what it did '
                    || 'not make: '
                    || string_agg(o.name, ', ' ORDER BY o.name)
                    || '; rename it, or take another database, or a schema_prefix (amazing_scripts)'
                )
        END
    FROM temp.load_own AS o
    WHERE o.is_there AND EXISTS (SELECT 1 FROM temp.load_own AS r WHERE r.is_raw AND NOT r.is_there)
);

DROP TABLE temp.load_own;

CREATE SCHEMA IF NOT EXISTS main;

CREATE SCHEMA IF NOT EXISTS raw;

CREATE TABLE IF NOT EXISTS raw.loaded_files (
    file_name VARCHAR PRIMARY KEY,
    size_bytes BIGINT NOT NULL,
    last_modified TIMESTAMP NOT NULL,
    fingerprint UHUGEINT NOT NULL UNIQUE,
    line_count BIGINT NOT NULL,
    rows_loaded BIGINT NOT NULL,
    rows_rejected BIGINT NOT NULL,
    loaded_at TIMESTAMP NOT NULL,
    fingerprint_version INTEGER
);

-- Databases of earlier versions: there, lines that cannot be read had another share in the
-- fingerprint.
ALTER TABLE raw.loaded_files ADD COLUMN IF NOT EXISTS fingerprint_version INTEGER;

CREATE TABLE IF NOT EXISTS raw.all_events (
    event_time VARCHAR,
    event_type VARCHAR,
    product_id VARCHAR,
    category_id VARCHAR,
    category_code VARCHAR,
    brand VARCHAR,
    price VARCHAR,
    user_id VARCHAR,
    user_session VARCHAR,
    file_name VARCHAR NOT NULL
);

CREATE TABLE IF NOT EXISTS raw.rejected_lines (
    file_name VARCHAR NOT NULL,
    line BIGINT,
    csv_line VARCHAR,
    error_type VARCHAR NOT NULL,
    error_message VARCHAR
);

-- A run is 'started' until it tells that it is 'done', and 'failed' where its runner has told so:
-- one that is 'started' and does not run any more has failed. Then finished_at is when it began.
CREATE TABLE IF NOT EXISTS raw.pipeline_runs (
    run_id VARCHAR NOT NULL,
    step VARCHAR NOT NULL,
    started_at TIMESTAMP NOT NULL,
    finished_at TIMESTAMP NOT NULL,
    rows BIGINT NOT NULL
);

-- Databases of earlier versions have the columns above, and a row for each step that was done.
ALTER TABLE raw.pipeline_runs ADD COLUMN IF NOT EXISTS status VARCHAR DEFAULT 'done';

ALTER TABLE raw.pipeline_runs ADD COLUMN IF NOT EXISTS rows_in BIGINT;

ALTER TABLE raw.pipeline_runs ADD COLUMN IF NOT EXISTS rows_replaced BIGINT;

ALTER TABLE raw.pipeline_runs ADD COLUMN IF NOT EXISTS rows_rejected BIGINT;

ALTER TABLE raw.pipeline_runs ADD COLUMN IF NOT EXISTS seconds DOUBLE;

ALTER TABLE raw.pipeline_runs ADD COLUMN IF NOT EXISTS message VARCHAR;

ALTER TABLE raw.pipeline_runs ADD COLUMN IF NOT EXISTS parameters MAP (VARCHAR, VARCHAR);

ALTER TABLE raw.pipeline_runs ADD COLUMN IF NOT EXISTS amazing_version VARCHAR;

ALTER TABLE raw.pipeline_runs ADD COLUMN IF NOT EXISTS duckdb_version VARCHAR;

-- The tables and their columns; a file may lack those that are not required.
CREATE OR REPLACE TEMP TABLE load_columns AS
SELECT *
FROM (
    VALUES
        ('all_events', 'event_time', true),
        ('all_events', 'event_type', true),
        ('all_events', 'product_id', true),
        ('all_events', 'category_id', false),
        ('all_events', 'category_code', true),
        ('all_events', 'brand', false),
        ('all_events', 'price', true),
        ('all_events', 'user_id', true),
        ('all_events', 'user_session', true)
) AS c (table_name, column_name, is_required);

CREATE OR REPLACE VIEW main.all_events AS
SELECT *
FROM raw.all_events;

CREATE OR REPLACE VIEW main.loaded_files AS
SELECT *
FROM raw.loaded_files;

SET VARIABLE load_check = (
    SELECT
        CASE
            WHEN coalesce(TRY_CAST(getvariable('max_files') AS BIGINT), 0) < 1
                THEN error('00_raw: max_files must be a number of at least 1, not '
                || getvariable('max_files')::VARCHAR)
        END
);

-- The files that `data` names: branch 0 finds those without pattern characters, and the files of
-- those that are folders; each pattern has a branch of its own.
SET VARIABLE load_sql = (
    SELECT
        coalesce(
            string_agg(
                'SELECT ' || b.branch || ' AS branch, g.file FROM glob(['
                || b.globs || ']) AS g',
                ' UNION ALL '
            ),
            $$SELECT 0 AS branch, '' AS file LIMIT 0$$
        )
    FROM (
        SELECT
            d.branch,
            string_agg(
                $$'$$ || replace(d.name, $$'$$, $$''$$) || $$'$$
                || if(d.branch = 0, $$, '$$ || replace(rtrim(d.name, '/'), $$'$$, $$''$$)
                || $$/*'$$, ''),
                ', '
            ) AS globs
        FROM (
            SELECT
                n.name,
                if(regexp_matches(n.name, '[*?\[]|^~|://'), row_number() OVER (), 0) AS branch
            FROM (SELECT unnest(getvariable('load_data')) AS name) AS n
        ) AS d
        GROUP BY d.branch
    ) AS b
);

CREATE OR REPLACE TEMP TABLE load_found AS
SELECT
    g.branch,
    g.file AS file_name
FROM query(getvariable('load_sql')) AS g;

-- What is named must be there.
SET VARIABLE load_check = (
    SELECT
        CASE
            WHEN len(getvariable('load_data')) = 0
                THEN error('00_raw: data names no file')
            WHEN count(*) > 0
                THEN error(
                    '00_raw: no such file: '
                        || string_agg('"' || d.name || '"', ', ' ORDER BY d.name)
                    || ' (data is a pattern, a path, a folder, or a list of them; paths begin in '
                    || 'the folder of the process)'
                )
        END
    FROM (
        SELECT
            n.name,
            if(regexp_matches(n.name, '[*?\[]|^~|://'), row_number() OVER (), 0) AS branch
        FROM (SELECT unnest(getvariable('load_data')) AS name) AS n
    ) AS d
    WHERE
        NOT EXISTS (
            SELECT 1
            FROM temp.load_found AS f
            WHERE
                f.branch = d.branch
                AND (d.branch > 0 OR f.file_name = d.name
                OR starts_with(f.file_name, rtrim(d.name, '/') || '/'))
        )
);

-- In folders of these names, read_blob would end in an internal error that invalidates the
-- database.
SET VARIABLE load_check = (
    SELECT
        CASE
            WHEN count(*) > 0
                THEN error(
                    '00_raw: DuckDB cannot read files in a folder called filename=, content=, '
                    || 'size= or last_modified=, rename it: '
                    || string_agg('"' || f.file_name || '"', ', ' ORDER BY f.file_name)
                )
        END
    FROM temp.load_found AS f
    WHERE regexp_matches(f.file_name, '(^|[/\\])(filename|content|size|last_modified)=', 'i')
);

-- Files that `data` names by a folder are taken if they are not hidden. Each name as a pattern that
-- matches nothing else.
SET VARIABLE load_patterns = (
    SELECT
        list(
            CASE
                WHEN contains(f.file_name, '://') THEN f.file_name
                ELSE regexp_replace(f.file_name, '([\[*?])', '[\1]', 'g')
            END
            ORDER BY f.file_name
        )
    FROM (
        SELECT DISTINCT f.file_name
        FROM temp.load_found AS f
        WHERE
            f.branch > 0
            OR f.file_name IN (SELECT unnest(getvariable('load_data')))
            OR NOT regexp_matches(f.file_name, '[/\\][._][^/\\]*$')
    ) AS f
);

-- Numbered: the texts below call file n by its place in two lists. An empty file is among them,
-- though no reader of lines ever shows it.
SET VARIABLE load_sql = CASE
    WHEN getvariable('load_patterns') IS NULL
        THEN $$SELECT '' AS filename, 0 AS size, now() AS last_modified LIMIT 0$$
    ELSE
        $$SELECT b.filename, b.size, b.last_modified
        FROM read_blob(getvariable('load_patterns')) AS b$$
END;

CREATE OR REPLACE TEMP TABLE load_files AS
SELECT
    f.*,
    -- What reads a file that is no text.
    CASE
        WHEN regexp_matches(f.file_name, '\.parquet$', 'i')
            THEN 'read_parquet(getvariable(''load_patterns'')[' || f.n
                || '], hive_partitioning = false)'
        WHEN regexp_matches(f.file_name, '\.(json|ndjson|jsonl)(\.gz|\.zst)?$', 'i')
            THEN 'read_json(getvariable(''load_patterns'')[' || f.n
                || '], hive_partitioning = false, sample_size = -1)'
    END AS reader
FROM (
    SELECT
        row_number() OVER (ORDER BY b.filename) AS n,
        b.filename AS file_name,
        any_value(b.size) AS size_bytes,
        -- Some releases of DuckDB know it to the second only.
        make_timestamp(epoch_us(date_trunc('second', any_value(b.last_modified)))) AS last_modified
    FROM query(getvariable('load_sql')) AS b
    GROUP BY b.filename
) AS f;
CREATE OR REPLACE TEMP TABLE load_layouts AS
SELECT
    c.table_name,
    list(c.column_name ORDER BY c.rowid) AS columns,
    list(c.column_name) FILTER (c.is_required) AS required,
    string_agg(if(c.is_required, c.column_name, '[' || c.column_name || ']'),
        ',' ORDER BY c.rowid) AS header,
    min(c.rowid) AS position
FROM temp.load_columns AS c
GROUP BY c.table_name;

-- Other names of columns, in small letters.
CREATE OR REPLACE TEMP TABLE load_synonyms AS
SELECT
    lower(trim(m.column_name)) AS column_name,
    lower(trim(unnest(coalesce(TRY_CAST(m.names AS VARCHAR[]), [m.names])))) AS name
FROM (
    SELECT
        unnest(map_keys(v.given)) AS column_name,
        unnest(map_values(v.given)) AS names
    FROM (
        SELECT TRY_CAST(getvariable('columns')::VARCHAR AS MAP (VARCHAR, VARCHAR)) AS given
    ) AS v
) AS m;

SET VARIABLE load_check = (
    SELECT
        CASE
            WHEN
                getvariable('columns') IS NOT NULL
                AND typeof(getvariable('columns')) NOT LIKE 'MAP%'
                THEN error(
                    $$00_raw: columns must be a map such as MAP {'user_id': 'customer'}, not $$
                    || getvariable('columns')::VARCHAR
                )
            WHEN count(*) FILTER (s.known IS NULL) > 0
                THEN error(
                    '00_raw: columns names '
                    || string_agg(DISTINCT '"' || s.column_name || '", did you mean "' || s.nearest
                        || '"', ', ') FILTER (s.known IS NULL)
                    || '; the columns are '
                    || (SELECT string_agg(DISTINCT c.column_name, ', ' ORDER BY c.column_name)
                        FROM temp.load_columns AS c)
                )
            WHEN count(*) FILTER (s.n > 1) > 0
                THEN error(
                    '00_raw: columns gives one name to several columns: '
                    || string_agg(DISTINCT '"' || s.name || '"', ', ') FILTER (s.n > 1)
                )
        END
    FROM (
        SELECT
            y.*,
            count(DISTINCT y.column_name) OVER (PARTITION BY y.name) AS n,
            k.column_name AS known,
            (
                SELECT arg_max(c.column_name, jaro_winkler_similarity(c.column_name, y.column_name))
                FROM temp.load_columns AS c
            ) AS nearest
        FROM temp.load_synonyms AS y
        LEFT JOIN (SELECT DISTINCT c.column_name FROM temp.load_columns AS c) AS k
            ON k.column_name = y.column_name
    ) AS s
);

SET VARIABLE load_synonyms = (
    SELECT map(coalesce(list(s.name), []::VARCHAR[]), coalesce(list(s.column_name), []::VARCHAR[]))
    FROM temp.load_synonyms AS s
);

-- The columns of files that are no text, by their names, so that their order in a file does not
-- count. Their types are those of the file.
SET VARIABLE load_sql = (
    SELECT
        coalesce(
            string_agg(
                'SELECT ' || f.n || ' AS n, d.column_name, d.column_type FROM (DESCRIBE FROM '
                || f.reader || ') AS d',
                ' UNION ALL '
            ),
            $$SELECT 0 AS n, '' AS column_name, '' AS column_type LIMIT 0$$
        )
    FROM temp.load_files AS f
    WHERE f.reader IS NOT NULL
);

CREATE OR REPLACE TEMP TABLE load_file_columns AS
SELECT
    d.n,
    row_number() OVER (PARTITION BY d.n ORDER BY d.column_name) AS place,
    d.column_name,
    format('s."{}"', replace(d.column_name, '"', '""')) AS name_sql,
    d.column_type
FROM query(getvariable('load_sql')) AS d;

-- Their rows and what they hold, each as one text, of the columns by their names: s alone would be
-- a column called so.
SET VARIABLE load_sql = (
    SELECT
        coalesce(
            string_agg(
                'SELECT ' || f.n || ' AS n, count(*) AS line_count, content_hash(l.line) AS '
                || 'fingerprint FROM (SELECT '
                || $$'$$ || replace(c.names, $$'$$, $$''$$) || $$' AS line UNION ALL SELECT $$
                || 'row(' || c.values_sql || ')::VARCHAR FROM ' || f.reader || ' AS s) AS l',
                ' UNION ALL '
            ),
            'SELECT 0 AS n, 0 AS line_count, 0::UHUGEINT AS fingerprint LIMIT 0'
        )
    FROM temp.load_files AS f
    JOIN (
        SELECT
            c.n,
            string_agg(c.column_name || ' ' || c.column_type, ',' ORDER BY c.place) AS names,
            string_agg(c.name_sql, ', ' ORDER BY c.place) AS values_sql
        FROM temp.load_file_columns AS c
        GROUP BY c.n
    ) AS c ON c.n = f.n
);

CREATE OR REPLACE TEMP TABLE load_file_lines AS
SELECT *
FROM query(getvariable('load_sql'));

-- What a CSV file would have for a value called NAME: a time as 2024-06-15T14:23:01, in UTC, a
-- number without decimals that are all zero.
SET VARIABLE load_time_text = $$coalesce(
    regexp_replace(
        strftime(make_timestamp(epoch_us(NAME)), '%Y-%m-%dT%H:%M:%S.%f'), '[.]0+$', ''
    ),
    NAME::VARCHAR
)$$;

SET VARIABLE load_number_text = $$regexp_replace(NAME::VARCHAR, '[.]0+$', '')$$;
-- The columns of the tables of `source` that have a place here.
CREATE OR REPLACE TEMP TABLE load_source_columns AS
SELECT
    t.table_name,
    t.column_name,
    t.position,
    format('"{}"', replace(d.column_name, '"', '""')) AS source_column,
    d.data_type,
    format(
        '"{}"."{}"."{}"',
        replace(d.database_name, '"', '""'),
        replace(d.schema_name, '"', '""'),
        replace(d.table_name, '"', '""')
    ) AS source_table
FROM duckdb_columns() AS d
JOIN (
    SELECT
        c.table_name,
        c.column_name,
        c.rowid AS position
    FROM temp.load_columns AS c
) AS t
    ON t.table_name = lower(d.table_name) AND t.column_name = lower(d.column_name)
WHERE
    getvariable('source') IS NOT NULL
    AND getvariable('source')::VARCHAR IN (
        d.database_name || '.' || d.schema_name,
        if(d.database_name = current_database(), d.schema_name, NULL),
        if(d.schema_name IN ('main', 'public'), d.database_name, NULL)
    );

SET VARIABLE load_check = (
    SELECT
        CASE
            WHEN count(*) = 0
                THEN error(
                    '00_raw: no table of the source "' || getvariable('source')::VARCHAR
                        || '" is called '
                    || (SELECT string_agg(DISTINCT c.table_name, ', ' ORDER BY c.table_name)
                        FROM temp.load_columns AS c)
                    || '; write it as <attached database>.<schema>'
                )
            WHEN count(DISTINCT s.source_table) > count(DISTINCT s.table_name)
                THEN error(
                    '00_raw: the source "' || getvariable('source')::VARCHAR || '" is ambiguous: '
                    || string_agg(DISTINCT s.source_table, ', ' ORDER BY s.source_table)
                )
        END
    FROM temp.load_source_columns AS s
    WHERE getvariable('source') IS NOT NULL
    HAVING getvariable('source') IS NOT NULL
);

SET VARIABLE load_check = (
    SELECT
        CASE
            WHEN count(*) > 0
                THEN error(
                    '00_raw: nothing was loaded, the source lacks columns: '
                    || string_agg(s.source_table || '.' || c.column_name, ', ' ORDER BY c.rowid)
                )
        END
    FROM temp.load_columns AS c
    JOIN (
        SELECT
            s.table_name,
            any_value(s.source_table) AS source_table,
            list(s.column_name) AS columns
        FROM temp.load_source_columns AS s
        GROUP BY s.table_name
    ) AS s
        ON s.table_name = c.table_name
    WHERE c.is_required AND NOT list_contains(s.columns, c.column_name)
);

-- Each table of the source with the texts that read its rows and, from the copy in temp, its lines.
CREATE OR REPLACE TEMP TABLE load_sources AS
SELECT
    (SELECT count(*) FROM temp.load_files) + row_number() OVER (ORDER BY min(c.rowid)) AS n,
    getvariable('source')::VARCHAR || '.' || c.table_name AS file_name,
    c.table_name,
    list(c.column_name ORDER BY c.rowid) FILTER (s.column_name IS NOT NULL) AS columns,
    'SELECT '
    || string_agg(
        CASE
            WHEN s.column_name IS NULL THEN 'NULL::VARCHAR'
            WHEN s.data_type LIKE 'TIMESTAMP%'
                THEN replace(getvariable('load_time_text'), 'NAME', 's.' || s.source_column)
            WHEN s.data_type LIKE 'DECIMAL%' OR s.data_type IN ('DOUBLE', 'FLOAT')
                THEN replace(getvariable('load_number_text'), 'NAME', 's.' || s.source_column)
            ELSE format($$nullif(s.{}::VARCHAR, '')$$, s.source_column)
        END
        || ' AS ' || c.column_name,
        ', '
        ORDER BY c.rowid
    )
    || ' FROM ' || any_value(s.source_table) || ' AS s' AS rows_sql,
    'SELECT '
    || string_agg(
        replace(
            $$if(regexp_matches(r.NAME, '[,"\r\n]'), '"' || replace(r.NAME, '"', '""') || '"',
            coalesce(r.NAME, ''))$$,
            'NAME',
            c.column_name
        ),
        $$ || ',' || $$
        ORDER BY c.rowid
    ) FILTER (s.column_name IS NOT NULL)
    || ' AS line FROM temp.load_rows_' || c.table_name || ' AS r' AS lines_sql
FROM temp.load_columns AS c
LEFT JOIN temp.load_source_columns AS s ON s.table_name = c.table_name
    AND s.column_name = c.column_name
GROUP BY c.table_name
HAVING count(s.column_name) > 0;

SET VARIABLE load_names = (
    SELECT list(f.file_name ORDER BY f.n)
    FROM (
        SELECT
            f.n,
            f.file_name
        FROM temp.load_files AS f
        UNION ALL
        SELECT
            s.n,
            s.file_name
        FROM temp.load_sources AS s
    ) AS f
);

SET VARIABLE load_sql = coalesce(
    (SELECT s.rows_sql FROM temp.load_sources AS s WHERE s.table_name = 'all_events'),
    'SELECT * EXCLUDE (file_name) FROM raw.all_events LIMIT 0'
);

CREATE OR REPLACE TEMP TABLE load_rows_all_events AS
SELECT *
FROM query(getvariable('load_sql'));

SET VARIABLE load_sql = (
    SELECT
        coalesce(
            string_agg(
                'SELECT ' || s.n || ' AS n, count(*) AS line_count, sum(strlen(l.line) + 1) AS '
                || 'size_bytes, '
                || $$content_hash(l.line) AS fingerprint FROM (SELECT '$$
                || array_to_string(s.columns, ',')
                || $$' AS line UNION ALL $$ || s.lines_sql || ') AS l',
                ' UNION ALL '
            ),
            'SELECT 0 AS n, 0 AS line_count, 0 AS size_bytes, 0::UHUGEINT AS fingerprint LIMIT 0'
        )
    FROM temp.load_sources AS s
);

CREATE OR REPLACE TEMP TABLE load_source_lines AS
SELECT *
FROM query(getvariable('load_sql'));

-- One pass over the lines of all files that are not compressed. Here the reader ends a line at each
-- CR and each LF, so that a CRLF shows as one more, blank line.
CREATE OR REPLACE TEMP TABLE load_lines (
    file_name VARCHAR,
    line_count BIGINT,
    blank_lines BIGINT,
    bytes BIGINT,
    fingerprint UHUGEINT,
    odd_lines BIGINT[],
    least_separators BIGINT[]
);

SET VARIABLE load_plain_patterns = (
    SELECT list(getvariable('load_patterns')[f.n])
    FROM temp.load_files AS f
    WHERE NOT regexp_matches(f.file_name, '\.(gz|zst)$', 'i') AND f.reader IS NULL
);

SET VARIABLE load_sql = CASE
    WHEN getvariable('load_plain_patterns') IS NULL THEN 'FROM temp.load_lines LIMIT 0'
    ELSE $$
        SELECT
            l.filename,
            unnest(line_summary(l.line))
        FROM read_csv(
            getvariable('load_plain_patterns'), columns = {'line': 'VARCHAR'}, auto_detect = false,
            header = false, delim = chr(1) || chr(2), quote = '', escape = '',
            new_line = '\n', strict_mode = false, ignore_errors = true, filename = true,
            hive_partitioning = false, compression = 'none'
        ) AS l
        GROUP BY l.filename
    $$
END;

INSERT INTO temp.load_lines
SELECT *
FROM query(getvariable('load_sql'));

-- Lines that are not UTF-8 or overlong are left out there; what was read then does not add up to
-- the file's size. Such files, and compressed ones, are read as bytes, which a BLOB holds up to 4
-- GB of. What is left over may also be a byte order mark, which the reader takes off.
CREATE OR REPLACE TEMP TABLE load_places AS
SELECT
    f.n,
    f.size_bytes - l.bytes - l.line_count - l.blank_lines AS missing_bytes,
    f.size_bytes > 0 AND coalesce(missing_bytes NOT IN (0, -1), true) AS is_special,
    is_special AND f.size_bytes <= 4000000000 AS is_read_as_bytes
FROM temp.load_files AS f
LEFT JOIN temp.load_lines AS l ON l.file_name = f.file_name
WHERE f.reader IS NULL;

CREATE OR REPLACE TEMP TABLE load_bytes (
    n BIGINT,
    compression VARCHAR,
    problem VARCHAR,
    size_bytes BIGINT,
    line_count BIGINT,
    blank_lines BIGINT,
    fingerprint UHUGEINT,
    odd_lines BIGINT[],
    least_separators BIGINT[],
    first_line VARCHAR,
    beginning VARCHAR,
    line_ends BIGINT[],
    unreadable_lines STRUCT(line BIGINT, csv_line VARCHAR, error_type VARCHAR,
        error_message VARCHAR)[]
);

SET VARIABLE load_sql = (
    SELECT
        coalesce(
            string_agg(
                replace(
                    $$SELECT N, unnest(content_summary(b.content))
                    FROM read_blob(getvariable('load_patterns')[N]) AS b$$,
                    'N',
                    p.n::VARCHAR
                ),
                ' UNION ALL '
            ),
            'FROM temp.load_bytes LIMIT 0'
        )
    FROM temp.load_places AS p
    WHERE p.is_read_as_bytes
);

INSERT INTO temp.load_bytes
SELECT *
FROM query(getvariable('load_sql'));

CREATE OR REPLACE TEMP TABLE load_contents AS
SELECT
    f.* EXCLUDE (reader),
    coalesce(b.line_count, l.line_count, 0) AS line_count,
    coalesce(b.fingerprint, l.fingerprint, 0::UHUGEINT) AS fingerprint,
    coalesce(b.compression, 'none') AS compression,
    CASE
        WHEN p.is_special AND b.n IS NULL AND l.file_name IS NULL
            THEN 'more than 4 GB, and compressed or one line: unpack it, or split it'
        WHEN p.is_special AND b.n IS NULL AND p.missing_bytes NOT IN (2, 3)
            THEN
                'more than 4 GB, with lines that are not UTF-8 or longer than 2 MB ('
                    || p.missing_bytes
                || ' bytes): split it, or convert it'
        ELSE b.problem
    END AS problem,
    b.n IS NOT NULL AS is_read_as_bytes,
    b.first_line,
    b.beginning,
    b.line_ends,
    coalesce(len(b.unreadable_lines), 0) AS unreadable_lines,
    if(b.n IS NULL, l.blank_lines, NULL) AS blank_segments,
    CASE WHEN b.n IS NULL THEN p.missing_bytes NOT IN (-1, 2)
        ELSE b.line_ends[4] = 0 END AS is_terminated,
    coalesce(b.odd_lines, l.odd_lines) AS odd_lines,
    coalesce(b.least_separators, l.least_separators) AS least_separators
FROM temp.load_files AS f
JOIN temp.load_places AS p ON p.n = f.n
LEFT JOIN temp.load_lines AS l ON l.file_name = f.file_name
LEFT JOIN temp.load_bytes AS b ON b.n = f.n
UNION ALL BY NAME
SELECT
    f.* EXCLUDE (reader),
    l.line_count,
    l.fingerprint
FROM temp.load_files AS f
JOIN temp.load_file_lines AS l ON l.n = f.n
UNION ALL BY NAME
SELECT
    s.n,
    s.file_name,
    l.size_bytes::BIGINT AS size_bytes,
    make_timestamp(epoch_us(now())) AS last_modified,
    l.line_count,
    l.fingerprint
FROM temp.load_sources AS s
JOIN temp.load_source_lines AS l ON l.n = s.n;

-- What is known: every loaded file but those whose path now has another content.
CREATE OR REPLACE TEMP TABLE load_known AS
SELECT
    loaded.file_name,
    loaded.fingerprint
FROM raw.loaded_files AS loaded
LEFT JOIN temp.load_contents AS c ON c.file_name = loaded.file_name
WHERE c.file_name IS NULL OR c.fingerprint = loaded.fingerprint;

CREATE OR REPLACE TEMP TABLE load_new AS
SELECT c.*
FROM temp.load_contents AS c
ANTI JOIN temp.load_known AS k ON k.fingerprint = c.fingerprint;

-- First lines. The reader takes the byte order mark off.
SET VARIABLE load_sql = (
    SELECT
        coalesce(
            string_agg(
                replace(
                    $$(
                        SELECT getvariable('load_names')[N] AS file_name, l.line
                        FROM read_csv(
                            getvariable('load_patterns')[N], columns = {'line': 'VARCHAR'},
                            auto_detect = false, header = false, delim = chr(1) || chr(2),
                            quote = '', escape = '', strict_mode = false, ignore_errors = true,
                            parallel = false, hive_partitioning = false, compression = 'none'
                        ) AS l
                        LIMIT 1
                    )$$,
                    '[N]',
                    '[' || n.n || ']'
                ),
                ' UNION ALL '
            ),
            $$SELECT '' AS file_name, '' AS line LIMIT 0$$
        )
    FROM temp.load_new AS n
    JOIN temp.load_files AS f ON f.n = n.n
    WHERE n.line_count > 0 AND n.problem IS NULL AND NOT n.is_read_as_bytes
);

-- What stands between the fields: the separator under which the header is one that is known, or
-- else, for the message, the one under which most of its names are.
CREATE OR REPLACE TEMP TABLE load_headers AS
SELECT
    f.file_name,
    f.header,
    f.place,
    f.separator,
    f.columns,
    f.others,
    t.table_name
FROM (
    SELECT
        n.*,
        -- By our names; what else there is, by its place.
        list_transform(
            n.named,
            LAMBDA c, i: if(
                list_contains(known.columns, c),
                c,
                '__' || i
            )
        ) AS columns,
        list_filter(n.fields, LAMBDA c, i: NOT list_contains(known.columns, n.named[i])) AS others,
        known.columns AS known
    FROM (
        SELECT
            r.*,
            -- A column of ours that is called otherwise in this file is none of that name.
            list_transform(
                r.fields,
                LAMBDA c: coalesce(
                    getvariable('load_synonyms')[c],
                    if(
                        list_has_any(
                            map_keys(getvariable('load_synonyms')),
                            list_filter(
                                r.fields,
                                LAMBDA d: getvariable('load_synonyms')[d] = c
                            )
                        ),
                        '',
                        c
                    )
                )
            ) AS named
        FROM (
            SELECT
                h.file_name,
                h.header,
                p.place,
                p.separator,
                list_transform(
                    coalesce(csv_fields(lower(h.header), p.separator).fields, []),
                    LAMBDA c: trim(c)
                ) AS fields
            FROM (
                SELECT
                    q.file_name,
                    q.line AS header
                FROM query(getvariable('load_sql')) AS q
                UNION ALL
                SELECT
                    n.file_name,
                    n.first_line AS header
                FROM temp.load_new AS n
                WHERE n.is_read_as_bytes
            ) AS h
            CROSS JOIN (
                VALUES
                    (1, ','),
                    (2, ';'),
                    (3, chr(9)),
                    (4, '|')
            ) AS p (place, separator)
            UNION ALL
            SELECT
                f.file_name,
                string_agg(c.column_name, ',' ORDER BY c.place) AS header,
                1 AS place,
                ',' AS separator,
                list(lower(trim(c.column_name)) ORDER BY c.place) AS fields
            FROM temp.load_file_columns AS c
            JOIN temp.load_files AS f ON f.n = c.n
            JOIN temp.load_new AS n ON n.file_name = f.file_name
            GROUP BY f.file_name
        ) AS r
    ) AS n
    CROSS JOIN (
        SELECT list(DISTINCT c.column_name) AS columns
        FROM temp.load_columns AS c
    ) AS known
) AS f
LEFT JOIN temp.load_layouts AS t
    ON
        list_has_all(f.columns, t.required)
        AND (getvariable('columns') IS NOT NULL OR list_has_all(t.columns, f.columns))
        AND len(f.columns) = len(list_distinct(f.columns))
QUALIFY
    row_number() OVER (
        PARTITION BY f.file_name
        ORDER BY
            t.table_name IS NULL,
            len(list_intersect(coalesce(t.columns, f.known), f.columns)) DESC,
            f.place
    ) = 1
UNION ALL
SELECT
    s.file_name,
    array_to_string(s.columns, ',') AS header,
    1 AS place,
    ',' AS separator,
    s.columns,
    [] AS others,
    s.table_name
FROM temp.load_sources AS s;

SET VARIABLE load_check = (
    SELECT
        CASE
            WHEN count(*) > 0
                THEN error(
                    '00_raw: nothing was loaded, no new file has a column '
                    || string_agg(y.column_name || ', called ' || y.names,
                        '; ' ORDER BY y.column_name)
                    || ' (parameter columns)'
                )
        END
    FROM (
        SELECT
            s.column_name,
            string_agg('"' || s.name || '"', ' or ' ORDER BY s.name) AS names
        FROM temp.load_synonyms AS s
        GROUP BY s.column_name
    ) AS y
    WHERE
        EXISTS (SELECT 1 FROM temp.load_headers AS h WHERE h.table_name IS NOT NULL)
        AND NOT EXISTS (
            SELECT 1
            FROM temp.load_headers AS h
            WHERE list_contains(h.columns, y.column_name)
        )
);

-- Where there are blank segments, they are CRLFs or blank lines: a reader that takes a CRLF for one
-- end tells them apart.
SET VARIABLE load_crlf_patterns = (
    SELECT list(getvariable('load_patterns')[n.n])
    FROM temp.load_new AS n
    WHERE n.blank_segments > 0
);

SET VARIABLE load_sql = CASE
    WHEN getvariable('load_crlf_patterns') IS NULL
        THEN $$SELECT '' AS file_name, 0 AS blank_lines LIMIT 0$$
    ELSE $$
        SELECT
            l.filename AS file_name,
            count(*) - count(l.line) AS blank_lines
        FROM read_csv(
            getvariable('load_crlf_patterns'), columns = {'line': 'VARCHAR'}, auto_detect = false,
            header = false, delim = chr(1) || chr(2), quote = '', escape = '',
            new_line = '\r\n', strict_mode = false, ignore_errors = true, filename = true,
            hive_partitioning = false, compression = 'none'
        ) AS l
        GROUP BY l.filename
    $$
END;

CREATE OR REPLACE TEMP TABLE load_line_ends AS
SELECT
    n.file_name,
    n.blank_segments - q.blank_lines AS crlf_count,
    n.line_count + q.blank_lines AS physical_lines
FROM query(getvariable('load_sql')) AS q
JOIN temp.load_new AS n ON n.file_name = q.file_name;

CREATE OR REPLACE TEMP TABLE load_problems AS
SELECT
    n.file_name,
    CASE
        WHEN n.problem IS NOT NULL THEN n.problem
        WHEN n.line_count = 0 THEN 'an empty file'
        WHEN h.header IS NULL AND n.is_read_as_bytes
            THEN 'its first line is not UTF-8 or longer than 2 MB, it begins with: ' || n.beginning
        WHEN coalesce(h.header, '') = '' THEN 'its first line is blank, not the header'
        WHEN contains(h.header, chr(0))
        AND strlen(replace(h.header, chr(0), '')) <= strlen(h.header) // 2 + 1
            THEN 'text in UTF-16: convert it to UTF-8, as with iconv -f UTF-16 -t UTF-8'
        WHEN starts_with(lower(h.header), 'sep=')
            THEN 'its first line is "' || h.header[:20]
            || '", which is a word to Excel only: take it off'
        WHEN
            h.table_name IS NULL AND NOT list_has_any(h.columns, known.columns)
            THEN 'no header, its first line is: ' || replace(h.header[:200], chr(0), '\x00')
        WHEN h.table_name IS NULL THEN 'other columns, its header is: ' || h.header[:500]
        WHEN (n.line_ends[1] > 0)::INTEGER + (n.line_ends[2] > 0)::INTEGER + (
            n.line_ends[3] > 0
        )::INTEGER > 1
            THEN format('mixed line ends (CRLF on {}, LF on {}, CR on {} lines)', n.line_ends[1],
                n.line_ends[2], n.line_ends[3])
        WHEN
            e.crlf_count > 0
            AND e.crlf_count <> e.physical_lines - if(n.is_terminated, 0, 1)
            THEN 'mixed line ends (CRLF on ' || e.crlf_count || ' of ' || e.physical_lines
            || ' lines)'
        WHEN n.least_separators[h.place] < len(h.columns) - 1 THEN 'line breaks inside quotes'
        WHEN old.file_name IS NOT NULL
            THEN
                'it has lines that cannot be read, and the size of "' || old.file_name
                    || '", which an earlier version of amazing'
                || ' loaded; give it that name if it is the same, and UPDATE raw.loaded_files '
                || 'SET fingerprint_version = 0'
                || ' of that name if it is not'
    END AS problem
FROM temp.load_new AS n
LEFT JOIN temp.load_headers AS h ON h.file_name = n.file_name
LEFT JOIN temp.load_line_ends AS e ON e.file_name = n.file_name
LEFT JOIN (
    SELECT
        loaded.size_bytes,
        min(loaded.file_name) AS file_name
    FROM raw.loaded_files AS loaded
    WHERE
        loaded.fingerprint_version IS NULL
        AND loaded.rows_rejected > 0
        AND loaded.file_name NOT IN (SELECT f.file_name FROM temp.load_files AS f)
    GROUP BY loaded.size_bytes
) AS old
    ON old.size_bytes = n.size_bytes AND n.unreadable_lines > 0
CROSS JOIN (
    SELECT list(c.column_name) AS columns
    FROM temp.load_columns AS c
) AS known;

SET VARIABLE load_check = (
    SELECT
        CASE
            WHEN coalesce(getvariable('bad_files')::VARCHAR, '') NOT IN ('', 'refuse', 'skip')
                THEN error($$00_raw: bad_files must be 'refuse' or 'skip', not $$
                || getvariable('bad_files')::VARCHAR)
            WHEN count(*) > 0 AND coalesce(getvariable('bad_files')::VARCHAR, '') <> 'skip'
                THEN error(
                    '00_raw: nothing was loaded, ' || count(*) || ' of '
                        || any_value(len(getvariable('load_names')))
                    || ' files cannot be: '
                    || string_agg('"' || p.file_name || '": ' || p.problem,
                        '; ' ORDER BY p.file_name)
                    || '. Where columns have other names, or there are further ones, use the '
                    || $$parameter columns, MAP {'user_id': 'customer'}$$
                    || '. Accepted headers (columns in brackets may be absent): '
                    || (SELECT string_agg(t.table_name || ': ' || t.header,
                        '; ' ORDER BY t.position) FROM temp.load_layouts AS t)
                )
        END
    FROM temp.load_problems AS p
    WHERE p.problem IS NOT NULL
);

-- Only where bad_files says so.
DELETE FROM temp.load_new
WHERE file_name IN (SELECT p.file_name FROM temp.load_problems AS p WHERE p.problem IS NOT NULL);
-- One of the new files for each new content, in the order of their names; no more than max_files
-- are next.
CREATE OR REPLACE TEMP TABLE load_queue AS
SELECT
    n.*,
    row_number() OVER (ORDER BY n.file_name) <= getvariable('max_files')::BIGINT AS is_next
FROM (
    SELECT
        n.n,
        n.file_name,
        n.size_bytes,
        n.last_modified,
        n.fingerprint,
        n.line_count,
        n.compression,
        n.unreadable_lines,
        coalesce(n.odd_lines[h.place] > 0, false) OR n.unreadable_lines > 0 AS is_odd,
        if(e.crlf_count > 0 OR n.line_ends[1] > 0, '\r\n', '\n') AS line_end,
        h.separator,
        h.columns,
        h.table_name
    FROM temp.load_new AS n
    JOIN temp.load_headers AS h ON h.file_name = n.file_name
    LEFT JOIN temp.load_line_ends AS e ON e.file_name = n.file_name
    QUALIFY row_number() OVER (PARTITION BY n.fingerprint ORDER BY n.file_name) = 1
) AS n;

-- Files that were loaded, that `data` means, and that are not there any more; one whose content is
-- there under another name is not gone.
CREATE OR REPLACE TEMP TABLE load_gone AS
SELECT
    loaded.file_name,
    loaded.rows_loaded
FROM raw.loaded_files AS loaded
WHERE
    NOT EXISTS (
        SELECT 1
        FROM temp.load_contents AS c
        WHERE c.file_name = loaded.file_name OR c.fingerprint = loaded.fingerprint
    )
    AND EXISTS (
        SELECT 1
        FROM (SELECT unnest(getvariable('load_data')) AS name) AS d
        WHERE
            if(
                regexp_matches(d.name, '[*?\[]'),
                loaded.file_name GLOB d.name,
                starts_with(loaded.file_name, rtrim(d.name, '/') || '/')
                AND NOT contains(loaded.file_name[len(rtrim(d.name, '/')) + 2:], '/')
            )
    );

SET VARIABLE load_check = (
    SELECT
        CASE
            WHEN
                coalesce(getvariable('deleted_files')::VARCHAR, 'keep') NOT IN ('keep', 'remove')
                THEN error($$00_raw: deleted_files must be 'keep' or 'remove', not $$
                || getvariable('deleted_files')::VARCHAR)
        END
);

-- The old content of a path goes when its new content is known or next, or when the old content is
-- next elsewhere.
CREATE OR REPLACE TEMP TABLE load_replaced AS
SELECT loaded.file_name
FROM raw.loaded_files AS loaded
JOIN temp.load_contents AS c ON c.file_name = loaded.file_name
    AND c.fingerprint <> loaded.fingerprint
WHERE
    c.fingerprint IN (SELECT k.fingerprint FROM temp.load_known AS k)
    OR c.fingerprint IN (SELECT q.fingerprint FROM temp.load_queue AS q WHERE q.is_next)
    OR loaded.fingerprint IN (SELECT q.fingerprint FROM temp.load_queue AS q WHERE q.is_next)
UNION ALL
SELECT g.file_name
FROM temp.load_gone AS g
WHERE getvariable('deleted_files')::VARCHAR = 'remove';

DELETE FROM raw.rejected_lines
WHERE file_name IN (SELECT r.file_name FROM temp.load_replaced AS r);

SET VARIABLE load_replaced_rows = (
    SELECT coalesce(sum(f.rows_loaded), 0)::BIGINT
    FROM raw.loaded_files AS f
    WHERE f.file_name IN (SELECT r.file_name FROM temp.load_replaced AS r)
);

DELETE FROM raw.loaded_files
WHERE file_name IN (SELECT r.file_name FROM temp.load_replaced AS r);

-- Tables of rejects are named anew for each run, because their counters are shared by name in a
-- process.
SET VARIABLE load_rejects = 'load_' || replace(uuid()::VARCHAR, '-', '_');

-- One read_csv a file: a scan of several loses rejected lines. In a file where a quote is anything
-- but the sign around a whole field, the parser would lose lines up to the next quote, or take
-- words of one field for the next; of a rejected line it keeps 10,000 bytes, and may end in the
-- middle of a letter. In such files, and where lines cannot be read, it reads lines only, and
-- csv_fields takes each apart on its own.
CREATE OR REPLACE TEMP TABLE load_texts AS
SELECT
    t.n,
    t.table_name,
    t.is_odd,
    if(
        t.is_odd,
        'SELECT ' || t.fields || $$, getvariable('load_names')[$$ || t.n
            || $$] FROM (SELECT csv_fields(l.line, $$ || t.delim
        || ').fields AS f FROM ' || t.lines
        || $$, header = true) AS l WHERE l.line IS NOT NULL AND strlen(l.line) <= 2000000) AS l$$
        || ' WHERE len(l.f) = ' || t.n_columns,
        'SELECT ' || t.fields || $$, getvariable('load_names')[$$ || t.n || '] FROM ' || t.scan
        || ', store_rejects = true, rejects_limit = 0'
        || $$, rejects_table = '$$ || getvariable('load_rejects') || $$_errors'$$
        || $$, rejects_scan = '$$ || getvariable('load_rejects') || $$_scans') AS l$$
    ) AS rows_sql,
    -- Lines that are no record of this many fields, numbered in the order of the file: one thread.
    $$SELECT $$ || t.n || $$ AS n, l.number, l.line, csv_fields(l.line, $$ || t.delim
        || $$) AS f, $$ || t.n_columns
    || $$ AS n_columns FROM (SELECT row_number() OVER () AS number, l.line FROM $$ || t.lines
    || $$, header = false, parallel = false) AS l) AS l
    WHERE l.line IS NOT NULL AND strlen(l.line) <= 2000000 AND l.number > 1$$
    || $$ AND coalesce(len(csv_fields(l.line, $$ || t.delim || $$).fields), 0) <> $$
    || t.n_columns AS lines_sql
FROM (
    SELECT
        q.n,
        q.table_name,
        q.is_odd,
        len(q.columns) AS n_columns,
        'chr(' || ascii(q.separator) || ')' AS delim,
        string_agg(
            CASE
                WHEN NOT list_contains(q.columns, c.column_name) THEN 'NULL'
                WHEN q.is_odd
                    THEN format($$nullif(l.f[{}], '')$$, list_position(q.columns, c.column_name))
                ELSE 'l.' || c.column_name
            END,
            ', '
            ORDER BY c.rowid
        ) AS fields,
        $$read_csv(getvariable('load_patterns')[$$ || q.n || $$], columns = {$$
        || array_to_string(
            list_transform(q.columns, LAMBDA c: $$'$$ || c || $$': 'VARCHAR'$$),
            ', '
        )
        || $$}, auto_detect = false, header = true, hive_partitioning = false,
        strict_mode = true, quote = '"', escape = '"', $$
        || 'delim = ' || 'chr(' || ascii(q.separator) || $$), compression = '$$ || q.compression
        || $$'$$ AS scan,
        $$read_csv(getvariable('load_patterns')[$$ || q.n
            || $$], columns = {'line': 'VARCHAR'}, auto_detect = false, $$
        || $$hive_partitioning = false, delim = chr(1) || chr(2), quote = '', escape = '',
        new_line = '$$
        || q.line_end
        || $$', strict_mode = false, ignore_errors = true, max_line_size = 16000000,
        buffer_size = 32000000, compression = '$$
        || q.compression || $$'$$ AS lines
    FROM temp.load_queue AS q
    JOIN temp.load_files AS f ON f.n = q.n AND f.reader IS NULL
    JOIN temp.load_columns AS c ON c.table_name = q.table_name
    WHERE q.is_next
    GROUP BY
        q.n,
        q.table_name,
        q.is_odd,
        q.columns,
        q.separator,
        q.line_end,
        q.compression
) AS t
UNION ALL
SELECT
    s.n,
    s.table_name,
    false AS is_odd,
    $$SELECT *, getvariable('load_names')[$$ || s.n || '] FROM temp.load_rows_'
        || s.table_name AS rows_sql,
    NULL AS lines_sql
FROM temp.load_sources AS s
JOIN temp.load_queue AS q ON q.n = s.n AND q.is_next
UNION ALL
SELECT
    q.n,
    q.table_name,
    false AS is_odd,
    'SELECT '
    || string_agg(
        CASE
            WHEN d.n IS NULL THEN 'NULL'
            WHEN d.column_type LIKE 'TIMESTAMP%'
                THEN replace(getvariable('load_time_text'), 'NAME', d.name_sql)
            WHEN d.column_type LIKE 'DECIMAL%' OR d.column_type IN ('DOUBLE', 'FLOAT')
                THEN replace(getvariable('load_number_text'), 'NAME', d.name_sql)
            ELSE 'nullif(' || d.name_sql || $$::VARCHAR, '')$$
        END,
        ', '
        ORDER BY c.rowid
    )
    || $$, getvariable('load_names')[$$ || q.n || '] FROM ' || any_value(f.reader)
    || ' AS s' AS rows_sql,
    NULL AS lines_sql
FROM temp.load_queue AS q
JOIN temp.load_files AS f ON f.n = q.n AND f.reader IS NOT NULL
JOIN temp.load_columns AS c ON c.table_name = q.table_name
LEFT JOIN temp.load_file_columns AS d
    ON d.n = q.n AND d.place = list_position(q.columns, c.column_name)
WHERE q.is_next
GROUP BY
    q.n,
    q.table_name;

CREATE OR REPLACE TEMP TABLE load_counts (
    file_name VARCHAR,
    rows_loaded BIGINT
);

-- The lines may come in any order, which saves a fifth of the load. In files of DuckDB before 2.0,
-- columns of text are tried with a dictionary and with FSST. A month's rows are near in time, so
-- that the dictionary mostly wins, and not to try the other saves a seventh of the load. Both
-- settings are of the whole database, so only for as long as this takes.
SET VARIABLE load_keeps_order = current_setting('preserve_insertion_order');

SET VARIABLE load_no_compression = current_setting('disabled_compression_methods');

SET preserve_insertion_order = false;

SET disabled_compression_methods = concat_ws(',', nullif(getvariable('load_no_compression'), ''),
    'fsst');

DELETE FROM raw.all_events
WHERE file_name IN (SELECT r.file_name FROM temp.load_replaced AS r);

SET VARIABLE load_sql = (
    SELECT coalesce(string_agg(t.rows_sql, ' UNION ALL ' ORDER BY t.n),
        'SELECT * FROM raw.all_events LIMIT 0')
    FROM temp.load_texts AS t
    WHERE t.table_name = 'all_events'
);

INSERT INTO raw.all_events
SELECT *
FROM query(getvariable('load_sql'));

INSERT INTO temp.load_counts
SELECT
    r.file_name,
    count(*)
FROM raw.all_events AS r
WHERE r.file_name IN (SELECT q.file_name FROM temp.load_queue AS q WHERE q.is_next)
GROUP BY r.file_name;

SET preserve_insertion_order = getvariable('load_keeps_order');

SET disabled_compression_methods = getvariable('load_no_compression');

-- The lines that the parser rejected, with their first error. The table does not exist before the
-- first one.
SET VARIABLE load_sql = (
    SELECT
        if(
            count(*) = 0,
            'SELECT * FROM raw.rejected_lines LIMIT 0',
            replace(
                $$
                    SELECT
                        s.file_path,
                        e.line,
                        ltrim(any_value(e.csv_line), chr(13) || chr(10)),
                        arg_min(e.error_type::VARCHAR, coalesce(e.column_idx, 0)),
                        arg_min(e.error_message, coalesce(e.column_idx, 0))
                    FROM temp.REJECTS_errors AS e
                    JOIN temp.REJECTS_scans AS s ON s.scan_id = e.scan_id AND s.file_id = e.file_id
                    GROUP BY s.file_path, e.line
                $$,
                'REJECTS',
                getvariable('load_rejects')
            )
        )
    FROM duckdb_tables() AS t
    WHERE t.temporary AND t.table_name = getvariable('load_rejects') || '_errors'
);

CREATE OR REPLACE TEMP TABLE load_rejected AS
SELECT *
FROM raw.rejected_lines
LIMIT 0;

INSERT INTO temp.load_rejected
SELECT *
FROM query(getvariable('load_sql'));

-- Files that were read as lines are read again where fewer rows came than lines.
CREATE OR REPLACE TEMP TABLE load_again AS
SELECT
    q.n,
    t.lines_sql
FROM temp.load_queue AS q
JOIN temp.load_texts AS t ON t.n = q.n
LEFT JOIN temp.load_counts AS c ON c.file_name = q.file_name
WHERE q.is_next AND t.is_odd AND coalesce(c.rows_loaded, 0) < q.line_count - 1 - q.unreadable_lines;

SET VARIABLE load_sql = (
    SELECT
        coalesce(
            string_agg(a.lines_sql, ' UNION ALL '),
            $$SELECT 0 AS n, 0 AS number, '' AS line, csv_fields('', ',') AS f, 0 AS n_columns
            LIMIT 0$$
        )
    FROM temp.load_again AS a
);

CREATE OR REPLACE TEMP TABLE load_unreadable AS
SELECT
    b.n,
    unnest(b.unreadable_lines, recursive := true)
FROM temp.load_bytes AS b
JOIN temp.load_queue AS q ON q.n = b.n AND q.is_next
WHERE len(b.unreadable_lines) > 0;

-- Lines that are not UTF-8 are not among those that are numbered: each puts the lines behind it one
-- further.
INSERT INTO temp.load_rejected
SELECT
    getvariable('load_names')[l.n],
    l.number + (
        SELECT count(*)
        FROM (
            SELECT
                u.n,
                u.line - row_number() OVER (PARTITION BY u.n ORDER BY u.line) + 1 AS next_number
            FROM temp.load_unreadable AS u
            WHERE u.error_type = 'INVALID ENCODING'
        ) AS u
        WHERE u.n = l.n AND u.next_number <= l.number
    ),
    l.line,
    CASE
        WHEN l.f.error_message IS NOT NULL THEN 'UNQUOTED VALUE'
        WHEN len(l.f.fields) < l.n_columns THEN 'MISSING COLUMNS'
        ELSE 'TOO MANY COLUMNS'
    END,
    coalesce(
        l.f.error_message,
        'Expected Number of Columns: ' || l.n_columns || ' Found: ' || len(l.f.fields)
    )
FROM query(getvariable('load_sql')) AS l;

INSERT INTO raw.rejected_lines
SELECT
    r.file_name,
    r.line,
    replace(replace(r.csv_line, '\', '\\'), chr(0), '\x00'),
    r.error_type,
    r.error_message
FROM temp.load_rejected AS r;

INSERT INTO raw.rejected_lines
SELECT
    getvariable('load_names')[u.n],
    u.line,
    u.csv_line,
    u.error_type,
    u.error_message
FROM temp.load_unreadable AS u;

INSERT INTO raw.loaded_files
SELECT
    q.file_name,
    q.size_bytes,
    q.last_modified,
    q.fingerprint,
    q.line_count,
    coalesce(c.rows_loaded, 0),
    coalesce(r.rows_rejected, 0),
    make_timestamp(epoch_us(now())),
    1
FROM temp.load_queue AS q
LEFT JOIN temp.load_counts AS c ON c.file_name = q.file_name
LEFT JOIN (
    SELECT
        r.file_name,
        count(*) AS rows_rejected
    FROM raw.rejected_lines AS r
    GROUP BY r.file_name
) AS r ON r.file_name = q.file_name
WHERE q.is_next;

SET VARIABLE load_check = (
    SELECT
        CASE
            WHEN count(*) > 0
                THEN error(
                    '00_raw: nothing was loaded, these files hold records that are not one line '
                    || 'each (line breaks'
                    || ' inside quotes, or a quote that is never closed): '
                    || string_agg(
                        '"' || f.file_name || '": ' || f.line_count || ' lines are not 1 header + '
                            || f.rows_loaded
                        || ' rows + ' || f.rows_rejected || ' rejected lines',
                        '; '
                        ORDER BY f.file_name
                    )
                )
        END
    FROM raw.loaded_files AS f
    JOIN temp.load_queue AS q ON q.file_name = f.file_name AND q.is_next
    WHERE f.line_count <> 1 + f.rows_loaded + f.rows_rejected
);

SET VARIABLE load_summary = (
    SELECT
        {
            'files_found': coalesce(len(getvariable('load_names')), 0),
            'files_loaded': count(*) FILTER (q.is_next),
            'files_left': count(*) FILTER (NOT q.is_next),
            'rows_loaded': coalesce(sum(f.rows_loaded), 0)::BIGINT,
            'lines_rejected': coalesce(sum(f.rows_rejected), 0)::BIGINT,
            'message': CASE
                WHEN count(*) = 0 THEN 'nothing new'
                WHEN count(*) FILTER (NOT q.is_next) > 0 THEN 'files are left: run the step again'
                ELSE 'all files are loaded'
            END
            || coalesce(
                '; WARNING: no line could be loaded of '
                || string_agg(
                    format('"{}" ({} lines: {})', f.file_name, f.rows_rejected, r.reason),
                    ', '
                    ORDER BY f.file_name
                ) FILTER (f.rows_loaded = 0 AND f.rows_rejected > 0)
                || ', see raw.rejected_lines',
                ''
            )
            || coalesce(
                '; gone since they were loaded are '
                || (
                    SELECT string_agg(format('"{}" ({} rows)', g.file_name, g.rows_loaded), ', '
                        ORDER BY g.file_name)
                    FROM temp.load_gone AS g
                )
                || if(
                    getvariable('deleted_files')::VARCHAR = 'remove',
                    ', which were removed',
                    $$, whose rows stay; deleted_files 'remove' removes them$$
                ),
                ''
            )
            || coalesce(
                '; skipped are '
                || (
                    SELECT string_agg(format('"{}" ({})', p.file_name, p.problem), ', '
                        ORDER BY p.file_name)
                    FROM temp.load_problems AS p
                    WHERE p.problem IS NOT NULL
                ),
                ''
            )
            || coalesce(
                '; left out are the columns '
                || (
                    SELECT string_agg(o.name, ', ' ORDER BY o.name)
                    FROM (
                        SELECT '"' || unnest(h.others) || '" of "' || h.file_name || '"' AS name
                        FROM temp.load_headers AS h
                        JOIN temp.load_queue AS q ON q.file_name = h.file_name AND q.is_next
                    ) AS o
                ),
                ''
            )
        }
    FROM temp.load_queue AS q
    LEFT JOIN raw.loaded_files AS f ON f.file_name = q.file_name AND q.is_next
    LEFT JOIN (
        SELECT
            r.file_name,
            arg_min(r.error_message, coalesce(r.line, 0)) AS reason
        FROM raw.rejected_lines AS r
        GROUP BY r.file_name
    ) AS r
        ON r.file_name = f.file_name
);

SET VARIABLE run_counts = (
    SELECT
        {
            'rows_in': s.rows_loaded + s.lines_rejected,
            'rows': s.rows_loaded,
            'rows_replaced': getvariable('load_replaced_rows'),
            'rows_rejected': s.lines_rejected,
            'message': s.files_loaded || ' new of ' || s.files_found || ' files, ' || s.rows_loaded
            || ' rows, ' || s.lines_rejected || ' lines rejected, '
            || getvariable('load_replaced_rows') || ' rows replaced; ' || s.message
        }
    FROM (SELECT unnest(getvariable('load_summary'))) AS s
);

DELETE FROM raw.pipeline_runs AS r
WHERE
    r.run_id = getvariable('current_run')
    AND r.step = '00_raw'
    AND r.started_at = getvariable('run_started')
    AND r.status = 'started';

-- now() stands still in a transaction, the clock of a new UUID does not.
INSERT INTO raw.pipeline_runs
SELECT
    getvariable('current_run') AS run_id,
    '00_raw' AS step,
    getvariable('run_started') AS started_at,
    t.finished_at,
    getvariable('run_counts').rows AS rows,
    'done' AS status,
    getvariable('run_counts').rows_in AS rows_in,
    getvariable('run_counts').rows_replaced AS rows_replaced,
    getvariable('run_counts').rows_rejected AS rows_rejected,
    date_diff('microsecond', getvariable('run_started'), t.finished_at) / 1e6 AS seconds,
    getvariable('run_counts').message AS message,
    (
        SELECT map_from_entries(list({'name': v.name, 'value': v.value::VARCHAR} ORDER BY v.name))
        FROM duckdb_variables() AS v
        WHERE
            v.name IN (
                'data',
                'source',
                'columns',
                'bad_files',
                'deleted_files',
                'max_files',
                'run_id'
            )
    ) AS parameters,
    i.version AS amazing_version,
    version() AS duckdb_version
FROM amazing_info() AS i
CROSS JOIN (
    SELECT make_timestamp(epoch_us(uuid_extract_timestamp(uuidv7()))) AS finished_at
) AS t;

DROP TABLE temp.load_found;

DROP TABLE temp.load_files;

DROP TABLE temp.load_file_columns;

DROP TABLE temp.load_file_lines;

DROP TABLE temp.load_source_columns;

DROP TABLE temp.load_sources;

DROP TABLE temp.load_source_lines;

DROP TABLE temp.load_rows_all_events;

DROP TABLE temp.load_lines;

DROP TABLE temp.load_places;

DROP TABLE temp.load_bytes;

DROP TABLE temp.load_contents;

DROP TABLE temp.load_known;

DROP TABLE temp.load_new;

DROP TABLE temp.load_columns;

DROP TABLE temp.load_layouts;

DROP TABLE temp.load_headers;

DROP TABLE temp.load_synonyms;

DROP TABLE temp.load_line_ends;

DROP TABLE temp.load_problems;

DROP TABLE temp.load_queue;

DROP TABLE temp.load_replaced;

DROP TABLE temp.load_gone;

DROP TABLE temp.load_texts;

DROP TABLE temp.load_counts;

DROP TABLE temp.load_rejected;

DROP TABLE temp.load_again;

DROP TABLE temp.load_unreadable;

COMMIT;

SELECT unnest(getvariable('load_summary'));

-- Step 10_clean of the pipeline `marketplace`: text becomes typed events, and nothing disappears on
-- the way.
--
-- clean.events           one row: an event
-- clean.rejected_events  one row: a row of raw.all_events that is not an event, as it was, with the
--                        reason
-- clean.corrections      one row: a value that was changed in clean.events, with the number of its
--                        events
-- clean.unmatched_values one row: a type of event, or a category code or brand where those that
--                        there are were given, that nobody knows the meaning of, with the number of
--                        its raw rows and the entry that is nearest
-- config.category_map    one row: a value of these, and what it is to be taken for: yours to fill;
--                        the next run reads it so, or as nothing where that is NULL
-- clean.cleaned_files    one row: a file whose rows are in these tables
--
-- Parameters (session variables):
--   min_time        events before it are none (2000-01-01)
--   max_time        events after it are none; a day counts to its end (the day after the one on
--                   which the file was loaded)
--   event_types     other names for the types of events, as a map from ours (view, cart,
--                   remove_from_cart, purchase) to theirs: MAP {'cart': ['addtocart']}
--   brands          the brands there are, as a list or, with other names for them, as a map
--                   (whatever the files hold)
--   category_codes  the category codes there are, likewise
--   rebuild         true makes the tables anew from all of raw.all_events (false)
--
-- The rows of files that are new are added, at the cost of these rows. The tables are made anew
-- where a file that is in them has changed or is gone, where another version of the extension made
-- them, and where a parameter has changed. In each case they hold the same rows: the rules below
-- are about a row, a file, or all rows of raw.all_events in whatever order they came.
--
-- Raw rows = events + rejected rows; the script checks it. Rules, with blanks around a value left
-- out of account:
--   event_time    as exact_timestamp takes it, in UTC: `2019-10-01 00:00:00 UTC`, with `T`, a
--                 fraction, `Z`, an offset
--   event_type    repaired by category_match
--   identifiers   digits only: a cast would take `1.5` and `2.1E+18` and make other numbers of them
--   category_id   may be absent; a mangled one becomes NULL and a correction
--   category_code, brand
--                 in small letters, with single blanks; what is not among the brands and
--                 category_codes that are given is repaired by category_match, or stays where that
--                 finds none
--   price         at most two decimals that count, at most 16 digits before the point, not negative
--   user_session  any text; a UUID in small letters. In a file where nine of ten rows have a UUID,
--                 the beginning of one is a line that was cut inside its last field
-- Of rows that are equal in all columns of clean.events, however they were written, one stays: in
-- the file that is first by name, there the first by its text. The others are duplicates.
--
-- Generated from clean/*.sql and ../steps/*.sql (make docs).

SET VARIABLE current_run = coalesce(
    getvariable('run_id')::VARCHAR,
    getvariable('current_run'),
    uuid()::VARCHAR
);

SET VARIABLE run_started = make_timestamp(epoch_us(uuid_extract_timestamp(uuidv7())));

INSERT INTO raw.pipeline_runs (run_id, step, started_at, finished_at, rows, status)
SELECT
    getvariable('current_run'),
    '10_clean',
    getvariable('run_started'),
    getvariable('run_started'),
    0,
    'started';

BEGIN TRANSACTION;

-- The tables, and whether they are made anew.

CREATE SCHEMA IF NOT EXISTS clean;

-- What a value is to be taken for: yours to fill, the pipeline only reads it. A replacement that is
-- NULL says that the value means nothing.
CREATE SCHEMA IF NOT EXISTS config;

CREATE TABLE IF NOT EXISTS config.category_map (
    column_name VARCHAR NOT NULL,
    value VARCHAR NOT NULL,
    replacement VARCHAR,
    PRIMARY KEY (column_name, value)
);

CREATE TABLE IF NOT EXISTS clean.events (
    event_time TIMESTAMP,
    event_type VARCHAR,
    product_id BIGINT,
    category_id VARCHAR,
    category_code VARCHAR,
    category_1 VARCHAR,
    category_2 VARCHAR,
    category_3 VARCHAR,
    brand VARCHAR,
    price DECIMAL(18, 2),
    user_id BIGINT,
    user_session VARCHAR
);

CREATE TABLE IF NOT EXISTS clean.rejected_events (
    event_time VARCHAR,
    event_type VARCHAR,
    product_id VARCHAR,
    category_id VARCHAR,
    category_code VARCHAR,
    brand VARCHAR,
    price VARCHAR,
    user_id VARCHAR,
    user_session VARCHAR,
    file_name VARCHAR,
    reason VARCHAR
);

CREATE TABLE IF NOT EXISTS clean.corrections (
    table_name VARCHAR,
    column_name VARCHAR,
    raw_value VARCHAR,
    clean_value VARCHAR,
    rule VARCHAR,
    row_count BIGINT
);

CREATE TABLE IF NOT EXISTS clean.unmatched_values (
    column_name VARCHAR,
    value VARCHAR,
    row_count BIGINT,
    nearest VARCHAR,
    similarity DOUBLE
);

-- The key stops a second run at the same time from adding the same file.
CREATE TABLE IF NOT EXISTS clean.cleaned_files (
    file_name VARCHAR PRIMARY KEY,
    fingerprint UHUGEINT NOT NULL,
    has_uuids BOOLEAN NOT NULL,
    amazing_version VARCHAR NOT NULL,
    parameters VARCHAR NOT NULL
);

-- What decides, beside the rows, what the tables hold.
SET VARIABLE clean_parameters = concat_ws(
    '; ',
    'min_time ' || getvariable('min_time')::VARCHAR,
    'max_time ' || getvariable('max_time')::VARCHAR,
    'event_types ' || getvariable('event_types')::VARCHAR,
    'brands ' || getvariable('brands')::VARCHAR,
    'category_codes ' || getvariable('category_codes')::VARCHAR,
    'category_map ' || (
        SELECT bit_xor(hash(m.column_name, m.value, m.replacement))
        FROM config.category_map AS m
    )
);

SET VARIABLE clean_check = (
    SELECT
        CASE
            WHEN count(*) < 3
                THEN error(
                    '10_clean: the tables of clean were made by an older version of these scripts;'
                    || ' to make them anew: DROP SCHEMA clean CASCADE'
                )
        END
    FROM (
        SELECT d.*
        FROM (DESCRIBE clean.events) AS d
        UNION ALL
        SELECT d.*
        FROM (DESCRIBE clean.cleaned_files) AS d
    ) AS c
    WHERE
        (c.column_name = 'price' AND c.column_type = 'DECIMAL(18,2)')
        OR (c.column_name = 'user_session' AND c.column_type = 'VARCHAR')
        OR c.column_name = 'parameters'
);

SET VARIABLE clean_rebuild = (
    SELECT
        coalesce(getvariable('rebuild')::BOOLEAN, false)
        OR count(*) = 0
        OR bool_or(
            f.file_name IS NULL
            OR c.amazing_version <> i.version
            OR c.parameters <> getvariable('clean_parameters')
        )
    FROM clean.cleaned_files AS c
    CROSS JOIN amazing_info() AS i
    LEFT JOIN raw.loaded_files AS f ON f.file_name = c.file_name AND f.fingerprint = c.fingerprint
);

SET VARIABLE replaced_rows = (
    SELECT count(*)
    FROM clean.events
    WHERE getvariable('clean_rebuild')
);

DELETE FROM clean.events
WHERE getvariable('clean_rebuild');

DELETE FROM clean.rejected_events
WHERE getvariable('clean_rebuild');

DELETE FROM clean.corrections
WHERE getvariable('clean_rebuild');

DELETE FROM clean.unmatched_values
WHERE getvariable('clean_rebuild');

DELETE FROM clean.cleaned_files
WHERE getvariable('clean_rebuild');

-- The rows to clean: those of new files, and of known ones those that can be equal to them.

-- The files, with the times that an event in them can have.
CREATE OR REPLACE TEMP TABLE clean_files AS
SELECT
    f.file_name,
    f.fingerprint,
    f.rows_loaded,
    c.file_name IS NULL AS is_new,
    c.has_uuids,
    coalesce(getvariable('min_time')::TIMESTAMP, TIMESTAMP '2000-01-01') AS min_time,
    coalesce(getvariable('max_time')::TIMESTAMP, f.loaded_at::DATE + INTERVAL 1 DAY) AS last_time,
    if(
        last_time = last_time::DATE, last_time + INTERVAL 1 DAY - INTERVAL 1 MICROSECOND, last_time
    ) AS max_time
FROM raw.loaded_files AS f
LEFT JOIN clean.cleaned_files AS c ON c.file_name = f.file_name;

CREATE OR REPLACE TEMP VIEW clean_new_rows AS
SELECT
    e.rowid AS raw_row,
    e.*
FROM raw.all_events AS e
WHERE e.file_name IN (SELECT f.file_name FROM temp.clean_files AS f WHERE f.is_new);

-- The days between which the times of new rows are, one more at each end because of the offset from
-- UTC, and whether a text begins with a blank; without rows where no file is known.
CREATE OR REPLACE TEMP TABLE clean_new_days AS
SELECT
    strftime(min(t.moment)::DATE - 1, '%Y-%m-%d') AS first_day,
    strftime(max(t.moment)::DATE + 2, '%Y-%m-%d') AS day_behind,
    (SELECT count(*) FROM raw.all_events AS e WHERE e.event_time BETWEEN ' ' AND '!') > 0
        AS has_blanks
FROM (
    SELECT coalesce(exact_timestamp(r.event_time), exact_timestamp(trim(r.event_time))) AS moment
    FROM temp.clean_new_rows AS r
    JOIN (
        SELECT n.*
        FROM temp.clean_files AS n
        CROSS JOIN (SELECT count(*) AS known FROM temp.clean_files AS k WHERE NOT k.is_new) AS f
        WHERE f.known > 0
    ) AS f ON f.file_name = r.file_name
    WHERE moment BETWEEN f.min_time AND f.max_time
) AS t;

-- A variable, so that a scan knows before it begins which rows it can leave out.
SET VARIABLE clean_new_days = (
    SELECT {'first_day': d.first_day, 'day_behind': d.day_behind, 'has_blanks': d.has_blanks}
    FROM temp.clean_new_days AS d
);

-- Rows of known files that can be equal to a new one: those whose text begins with a day between
-- theirs, which in the order of months leaves old files unread. Where texts begin with blanks, all.
CREATE OR REPLACE TEMP VIEW clean_known_rows AS
SELECT
    e.rowid AS raw_row,
    e.*
FROM raw.all_events AS e
WHERE
    e.file_name IN (SELECT f.file_name FROM temp.clean_files AS f WHERE NOT f.is_new)
    AND (
        getvariable('clean_new_days').has_blanks
        OR (
            e.event_time >= getvariable('clean_new_days').first_day
            AND e.event_time < getvariable('clean_new_days').day_behind
        )
    );

CREATE OR REPLACE TEMP VIEW clean_rows AS
SELECT
    true AS is_new,
    n.*
FROM temp.clean_new_rows AS n
UNION ALL
SELECT
    false AS is_new,
    k.*
FROM temp.clean_known_rows AS k;

-- Files whose sessions are UUIDs, all but one of ten at most.
CREATE OR REPLACE TEMP TABLE clean_uuid_files AS
SELECT f.file_name
FROM temp.clean_files AS f
LEFT JOIN (
    SELECT
        r.file_name,
        count(*) AS row_count
    FROM temp.clean_new_rows AS r
    WHERE coalesce(exact_uuid(r.user_session), exact_uuid(trim(r.user_session))) IS NULL
    GROUP BY r.file_name
) AS o ON o.file_name = f.file_name
WHERE if(f.is_new, coalesce(o.row_count, 0) * 10 <= f.rows_loaded, f.has_uuids);

SET VARIABLE clean_uuid_files = (
    SELECT list(u.file_name)
    FROM temp.clean_uuid_files AS u
);

-- What becomes of texts that may be misspelt.

-- The types of events, with the names that the parameter event_types gives them.
SET VARIABLE clean_event_types = (
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
                        TRY_CAST(getvariable('event_types')::VARCHAR AS MAP (VARCHAR, VARCHAR))
                            AS given
                ) AS v
            ) AS m
        ) AS g ON g.name = n.name
        GROUP BY n.name
    ) AS t
);

SET VARIABLE clean_check = (
    SELECT
        CASE
            WHEN
                getvariable('event_types') IS NOT NULL
                AND typeof(getvariable('event_types')) NOT LIKE 'MAP%'
                THEN error(
                    $$10_clean: event_types must be a map as MAP {'purchase': ['order']}, not $$
                    || getvariable('event_types')::VARCHAR
                )
            WHEN count(*) > 0
                THEN error(
                    '10_clean: event_types names '
                    || string_agg('"' || g.name || '"', ', ' ORDER BY g.name)
                    || ', the types are ' || array_to_string(['view', 'cart', 'remove_from_cart', 'purchase'], ', ')
                )
        END
    FROM (
        SELECT
            lower(
                trim(
                    unnest(
                        map_keys(
                            TRY_CAST(getvariable('event_types')::VARCHAR AS MAP (VARCHAR, VARCHAR))
                        )
                    )
                )
            ) AS name
    ) AS g
    WHERE NOT list_contains(['view', 'cart', 'remove_from_cart', 'purchase'], g.name)
);

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

-- Rows that are equal to others.

-- Only rows whose hash occurs twice are compared in full; it is of three columns, because these
-- tell nearly all rows apart and the others need not be read.
CREATE OR REPLACE TEMP VIEW clean_hashed_rows AS
SELECT
    t.raw_row,
    if(
        t.typed_time IS NULL, NULL, (hash(t.typed_time, t.typed_product, t.typed_user) >> 1)::BIGINT
    ) AS row_hash
FROM (
    SELECT
        r.raw_row,
        coalesce(exact_timestamp(r.event_time), exact_timestamp(trim(r.event_time))) AS typed_time,
        coalesce(exact_bigint(r.product_id), exact_bigint(trim(r.product_id))) AS typed_product,
        coalesce(exact_bigint(r.user_id), exact_bigint(trim(r.user_id))) AS typed_user
    FROM temp.clean_rows AS r
) AS t;

CREATE OR REPLACE TEMP TABLE clean_repeated_rows AS
SELECT h.raw_row
FROM temp.clean_hashed_rows AS h
WHERE
    h.row_hash IN (
        SELECT unnest(repeated_values(r.row_hash)) AS row_hash
        FROM temp.clean_hashed_rows AS r
    );

CREATE OR REPLACE TEMP VIEW clean_repeats AS
SELECT
    f.is_new,
    e.rowid AS raw_row,
    e.*
FROM raw.all_events AS e
JOIN temp.clean_files AS f ON f.file_name = e.file_name
WHERE e.rowid IN (SELECT r.raw_row FROM temp.clean_repeated_rows AS r);

-- Rows with their typed values.

-- Each row of clean_new_rows with its typed values and, unless it is an event or a duplicate of one,
-- the reason why not. Casts would take more than is an event. Most values have no blanks around
-- them: those of the others are taken off in a second try.
CREATE OR REPLACE TEMP VIEW clean_typed_new_rows AS
SELECT
    e.*,
    CASE
        WHEN e.typed_time IS NULL THEN 'bad time'
        WHEN e.typed_time NOT BETWEEN e.min_time AND e.max_time THEN 'implausible time'
        WHEN e.typed_type IS NULL THEN 'unknown event_type'
        WHEN e.typed_product IS NULL AND coalesce(trim(e.product_id), '') = '' THEN 'no product'
        WHEN e.typed_product IS NULL THEN 'bad product'
        WHEN e.typed_price IS NULL THEN 'bad price'
        WHEN e.typed_price < 0 THEN 'negative price'
        WHEN e.typed_user IS NULL AND coalesce(trim(e.user_id), '') = '' THEN 'no user'
        WHEN e.typed_user IS NULL THEN 'bad user'
        WHEN e.typed_session IS NULL AND coalesce(trim(e.user_session), '') = '' THEN 'no session'
        WHEN e.typed_session IS NULL THEN 'bad session'
    END AS reason
FROM (
    SELECT
        r.*,
        f.min_time,
        f.max_time,
        coalesce(exact_timestamp(r.event_time), exact_timestamp(trim(r.event_time))) AS typed_time,
        coalesce(exact_bigint(r.product_id), exact_bigint(trim(r.product_id))) AS typed_product,
        coalesce(exact_bigint(r.user_id), exact_bigint(trim(r.user_id))) AS typed_user,
        t.clean_value AS typed_type,
        if(ltrim(trim(r.category_id), '0123456789') = '', nullif(trim(r.category_id), ''), NULL)
            AS typed_category,
        if(
            getvariable('clean_respells') AND c.raw_value IS NOT NULL,
            c.clean_value,
            nullif(r.category_code, '')
        ) AS typed_code,
        if(
            getvariable('clean_respells') AND b.raw_value IS NOT NULL,
            b.clean_value,
            nullif(r.brand, '')
        ) AS typed_brand,
        coalesce(exact_decimal(r.price), exact_decimal(trim(r.price))) AS typed_price,
        CASE
            WHEN exact_uuid(r.user_session) IS NOT NULL THEN lower(r.user_session)
            WHEN exact_uuid(trim(r.user_session)) IS NOT NULL THEN lower(trim(r.user_session))
            WHEN
                list_contains(getvariable('clean_uuid_files'), r.file_name)
                AND exact_uuid(
                    trim(r.user_session)
                    || substr(
                        '00000000-0000-0000-0000-000000000000',
                        strlen(trim(r.user_session))::INTEGER + 1
                    )
                ) IS NOT NULL
                THEN NULL
            ELSE nullif(trim(r.user_session), '')
        END AS typed_session
    FROM temp.clean_new_rows AS r
    JOIN temp.clean_files AS f ON f.file_name = r.file_name
    LEFT JOIN temp.clean_spellings AS t
        ON t.column_name = 'event_type' AND t.raw_value = r.event_type
    LEFT JOIN temp.clean_spellings AS c
        ON c.column_name = 'category_code' AND c.raw_value = r.category_code
    LEFT JOIN temp.clean_spellings AS b ON b.column_name = 'brand' AND b.raw_value = r.brand
) AS e;

-- Each row of clean_repeats with its typed values and, unless it is an event or a duplicate of one,
-- the reason why not. Casts would take more than is an event. Most values have no blanks around
-- them: those of the others are taken off in a second try.
CREATE OR REPLACE TEMP VIEW clean_typed_repeats AS
SELECT
    e.*,
    CASE
        WHEN e.typed_time IS NULL THEN 'bad time'
        WHEN e.typed_time NOT BETWEEN e.min_time AND e.max_time THEN 'implausible time'
        WHEN e.typed_type IS NULL THEN 'unknown event_type'
        WHEN e.typed_product IS NULL AND coalesce(trim(e.product_id), '') = '' THEN 'no product'
        WHEN e.typed_product IS NULL THEN 'bad product'
        WHEN e.typed_price IS NULL THEN 'bad price'
        WHEN e.typed_price < 0 THEN 'negative price'
        WHEN e.typed_user IS NULL AND coalesce(trim(e.user_id), '') = '' THEN 'no user'
        WHEN e.typed_user IS NULL THEN 'bad user'
        WHEN e.typed_session IS NULL AND coalesce(trim(e.user_session), '') = '' THEN 'no session'
        WHEN e.typed_session IS NULL THEN 'bad session'
    END AS reason
FROM (
    SELECT
        r.*,
        f.min_time,
        f.max_time,
        coalesce(exact_timestamp(r.event_time), exact_timestamp(trim(r.event_time))) AS typed_time,
        coalesce(exact_bigint(r.product_id), exact_bigint(trim(r.product_id))) AS typed_product,
        coalesce(exact_bigint(r.user_id), exact_bigint(trim(r.user_id))) AS typed_user,
        t.clean_value AS typed_type,
        if(ltrim(trim(r.category_id), '0123456789') = '', nullif(trim(r.category_id), ''), NULL)
            AS typed_category,
        if(
            getvariable('clean_respells') AND c.raw_value IS NOT NULL,
            c.clean_value,
            nullif(r.category_code, '')
        ) AS typed_code,
        if(
            getvariable('clean_respells') AND b.raw_value IS NOT NULL,
            b.clean_value,
            nullif(r.brand, '')
        ) AS typed_brand,
        coalesce(exact_decimal(r.price), exact_decimal(trim(r.price))) AS typed_price,
        CASE
            WHEN exact_uuid(r.user_session) IS NOT NULL THEN lower(r.user_session)
            WHEN exact_uuid(trim(r.user_session)) IS NOT NULL THEN lower(trim(r.user_session))
            WHEN
                list_contains(getvariable('clean_uuid_files'), r.file_name)
                AND exact_uuid(
                    trim(r.user_session)
                    || substr(
                        '00000000-0000-0000-0000-000000000000',
                        strlen(trim(r.user_session))::INTEGER + 1
                    )
                ) IS NOT NULL
                THEN NULL
            ELSE nullif(trim(r.user_session), '')
        END AS typed_session
    FROM temp.clean_repeats AS r
    JOIN temp.clean_files AS f ON f.file_name = r.file_name
    LEFT JOIN temp.clean_spellings AS t
        ON t.column_name = 'event_type' AND t.raw_value = r.event_type
    LEFT JOIN temp.clean_spellings AS c
        ON c.column_name = 'category_code' AND c.raw_value = r.category_code
    LEFT JOIN temp.clean_spellings AS b ON b.column_name = 'brand' AND b.raw_value = r.brand
) AS e;

-- Which of equal rows stays.

-- Rows that do not become events because others are equal. A new row may be the one to stay where
-- an equal one is an event already: then the event is left, and the row that it came of is
-- rejected.
CREATE OR REPLACE TEMP TABLE clean_duplicates AS
WITH copies AS (
    SELECT
        r.raw_row,
        r.is_new,
        row_number() OVER (equal_rows ORDER BY r.file_name, r.texts, r.raw_row) AS copy_number,
        row_number() OVER (
            equal_rows
            ORDER BY r.is_new, r.file_name, r.texts, r.raw_row
        ) AS known_number,
        bool_or(NOT r.is_new) OVER equal_rows AS is_known
    FROM (
        SELECT
            t.*,
            [
                t.event_time,
                t.event_type,
                t.product_id,
                t.category_id,
                t.category_code,
                t.brand,
                t.price,
                t.user_id,
                t.user_session
            ] AS texts
        FROM temp.clean_typed_repeats AS t
        WHERE t.reason IS NULL
    ) AS r
    WINDOW
        equal_rows AS (
            PARTITION BY
                r.typed_time,
                r.typed_type,
                r.typed_product,
                r.typed_category,
                r.typed_code,
                r.typed_brand,
                r.typed_price,
                r.typed_user,
                r.typed_session
        )
)

SELECT
    c.raw_row,
    c.is_new,
    c.copy_number > 1 AS is_rejected
FROM copies AS c
WHERE if(c.is_new, c.copy_number > 1 OR c.is_known, c.known_number = 1 AND c.copy_number > 1);

-- The rows that are events, and those that are not.

SET VARIABLE clean_before = (
    SELECT count(*)
    FROM clean.events
);

-- As in 00_raw: what is written here is as small with a dictionary as with FSST, which is not
-- tried.
SET VARIABLE clean_no_compression = current_setting('disabled_compression_methods');

SET disabled_compression_methods = concat_ws(
    ',',
    nullif(getvariable('clean_no_compression'), ''),
    'fsst'
);

-- A join, because a filter on the reason would make each typed value twice: for the filter and for
-- the result.
INSERT INTO clean.events
SELECT
    r.typed_time AS event_time,
    r.typed_type AS event_type,
    r.typed_product AS product_id,
    r.typed_category AS category_id,
    r.typed_code AS category_code,
    nullif(string_split(r.typed_code, '.')[1], '') AS category_1,
    nullif(string_split(r.typed_code, '.')[2], '') AS category_2,
    nullif(string_split(r.typed_code, '.')[3], '') AS category_3,
    r.typed_brand AS brand,
    r.typed_price AS price,
    r.typed_user AS user_id,
    r.typed_session AS user_session
FROM temp.clean_typed_new_rows AS r
LEFT JOIN temp.clean_duplicates AS d ON d.raw_row = r.raw_row
JOIN (SELECT true AS is_event) AS x ON x.is_event = (r.reason IS NULL AND d.raw_row IS NULL);

SET disabled_compression_methods = getvariable('clean_no_compression');

-- Rows that are no events: few, as a rule, and often none but duplicates. Then the counts show it,
-- and the others need no second look.
SET VARIABLE clean_has_defects = (
    SELECT n.rows - d.rows <> e.rows - getvariable('clean_before')
    FROM (SELECT count(*) AS rows FROM temp.clean_new_rows) AS n
    CROSS JOIN (SELECT count(*) AS rows FROM temp.clean_duplicates AS d WHERE d.is_new) AS d
    CROSS JOIN (SELECT count(*) AS rows FROM clean.events) AS e
);

CREATE OR REPLACE TEMP TABLE clean_rejected AS
SELECT
    d.raw_row,
    'duplicate' AS reason
FROM temp.clean_duplicates AS d
WHERE d.is_rejected
UNION ALL
SELECT
    r.raw_row,
    r.reason
FROM temp.clean_typed_new_rows AS r
WHERE getvariable('clean_has_defects') AND r.reason IS NOT NULL;

CREATE OR REPLACE TEMP TABLE clean_rejected_rows AS
SELECT
    e.*,
    x.reason
FROM raw.all_events AS e
JOIN temp.clean_rejected AS x ON x.raw_row = e.rowid;

INSERT INTO clean.rejected_events
SELECT *
FROM temp.clean_rejected_rows;

-- clean.corrections and the files that are in the tables; then nothing is lost.

-- Corrections are of events: of all new rows, less those that were rejected now.
CREATE OR REPLACE TEMP TABLE clean_all_corrections AS
WITH rejected_values AS (
    SELECT
        unnest(
            [
                {'column_name': 'event_type', 'raw_value': r.event_type},
                {'column_name': 'category_id', 'raw_value': r.category_id},
                {'column_name': 'category_code', 'raw_value': r.category_code},
                {'column_name': 'brand', 'raw_value': r.brand}
            ],
            recursive := true
        )
    FROM temp.clean_rejected_rows AS r
),

rejected_counts AS (
    SELECT
        v.column_name,
        v.raw_value,
        count(*) AS row_count
    FROM rejected_values AS v
    GROUP BY
        v.column_name,
        v.raw_value
)

SELECT
    c.table_name,
    c.column_name,
    c.raw_value,
    c.clean_value,
    c.rule,
    sum(c.row_count)::BIGINT AS row_count
FROM (
    SELECT *
    FROM clean.corrections
    UNION ALL
    SELECT
        'events' AS table_name,
        s.column_name,
        s.raw_value,
        s.clean_value,
        s.rule,
        s.row_count - coalesce(r.row_count, 0) AS row_count
    FROM temp.clean_spellings AS s
    LEFT JOIN rejected_counts AS r ON r.column_name = s.column_name AND r.raw_value = s.raw_value
    WHERE s.raw_value IS NOT NULL AND s.clean_value IS DISTINCT FROM s.raw_value
) AS c
GROUP BY ALL
HAVING sum(c.row_count) > 0;

CREATE OR REPLACE TABLE clean.corrections AS
SELECT *
FROM temp.clean_all_corrections
ORDER BY ALL;

INSERT INTO clean.cleaned_files
SELECT
    f.file_name,
    f.fingerprint,
    coalesce(list_contains(getvariable('clean_uuid_files'), f.file_name), false),
    i.version,
    getvariable('clean_parameters')
FROM temp.clean_files AS f
CROSS JOIN amazing_info() AS i
WHERE f.is_new;

SET VARIABLE clean_check = (
    SELECT
        if(
            counts.raw_rows <> counts.events + counts.rejected,
            error(
                '10_clean: '
                || counts.raw_rows
                || ' raw rows are not '
                || counts.events
                || ' events + '
                || counts.rejected
                || ' rejected rows; to make the tables of clean anew: SET VARIABLE rebuild = true'
            ),
            NULL
        )
    FROM (
        SELECT
            (SELECT count(*) FROM raw.all_events) AS raw_rows,
            (SELECT count(*) FROM clean.events) AS events,
            (SELECT count(*) FROM clean.rejected_events) AS rejected
    ) AS counts
);

SET VARIABLE run_counts = (
    SELECT
        {
            'rows_in': n.rows_in,
            'rows': e.rows,
            'rows_replaced': getvariable('replaced_rows'),
            'rows_rejected': r.rows_rejected,
            'message': n.rows_in || ' rows of ' || n.files || ' new files, ' || r.rows_rejected
            || ' rows rejected, ' || getvariable('replaced_rows') || ' events replaced; ' || e.rows
            || ' events in all'
        }
    FROM (
        SELECT
            count(*) AS files,
            coalesce(sum(f.rows_loaded), 0)::BIGINT AS rows_in
        FROM temp.clean_files AS f
        WHERE f.is_new
    ) AS n
    CROSS JOIN (SELECT count(*) AS rows FROM clean.events) AS e
    CROSS JOIN (SELECT count(*) AS rows_rejected FROM temp.clean_rejected) AS r
);

DELETE FROM raw.pipeline_runs AS r
WHERE
    r.run_id = getvariable('current_run')
    AND r.step = '10_clean'
    AND r.started_at = getvariable('run_started')
    AND r.status = 'started';

-- now() stands still in a transaction, the clock of a new UUID does not.
INSERT INTO raw.pipeline_runs
SELECT
    getvariable('current_run') AS run_id,
    '10_clean' AS step,
    getvariable('run_started') AS started_at,
    t.finished_at,
    getvariable('run_counts').rows AS rows,
    'done' AS status,
    getvariable('run_counts').rows_in AS rows_in,
    getvariable('run_counts').rows_replaced AS rows_replaced,
    getvariable('run_counts').rows_rejected AS rows_rejected,
    date_diff('microsecond', getvariable('run_started'), t.finished_at) / 1e6 AS seconds,
    getvariable('run_counts').message AS message,
    (
        SELECT map_from_entries(list({'name': v.name, 'value': v.value::VARCHAR} ORDER BY v.name))
        FROM duckdb_variables() AS v
        WHERE
            v.name IN (
                'min_time',
                'max_time',
                'event_types',
                'brands',
                'category_codes',
                'rebuild'
            )
    ) AS parameters,
    i.version AS amazing_version,
    version() AS duckdb_version
FROM amazing_info() AS i
CROSS JOIN (
    SELECT make_timestamp(epoch_us(uuid_extract_timestamp(uuidv7()))) AS finished_at
) AS t;

DROP TABLE temp.clean_all_corrections;

DROP TABLE temp.clean_rejected_rows;

DROP TABLE temp.clean_rejected;

DROP TABLE temp.clean_duplicates;

DROP VIEW temp.clean_typed_repeats;

DROP VIEW temp.clean_typed_new_rows;

DROP VIEW temp.clean_repeats;

DROP TABLE temp.clean_repeated_rows;

DROP VIEW temp.clean_hashed_rows;

DROP TABLE temp.clean_all_unmatched;

DROP TABLE temp.clean_spellings;

DROP TABLE temp.clean_values;

DROP TABLE temp.clean_uuid_files;

DROP VIEW temp.clean_rows;

DROP VIEW temp.clean_known_rows;

DROP TABLE temp.clean_new_days;

DROP VIEW temp.clean_new_rows;

DROP TABLE temp.clean_files;

COMMIT;

SELECT
    'events' AS outcome,
    count(*) AS row_count
FROM clean.events
HAVING count(*) > 0
UNION ALL
SELECT
    r.reason,
    count(*)
FROM clean.rejected_events AS r
GROUP BY r.reason
ORDER BY
    row_count DESC,
    outcome;

-- Step 20_kpi of the pipeline `marketplace`: what users do, what each day and month brought, and
-- what sells.
--
-- kpi.user_features  one row: a user
-- kpi.daily          one row: a day with events (UTC)
-- kpi.monthly        one row: a month with events (UTC)
-- kpi.category       one row: a category_code with events, and NULL for events without one
-- kpi.brand          one row: a brand with events, and NULL for events without one
-- kpi.funnel         one row: a month with events and a step: 1 view, 2 cart, 3 purchase
-- kpi.cohorts        one row: a month that brought new users, and a number of months since, up to
--                    the last with events
--
-- Parameter (session variable):
--   as_of  the last day that counts (the day of the last event): no figure knows of an event after
--          it
--
-- views, carts and purchases count events, buyers are users with a purchase, revenue is the sum of
--   prices of purchases.
-- conversion_rate = purchases / views, NULL without views; above 1 where more was bought than
--   looked at. session_conversion_rate = sessions with a purchase / sessions, user_conversion_rate
--   = buyers / users.
-- A month is complete when as_of is its last day or later. One that is not has no changes: it has
--   not ended.
-- Of a category or brand, `share` is its part of all revenue, 0 where there is none. `rank` is by
--   revenue and leaves gaps after ties (1, 2, 2, 4); events without a category or brand are
--   nobody's success: their rank is NULL.
-- In the funnel, a user or session reaches a step in a month with an event of the step's type or of
--   a later step's in this month, in whatever order: who buys has seen the product and put it in a
--   cart, also where the site did not record it. So no step has more than the one before.
--   `remove_from_cart` is no step. A session across two months is in both. next_user_rate and
--   next_session_rate: those of the next step / those of this one, 0 without any, NULL at the last.
-- A cohort is the users whose first event is in first_month. months_since counts calendar months, 0
--   is the first month itself. active_users have an event in that month, retention = active_users /
--   users, revenue is what they spent in it. Months without an active user are there, with zeros:
--   each cohort has all months up to the last of kpi.monthly.
--
-- Money is summed as DECIMAL and a mean is one division of exact sums, so that no figure depends on
-- the order of rows.
--
-- Generated from kpi/*.sql and ../steps/*.sql (make docs).

SET VARIABLE current_run = coalesce(
    getvariable('run_id')::VARCHAR,
    getvariable('current_run'),
    uuid()::VARCHAR
);

SET VARIABLE run_started = make_timestamp(epoch_us(uuid_extract_timestamp(uuidv7())));

INSERT INTO raw.pipeline_runs (run_id, step, started_at, finished_at, rows, status)
SELECT
    getvariable('current_run'),
    '20_kpi',
    getvariable('run_started'),
    getvariable('run_started'),
    0,
    'started';

BEGIN TRANSACTION;

-- What the tables of kpi are made of: visits of a day, months of a user, users.

CREATE SCHEMA IF NOT EXISTS kpi;

-- How many rows the run before has left, which this one replaces.
SET VARIABLE replaced_rows = (
    SELECT coalesce(sum(t.estimated_size), 0)::BIGINT
    FROM duckdb_tables() AS t
    WHERE
        t.database_name = current_database()
        AND t.schema_name || '.' || t.table_name = 'kpi.user_features'
);

CREATE OR REPLACE TEMP TABLE kpi_time AS
SELECT
    d.as_of,
    (d.as_of + INTERVAL 1 DAY)::TIMESTAMP AS end_time
FROM (
    SELECT coalesce(getvariable('as_of')::DATE, max(e.event_time)::DATE) AS as_of
    FROM clean.events AS e
) AS d;

-- Users, days, months, funnel and cohorts are sums over the visits of a day: far fewer than events,
-- and still with users and sessions to count. Only categories and brands need the events again.
CREATE OR REPLACE TEMP TABLE kpi_visits AS
SELECT
    e.event_time::DATE AS day,
    e.user_id,
    e.user_session,
    min(e.event_time) AS first_event_time,
    max(e.event_time) AS last_event_time,
    count(*) AS events,
    count(*) FILTER (e.event_type = 'view') AS views,
    count(*) FILTER (e.event_type = 'cart') AS carts,
    count(*) FILTER (e.event_type = 'purchase') AS purchases,
    coalesce(sum(e.price) FILTER (e.event_type = 'purchase'), 0)::DECIMAL(38, 2) AS revenue
FROM clean.events AS e
WHERE e.event_time < (SELECT t.end_time FROM temp.kpi_time AS t)
GROUP BY
    e.event_time::DATE,
    e.user_id,
    e.user_session;

-- Nearly all sessions are one visit, which as it is stands for its session. The others, over
-- midnight or of several users, would count once for each of their visits. Two sessions with one
-- hash are among them too, and counted as what they are. (Without the GROUP BY, DuckDB 1.x would
-- build the hash table of the join from all visits: how many there are is not known to it before
-- the transaction ends.)
CREATE OR REPLACE TEMP TABLE kpi_repeated_visits AS
SELECT v.*
FROM temp.kpi_visits AS v
WHERE
    (hash(v.user_session) >> 1)::BIGINT IN (
        SELECT h.session_hash
        FROM (
            SELECT unnest(repeated_values((hash(r.user_session) >> 1)::BIGINT)) AS session_hash
            FROM temp.kpi_visits AS r
        ) AS h
        GROUP BY h.session_hash
    );

-- One row: a month and a user, with the last step of the funnel that the user reached.
CREATE OR REPLACE TEMP TABLE kpi_user_months AS
SELECT
    date_trunc('month', v.day)::DATE AS month,
    v.user_id,
    min(v.first_event_time) AS first_event_time,
    max(v.last_event_time) AS last_event_time,
    sum(v.events)::BIGINT AS events,
    sum(v.views)::BIGINT AS views,
    sum(v.carts)::BIGINT AS carts,
    sum(v.purchases)::BIGINT AS purchases,
    sum(v.revenue)::DECIMAL(38, 2) AS revenue,
    CASE
        WHEN sum(v.purchases) > 0 THEN 3
        WHEN sum(v.carts) > 0 THEN 2
        WHEN sum(v.views) > 0 THEN 1
        ELSE 0
    END AS last_step
FROM temp.kpi_visits AS v
GROUP BY
    date_trunc('month', v.day),
    v.user_id;

CREATE OR REPLACE TEMP TABLE kpi_users AS
SELECT
    u.user_id,
    min(u.first_event_time) AS first_event_time,
    max(u.last_event_time) AS last_event_time,
    sum(u.events)::BIGINT AS events,
    sum(u.views)::BIGINT AS views,
    sum(u.purchases)::BIGINT AS purchases,
    sum(u.revenue)::DECIMAL(38, 2) AS revenue
FROM temp.kpi_user_months AS u
GROUP BY u.user_id;

-- kpi.user_features: what each user does.

CREATE OR REPLACE TABLE kpi.user_features AS
WITH buyers AS (
    SELECT
        v.user_id,
        count(DISTINCT v.user_session) AS session_count
    FROM temp.kpi_visits AS v
    WHERE v.purchases > 0
    GROUP BY v.user_id
)

SELECT
    u.user_id,
    u.events AS total_events,
    u.views AS total_views,
    u.purchases AS total_purchases,
    date_diff('microsecond', u.first_event_time, u.last_event_time) / 1e6 / nullif(u.events - 1, 0)
        AS avg_time_between_events,
    u.revenue AS total_spent,
    coalesce(u.revenue / b.session_count, 0)::DOUBLE AS avg_basket,
    u.last_event_time,
    (u.purchases / nullif(u.views, 0))::DOUBLE AS conversion_rate,
    (u.purchases / u.events)::DOUBLE AS purchase_ratio,
    date_diff('day', u.last_event_time::DATE, d.as_of) AS days_since_last_event
FROM temp.kpi_users AS u
CROSS JOIN temp.kpi_time AS d
LEFT JOIN buyers AS b ON b.user_id = u.user_id;

-- kpi.daily and kpi.monthly: what each day and month brought.

CREATE OR REPLACE TABLE kpi.daily AS
WITH new_users AS (
    SELECT
        u.first_event_time::DATE AS day,
        count(*) AS new_users
    FROM temp.kpi_users AS u
    GROUP BY u.first_event_time::DATE
),

days AS (
    SELECT
        v.day,
        sum(v.events)::BIGINT AS events,
        count(DISTINCT v.user_id) AS users,
        count(*) AS visits,
        sum(v.views)::BIGINT AS views,
        sum(v.carts)::BIGINT AS carts,
        sum(v.purchases)::BIGINT AS purchases,
        sum(v.revenue)::DECIMAL(38, 2) AS revenue,
        count(*) FILTER (v.purchases > 0) AS purchase_visits,
        count(DISTINCT v.user_id) FILTER (v.purchases > 0) AS buyers
    FROM temp.kpi_visits AS v
    GROUP BY v.day
),

-- Visits of a day that are of a session with another one in it: several users.
repeats AS (
    SELECT
        r.day,
        count(*) - count(DISTINCT r.user_session) AS visits,
        count(*) FILTER (r.purchases > 0)
        - count(DISTINCT r.user_session) FILTER (r.purchases > 0) AS purchase_visits
    FROM temp.kpi_repeated_visits AS r
    GROUP BY r.day
)

SELECT
    d.day,
    d.events,
    d.users,
    coalesce(n.new_users, 0) AS new_users,
    d.visits - coalesce(r.visits, 0) AS sessions,
    d.views,
    d.carts,
    d.purchases,
    d.revenue,
    (d.purchases / nullif(d.views, 0))::DOUBLE AS conversion_rate,
    coalesce(d.revenue / nullif(d.purchase_visits - coalesce(r.purchase_visits, 0), 0), 0)::DOUBLE
        AS avg_basket,
    (
        (d.purchase_visits - coalesce(r.purchase_visits, 0)) / (d.visits - coalesce(r.visits, 0))
    )::DOUBLE AS session_conversion_rate,
    (d.buyers / d.users)::DOUBLE AS user_conversion_rate
FROM days AS d
LEFT JOIN new_users AS n ON n.day = d.day
LEFT JOIN repeats AS r ON r.day = d.day
ORDER BY d.day;

-- One row: a month and a last step of the funnel, with the number of sessions that reached it and
-- no later one.
CREATE OR REPLACE TEMP TABLE kpi_session_months AS
SELECT
    s.month,
    s.last_step,
    count(*) AS sessions
FROM (
    SELECT
        date_trunc('month', v.day)::DATE AS month,
        CASE
            WHEN v.purchases > 0 THEN 3
            WHEN v.carts > 0 THEN 2
            WHEN v.views > 0 THEN 1
            ELSE 0
        END AS last_step
    FROM temp.kpi_visits AS v
    WHERE v.user_session NOT IN (SELECT r.user_session FROM temp.kpi_repeated_visits AS r)
    UNION ALL
    SELECT
        date_trunc('month', r.day)::DATE AS month,
        CASE
            WHEN sum(r.purchases) > 0 THEN 3
            WHEN sum(r.carts) > 0 THEN 2
            WHEN sum(r.views) > 0 THEN 1
            ELSE 0
        END AS last_step
    FROM temp.kpi_repeated_visits AS r
    GROUP BY
        date_trunc('month', r.day),
        r.user_session
) AS s
GROUP BY
    s.month,
    s.last_step;

-- A change is (this month - the month before) / the month before; NULL where that month has no
-- events or a zero.
CREATE OR REPLACE TABLE kpi.monthly AS
WITH new_users AS (
    SELECT
        date_trunc('month', u.first_event_time)::DATE AS month,
        count(*) AS new_users
    FROM temp.kpi_users AS u
    GROUP BY date_trunc('month', u.first_event_time)
),

sessions AS (
    SELECT
        s.month,
        sum(s.sessions)::BIGINT AS sessions,
        coalesce(sum(s.sessions) FILTER (s.last_step = 3), 0)::BIGINT AS purchase_sessions
    FROM temp.kpi_session_months AS s
    GROUP BY s.month
),

user_sums AS (
    SELECT
        u.month,
        sum(u.events)::BIGINT AS events,
        count(*) AS users,
        sum(u.views)::BIGINT AS views,
        sum(u.carts)::BIGINT AS carts,
        sum(u.purchases)::BIGINT AS purchases,
        sum(u.revenue)::DECIMAL(38, 2) AS revenue,
        count(*) FILTER (u.purchases > 0) AS buyers
    FROM temp.kpi_user_months AS u
    GROUP BY u.month
),

months AS (
    SELECT
        u.*,
        coalesce(n.new_users, 0) AS new_users,
        s.sessions,
        s.purchase_sessions,
        u.month + INTERVAL 1 MONTH <= t.end_time AS is_complete
    FROM user_sums AS u
    CROSS JOIN temp.kpi_time AS t
    JOIN sessions AS s ON s.month = u.month
    LEFT JOIN new_users AS n ON n.month = u.month
)

SELECT
    m.month,
    m.events,
    m.users,
    m.new_users,
    m.sessions,
    m.views,
    m.carts,
    m.purchases,
    m.revenue,
    (m.purchases / nullif(m.views, 0))::DOUBLE AS conversion_rate,
    coalesce(m.revenue / nullif(m.purchase_sessions, 0), 0)::DOUBLE AS avg_basket,
    if(m.is_complete, (m.events - before.events) / nullif(before.events, 0), NULL)::DOUBLE
        AS events_change,
    if(m.is_complete, (m.users - before.users) / nullif(before.users, 0), NULL)::DOUBLE
        AS users_change,
    if(
        m.is_complete, (m.purchases - before.purchases) / nullif(before.purchases, 0), NULL
    )::DOUBLE AS purchases_change,
    if(m.is_complete, (m.revenue - before.revenue) / nullif(before.revenue, 0), NULL)::DOUBLE
        AS revenue_change,
    coalesce(m.purchase_sessions / nullif(m.sessions, 0), 0)::DOUBLE AS session_conversion_rate,
    (m.buyers / m.users)::DOUBLE AS user_conversion_rate,
    (m.events / m.users)::DOUBLE AS events_per_user,
    m.is_complete
FROM months AS m
LEFT JOIN months AS before ON before.month = m.month - INTERVAL 1 MONTH
ORDER BY m.month;

-- kpi.category and kpi.brand: what sells.

-- By category and by brand in one pass; is_category tells the rows apart, as both have one for
-- NULL. Nearly all events are views, which are counted by what else there is: so the aggregates
-- that cost most see few rows.
CREATE OR REPLACE TEMP TABLE kpi_product_groups AS
WITH totals AS (
    SELECT
        grouping(e.category_code) = 0 AS is_category,
        e.category_code,
        e.brand,
        count(*) AS events
    FROM clean.events AS e
    WHERE e.event_time < (SELECT t.end_time FROM temp.kpi_time AS t)
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
    FROM clean.events AS e
    WHERE e.event_type <> 'view' AND e.event_time < (SELECT t.end_time FROM temp.kpi_time AS t)
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
FROM product_groups AS g;

CREATE OR REPLACE TABLE kpi.category AS
SELECT g.* EXCLUDE (is_category, brand)
FROM temp.kpi_product_groups AS g
WHERE g.is_category
ORDER BY
    g.rank NULLS LAST,
    g.category_code;

CREATE OR REPLACE TABLE kpi.brand AS
SELECT g.* EXCLUDE (is_category, category_code)
FROM temp.kpi_product_groups AS g
WHERE NOT g.is_category
ORDER BY
    g.rank NULLS LAST,
    g.brand;

-- kpi.funnel: how far users and sessions come on the way from a view to a purchase.

CREATE OR REPLACE TABLE kpi.funnel AS
WITH months AS (
    SELECT
        u.month,
        u.last_step,
        count(*) AS users,
        0 AS sessions
    FROM temp.kpi_user_months AS u
    GROUP BY
        u.month,
        u.last_step
    UNION ALL
    SELECT
        s.month,
        s.last_step,
        0 AS users,
        s.sessions
    FROM temp.kpi_session_months AS s
),

month_steps AS (
    SELECT
        m.month,
        s.step_number,
        s.step,
        coalesce(sum(m.users) FILTER (m.last_step >= s.step_number), 0)::BIGINT AS users,
        coalesce(sum(m.sessions) FILTER (m.last_step >= s.step_number), 0)::BIGINT AS sessions
    FROM months AS m
    CROSS JOIN (VALUES (1, 'view'), (2, 'cart'), (3, 'purchase')) AS s (step_number, step)
    GROUP BY
        m.month,
        s.step_number,
        s.step
)

SELECT
    this.*,
    if(this.step_number < 3, coalesce(later.users / nullif(this.users, 0), 0), NULL)::DOUBLE
        AS next_user_rate,
    if(this.step_number < 3, coalesce(later.sessions / nullif(this.sessions, 0), 0), NULL)::DOUBLE
        AS next_session_rate
FROM month_steps AS this
LEFT JOIN month_steps AS later
    ON later.month = this.month AND later.step_number = this.step_number + 1
ORDER BY
    this.month,
    this.step_number;

-- kpi.cohorts: who comes back in the months after the first.

CREATE OR REPLACE TABLE kpi.cohorts AS
WITH cohort_months AS (
    SELECT
        u.first_month,
        u.month,
        count(*) AS active_users,
        sum(u.revenue) AS revenue
    FROM (
        SELECT
            m.month,
            m.revenue,
            date_trunc('month', f.first_event_time)::DATE AS first_month
        FROM temp.kpi_user_months AS m
        JOIN temp.kpi_users AS f ON f.user_id = m.user_id
    ) AS u
    GROUP BY
        u.first_month,
        u.month
),

calendar AS (
    SELECT
        c.first_month,
        c.active_users AS users,
        unnest(generate_series(c.first_month, max(m.month), INTERVAL 1 MONTH))::DATE AS month
    FROM cohort_months AS c
    CROSS JOIN cohort_months AS m
    WHERE c.month = c.first_month
    GROUP BY
        c.first_month,
        c.active_users
)

SELECT
    c.first_month,
    date_diff('month', c.first_month, c.month) AS months_since,
    c.users,
    coalesce(m.active_users, 0) AS active_users,
    (coalesce(m.active_users, 0) / c.users)::DOUBLE AS retention,
    coalesce(m.revenue, 0)::DECIMAL(38, 2) AS revenue,
    c.month + INTERVAL 1 MONTH <= t.end_time AS is_complete
FROM calendar AS c
CROSS JOIN temp.kpi_time AS t
LEFT JOIN cohort_months AS m ON m.first_month = c.first_month AND m.month = c.month
ORDER BY
    c.first_month,
    months_since;

SET VARIABLE run_counts = (
    SELECT
        {
            'rows_in': e.events,
            'rows': f.users,
            'rows_replaced': getvariable('replaced_rows'),
            'rows_rejected': e.events - f.events,
            'message': f.users || ' users with ' || f.events || ' events up to '
            || coalesce(t.as_of::VARCHAR, 'today') || ', ' || (e.events - f.events)
            || ' later ones left out'
        }
    FROM (
        SELECT
            count(*) AS users,
            coalesce(sum(u.total_events), 0)::BIGINT AS events
        FROM kpi.user_features AS u
    ) AS f
    CROSS JOIN (SELECT count(*) AS events FROM clean.events) AS e
    CROSS JOIN temp.kpi_time AS t
);

DELETE FROM raw.pipeline_runs AS r
WHERE
    r.run_id = getvariable('current_run')
    AND r.step = '20_kpi'
    AND r.started_at = getvariable('run_started')
    AND r.status = 'started';

-- now() stands still in a transaction, the clock of a new UUID does not.
INSERT INTO raw.pipeline_runs
SELECT
    getvariable('current_run') AS run_id,
    '20_kpi' AS step,
    getvariable('run_started') AS started_at,
    t.finished_at,
    getvariable('run_counts').rows AS rows,
    'done' AS status,
    getvariable('run_counts').rows_in AS rows_in,
    getvariable('run_counts').rows_replaced AS rows_replaced,
    getvariable('run_counts').rows_rejected AS rows_rejected,
    date_diff('microsecond', getvariable('run_started'), t.finished_at) / 1e6 AS seconds,
    getvariable('run_counts').message AS message,
    (
        SELECT map_from_entries(list({'name': v.name, 'value': v.value::VARCHAR} ORDER BY v.name))
        FROM duckdb_variables() AS v
        WHERE
            v.name IN (
                'as_of'
            )
    ) AS parameters,
    i.version AS amazing_version,
    version() AS duckdb_version
FROM amazing_info() AS i
CROSS JOIN (
    SELECT make_timestamp(epoch_us(uuid_extract_timestamp(uuidv7()))) AS finished_at
) AS t;

DROP TABLE temp.kpi_product_groups;

DROP TABLE temp.kpi_session_months;

DROP TABLE temp.kpi_users;

DROP TABLE temp.kpi_user_months;

DROP TABLE temp.kpi_repeated_visits;

DROP TABLE temp.kpi_visits;

DROP TABLE temp.kpi_time;

COMMIT;

SELECT
    count(*) AS users,
    coalesce(sum(f.total_events), 0)::BIGINT AS events,
    coalesce(sum(f.total_spent), 0) AS revenue
FROM kpi.user_features AS f;

-- Step 30_user_segments of the pipeline `marketplace`: users in segments, what makes each
-- different, who moved, a picture.
--
-- main.user_segments      one row: a user with at least min_events events: the columns of kpi.user_features,
--                         then segment
-- kpi.segment_model       one row: a model that a run has fitted, the last one is what the next run
--                         starts from
-- kpi.segment_profile     one row: a segment and feature
-- kpi.segment_history     one row: a month and a user who was in a segment in it or in the run
--                         before
-- kpi.segment_migration   one row: a pair of segments that users have in the run before and in this
--                         one
-- kpi.segment_map         one row: a user of user_segments on the first two principal components
-- kpi.segment_components  one row: a principal component and feature: what the axes of the map mean
-- the file `svg`          segment_map as a picture
--
-- Parameters (session variables):
--   min_events  events that a user needs (10): of a few events no habit can be read
--   k           segments (5); fewer where there are fewer different users than that
--   refit       'warm' (default): a fit that starts from the stored model; 'never': the stored
--               model; 'fresh': a new fit
--   seed        of the random draws (42)
--   svg         the file that the picture goes to (beside the database, shop.marketplace.svg of
--               shop.duckdb; of a database in memory 'segments.svg')
--
-- Features: everything in kpi.user_features but the identifier and the time. Spend and counts are
-- taken as ln(1 + x): they are spread over powers of ten, and without it the few largest customers
-- would be segments of their own.
--
-- Segments keep their numbers. A run starts from the centroids of the stored model, at their place
--   among the users of today (in standard deviations from the mean, as figures that add up over the
--   months grow for everyone). Another k, other features or other options are a fresh fit with new
--   numbers, and the last message says so; `series` tells which numbers can be compared. A run on
--   the users that the stored model was fitted to applies it, and changes nothing. `moved` of a
--   segment is the distance from where its centroid started to where it ended, as a part of the
--   distance to the nearest other: up to a half, the centroid is still where the stored model says
--   its number. Beyond, the last message warns. It always tells how many users have another segment
--   than in the run before. A name is kept while each of its words holds: `high` and `low` to the
--   mean of all, `very` to a standard deviation from it, `average` within half of one. (In a new
--   name they begin at 0.25, 2 and 0.25.) The history holds the last run of each month, by `as_of`,
--   the day of the data; the run before is the one with the last earlier day. Who has left the
--   segments since then has a row with segment NULL.

SET VARIABLE min_events = coalesce(getvariable('min_events'), 10);

SET VARIABLE k = coalesce(getvariable('k'), 5);

SET VARIABLE refit = coalesce(getvariable('refit')::VARCHAR, 'warm');

SET VARIABLE seed = coalesce(getvariable('seed'), 42);

SET VARIABLE svg = coalesce(
    getvariable('svg')::VARCHAR,
    (
        SELECT regexp_replace(d.path, '[.](duckdb|db|ddb)$', '') || '.marketplace.svg'
        FROM duckdb_databases() AS d
        WHERE d.database_name = current_database()
    ),
    'segments.svg'
);

SET VARIABLE segment_features = [
    'total_events', 'total_views', 'total_purchases', 'avg_time_between_events', 'total_spent',
        'avg_basket',
    'conversion_rate', 'purchase_ratio', 'days_since_last_event'
];

SET VARIABLE segment_log = ['total_events', 'total_views', 'total_purchases', 'total_spent',
    'avg_basket'];

SET VARIABLE current_run = coalesce(
    getvariable('run_id')::VARCHAR,
    getvariable('current_run'),
    uuid()::VARCHAR
);

SET VARIABLE run_started = make_timestamp(epoch_us(uuid_extract_timestamp(uuidv7())));

INSERT INTO raw.pipeline_runs (run_id, step, started_at, finished_at, rows, status)
SELECT
    getvariable('current_run'),
    '30_user_segments',
    getvariable('run_started'),
    getvariable('run_started'),
    0,
    'started';

BEGIN TRANSACTION;

-- A table of this name that no run of the pipeline made is somebody else's.
SET VARIABLE segment_check = (
    SELECT
        CASE
            WHEN
                count(*) > 0
                AND NOT EXISTS (
                    SELECT 1
                    FROM raw.pipeline_runs AS r
                    WHERE r.step = '30_user_segments' AND r.status = 'done' OR r.run_id LIKE 'dbt %'
                )
                THEN error(
                    '30_user_segments: main.user_segments is there already, and this pipeline '
                    || 'did not make it: rename it, or take'
                    || ' a schema_prefix (amazing_scripts)'
                )
        END
    FROM duckdb_tables() AS t
    WHERE t.database_name = current_database()
        AND t.schema_name || '.' || t.table_name = 'main.user_segments'
);

-- How many rows the run before has left, which this one replaces.
SET VARIABLE replaced_rows = (
    SELECT coalesce(sum(t.estimated_size), 0)::BIGINT
    FROM duckdb_tables() AS t
    WHERE
        t.database_name = current_database()
        AND t.schema_name || '.' || t.table_name = 'main.user_segments'
);

CREATE TABLE IF NOT EXISTS kpi.segment_model AS
SELECT
    NULL::INTEGER AS model_id,
    NULL::INTEGER AS series,
    NULL::VARCHAR AS run_id,
    NULL::TIMESTAMP AS created_at,
    NULL::DATE AS as_of,
    NULL::VARCHAR AS fit,
    NULL::VARCHAR AS reason,
    map([''], ['']) AS parameters,
    NULL::UBIGINT AS users_hash,
    NULL::DOUBLE[] AS moved,
    NULL::VARCHAR[] AS names,
    kmeans_fit({'x': 0.0}, 1) AS model
HAVING false;

CREATE TABLE IF NOT EXISTS kpi.segment_history AS
SELECT
    NULL::DATE AS month,
    NULL::DATE AS as_of,
    u.user_id,
    NULL::INTEGER AS segment,
    NULL::VARCHAR AS name,
    NULL::INTEGER AS series,
    NULL::DATE AS as_of_before,
    NULL::INTEGER AS segment_before,
    NULL::VARCHAR AS name_before,
    NULL::INTEGER AS series_before
FROM kpi.user_features AS u
WHERE false;

CREATE OR REPLACE TEMP TABLE segment_users AS
SELECT f.*
FROM kpi.user_features AS f
WHERE f.total_events >= getvariable('min_events')::BIGINT;

SET VARIABLE segment_count = (
    SELECT if(count(*) BETWEEN 1 AND getvariable('k') - 1, count(*), getvariable('k'))
    FROM (
        SELECT DISTINCT u.* EXCLUDE (user_id, last_event_time)
        FROM temp.segment_users AS u
    ) AS different_users
);

-- One row: what this run does (`fit`: fresh, warm, none), why, and the stored model where it still
-- counts.
CREATE OR REPLACE TEMP TABLE segment_choice AS
WITH stored AS (
    SELECT m.*
    FROM kpi.segment_model AS m
    ORDER BY m.model_id DESC
    LIMIT 1
),

today AS (
    SELECT
        count(*) AS users,
        coalesce(bit_xor(hash(u)), 0)::UBIGINT AS users_hash,
        max(u.last_event_time::DATE + u.days_since_last_event::INTEGER) AS as_of
    FROM temp.segment_users AS u
),

compared AS (
    SELECT
        t.*,
        s.* EXCLUDE (users_hash, as_of),
        s.users_hash = t.users_hash AS is_same_data,
        s.parameters['seed'] = getvariable('seed')::VARCHAR AS is_same_seed,
        nullif(
            concat_ws(
                ', ',
                if(s.parameters['k'] <> getvariable('k')::VARCHAR, 'k was ' || s.parameters['k'],
                    NULL),
                if(s.model.features <> getvariable('segment_features'), 'the features were others',
                    NULL),
                if(
                    list_sort(s.model.log) <> list_sort(getvariable('segment_log'))
                    OR s.model.nulls <> 'zero'
                    OR s.model.scale <> 'standard',
                    'the options were others',
                    NULL
                )
            ),
            ''
        ) AS change
    FROM today AS t
    LEFT JOIN stored AS s ON true
),

choices AS (
    SELECT
        c.*,
        CASE
            WHEN getvariable('refit') NOT IN ('never', 'warm', 'fresh')
                THEN error(
                    '30_user_segments: refit must be one of ''never'', ''warm'', ''fresh'', not '''
                        || getvariable('refit') || ''''
                )
            WHEN getvariable('refit') = 'never' AND c.change IS NOT NULL
                THEN error(
                    '30_user_segments: refit is ''never'', but of model ' || c.model_id || ' '
                        || c.change
                    || ': take what it was fitted with, or refit := ''fresh'''
                )
            WHEN c.users = 0 THEN 'none'
            WHEN c.model_id IS NULL OR c.change IS NOT NULL THEN 'fresh'
            WHEN getvariable('refit') = 'never' THEN 'none'
            WHEN getvariable('refit') = 'fresh'
                THEN if(c.is_same_data AND c.is_same_seed AND c.fit = 'fresh', 'none', 'fresh')
            WHEN c.is_same_data THEN 'none'
            WHEN c.model.k <> getvariable('segment_count') THEN 'fresh'
            ELSE 'warm'
        END AS next_fit
    FROM compared AS c
)

SELECT
    c.next_fit AS fit,
    CASE
        WHEN c.next_fit <> 'fresh' THEN NULL
        WHEN c.model_id IS NULL THEN 'no model was stored'
        WHEN c.change IS NOT NULL THEN c.change
        WHEN getvariable('refit') = 'fresh' THEN 'refit is ''fresh'''
        ELSE 'different users were enough for ' || c.model.k || ' segments, not '
        || getvariable('segment_count')
    END AS reason,
    c.as_of,
    c.users_hash,
    c.model_id AS stored_id,
    coalesce(c.model_id, 0) + if(c.next_fit = 'none', 0, 1) AS model_id,
    if(c.next_fit = 'fresh', coalesce(c.model_id, 0) + 1, c.series) AS series,
    if(c.next_fit = 'fresh', NULL, c.names) AS names,
    if(c.next_fit = 'fresh', NULL, c.model) AS model
FROM choices AS c;

-- The stored centroids at their place among the users of today: of one segment only the scale is
-- asked for.
CREATE OR REPLACE TEMP TABLE segment_start AS
WITH today AS (
    SELECT
        kmeans_fit(
            u,
            1,
            {
                'features': getvariable('segment_features'),
                'log': getvariable('segment_log'),
                'nulls': 'zero',
                'n_init': 1,
                'threads': current_setting('threads')
            }
        ) AS model
    FROM temp.segment_users AS u
    WHERE (SELECT c.fit FROM temp.segment_choice AS c) = 'warm'
)

SELECT
    {
        'version': c.model.version,
        'k': c.model.k,
        'features': t.model.features,
        'scale': t.model.scale,
        'log': t.model.log,
        'nulls': t.model.nulls,
        'fill': t.model.fill,
        'center': t.model.center,
        'spread': t.model.spread,
        'mean': t.model.mean,
        'stddev': t.model.stddev,
        'centroids': c.model.centroids
    } AS model
FROM temp.segment_choice AS c
CROSS JOIN today AS t
WHERE t.model IS NOT NULL;

-- One row: the model that segments are told by. A user with one event has no time between events
-- (min_events = 1): zero.
CREATE OR REPLACE TEMP TABLE segment_fit AS
WITH fresh AS (
    SELECT
        kmeans_fit(
            u,
            getvariable('segment_count'),
            {
                'features': getvariable('segment_features'),
                'log': getvariable('segment_log'),
                'nulls': 'zero',
                'seed': getvariable('seed'),
                'threads': current_setting('threads')
            }
        ) AS model
    FROM temp.segment_users AS u
    WHERE (SELECT c.fit FROM temp.segment_choice AS c) = 'fresh'
),

warm AS (
    SELECT
        kmeans_fit(
            u,
            getvariable('segment_count'),
            {
                'features': getvariable('segment_features'),
                'log': getvariable('segment_log'),
                'nulls': 'zero',
                'init': (SELECT s.model FROM temp.segment_start AS s),
                'seed': getvariable('seed'),
                'threads': current_setting('threads')
            }
        ) AS model
    FROM temp.segment_users AS u
    WHERE (SELECT c.fit FROM temp.segment_choice AS c) = 'warm'
)

SELECT coalesce(f.model, w.model, c.model) AS model
FROM temp.segment_choice AS c
CROSS JOIN fresh AS f
CROSS JOIN warm AS w;

CREATE OR REPLACE TABLE main.user_segments AS
SELECT
    u.*,
    kmeans_predict((SELECT f.model FROM temp.segment_fit AS f), u) AS segment
FROM temp.segment_users AS u;

CREATE OR REPLACE TEMP TABLE segment_figures AS
SELECT *
FROM segment_profile(
    'main.user_segments',
    segment := 'segment',
    features := getvariable('segment_features'),
    log := getvariable('segment_log')
);

-- One row: a segment with users, its name, and the stored name where there is one. A stored name
-- whose words all hold stays; a new name that is, but for a number in brackets, a stored one that
-- stays has a number after that.
CREATE OR REPLACE TEMP TABLE segment_names AS
WITH segments AS (
    SELECT
        f.segment,
        any_value(f.name) AS new_name,
        (SELECT c.names FROM temp.segment_choice AS c)[f.segment + 1] AS old_name,
        max(abs(f.z_score)) AS farthest
    FROM temp.segment_figures AS f
    GROUP BY f.segment
),

words AS (
    SELECT
        s.segment,
        unnest(string_split(regexp_replace(s.old_name, ' \([0-9]+\)$', ''), ', ')) AS words
    FROM segments AS s
    WHERE s.old_name IS NOT NULL
),

held AS (
    SELECT
        w.segment,
        bool_and(
            coalesce(
                CASE regexp_extract(w.words, '^(.* )?[^ ]+$', 1)
                    WHEN 'very high ' THEN f.z_score >= 1
                    WHEN 'high ' THEN f.z_score > 0
                    WHEN 'low ' THEN f.z_score < 0
                    WHEN 'very low ' THEN f.z_score <= -1
                    WHEN 'average ' THEN abs(f.z_score) < 0.5
                    ELSE w.words = 'average' AND s.farthest < 0.5
                END,
                false
            )
        ) AS is_true
    FROM words AS w
    INNER JOIN segments AS s ON s.segment = w.segment
    LEFT JOIN temp.segment_figures AS f
        ON f.segment = w.segment AND f.feature = regexp_extract(w.words, '[^ ]+$')
    GROUP BY w.segment
),

named AS (
    SELECT
        s.segment,
        s.old_name,
        coalesce(h.is_true, false) AS is_kept,
        if(is_kept, s.old_name, s.new_name) AS name,
        regexp_replace(name, ' \([0-9]+\)$', '') AS words
    FROM segments AS s
    LEFT JOIN held AS h ON h.segment = s.segment
)

SELECT
    n.segment,
    n.old_name,
    CASE
        WHEN n.is_kept OR NOT bool_or(n.is_kept) OVER same_words THEN n.name
        ELSE
            n.words || ' ('
            || max(if(n.is_kept, coalesce(
                try_cast(regexp_extract(n.name, ' \(([0-9]+)\)$', 1) AS INTEGER), 1
            ), 0)) OVER same_words
            + count(*) FILTER (NOT n.is_kept) OVER (PARTITION BY n.words ORDER BY n.segment) || ')'
    END AS name
FROM named AS n
WINDOW same_words AS (PARTITION BY n.words);

CREATE OR REPLACE TABLE kpi.segment_profile AS
SELECT f.* REPLACE (n.name AS name)
FROM temp.segment_figures AS f
INNER JOIN temp.segment_names AS n ON n.segment = f.segment
ORDER BY
    f.segment,
    f.rank;

CREATE OR REPLACE TEMP TABLE segment_drift AS
WITH segments AS (
    SELECT
        unnest(range(len(s.model.centroids)))::INTEGER AS segment,
        s.model.centroids AS old_centroids,
        f.model.centroids AS new_centroids
    FROM temp.segment_start AS s
    CROSS JOIN temp.segment_fit AS f
),

distances AS (
    SELECT
        s.segment,
        list_distance(s.old_centroids[s.segment + 1], s.new_centroids[s.segment + 1]) AS distance,
        min(list_distance(s.old_centroids[s.segment + 1], s.old_centroids[o.segment + 1]))
            AS to_nearest
    FROM segments AS s
    LEFT JOIN segments AS o ON o.segment <> s.segment
    GROUP BY ALL
)

SELECT list(d.distance / nullif(d.to_nearest, 0) ORDER BY d.segment) AS moved
FROM distances AS d;

INSERT INTO kpi.segment_model
SELECT
    c.model_id,
    c.series,
    getvariable('current_run') AS run_id,
    make_timestamp(epoch_us(now())) AS created_at,
    c.as_of,
    c.fit,
    c.reason,
    MAP {
        'k': getvariable('k')::VARCHAR,
        'min_events': getvariable('min_events')::VARCHAR,
        'refit': getvariable('refit')::VARCHAR,
        'seed': getvariable('seed')::VARCHAR
    } AS parameters,
    c.users_hash,
    d.moved,
    n.names,
    f.model
FROM temp.segment_choice AS c
CROSS JOIN temp.segment_fit AS f
CROSS JOIN temp.segment_drift AS d
CROSS JOIN (
    SELECT list(s.name ORDER BY s.segment) AS names
    FROM temp.segment_names AS s
) AS n
WHERE c.fit <> 'none';

-- The segments of the run before: of the same day, where this run has been before, what it said was
-- before.
CREATE OR REPLACE TEMP TABLE segments_before AS
SELECT
    h.user_id,
    if(h.as_of = c.as_of, h.as_of_before, h.as_of) AS as_of,
    if(h.as_of = c.as_of, h.segment_before, h.segment) AS segment,
    if(h.as_of = c.as_of, h.name_before, h.name) AS name,
    if(h.as_of = c.as_of, h.series_before, h.series) AS series
FROM kpi.segment_history AS h
CROSS JOIN temp.segment_choice AS c
WHERE h.as_of = (SELECT max(e.as_of) FROM kpi.segment_history AS e WHERE e.as_of <= c.as_of);

DELETE FROM kpi.segment_history AS h
WHERE h.month = (SELECT date_trunc('month', c.as_of)::DATE FROM temp.segment_choice AS c);

INSERT INTO kpi.segment_history
WITH users_of_both AS (
    SELECT
        coalesce(s.user_id, b.user_id) AS user_id,
        s.segment,
        b.segment AS segment_before,
        b.name AS name_before,
        b.series AS series_before
    FROM main.user_segments AS s
    FULL JOIN (
        SELECT *
        FROM temp.segments_before AS p
        WHERE p.segment IS NOT NULL
    ) AS b ON b.user_id = s.user_id
)

SELECT
    date_trunc('month', c.as_of)::DATE AS month,
    c.as_of,
    u.user_id,
    u.segment,
    n.name,
    if(u.segment IS NULL, NULL, c.series) AS series,
    (SELECT max(p.as_of) FROM temp.segments_before AS p) AS as_of_before,
    u.segment_before,
    u.name_before,
    u.series_before
FROM users_of_both AS u
CROSS JOIN temp.segment_choice AS c
LEFT JOIN temp.segment_names AS n ON n.segment = u.segment
WHERE c.as_of IS NOT NULL
ORDER BY u.user_id;

CREATE OR REPLACE TABLE kpi.segment_migration AS
SELECT
    h.as_of_before,
    h.as_of AS as_of_after,
    h.segment_before,
    h.name_before,
    h.segment AS segment_after,
    h.name AS name_after,
    count(*) AS size,
    count(*) / sum(count(*)) OVER (PARTITION BY h.segment_before) AS share,
    coalesce(any_value(h.series_before) = any_value(h.series), true) AS is_comparable
FROM kpi.segment_history AS h
WHERE h.as_of_before IS NOT NULL AND h.as_of = (SELECT c.as_of FROM temp.segment_choice AS c)
GROUP BY
    h.as_of_before,
    h.as_of,
    h.segment_before,
    h.name_before,
    h.segment,
    h.name
ORDER BY
    h.segment_before NULLS LAST,
    h.segment NULLS LAST;

CREATE OR REPLACE TABLE kpi.segment_map AS
SELECT
    m.user_id,
    m.segment,
    m.pc1,
    m.pc2
FROM pca_2d(
    'main.user_segments',
    features := getvariable('segment_features'),
    log := getvariable('segment_log'),
    nulls := 'zero'
) AS m;

CREATE OR REPLACE TABLE kpi.segment_components AS
SELECT *
FROM pca_components(
    'main.user_segments',
    n := 2,
    features := getvariable('segment_features'),
    log := getvariable('segment_log'),
    nulls := 'zero'
);

SET VARIABLE segment_axes = (
    SELECT
        list(
            'principal component ' || a.component || coalesce(
                ' (' || round(100 * a.explained_variance_ratio)::BIGINT || ' % of the variance)',
                ''
            )
            ORDER BY a.component
        )
    FROM (
        SELECT DISTINCT
            c.component,
            c.explained_variance_ratio
        FROM kpi.segment_components AS c
    ) AS a
);

COPY (
    SELECT
        encode(
            coalesce(
                scatter_svg(
                    m.pc1,
                    m.pc2,
                    m.segment || ': ' || p.name,
                    {
                        'title': 'User segments',
                        'x_label': getvariable('segment_axes')[1],
                        'y_label': getvariable('segment_axes')[2]
                    }
                ),
                '<svg xmlns="http://www.w3.org/2000/svg" width="800" height="80">'
                || '<text x="20" y="45" font-family="sans-serif">No user has enough events for a '
                || 'segment.</text></svg>'
            )
        ) AS svg
    FROM kpi.segment_map AS m
    INNER JOIN kpi.segment_profile AS p
        ON m.segment = p.segment AND p.rank = 1
) TO (getvariable('svg')) (FORMAT blob);

-- What this run has done to the meaning of the numbers.
CREATE OR REPLACE TEMP TABLE segment_news AS
WITH moves AS (
    SELECT
        unnest(range(len(d.moved)))::INTEGER AS segment,
        unnest(d.moved) AS moved
    FROM temp.segment_drift AS d
),

news AS (
    SELECT
        (
            SELECT string_agg('segment ' || m.segment || ' by ' || round(m.moved, 2),
                ', ' ORDER BY m.segment)
            FROM moves AS m
            WHERE m.moved > 0.5
        ) AS moved,
        (
            SELECT
                count(*) FILTER (h.segment <> h.segment_before) || ' of ' || count(*)
                    || ' users have another segment than on '
                || h.as_of_before
            FROM kpi.segment_history AS h
            WHERE
                h.as_of = (SELECT c.as_of FROM temp.segment_choice AS c)
                AND h.segment IS NOT NULL
                AND h.segment_before IS NOT NULL
            GROUP BY h.as_of_before
        ) AS changed,
        (
            SELECT
                string_agg('segment ' || n.segment || ' is now "' || n.name || '", was "'
                    || n.old_name || '"', ', ' ORDER BY n.segment)
            FROM temp.segment_names AS n
            WHERE n.name <> n.old_name
        ) AS renamed
)

SELECT
    concat_ws(
        '; ',
        CASE
            WHEN c.fit = 'warm' THEN 'model ' || c.model_id || ', refit from model ' || c.stored_id
            WHEN c.fit = 'none' THEN 'model ' || c.model_id || ', as it was'
            WHEN c.stored_id IS NULL THEN 'model 1, the first'
            ELSE
                'WARNING: model ' || c.model_id || ' is a fresh fit (' || c.reason
                || '): its numbers and names are not those of model ' || c.stored_id
        END,
        'WARNING: moved far from where it was: ' || w.moved
            || ' of the way to the nearest other (beyond 0.5)',
        w.changed,
        w.renamed
    ) AS news
FROM temp.segment_choice AS c
CROSS JOIN news AS w;

SET VARIABLE segment_news = (SELECT n.news FROM temp.segment_news AS n);

SET VARIABLE run_counts = (
    SELECT
        {
            'rows_in': u.users,
            'rows': s.users,
            'rows_replaced': getvariable('replaced_rows'),
            'rows_rejected': u.users - s.users,
            'message': s.users || ' users in ' || s.segments || ' segments, ' || (u.users - s.users)
            || ' with fewer than ' || getvariable('min_events') || ' events left out; '
            || getvariable('segment_news')
        }
    FROM (
        SELECT
            count(*) AS users,
            count(DISTINCT m.segment) AS segments
        FROM main.user_segments AS m
    ) AS s
    CROSS JOIN (SELECT count(*) AS users FROM kpi.user_features) AS u
);

DELETE FROM raw.pipeline_runs AS r
WHERE
    r.run_id = getvariable('current_run')
    AND r.step = '30_user_segments'
    AND r.started_at = getvariable('run_started')
    AND r.status = 'started';

-- now() stands still in a transaction, the clock of a new UUID does not.
INSERT INTO raw.pipeline_runs
SELECT
    getvariable('current_run') AS run_id,
    '30_user_segments' AS step,
    getvariable('run_started') AS started_at,
    t.finished_at,
    getvariable('run_counts').rows AS rows,
    'done' AS status,
    getvariable('run_counts').rows_in AS rows_in,
    getvariable('run_counts').rows_replaced AS rows_replaced,
    getvariable('run_counts').rows_rejected AS rows_rejected,
    date_diff('microsecond', getvariable('run_started'), t.finished_at) / 1e6 AS seconds,
    getvariable('run_counts').message AS message,
    (
        SELECT map_from_entries(list({'name': v.name, 'value': v.value::VARCHAR} ORDER BY v.name))
        FROM duckdb_variables() AS v
        WHERE
            v.name IN (
                'min_events',
                'k',
                'refit',
                'seed',
                'svg'
            )
    ) AS parameters,
    i.version AS amazing_version,
    version() AS duckdb_version
FROM amazing_info() AS i
CROSS JOIN (
    SELECT make_timestamp(epoch_us(uuid_extract_timestamp(uuidv7()))) AS finished_at
) AS t;

DROP TABLE temp.segment_users;

DROP TABLE temp.segment_choice;

DROP TABLE temp.segment_start;

DROP TABLE temp.segment_fit;

DROP TABLE temp.segment_figures;

DROP TABLE temp.segment_names;

DROP TABLE temp.segment_drift;

DROP TABLE temp.segments_before;

DROP TABLE temp.segment_news;

COMMIT;

SELECT
    count(*) AS users,
    count(DISTINCT s.segment) AS segments,
    CASE
        WHEN count(*) = 0 THEN 'no user has at least ' || getvariable('min_events') || ' events'
        ELSE
            concat_ws(
                '; ',
                if(
                    count(DISTINCT s.segment) < getvariable('k'),
                    'fewer segments than k = ' || getvariable('k')
                        || ': the users do not differ more',
                    NULL
                ),
                getvariable('segment_news'),
                'see kpi.segment_profile and ' || getvariable('svg')
            )
    END AS message
FROM main.user_segments AS s;
