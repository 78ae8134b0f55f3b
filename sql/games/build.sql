.bail on
-- build.sql: builds the layers of the pipeline games in the current database.
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

-- Step 00_raw of the pipeline `games`: the lines of the files of users, games and events, as text,
-- and what became of each file.
--
-- raw.users           one row: a line of a file of users
-- raw.games           one row: a line of a file of games
-- raw.events          one row: a line of a file of events
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
        ('raw.users'),
        ('raw.games'),
        ('raw.events'),
        ('raw.rejected_lines'),
        ('raw.pipeline_runs'),
        ('clean.unmatched_values'),
        ('clean.rejected_users'),
        ('clean.rejected_games'),
        ('clean.rejected_events'),
        ('clean.users'),
        ('clean.games'),
        ('clean.events'),
        ('clean.session_games'),
        ('clean.sessions'),
        ('clean.corrections'),
        ('kpi.user_status'),
        ('kpi.user_status_counts'),
        ('kpi.user_engagement'),
        ('kpi.demographics'),
        ('kpi.game_performance'),
        ('kpi.monthly'),
        ('kpi.monthly_by_game'),
        ('kpi.monthly_by_location'),
        ('kpi.seasonality'),
        ('kpi.status_by_month'),
        ('kpi.event_frequency'),
        ('kpi.demographics_by_month'),
        ('kpi.location'),
        ('kpi.location_behaviour'),
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
    table_name VARCHAR NOT NULL,
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

CREATE TABLE IF NOT EXISTS raw.users (
    user_id VARCHAR,
    age_range VARCHAR,
    registration_date VARCHAR,
    email VARCHAR,
    workout_frequency VARCHAR,
    gender VARCHAR,
    location VARCHAR,
    subscription_type VARCHAR,
    file_name VARCHAR NOT NULL
);

CREATE TABLE IF NOT EXISTS raw.games (
    game_id VARCHAR,
    game_type VARCHAR,
    game_name VARCHAR,
    platform VARCHAR,
    difficulty VARCHAR,
    file_name VARCHAR NOT NULL
);

CREATE TABLE IF NOT EXISTS raw.events (
    event_id VARCHAR,
    game_id VARCHAR,
    user_id VARCHAR,
    event_time VARCHAR,
    event_type VARCHAR,
    duration_seconds VARCHAR,
    device_type VARCHAR,
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
        ('users', 'user_id', true),
        ('users', 'age_range', true),
        ('users', 'registration_date', true),
        ('users', 'email', true),
        ('users', 'workout_frequency', true),
        ('users', 'gender', true),
        ('users', 'location', true),
        ('users', 'subscription_type', true),
        ('games', 'game_id', true),
        ('games', 'game_type', true),
        ('games', 'game_name', true),
        ('games', 'platform', true),
        ('games', 'difficulty', true),
        ('events', 'event_id', true),
        ('events', 'game_id', true),
        ('events', 'user_id', true),
        ('events', 'event_time', true),
        ('events', 'event_type', true),
        ('events', 'duration_seconds', true),
        ('events', 'device_type', true)
) AS c (table_name, column_name, is_required);

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
    (SELECT s.rows_sql FROM temp.load_sources AS s WHERE s.table_name = 'users'),
    'SELECT * EXCLUDE (file_name) FROM raw.users LIMIT 0'
);

CREATE OR REPLACE TEMP TABLE load_rows_users AS
SELECT *
FROM query(getvariable('load_sql'));

SET VARIABLE load_sql = coalesce(
    (SELECT s.rows_sql FROM temp.load_sources AS s WHERE s.table_name = 'games'),
    'SELECT * EXCLUDE (file_name) FROM raw.games LIMIT 0'
);

CREATE OR REPLACE TEMP TABLE load_rows_games AS
SELECT *
FROM query(getvariable('load_sql'));

SET VARIABLE load_sql = coalesce(
    (SELECT s.rows_sql FROM temp.load_sources AS s WHERE s.table_name = 'events'),
    'SELECT * EXCLUDE (file_name) FROM raw.events LIMIT 0'
);

CREATE OR REPLACE TEMP TABLE load_rows_events AS
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

DELETE FROM raw.users
WHERE file_name IN (SELECT r.file_name FROM temp.load_replaced AS r);

SET VARIABLE load_sql = (
    SELECT coalesce(string_agg(t.rows_sql, ' UNION ALL ' ORDER BY t.n),
        'SELECT * FROM raw.users LIMIT 0')
    FROM temp.load_texts AS t
    WHERE t.table_name = 'users'
);

INSERT INTO raw.users
SELECT *
FROM query(getvariable('load_sql'));

INSERT INTO temp.load_counts
SELECT
    r.file_name,
    count(*)
FROM raw.users AS r
WHERE r.file_name IN (SELECT q.file_name FROM temp.load_queue AS q WHERE q.is_next)
GROUP BY r.file_name;

DELETE FROM raw.games
WHERE file_name IN (SELECT r.file_name FROM temp.load_replaced AS r);

SET VARIABLE load_sql = (
    SELECT coalesce(string_agg(t.rows_sql, ' UNION ALL ' ORDER BY t.n),
        'SELECT * FROM raw.games LIMIT 0')
    FROM temp.load_texts AS t
    WHERE t.table_name = 'games'
);

INSERT INTO raw.games
SELECT *
FROM query(getvariable('load_sql'));

INSERT INTO temp.load_counts
SELECT
    r.file_name,
    count(*)
FROM raw.games AS r
WHERE r.file_name IN (SELECT q.file_name FROM temp.load_queue AS q WHERE q.is_next)
GROUP BY r.file_name;

DELETE FROM raw.events
WHERE file_name IN (SELECT r.file_name FROM temp.load_replaced AS r);

SET VARIABLE load_sql = (
    SELECT coalesce(string_agg(t.rows_sql, ' UNION ALL ' ORDER BY t.n),
        'SELECT * FROM raw.events LIMIT 0')
    FROM temp.load_texts AS t
    WHERE t.table_name = 'events'
);

INSERT INTO raw.events
SELECT *
FROM query(getvariable('load_sql'));

INSERT INTO temp.load_counts
SELECT
    r.file_name,
    count(*)
FROM raw.events AS r
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
    q.table_name,
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

DROP TABLE temp.load_rows_users;

DROP TABLE temp.load_rows_games;

DROP TABLE temp.load_rows_events;

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

-- Step 10_clean of the pipeline `games`: text becomes typed users, games and events, and nothing
-- disappears on the way.
--
-- clean.users            one row: a user
-- clean.games            one row: a game
-- clean.events           one row: an event
-- clean.sessions         one row: a session of a user: events at most 30 minutes apart, also across
--                        midnight
-- clean.session_games    one row: a session and game, with its first and last event of this game;
--                        the game is NULL for events without one
-- clean.rejected_users, clean.rejected_games, clean.rejected_events
--                        one row: a row of the raw table that could not be kept, as it was, with
--                        the reason
-- clean.corrections      one row: a value that is missing or was changed, with the number of clean
--                        rows that have it
-- clean.unmatched_values  one row: a value of a category that nobody knows the meaning of, with the
--                        number of its raw rows and the entry that is nearest
-- config.category_map    one row: a value, and what it is to be taken for: yours to fill
--
-- Parameters (session variables):
--   min_time  no event and no registration is before it (2000-01-01)
--   max_time  none is after it; a day counts to its end (the day after the one on which the file
--             was loaded)
--   event_types          other names for the types of events, as a map from ours (login,
--                        start_game, finish_game, purchase) to theirs:
--                        MAP {'purchase': ['order', 'sale']}
--   cities               the locations there are, as a list or, with other names for them, as a
--                        map (Paris, Lyon, Berlin, Madrid, Rome)
--   genres               the types of games there are, likewise (cardio, strategy, puzzle, arcade,
--                        action)
--   platforms            (iOS, Android, Web)
--   difficulties         (easy, medium, hard)
--   device_types         (mobile, which a tablet is too, web, console)
--   age_ranges           (-18, 18-25, 26-35, 36-50, 50+)
--   genders              (M, F, Other)
--   workout_frequencies  (minimal, flexible, regular, maximal)
--   subscription_types   (free, trial, premium)
--
-- A value that is in no vocabulary is `unknown` and stands in clean.unmatched_values; the next run
-- reads it as the replacement that config.category_map has for it, or as nothing where that is
-- NULL.
--
-- Of each of the three: raw rows = clean rows + rejected rows; the script checks it. An empty text
-- counts as missing, and blanks around a value do not count.
--
-- A row is rejected when it cannot be told who, what or when it is, for the first of these reasons
-- that applies:
--   no id, bad id             digits only: a cast would take `1.5` and `2.1E+18` and make other
--                             numbers of them
--   bad time                  of events: what exact_timestamp does not take; `2024-06-15T14:23:01`
--                             is a time, also with a space for the `T`, a fraction, `Z`, ` UTC` or
--                             an offset; it is in UTC
--   implausible time          of events: before min_time or after max_time
--   no user, bad user, unknown user
--   no game, bad game, unknown game    a login may be without a game
--   duplicate id              another row with this id stays: the one whose typed values most rows
--                             have, else the first by its text, whatever the order of rows
--
-- Everything else is a value, and the row stays. Rules of clean.corrections:
--   case, accent, synonym, typo   a category that normalize_category repaired
--   answer                        a category that config.category_map answered
--   none, ambiguous               a category that it could not repair: `unknown`
--   empty                         a missing value, shown as NULL: `unknown` for a category or game
--                                 name, NULL for a registration date, e-mail address or duration
--   negative                      a duration below 0: NULL
--   invalid                       a duration that is not a whole number, a registration date that
--                                 is none: NULL
--   implausible                   a registration date before min_time or after max_time: NULL
--
-- A session lasts from its first event to its last, so that one event makes a session of 0 seconds;
-- seconds_played is the sum of the durations that its events tell.
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

-- What each value of a category becomes, and the times that can be in each file.

CREATE SCHEMA IF NOT EXISTS clean;

-- How many rows the run before has left, which this one replaces.
SET VARIABLE replaced_rows = (
    SELECT coalesce(sum(t.estimated_size), 0)::BIGINT
    FROM duckdb_tables() AS t
    WHERE
        t.database_name = current_database()
        AND t.schema_name || '.' || t.table_name = 'clean.events'
);

-- What a value is to be taken for: yours to fill, the pipeline only reads it. A replacement that is
-- NULL says that the value means nothing.
CREATE SCHEMA IF NOT EXISTS config;

CREATE TABLE IF NOT EXISTS config.category_map (
    column_name VARCHAR NOT NULL,
    value VARCHAR NOT NULL,
    replacement VARCHAR,
    PRIMARY KEY (column_name, value)
);

-- The types of events, with the names that the parameter event_types gives them.
SET VARIABLE clean_event_types = (
    SELECT map(list(t.name ORDER BY t.name), list(t.others ORDER BY t.name))
    FROM (
        SELECT
            n.name,
            coalesce(list(DISTINCT g.other) FILTER (g.other IS NOT NULL), []::VARCHAR[]) AS others
        FROM (SELECT unnest(['login', 'start_game', 'finish_game', 'purchase', 'unknown']) AS name) AS n
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
                    || ', the types are ' || array_to_string(['login', 'start_game', 'finish_game', 'purchase', 'unknown'], ', ')
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
    WHERE NOT list_contains(['login', 'start_game', 'finish_game', 'purchase', 'unknown'], g.name)
);

-- The values of categories, with the number of their rows and what they are to be read as.
CREATE OR REPLACE TEMP TABLE clean_values AS
SELECT
    v.*,
    m.value IS NOT NULL AS is_answered,
    if(m.value IS NULL, v.raw_value, m.replacement) AS read_as
FROM (
    SELECT
        'age_range' AS column_name,
        r.age_range AS raw_value,
        count(*) AS row_count
    FROM raw.users AS r
    GROUP BY r.age_range
    UNION ALL
    SELECT
        'workout_frequency' AS column_name,
        r.workout_frequency AS raw_value,
        count(*) AS row_count
    FROM raw.users AS r
    GROUP BY r.workout_frequency
    UNION ALL
    SELECT
        'gender' AS column_name,
        r.gender AS raw_value,
        count(*) AS row_count
    FROM raw.users AS r
    GROUP BY r.gender
    UNION ALL
    SELECT
        'location' AS column_name,
        r.location AS raw_value,
        count(*) AS row_count
    FROM raw.users AS r
    GROUP BY r.location
    UNION ALL
    SELECT
        'subscription_type' AS column_name,
        r.subscription_type AS raw_value,
        count(*) AS row_count
    FROM raw.users AS r
    GROUP BY r.subscription_type
    UNION ALL
    SELECT
        'game_type' AS column_name,
        r.game_type AS raw_value,
        count(*) AS row_count
    FROM raw.games AS r
    GROUP BY r.game_type
    UNION ALL
    SELECT
        'platform' AS column_name,
        r.platform AS raw_value,
        count(*) AS row_count
    FROM raw.games AS r
    GROUP BY r.platform
    UNION ALL
    SELECT
        'difficulty' AS column_name,
        r.difficulty AS raw_value,
        count(*) AS row_count
    FROM raw.games AS r
    GROUP BY r.difficulty
    UNION ALL
    SELECT
        'event_type' AS column_name,
        r.event_type AS raw_value,
        count(*) AS row_count
    FROM raw.events AS r
    GROUP BY r.event_type
    UNION ALL
    SELECT
        'device_type' AS column_name,
        r.device_type AS raw_value,
        count(*) AS row_count
    FROM raw.events AS r
    GROUP BY r.device_type
) AS v
LEFT JOIN config.category_map AS m ON m.column_name = v.column_name AND m.value = v.raw_value;

-- The entries of the vocabularies that values meet with a similarity of at least 0.75.
-- `unknown` is an entry, or what is called so already would be a correction.
CREATE OR REPLACE TEMP TABLE clean_matches_75 AS
SELECT
    v.*,
    CASE v.column_name
        WHEN 'age_range'
            THEN
                if(
                    getvariable('age_ranges') IS NULL,
                    category_match(
                        v.read_as,
                        ['-18', '18-25', '26-35', '36-50', '50+', 'unknown'],
                        0.75
                    ),
                    category_match(v.read_as, getvariable('age_ranges'), 0.75)
                )
        WHEN 'workout_frequency'
            THEN
                if(
                    getvariable('workout_frequencies') IS NULL,
                    category_match(
                        v.read_as,
                        ['minimal', 'flexible', 'regular', 'maximal', 'unknown'],
                        0.75
                    ),
                    category_match(v.read_as, getvariable('workout_frequencies'), 0.75)
                )
        WHEN 'gender'
            THEN
                if(
                    getvariable('genders') IS NULL,
                    category_match(
                        v.read_as,
                        map {'M': ['male'], 'F': ['female'], 'Other': [], 'unknown': []},
                        0.75
                    ),
                    category_match(v.read_as, getvariable('genders'), 0.75)
                )
        WHEN 'location'
            THEN
                if(
                    getvariable('cities') IS NULL,
                    category_match(
                        v.read_as,
                        ['Paris', 'Lyon', 'Berlin', 'Madrid', 'Rome', 'unknown'],
                        0.75
                    ),
                    category_match(v.read_as, getvariable('cities'), 0.75)
                )
        WHEN 'subscription_type'
            THEN
                if(
                    getvariable('subscription_types') IS NULL,
                    category_match(
                        v.read_as,
                        ['free', 'trial', 'premium', 'unknown'],
                        0.75
                    ),
                    category_match(v.read_as, getvariable('subscription_types'), 0.75)
                )
        WHEN 'game_type'
            THEN
                if(
                    getvariable('genres') IS NULL,
                    category_match(
                        v.read_as,
                        ['cardio', 'strategy', 'puzzle', 'arcade', 'action', 'unknown'],
                        0.75
                    ),
                    category_match(v.read_as, getvariable('genres'), 0.75)
                )
        WHEN 'platform'
            THEN
                if(
                    getvariable('platforms') IS NULL,
                    category_match(
                        v.read_as,
                        ['iOS', 'Android', 'Web', 'unknown'],
                        0.75
                    ),
                    category_match(v.read_as, getvariable('platforms'), 0.75)
                )
        WHEN 'difficulty'
            THEN
                if(
                    getvariable('difficulties') IS NULL,
                    category_match(
                        v.read_as,
                        ['easy', 'medium', 'hard', 'unknown'],
                        0.75
                    ),
                    category_match(v.read_as, getvariable('difficulties'), 0.75)
                )
        WHEN 'event_type'
            THEN
                category_match(v.read_as, getvariable('clean_event_types'), 0.75)
        WHEN 'device_type'
            THEN
                if(
                    getvariable('device_types') IS NULL,
                    category_match(
                        v.read_as,
                        map {'mobile': ['tablet'], 'web': [], 'console': [], 'unknown': []},
                        0.75
                    ),
                    category_match(v.read_as, getvariable('device_types'), 0.75)
                )
    END AS match
FROM temp.clean_values AS v;

-- The entries of the vocabularies that values meet with a similarity of at least 0.40.
-- `unknown` is an entry, or what is called so already would be a correction.
CREATE OR REPLACE TEMP TABLE clean_matches_40 AS
SELECT
    v.*,
    CASE v.column_name
        WHEN 'age_range'
            THEN
                if(
                    getvariable('age_ranges') IS NULL,
                    category_match(
                        v.read_as,
                        ['-18', '18-25', '26-35', '36-50', '50+', 'unknown'],
                        0.40
                    ),
                    category_match(v.read_as, getvariable('age_ranges'), 0.40)
                )
        WHEN 'workout_frequency'
            THEN
                if(
                    getvariable('workout_frequencies') IS NULL,
                    category_match(
                        v.read_as,
                        ['minimal', 'flexible', 'regular', 'maximal', 'unknown'],
                        0.40
                    ),
                    category_match(v.read_as, getvariable('workout_frequencies'), 0.40)
                )
        WHEN 'gender'
            THEN
                if(
                    getvariable('genders') IS NULL,
                    category_match(
                        v.read_as,
                        map {'M': ['male'], 'F': ['female'], 'Other': [], 'unknown': []},
                        0.40
                    ),
                    category_match(v.read_as, getvariable('genders'), 0.40)
                )
        WHEN 'location'
            THEN
                if(
                    getvariable('cities') IS NULL,
                    category_match(
                        v.read_as,
                        ['Paris', 'Lyon', 'Berlin', 'Madrid', 'Rome', 'unknown'],
                        0.40
                    ),
                    category_match(v.read_as, getvariable('cities'), 0.40)
                )
        WHEN 'subscription_type'
            THEN
                if(
                    getvariable('subscription_types') IS NULL,
                    category_match(
                        v.read_as,
                        ['free', 'trial', 'premium', 'unknown'],
                        0.40
                    ),
                    category_match(v.read_as, getvariable('subscription_types'), 0.40)
                )
        WHEN 'game_type'
            THEN
                if(
                    getvariable('genres') IS NULL,
                    category_match(
                        v.read_as,
                        ['cardio', 'strategy', 'puzzle', 'arcade', 'action', 'unknown'],
                        0.40
                    ),
                    category_match(v.read_as, getvariable('genres'), 0.40)
                )
        WHEN 'platform'
            THEN
                if(
                    getvariable('platforms') IS NULL,
                    category_match(
                        v.read_as,
                        ['iOS', 'Android', 'Web', 'unknown'],
                        0.40
                    ),
                    category_match(v.read_as, getvariable('platforms'), 0.40)
                )
        WHEN 'difficulty'
            THEN
                if(
                    getvariable('difficulties') IS NULL,
                    category_match(
                        v.read_as,
                        ['easy', 'medium', 'hard', 'unknown'],
                        0.40
                    ),
                    category_match(v.read_as, getvariable('difficulties'), 0.40)
                )
        WHEN 'event_type'
            THEN
                category_match(v.read_as, getvariable('clean_event_types'), 0.40)
        WHEN 'device_type'
            THEN
                if(
                    getvariable('device_types') IS NULL,
                    category_match(
                        v.read_as,
                        map {'mobile': ['tablet'], 'web': [], 'console': [], 'unknown': []},
                        0.40
                    ),
                    category_match(v.read_as, getvariable('device_types'), 0.40)
                )
    END AS match
FROM temp.clean_values AS v;

-- What each value of a category becomes: `unknown`, where neither its vocabulary nor an answer
-- tells.
CREATE OR REPLACE TEMP TABLE clean_categories AS
SELECT
    c.column_name,
    c.raw_value,
    c.row_count,
    coalesce(c.match.normalized, 'unknown') AS clean_value,
    CASE
        WHEN c.is_answered AND c.match.rule NOT IN ('none', 'ambiguous') THEN 'answer'
        WHEN c.match.normalized IS NULL AND lower(trim(c.read_as)) = 'unknown' THEN 'exact'
        ELSE c.match.rule
    END AS rule
FROM temp.clean_matches_75 AS c;

-- What nobody knows the meaning of, with the entry that is nearest: config.category_map takes
-- answers.
CREATE OR REPLACE TABLE clean.unmatched_values AS
SELECT
    c.column_name,
    c.raw_value AS value,
    c.row_count,
    coalesce(n.match.normalized, n.match.runner_up) AS nearest,
    n.match.similarity AS similarity
FROM temp.clean_categories AS c
JOIN temp.clean_matches_40 AS n ON n.column_name = c.column_name AND n.raw_value = c.raw_value
WHERE c.rule IN ('none', 'ambiguous')
ORDER BY ALL;

-- The files, with the times that can be in them. Rows of other names came by themselves: up to
-- tomorrow.
CREATE OR REPLACE TEMP TABLE clean_files AS
SELECT
    f.file_name,
    coalesce(getvariable('min_time')::TIMESTAMP, TIMESTAMP '2000-01-01') AS min_time,
    coalesce(
        getvariable('max_time')::TIMESTAMP,
        coalesce(l.loaded_at, make_timestamp(epoch_us(now())))::DATE + INTERVAL 1 DAY
    ) AS last_time,
    if(
        last_time = last_time::DATE, last_time + INTERVAL 1 DAY - INTERVAL 1 MICROSECOND, last_time
    ) AS max_time
FROM (
    SELECT r.file_name
    FROM raw.users AS r
    UNION
    SELECT r.file_name
    FROM raw.games AS r
    UNION
    SELECT r.file_name
    FROM raw.events AS r
) AS f
LEFT JOIN raw.loaded_files AS l ON l.file_name = f.file_name;

-- Each raw row with its typed values, and the reason why it cannot be kept.

-- Each raw row with its typed values and the reason, but for duplicates, why it cannot be kept.
CREATE OR REPLACE TEMP VIEW clean_read_users AS
SELECT
    u.* EXCLUDE (registered),
    coalesce(a.clean_value, 'unknown') AS clean_age,
    if(u.registered BETWEEN u.min_time AND u.max_time, u.registered::DATE, NULL) AS typed_date,
    nullif(trim(u.email), '') AS clean_email,
    coalesce(w.clean_value, 'unknown') AS clean_frequency,
    coalesce(g.clean_value, 'unknown') AS clean_gender,
    coalesce(l.clean_value, 'unknown') AS clean_location,
    coalesce(s.clean_value, 'unknown') AS clean_subscription,
    u.registered IS NOT NULL AS has_date,
    CASE
        WHEN coalesce(trim(u.user_id), '') = '' THEN 'no id'
        WHEN u.typed_id IS NULL THEN 'bad id'
    END AS reason
FROM (
    SELECT
        r.rowid AS raw_row,
        r.*,
        f.min_time,
        f.max_time,
        exact_bigint(trim(r.user_id)) AS typed_id,
        coalesce(
            exact_timestamp(trim(r.registration_date)),
            exact_timestamp(trim(r.registration_date) || ' 00:00:00')
        ) AS registered
    FROM raw.users AS r
    JOIN temp.clean_files AS f ON f.file_name = r.file_name
) AS u
LEFT JOIN temp.clean_categories AS a ON a.column_name = 'age_range' AND a.raw_value = u.age_range
LEFT JOIN temp.clean_categories AS w
    ON w.column_name = 'workout_frequency' AND w.raw_value = u.workout_frequency
LEFT JOIN temp.clean_categories AS g ON g.column_name = 'gender' AND g.raw_value = u.gender
LEFT JOIN temp.clean_categories AS l ON l.column_name = 'location' AND l.raw_value = u.location
LEFT JOIN temp.clean_categories AS s
    ON s.column_name = 'subscription_type' AND s.raw_value = u.subscription_type;

CREATE OR REPLACE TEMP VIEW clean_read_games AS
SELECT
    g.*,
    coalesce(t.clean_value, 'unknown') AS clean_type,
    coalesce(nullif(trim(g.game_name), ''), 'unknown') AS clean_name,
    coalesce(p.clean_value, 'unknown') AS clean_platform,
    coalesce(d.clean_value, 'unknown') AS clean_difficulty,
    CASE
        WHEN coalesce(trim(g.game_id), '') = '' THEN 'no id'
        WHEN g.typed_id IS NULL THEN 'bad id'
    END AS reason
FROM (
    SELECT
        r.rowid AS raw_row,
        r.*,
        exact_bigint(trim(r.game_id)) AS typed_id
    FROM raw.games AS r
) AS g
LEFT JOIN temp.clean_categories AS t ON t.column_name = 'game_type' AND t.raw_value = g.game_type
LEFT JOIN temp.clean_categories AS p ON p.column_name = 'platform' AND p.raw_value = g.platform
LEFT JOIN temp.clean_categories AS d ON d.column_name = 'difficulty' AND d.raw_value = g.difficulty;

CREATE OR REPLACE TEMP TABLE clean_user_ids AS
SELECT DISTINCT u.typed_id AS user_id
FROM temp.clean_read_users AS u
WHERE u.reason IS NULL;

CREATE OR REPLACE TEMP TABLE clean_game_ids AS
SELECT DISTINCT g.typed_id AS game_id
FROM temp.clean_read_games AS g
WHERE g.reason IS NULL;

CREATE OR REPLACE TEMP VIEW clean_read_events AS
SELECT
    e.*,
    coalesce(t.clean_value, 'unknown') AS clean_type,
    coalesce(d.clean_value, 'unknown') AS clean_device,
    CASE
        WHEN coalesce(trim(e.event_id), '') = '' THEN 'no id'
        WHEN e.typed_id IS NULL THEN 'bad id'
        WHEN e.typed_time IS NULL THEN 'bad time'
        WHEN e.typed_time NOT BETWEEN e.min_time AND e.max_time THEN 'implausible time'
        WHEN coalesce(trim(e.user_id), '') = '' THEN 'no user'
        WHEN e.typed_user IS NULL THEN 'bad user'
        WHEN u.user_id IS NULL THEN 'unknown user'
        WHEN coalesce(trim(e.game_id), '') = '' THEN if(clean_type = 'login', NULL, 'no game')
        WHEN e.typed_game IS NULL THEN 'bad game'
        WHEN g.game_id IS NULL THEN 'unknown game'
    END AS reason
FROM (
    SELECT
        r.rowid AS raw_row,
        r.*,
        f.min_time,
        f.max_time,
        coalesce(exact_bigint(r.event_id), exact_bigint(trim(r.event_id))) AS typed_id,
        coalesce(exact_bigint(r.user_id), exact_bigint(trim(r.user_id))) AS typed_user,
        coalesce(exact_bigint(r.game_id), exact_bigint(trim(r.game_id))) AS typed_game,
        coalesce(exact_timestamp(r.event_time), exact_timestamp(trim(r.event_time))) AS typed_time,
        -- Spreadsheets and data frames write whole numbers as `60.0`.
        TRY_CAST(
            coalesce(
                exact_bigint(trim(r.duration_seconds)),
                exact_bigint(regexp_extract(trim(r.duration_seconds), '^([0-9]+)[.]0+$', 1))
            ) AS INTEGER
        ) AS typed_duration
    FROM raw.events AS r
    JOIN temp.clean_files AS f ON f.file_name = r.file_name
) AS e
LEFT JOIN temp.clean_categories AS t ON t.column_name = 'event_type' AND t.raw_value = e.event_type
LEFT JOIN temp.clean_categories AS d
    ON d.column_name = 'device_type' AND d.raw_value = e.device_type
LEFT JOIN temp.clean_user_ids AS u ON u.user_id = e.typed_user
LEFT JOIN temp.clean_game_ids AS g ON g.game_id = e.typed_game;

-- The rows that cannot be kept.

-- Only rows whose identifier occurs twice are compared.
CREATE OR REPLACE TEMP TABLE clean_duplicates AS
WITH same_ids AS (
    SELECT
        'users' AS table_name,
        u.raw_row,
        u.typed_id,
        u.file_name,
        [
            u.clean_age,
            u.typed_date::VARCHAR,
            u.clean_email,
            u.clean_frequency,
            u.clean_gender,
            u.clean_location,
            u.clean_subscription
        ] AS content,
        [
            u.age_range,
            u.registration_date,
            u.email,
            u.workout_frequency,
            u.gender,
            u.location,
            u.subscription_type,
            u.user_id
        ] AS texts
    FROM temp.clean_read_users AS u
    WHERE
        u.reason IS NULL
        AND u.typed_id IN (
            SELECT exact_bigint(trim(r.user_id))
            FROM raw.users AS r
            GROUP BY ALL
            HAVING count(*) > 1
        )
    UNION ALL
    SELECT
        'games' AS table_name,
        g.raw_row,
        g.typed_id,
        g.file_name,
        [g.clean_type, g.clean_name, g.clean_platform, g.clean_difficulty] AS content,
        [g.game_type, g.game_name, g.platform, g.difficulty, g.game_id] AS texts
    FROM temp.clean_read_games AS g
    WHERE
        g.reason IS NULL
        AND g.typed_id IN (
            SELECT exact_bigint(trim(r.game_id))
            FROM raw.games AS r
            GROUP BY ALL
            HAVING count(*) > 1
        )
    UNION ALL
    SELECT
        'events' AS table_name,
        e.raw_row,
        e.typed_id,
        e.file_name,
        [
            e.typed_game::VARCHAR, e.typed_user::VARCHAR, e.typed_time::VARCHAR, e.clean_type,
            e.typed_duration::VARCHAR, e.clean_device
        ] AS content,
        [
            e.game_id,
            e.user_id,
            e.event_time,
            e.event_type,
            e.duration_seconds,
            e.device_type,
            e.event_id
        ] AS texts
    FROM temp.clean_read_events AS e
    WHERE
        e.reason IS NULL
        AND e.typed_id IN (
            SELECT coalesce(exact_bigint(r.event_id), exact_bigint(trim(r.event_id)))
            FROM raw.events AS r
            GROUP BY ALL
            HAVING count(*) > 1
        )
),

counted_rows AS (
    SELECT
        s.*,
        count(*) OVER (PARTITION BY s.table_name, s.typed_id, s.content) AS copies
    FROM same_ids AS s
)

SELECT
    c.table_name,
    c.raw_row
FROM counted_rows AS c
QUALIFY
    row_number() OVER (
        PARTITION BY c.table_name, c.typed_id
        ORDER BY
            c.copies DESC,
            c.content,
            c.texts,
            c.file_name,
            c.raw_row
    ) > 1;

-- The rows that cannot be kept: few, as a rule.
CREATE OR REPLACE TEMP TABLE clean_rejected AS
SELECT
    'users' AS table_name,
    u.raw_row,
    u.reason
FROM temp.clean_read_users AS u
WHERE u.reason IS NOT NULL
UNION ALL
SELECT
    'games' AS table_name,
    g.raw_row,
    g.reason
FROM temp.clean_read_games AS g
WHERE g.reason IS NOT NULL
UNION ALL
SELECT
    'events' AS table_name,
    e.raw_row,
    e.reason
FROM temp.clean_read_events AS e
WHERE e.reason IS NOT NULL
UNION ALL
SELECT
    d.table_name,
    d.raw_row,
    'duplicate id' AS reason
FROM temp.clean_duplicates AS d;

CREATE OR REPLACE TABLE clean.rejected_users AS
SELECT
    u.*,
    x.reason
FROM raw.users AS u
JOIN temp.clean_rejected AS x ON x.table_name = 'users' AND x.raw_row = u.rowid;

CREATE OR REPLACE TABLE clean.rejected_games AS
SELECT
    g.*,
    x.reason
FROM raw.games AS g
JOIN temp.clean_rejected AS x ON x.table_name = 'games' AND x.raw_row = g.rowid;

CREATE OR REPLACE TABLE clean.rejected_events AS
SELECT
    e.*,
    x.reason
FROM raw.events AS e
JOIN temp.clean_rejected AS x ON x.table_name = 'events' AND x.raw_row = e.rowid;

-- The rows that are kept, and the sessions of their events.

CREATE OR REPLACE TABLE clean.users AS
SELECT
    u.typed_id AS user_id,
    u.clean_age AS age_range,
    u.typed_date AS registration_date,
    u.clean_email AS email,
    u.clean_frequency AS workout_frequency,
    u.clean_gender AS gender,
    u.clean_location AS location,
    u.clean_subscription AS subscription_type
FROM temp.clean_read_users AS u
ANTI JOIN (
    SELECT x.raw_row
    FROM temp.clean_rejected AS x
    WHERE x.table_name = 'users'
) AS x ON x.raw_row = u.raw_row;

CREATE OR REPLACE TABLE clean.games AS
SELECT
    g.typed_id AS game_id,
    g.clean_type AS game_type,
    g.clean_name AS game_name,
    g.clean_platform AS platform,
    g.clean_difficulty AS difficulty
FROM temp.clean_read_games AS g
ANTI JOIN (
    SELECT x.raw_row
    FROM temp.clean_rejected AS x
    WHERE x.table_name = 'games'
) AS x ON x.raw_row = g.raw_row;

CREATE OR REPLACE TABLE clean.events AS
SELECT
    e.typed_id AS event_id,
    e.typed_game AS game_id,
    e.typed_user AS user_id,
    e.typed_time AS event_time,
    e.clean_type AS event_type,
    e.typed_duration AS duration_seconds,
    e.clean_device AS device_type
FROM temp.clean_read_events AS e
ANTI JOIN (
    SELECT x.raw_row
    FROM temp.clean_rejected AS x
    WHERE x.table_name = 'events'
) AS x ON x.raw_row = e.raw_row;

-- One pass over the events gives them their sessions; what is kept of it are sums.
CREATE OR REPLACE TABLE clean.session_games AS
SELECT
    s.user_id,
    s.session_number,
    s.game_id,
    min(s.event_time) AS first_event_time,
    max(s.event_time) AS last_event_time,
    count(*) AS events,
    coalesce(sum(s.duration_seconds), 0)::BIGINT AS seconds_played
FROM sessionize('clean.events', max_gap := INTERVAL 30 MINUTE) AS s
GROUP BY
    s.user_id,
    s.session_number,
    s.game_id;

CREATE OR REPLACE TABLE clean.sessions AS
SELECT
    g.user_id,
    g.session_number,
    min(g.first_event_time) AS session_start,
    max(g.last_event_time) AS session_end,
    date_sub('second', min(g.first_event_time), max(g.last_event_time)) AS session_seconds,
    sum(g.events)::BIGINT AS events,
    sum(g.seconds_played)::BIGINT AS seconds_played
FROM clean.session_games AS g
GROUP BY
    g.user_id,
    g.session_number;

-- clean.corrections: what was missing or changed; then nothing is lost.

-- The values of the rows that were kept, and what became of them.
CREATE OR REPLACE TABLE clean.corrections AS
WITH kept_users AS (
    SELECT u.*
    FROM temp.clean_read_users AS u
    ANTI JOIN (
        SELECT x.raw_row
        FROM temp.clean_rejected AS x
        WHERE x.table_name = 'users'
    ) AS x ON x.raw_row = u.raw_row
),

kept_games AS (
    SELECT g.*
    FROM temp.clean_read_games AS g
    ANTI JOIN (
        SELECT x.raw_row
        FROM temp.clean_rejected AS x
        WHERE x.table_name = 'games'
    ) AS x ON x.raw_row = g.raw_row
),

kept_events AS (
    SELECT
        e.event_type,
        e.device_type,
        e.typed_duration IS NOT NULL AS has_duration,
        if(has_duration, NULL, e.duration_seconds) AS lost_duration,
        count(*) AS row_count
    FROM temp.clean_read_events AS e
    ANTI JOIN (
        SELECT x.raw_row
        FROM temp.clean_rejected AS x
        WHERE x.table_name = 'events'
    ) AS x ON x.raw_row = e.raw_row
    GROUP BY ALL
),

-- A category is judged below; the others are taken as they are, or are not.
kept_values AS (
    SELECT
        'users' AS table_name,
        unnest(
            [
                {
                    'column_name': 'age_range',
                    'raw_value': u.age_range,
                    'is_taken': false,
                    'is_implausible': false
                },
                {
                    'column_name': 'workout_frequency',
                    'raw_value': u.workout_frequency,
                    'is_taken': false,
                    'is_implausible': false
                },
                {
                    'column_name': 'gender',
                    'raw_value': u.gender,
                    'is_taken': false,
                    'is_implausible': false
                },
                {
                    'column_name': 'location',
                    'raw_value': u.location,
                    'is_taken': false,
                    'is_implausible': false
                },
                {
                    'column_name': 'subscription_type',
                    'raw_value': u.subscription_type,
                    'is_taken': false,
                    'is_implausible': false
                },
                {
                    'column_name': 'registration_date',
                    'raw_value': u.registration_date,
                    'is_taken': u.typed_date IS NOT NULL,
                    'is_implausible': u.has_date
                },
                {
                    'column_name': 'email',
                    'raw_value': u.email,
                    'is_taken': u.clean_email IS NOT NULL,
                    'is_implausible': false
                }
            ]
        ) AS kept,
        1 AS row_count
    FROM kept_users AS u
    UNION ALL
    SELECT
        'games' AS table_name,
        unnest(
            [
                {
                    'column_name': 'game_type',
                    'raw_value': g.game_type,
                    'is_taken': false,
                    'is_implausible': false
                },
                {
                    'column_name': 'game_name',
                    'raw_value': g.game_name,
                    'is_taken': coalesce(trim(g.game_name), '') <> '',
                    'is_implausible': false
                },
                {
                    'column_name': 'platform',
                    'raw_value': g.platform,
                    'is_taken': false,
                    'is_implausible': false
                },
                {
                    'column_name': 'difficulty',
                    'raw_value': g.difficulty,
                    'is_taken': false,
                    'is_implausible': false
                }
            ]
        ) AS kept,
        1 AS row_count
    FROM kept_games AS g
    UNION ALL
    SELECT
        'events' AS table_name,
        unnest(
            [
                {
                    'column_name': 'event_type',
                    'raw_value': e.event_type,
                    'is_taken': false,
                    'is_implausible': false
                },
                {
                    'column_name': 'device_type',
                    'raw_value': e.device_type,
                    'is_taken': false,
                    'is_implausible': false
                },
                {
                    'column_name': 'duration_seconds',
                    'raw_value': e.lost_duration,
                    'is_taken': e.has_duration,
                    'is_implausible': false
                }
            ]
        ) AS kept,
        e.row_count
    FROM kept_events AS e
),

counted_values AS (
    SELECT
        v.table_name,
        v.kept.column_name,
        nullif(v.kept.raw_value, '') AS raw_value,
        v.kept.is_implausible,
        sum(v.row_count)::BIGINT AS row_count
    FROM kept_values AS v
    WHERE NOT v.kept.is_taken
    GROUP BY ALL
)

SELECT
    v.table_name,
    v.column_name,
    v.raw_value,
    if(
        v.column_name IN ('registration_date', 'email', 'duration_seconds'),
        NULL,
        coalesce(c.clean_value, 'unknown')
    ) AS clean_value,
    CASE
        WHEN c.rule IS NOT NULL THEN c.rule
        WHEN coalesce(trim(v.raw_value), '') = '' THEN 'empty'
        WHEN v.is_implausible THEN 'implausible'
        WHEN
            v.column_name = 'duration_seconds' AND TRY_CAST(v.raw_value AS DOUBLE) < 0
            THEN 'negative'
        ELSE 'invalid'
    END AS rule,
    v.row_count
FROM counted_values AS v
LEFT JOIN temp.clean_categories AS c ON c.column_name = v.column_name AND c.raw_value = v.raw_value
WHERE c.rule IS DISTINCT FROM 'exact'
ORDER BY ALL;

SET VARIABLE clean_check = (
    SELECT
        string_agg(
            if(
                counts.raw_rows <> counts.clean_rows + counts.rejected_rows,
                error(
                    '10_clean: '
                    || counts.raw_rows
                    || ' raw rows of '
                    || counts.table_name
                    || ' are not '
                    || counts.clean_rows || ' + ' || counts.rejected_rows || ' rejected rows'
                ),
                NULL
            )
        )
    FROM (
        SELECT
            'users' AS table_name,
            (SELECT count(*) FROM raw.users) AS raw_rows,
            (SELECT count(*) FROM clean.users) AS clean_rows,
            (SELECT count(*) FROM clean.rejected_users) AS rejected_rows
        UNION ALL
        SELECT
            'games' AS table_name,
            (SELECT count(*) FROM raw.games) AS raw_rows,
            (SELECT count(*) FROM clean.games) AS clean_rows,
            (SELECT count(*) FROM clean.rejected_games) AS rejected_rows
        UNION ALL
        SELECT
            'events' AS table_name,
            (SELECT count(*) FROM raw.events) AS raw_rows,
            (SELECT count(*) FROM clean.events) AS clean_rows,
            (SELECT count(*) FROM clean.rejected_events) AS rejected_rows
    ) AS counts
);

SET VARIABLE run_counts = (
    SELECT
        {
            'rows_in': k.users + k.games + k.events + r.rows_rejected,
            'rows': k.events,
            'rows_replaced': getvariable('replaced_rows'),
            'rows_rejected': r.rows_rejected,
            'message': k.users || ' users, ' || k.games || ' games, ' || k.events || ' events, '
            || r.rows_rejected || ' rows rejected, ' || getvariable('replaced_rows')
            || ' events replaced'
        }
    FROM (
        SELECT
            (SELECT count(*) FROM clean.users) AS users,
            (SELECT count(*) FROM clean.games) AS games,
            (SELECT count(*) FROM clean.events) AS events
    ) AS k
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
                'cities',
                'genres',
                'platforms',
                'difficulties',
                'device_types',
                'age_ranges',
                'genders',
                'workout_frequencies',
                'subscription_types'
            )
    ) AS parameters,
    i.version AS amazing_version,
    version() AS duckdb_version
FROM amazing_info() AS i
CROSS JOIN (
    SELECT make_timestamp(epoch_us(uuid_extract_timestamp(uuidv7()))) AS finished_at
) AS t;

DROP TABLE temp.clean_rejected;

DROP TABLE temp.clean_duplicates;

DROP VIEW temp.clean_read_events;

DROP TABLE temp.clean_game_ids;

DROP TABLE temp.clean_user_ids;

DROP VIEW temp.clean_read_games;

DROP VIEW temp.clean_read_users;

DROP TABLE temp.clean_files;

DROP TABLE temp.clean_categories;

DROP TABLE temp.clean_matches_40;

DROP TABLE temp.clean_matches_75;

DROP TABLE temp.clean_values;

COMMIT;

SELECT
    o.table_name,
    o.outcome,
    count(*) AS row_count
FROM (
    SELECT
        'users' AS table_name,
        'kept' AS outcome
    FROM clean.users
    UNION ALL
    SELECT
        'users' AS table_name,
        x.reason
    FROM clean.rejected_users AS x
    UNION ALL
    SELECT
        'games' AS table_name,
        'kept' AS outcome
    FROM clean.games
    UNION ALL
    SELECT
        'games' AS table_name,
        x.reason
    FROM clean.rejected_games AS x
    UNION ALL
    SELECT
        'events' AS table_name,
        'kept' AS outcome
    FROM clean.events
    UNION ALL
    SELECT
        'events' AS table_name,
        x.reason
    FROM clean.rejected_events AS x
) AS o
GROUP BY ALL
ORDER BY
    o.table_name,
    row_count DESC,
    o.outcome;

-- Step 20_kpi of the pipeline `games`: who plays, what, where, and what each month brought.
--
-- kpi.user_status            one row: a user
-- kpi.user_status_counts     one row: a status, also one that nobody has
-- kpi.user_engagement        one row: a user; NULL for figures that need an event and a favourite
--                            that is not known
-- kpi.demographics           one row: a dimension (age_range, gender, subscription_type,
--                            workout_frequency) and value
-- kpi.game_performance       one row: a game, also one that nobody played
-- kpi.monthly                one row: a month, from the first event to the last, also one without
--                            events (UTC)
-- kpi.monthly_by_game        one row: a game and month, every game and every month of kpi.monthly
-- kpi.monthly_by_location    one row: a location and month, every location of a user and every
--                            month of kpi.monthly
-- kpi.seasonality            one row: a month of kpi.monthly
-- kpi.status_by_month        one row: a month of kpi.monthly, with the status of users at its end
-- kpi.event_frequency        one row: a month of kpi.monthly, and NULL for all months
-- kpi.demographics_by_month  one row: a month of kpi.monthly, a dimension and a value
-- kpi.location               one row: a location of a user
-- kpi.location_behaviour     one row: a location of a user; figures are per user who ever played,
--                            NULL where nobody did
--
-- Parameter (session variable):
--   as_of  the last day that counts (the day of the last event): no figure knows of an event after
--          it
--
-- `active`: an event from the day 6 calendar months before as_of, this day included, to the end of
--   as_of. As of 2024-08-31 an event on 2024-02-29 at 00:00:00 counts, one a second before does
--   not. `churned`: events up to as_of, but none in this time. `inactive`: no event up to as_of.
--   active_users is meant so in demographics, game_performance (an event in the game) and location.
-- kpi.status_by_month means the same at the end of each month, of the last one at as_of. Its users
--   are those who were registered or had an event by then; who has no date of registration is
--   counted always.
-- A month is complete when as_of is its last day or later. One that is not has no changes, no
--   churned_users and no part in kpi.seasonality: it has not ended.
-- In the months, active_users have an event in the month, new_users their first one, churned_users
--   were active in the month before and are not in this one, reactivated_users are active, were not
--   in the month before, but earlier. Of a game these are events in the game. active_users = those
--   of the month before + new + reactivated - churned.
-- avg_session_seconds is from the first event of a session to its last, avg_seconds_played the sum
--   of duration_seconds of its events: it knows of sessions with one event too. Both are means over
--   sessions.
-- A session belongs to the month in which it begins. Of a game, sessions are those with an event in
--   the game, from the first to the last such event. A session of one event has 0 seconds and
--   counts in the mean.
-- A change is (this month - the other) / the other, against the month before or the same month of
--   the year before; NULL where that month is not in the table or a zero.
-- Ranks leave gaps after ties (1, 2, 2, 4). The favourite is that with most events; of equals the
--   game with the smallest identifier, the device or type that is first by name. `unknown` is
--   nobody's favourite.
-- finish_rate: events finish_game / start_game, NULL without a start.
-- kpi.seasonality: `trend` is the mean of the month and its neighbours, of two months at the ends;
--   the others are those of seasonal_decompose, a robust decomposition as STL is. `level` is the
--   month without its season, `seasonal_index` the factor of the calendar month: what recurs.
--   `expected` = level * seasonal_index, `deviation` = events / expected - 1. `is_outlier` tells a
--   one-off. Of fewer than 24 months there is no season: seasonal_index and is_outlier are NULL.
--
-- A mean is one division of exact sums, so that no figure depends on the order of rows.
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

-- What the tables of kpi are made of: events, sessions and months up to as_of.

CREATE SCHEMA IF NOT EXISTS kpi;

-- How many rows the run before has left, which this one replaces.
SET VARIABLE replaced_rows = (
    SELECT coalesce(sum(t.estimated_size), 0)::BIGINT
    FROM duckdb_tables() AS t
    WHERE
        t.database_name = current_database()
        AND t.schema_name || '.' || t.table_name = 'kpi.user_engagement'
);

-- The time in which an event makes a user active.
CREATE OR REPLACE TEMP TABLE kpi_active_time AS
SELECT
    d.as_of,
    (d.as_of - INTERVAL 6 MONTH)::TIMESTAMP AS start_time,
    (d.as_of + INTERVAL 1 DAY)::TIMESTAMP AS end_time
FROM (
    SELECT coalesce(getvariable('as_of')::DATE, max(e.event_time)::DATE) AS as_of
    FROM clean.events AS e
) AS d;

CREATE OR REPLACE TEMP VIEW kpi_events AS
SELECT e.*
FROM clean.events AS e
CROSS JOIN temp.kpi_active_time AS t
WHERE e.event_time < t.end_time;

-- Of a session that goes on after as_of, the events up to then: all events of the user from its
-- start on.
CREATE OR REPLACE TEMP TABLE kpi_session_games AS
WITH cut_sessions AS (
    SELECT s.*
    FROM clean.sessions AS s
    CROSS JOIN temp.kpi_active_time AS t
    WHERE s.session_start < t.end_time AND s.session_end >= t.end_time
)

SELECT g.*
FROM clean.session_games AS g
CROSS JOIN temp.kpi_active_time AS t
ANTI JOIN cut_sessions AS c ON c.user_id = g.user_id AND c.session_number = g.session_number
WHERE g.first_event_time < t.end_time
UNION ALL
SELECT
    c.user_id,
    c.session_number,
    e.game_id,
    min(e.event_time) AS first_event_time,
    max(e.event_time) AS last_event_time,
    count(*) AS events,
    coalesce(sum(e.duration_seconds), 0)::BIGINT AS seconds_played
FROM cut_sessions AS c
JOIN temp.kpi_events AS e ON e.user_id = c.user_id AND e.event_time >= c.session_start
GROUP BY
    c.user_id,
    c.session_number,
    e.game_id;

CREATE OR REPLACE TEMP TABLE kpi_sessions AS
SELECT
    g.user_id,
    g.session_number,
    min(g.first_event_time) AS session_start,
    date_sub('second', min(g.first_event_time), max(g.last_event_time)) AS session_seconds,
    sum(g.seconds_played)::BIGINT AS seconds_played
FROM temp.kpi_session_games AS g
GROUP BY
    g.user_id,
    g.session_number;

-- One row: a user and a month with an event.
CREATE OR REPLACE TEMP TABLE kpi_user_months AS
SELECT
    e.user_id,
    date_trunc('month', e.event_time)::DATE AS month,
    count(*) AS events,
    min(e.event_time) AS first_event_time,
    max(e.event_time) AS last_event_time
FROM temp.kpi_events AS e
GROUP BY
    e.user_id,
    date_trunc('month', e.event_time);

-- kpi.user_status and its counts: who is active, churned, inactive.

CREATE OR REPLACE TABLE kpi.user_status AS
WITH histories AS (
    SELECT
        m.user_id,
        min(m.first_event_time) AS first_event_time,
        max(m.last_event_time) AS last_event_time
    FROM temp.kpi_user_months AS m
    GROUP BY m.user_id
)

SELECT
    u.user_id,
    CASE
        WHEN h.user_id IS NULL THEN 'inactive'
        WHEN h.last_event_time >= t.start_time THEN 'active'
        ELSE 'churned'
    END AS status,
    h.first_event_time,
    h.last_event_time,
    date_diff('day', h.last_event_time::DATE, t.as_of) AS days_since_last_event
FROM clean.users AS u
CROSS JOIN temp.kpi_active_time AS t
LEFT JOIN histories AS h ON h.user_id = u.user_id;

CREATE OR REPLACE TABLE kpi.user_status_counts AS
SELECT
    known.status,
    count(s.user_id) AS users,
    (count(s.user_id) / nullif(sum(count(s.user_id)) OVER (), 0))::DOUBLE AS share
FROM (
    VALUES
        ('active'),
        ('churned'),
        ('inactive')
) AS known (status)
LEFT JOIN kpi.user_status AS s ON s.status = known.status
GROUP BY known.status
ORDER BY known.status;

-- kpi.user_engagement: what each user does.

CREATE OR REPLACE TEMP TABLE kpi_user_games AS
SELECT
    g.user_id,
    g.game_id,
    sum(g.events)::BIGINT AS events,
    count(*) FILTER (g.first_event_time < t.end_time AND g.last_event_time >= t.start_time)
    > 0 AS is_active
FROM temp.kpi_session_games AS g
CROSS JOIN temp.kpi_active_time AS t
WHERE g.game_id IS NOT NULL
GROUP BY
    g.user_id,
    g.game_id;

CREATE OR REPLACE TABLE kpi.user_engagement AS
WITH user_sessions AS (
    SELECT
        s.user_id,
        count(*) AS sessions,
        sum(s.session_seconds)::BIGINT AS session_seconds,
        sum(s.seconds_played)::BIGINT AS seconds_played
    FROM temp.kpi_sessions AS s
    GROUP BY s.user_id
),

user_days AS (
    SELECT
        e.user_id,
        e.event_time::DATE AS day
    FROM temp.kpi_events AS e
    GROUP BY
        e.user_id,
        e.event_time::DATE
),

active_times AS (
    SELECT
        d.user_id,
        count(*) AS days_active,
        count(DISTINCT date_trunc('month', d.day)) AS months_active
    FROM user_days AS d
    GROUP BY d.user_id
),

favourite_games AS (
    SELECT
        g.user_id,
        g.game_id,
        count(*) OVER (PARTITION BY g.user_id) AS games_played
    FROM temp.kpi_user_games AS g
    QUALIFY
        row_number() OVER (
            PARTITION BY g.user_id
            ORDER BY
                g.events DESC,
                g.game_id
        ) = 1
),

user_devices AS (
    SELECT
        e.user_id,
        e.device_type,
        count(*) AS events,
        count(*) FILTER (e.event_type = 'purchase') AS purchases
    FROM temp.kpi_events AS e
    GROUP BY
        e.user_id,
        e.device_type
),

-- The unknown device comes last: it is first where there is no other.
favourite_devices AS (
    SELECT
        d.user_id,
        nullif(d.device_type, 'unknown') AS device_type,
        sum(d.purchases) OVER (PARTITION BY d.user_id)::BIGINT AS purchases
    FROM user_devices AS d
    QUALIFY
        row_number() OVER (
            PARTITION BY d.user_id
            ORDER BY
                d.device_type = 'unknown',
                d.events DESC,
                d.device_type
        ) = 1
)

SELECT
    u.user_id,
    coalesce(a.events, 0) AS events,
    coalesce(s.sessions, 0) AS sessions,
    coalesce(m.days_active, 0) AS days_active,
    coalesce(m.months_active, 0) AS months_active,
    (a.events / m.months_active)::DOUBLE AS events_per_active_month,
    a.avg_time_between_events,
    (s.session_seconds / s.sessions)::DOUBLE AS avg_session_seconds,
    (s.seconds_played / s.sessions)::DOUBLE AS avg_seconds_played,
    coalesce(s.seconds_played, 0) AS seconds_played,
    coalesce(g.games_played, 0) AS games_played,
    g.game_id AS favourite_game,
    d.device_type AS favourite_device,
    coalesce(d.purchases, 0) AS purchases,
    a.last_event_time,
    date_diff('day', a.last_event_time::DATE, t.as_of) AS days_since_last_event
FROM clean.users AS u
CROSS JOIN temp.kpi_active_time AS t
LEFT JOIN user_activity('temp.kpi_events') AS a ON a.user_id = u.user_id
LEFT JOIN active_times AS m ON m.user_id = u.user_id
LEFT JOIN user_sessions AS s ON s.user_id = u.user_id
LEFT JOIN favourite_games AS g ON g.user_id = u.user_id
LEFT JOIN favourite_devices AS d ON d.user_id = u.user_id;

-- kpi.demographics: who the users are.

CREATE OR REPLACE TABLE kpi.demographics AS
SELECT
    u.dimension,
    u.value,
    count(*) AS users,
    count(*) FILTER (s.status = 'active') AS active_users,
    (count(*) / sum(count(*)) OVER (PARTITION BY u.dimension))::DOUBLE AS share,
    (count(*) FILTER (s.status = 'active') / count(*))::DOUBLE AS active_rate
FROM (
    UNPIVOT clean.users
    ON age_range, gender, subscription_type, workout_frequency
    INTO NAME dimension VALUE value
) AS u
JOIN kpi.user_status AS s ON s.user_id = u.user_id
GROUP BY
    u.dimension,
    u.value
ORDER BY
    u.dimension,
    u.value;

-- kpi.game_performance: what each game brings.

CREATE OR REPLACE TABLE kpi.game_performance AS
WITH game_users AS (
    SELECT
        g.game_id,
        count(*) AS users,
        count(*) FILTER (g.is_active) AS active_users
    FROM temp.kpi_user_games AS g
    GROUP BY g.game_id
),

game_sessions AS (
    SELECT
        g.game_id,
        count(*) AS sessions,
        sum(date_sub('second', g.first_event_time, g.last_event_time))::BIGINT AS session_seconds,
        sum(g.seconds_played)::BIGINT AS seconds_played
    FROM temp.kpi_session_games AS g
    GROUP BY g.game_id
),

game_events AS (
    SELECT
        e.game_id,
        count(*) AS events,
        count(*) FILTER (e.event_type = 'start_game') AS starts,
        count(*) FILTER (e.event_type = 'finish_game') AS finishes,
        count(*) FILTER (e.event_type = 'purchase') AS purchases
    FROM temp.kpi_events AS e
    GROUP BY e.game_id
)

SELECT
    g.game_id,
    g.game_name,
    g.game_type,
    g.platform,
    g.difficulty,
    coalesce(e.events, 0) AS events,
    coalesce(u.users, 0) AS users,
    coalesce(u.active_users, 0) AS active_users,
    rank() OVER (ORDER BY coalesce(u.active_users, 0) DESC) AS rank,
    coalesce(s.sessions, 0) AS sessions,
    (s.session_seconds / s.sessions)::DOUBLE AS avg_session_seconds,
    coalesce(s.seconds_played, 0) AS seconds_played,
    coalesce(e.starts, 0) AS starts,
    coalesce(e.finishes, 0) AS finishes,
    (e.finishes / nullif(e.starts, 0))::DOUBLE AS finish_rate,
    coalesce(e.purchases, 0) AS purchases
FROM clean.games AS g
LEFT JOIN game_events AS e ON e.game_id = g.game_id
LEFT JOIN game_users AS u ON u.game_id = g.game_id
LEFT JOIN game_sessions AS s ON s.game_id = g.game_id
ORDER BY
    rank,
    g.game_id;

-- kpi.monthly and the same by game and by location: what each month brought.

-- The three tables of months differ in what a row is about, and in nothing else: `level` is 'all',
-- 'game' or 'location'.
CREATE OR REPLACE TEMP VIEW kpi_located_events AS
SELECT
    e.user_id,
    e.event_time,
    e.event_type,
    u.location
FROM temp.kpi_events AS e
JOIN clean.users AS u ON u.user_id = e.user_id;

CREATE OR REPLACE TEMP TABLE kpi_month_activity AS
SELECT
    'all' AS level,
    NULL::BIGINT AS game_id,
    NULL::VARCHAR AS location,
    a.*
FROM monthly_activity('temp.kpi_events') AS a
UNION ALL
SELECT
    'game' AS level,
    a.game_id,
    NULL AS location,
    a.* EXCLUDE (game_id)
FROM monthly_activity('temp.kpi_events', col := 'game_id') AS a
UNION ALL
SELECT
    'location' AS level,
    NULL AS game_id,
    a.location,
    a.* EXCLUDE (location)
FROM monthly_activity('temp.kpi_located_events', col := 'location') AS a;

CREATE OR REPLACE TEMP TABLE kpi_month_sessions AS
SELECT
    if(grouping(u.location) = 1, 'all', 'location') AS level,
    NULL::BIGINT AS game_id,
    u.location,
    date_trunc('month', s.session_start)::DATE AS month,
    count(*) AS sessions,
    sum(s.session_seconds)::BIGINT AS session_seconds
FROM temp.kpi_sessions AS s
JOIN clean.users AS u ON u.user_id = s.user_id
GROUP BY
    GROUPING SETS (
        (date_trunc('month', s.session_start)),
        (date_trunc('month', s.session_start), u.location)
    )
UNION ALL
SELECT
    'game' AS level,
    g.game_id,
    NULL AS location,
    date_trunc('month', g.first_event_time)::DATE AS month,
    count(*) AS sessions,
    sum(date_sub('second', g.first_event_time, g.last_event_time))::BIGINT AS session_seconds
FROM temp.kpi_session_games AS g
GROUP BY
    g.game_id,
    date_trunc('month', g.first_event_time);

CREATE OR REPLACE TEMP TABLE kpi_month_purchases AS
SELECT
    CASE
        WHEN grouping(e.game_id) = 0 THEN 'game'
        WHEN grouping(u.location) = 0 THEN 'location'
        ELSE 'all'
    END AS level,
    e.game_id,
    u.location,
    date_trunc('month', e.event_time)::DATE AS month,
    count(*) AS purchases
FROM temp.kpi_events AS e
JOIN clean.users AS u ON u.user_id = e.user_id
WHERE e.event_type = 'purchase'
GROUP BY
    GROUPING SETS (
        (date_trunc('month', e.event_time)),
        (date_trunc('month', e.event_time), e.game_id),
        (date_trunc('month', e.event_time), u.location)
    );

CREATE OR REPLACE TEMP TABLE kpi_months AS
WITH subjects AS (
    SELECT
        'all' AS level,
        NULL::BIGINT AS game_id,
        NULL::VARCHAR AS location
    UNION ALL
    SELECT
        'game' AS level,
        g.game_id,
        NULL AS location
    FROM clean.games AS g
    UNION ALL
    SELECT DISTINCT
        'location' AS level,
        NULL::BIGINT AS game_id,
        u.location
    FROM clean.users AS u
),

calendar AS (
    SELECT
        a.month,
        a.month + INTERVAL 1 MONTH <= t.end_time AS is_complete
    FROM temp.kpi_month_activity AS a
    CROSS JOIN temp.kpi_active_time AS t
    WHERE a.level = 'all'
),

months AS (
    SELECT
        j.level,
        j.game_id,
        j.location,
        c.month,
        c.is_complete,
        coalesce(a.events, 0) AS events,
        coalesce(a.active_users, 0) AS active_users,
        coalesce(a.new_users, 0) AS new_users,
        if(c.is_complete, coalesce(a.churned_users, 0), NULL) AS churned_users,
        coalesce(a.reactivated_users, 0) AS reactivated_users,
        coalesce(s.sessions, 0) AS sessions,
        (s.session_seconds / s.sessions)::DOUBLE AS avg_session_seconds,
        coalesce(p.purchases, 0) AS purchases
    FROM subjects AS j
    CROSS JOIN calendar AS c
    LEFT JOIN temp.kpi_month_activity AS a
        ON
            a.level = j.level
            AND a.game_id IS NOT DISTINCT FROM j.game_id
            AND a.location IS NOT DISTINCT FROM j.location
            AND a.month = c.month
    LEFT JOIN temp.kpi_month_sessions AS s
        ON
            s.level = j.level
            AND s.game_id IS NOT DISTINCT FROM j.game_id
            AND s.location IS NOT DISTINCT FROM j.location
            AND s.month = c.month
    LEFT JOIN temp.kpi_month_purchases AS p
        ON
            p.level = j.level
            AND p.game_id IS NOT DISTINCT FROM j.game_id
            AND p.location IS NOT DISTINCT FROM j.location
            AND p.month = c.month
),

-- The figures to compare with, of a month that has ended.
compared AS (
    SELECT
        m.*,
        if(
            m.is_complete,
            lag(
                {
                    'events': m.events,
                    'active_users': m.active_users,
                    'sessions': m.sessions,
                    'purchases': m.purchases
                }
            ) OVER subject,
            NULL
        ) AS before,
        if(
            m.is_complete,
            lag(
                {
                    'events': m.events,
                    'active_users': m.active_users,
                    'sessions': m.sessions,
                    'purchases': m.purchases
                },
                12
            ) OVER subject,
            NULL
        ) AS year_before
    FROM months AS m
    WINDOW subject AS (PARTITION BY m.level, m.game_id, m.location ORDER BY m.month)
)

SELECT
    c.* EXCLUDE (is_complete, before, year_before),
    ((c.events - c.before.events) / nullif(c.before.events, 0))::DOUBLE AS events_change,
    ((c.active_users - c.before.active_users) / nullif(c.before.active_users, 0))::DOUBLE
        AS active_users_change,
    ((c.sessions - c.before.sessions) / nullif(c.before.sessions, 0))::DOUBLE AS sessions_change,
    ((c.purchases - c.before.purchases) / nullif(c.before.purchases, 0))::DOUBLE
        AS purchases_change,
    ((c.events - c.year_before.events) / nullif(c.year_before.events, 0))::DOUBLE
        AS events_year_change,
    (
        (c.active_users - c.year_before.active_users) / nullif(c.year_before.active_users, 0)
    )::DOUBLE AS active_users_year_change,
    ((c.sessions - c.year_before.sessions) / nullif(c.year_before.sessions, 0))::DOUBLE
        AS sessions_year_change,
    ((c.purchases - c.year_before.purchases) / nullif(c.year_before.purchases, 0))::DOUBLE
        AS purchases_year_change,
    c.is_complete
FROM compared AS c;

CREATE OR REPLACE TABLE kpi.monthly AS
SELECT m.* EXCLUDE (level, game_id, location)
FROM temp.kpi_months AS m
WHERE m.level = 'all'
ORDER BY m.month;

CREATE OR REPLACE TABLE kpi.monthly_by_game AS
SELECT m.* EXCLUDE (level, location)
FROM temp.kpi_months AS m
WHERE m.level = 'game'
ORDER BY
    m.game_id,
    m.month;

CREATE OR REPLACE TABLE kpi.monthly_by_location AS
SELECT m.* EXCLUDE (level, game_id)
FROM temp.kpi_months AS m
WHERE m.level = 'location'
ORDER BY
    m.location,
    m.month;

-- kpi.seasonality: what recurs each year, and what was a one-off.

CREATE OR REPLACE TABLE kpi.seasonality AS
WITH series AS (
    SELECT
        list(m.month ORDER BY m.month) AS months,
        list(m.events ORDER BY m.month) AS events
    FROM kpi.monthly AS m
    WHERE m.is_complete
),

parts AS (
    SELECT
        unnest(s.months) AS month,
        unnest(seasonal_decompose(s.events)) AS part
    FROM series AS s
)

SELECT
    m.month,
    m.events,
    if(
        m.is_complete,
        avg(if(m.is_complete, m.events, NULL))
            OVER (ORDER BY m.month ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING),
        NULL
    ) AS trend,
    p.part.level AS level,
    p.part.seasonal_index AS seasonal_index,
    p.part.expected AS expected,
    p.part.deviation AS deviation,
    p.part.is_outlier AS is_outlier
FROM kpi.monthly AS m
LEFT JOIN parts AS p ON p.month = m.month
ORDER BY m.month;

-- Status, frequency and demographics of each month.

CREATE OR REPLACE TABLE kpi.status_by_month AS
WITH calendar AS (
    SELECT
        m.month,
        m.is_complete,
        least((m.month + INTERVAL 1 MONTH - INTERVAL 1 DAY)::DATE, t.as_of) AS last_day
    FROM kpi.monthly AS m
    CROSS JOIN temp.kpi_active_time AS t
),

-- A user's last event of a month is the last one until the user's next month: seen from the six
-- months that follow.
spans AS (
    SELECT
        m.month,
        m.last_event_time,
        lead(m.month) OVER (PARTITION BY m.user_id ORDER BY m.month) AS next_month
    FROM temp.kpi_user_months AS m
),

active AS (
    SELECT
        c.month,
        count(*) AS users
    FROM (
        SELECT
            s.*,
            unnest(range(7)) AS months_since
        FROM spans AS s
    ) AS s
    JOIN calendar AS c ON c.month = (s.month + to_months(s.months_since::INTEGER))::DATE
    WHERE
        (s.next_month IS NULL OR s.next_month > c.month)
        AND s.last_event_time >= c.last_day - INTERVAL 6 MONTH
    GROUP BY c.month
),

known AS (
    SELECT
        least(u.registration_date, s.first_event_time::DATE) AS since,
        s.first_event_time::DATE AS first_day
    FROM clean.users AS u
    JOIN kpi.user_status AS s ON s.user_id = u.user_id
),

counts AS (
    SELECT
        c.month,
        count(*) FILTER (k.since IS NULL OR k.since <= c.last_day) AS users,
        count(*) FILTER (k.first_day <= c.last_day) AS players
    FROM calendar AS c
    CROSS JOIN known AS k
    GROUP BY c.month
)

SELECT
    c.month,
    n.users,
    coalesce(a.users, 0) AS active_users,
    n.players - coalesce(a.users, 0) AS churned_users,
    n.users - n.players AS inactive_users,
    c.is_complete
FROM calendar AS c
JOIN counts AS n ON n.month = c.month
LEFT JOIN active AS a ON a.month = c.month
ORDER BY c.month;

CREATE OR REPLACE TABLE kpi.event_frequency AS
SELECT
    NULL::DATE AS month,
    count(DISTINCT u.user_id) AS users,
    coalesce(sum(u.events), 0)::BIGINT AS events,
    (sum(u.events) / nullif(count(DISTINCT u.user_id), 0))::DOUBLE AS events_per_user
FROM temp.kpi_user_months AS u
UNION ALL
SELECT
    m.month,
    m.active_users,
    m.events,
    (m.events / nullif(m.active_users, 0))::DOUBLE
FROM kpi.monthly AS m
ORDER BY month NULLS FIRST;

CREATE OR REPLACE TABLE kpi.demographics_by_month AS
WITH people AS (
    UNPIVOT clean.users
    ON age_range, gender, subscription_type, workout_frequency
    INTO NAME dimension VALUE value
),

found AS (
    SELECT
        m.month,
        p.dimension,
        p.value,
        count(*) AS active_users,
        sum(m.events)::BIGINT AS events
    FROM temp.kpi_user_months AS m
    JOIN people AS p ON p.user_id = m.user_id
    GROUP BY
        m.month,
        p.dimension,
        p.value
)

SELECT
    c.month,
    v.dimension,
    v.value,
    coalesce(f.active_users, 0) AS active_users,
    coalesce(f.events, 0) AS events,
    (coalesce(f.active_users, 0) / nullif(c.active_users, 0))::DOUBLE AS share
FROM kpi.monthly AS c
CROSS JOIN (
    SELECT DISTINCT
        p.dimension,
        p.value
    FROM people AS p
) AS v
LEFT JOIN found AS f ON f.month = c.month AND f.dimension = v.dimension AND f.value = v.value
ORDER BY
    c.month,
    v.dimension,
    v.value;

-- kpi.location and kpi.location_behaviour: where users live, and what they do there.

CREATE OR REPLACE TABLE kpi.location AS
WITH locations AS (
    SELECT
        u.location,
        count(*) AS users,
        count(*) FILTER (s.status = 'active') AS active_users,
        count(*) FILTER (s.status = 'churned') AS churned_users,
        count(*) FILTER (s.status = 'inactive') AS inactive_users
    FROM clean.users AS u
    JOIN kpi.user_status AS s ON s.user_id = u.user_id
    GROUP BY u.location
)

SELECT
    l.location,
    l.users,
    l.active_users,
    (l.active_users / nullif(sum(l.active_users) OVER (), 0))::DOUBLE AS share,
    rank() OVER (ORDER BY l.active_users DESC) AS rank,
    l.churned_users,
    l.inactive_users
FROM locations AS l
ORDER BY
    rank,
    l.location;

CREATE OR REPLACE TABLE kpi.location_behaviour AS
WITH locations AS (
    SELECT
        u.location,
        count(*) FILTER (n.events > 0) AS players,
        sum(n.events)::BIGINT AS events,
        sum(n.sessions)::BIGINT AS sessions,
        sum(n.seconds_played)::BIGINT AS seconds_played,
        sum(n.purchases)::BIGINT AS purchases
    FROM clean.users AS u
    JOIN kpi.user_engagement AS n ON n.user_id = u.user_id
    GROUP BY u.location
),

location_types AS (
    SELECT
        u.location,
        g.game_type,
        sum(p.events) AS events
    FROM temp.kpi_user_games AS p
    JOIN clean.users AS u ON u.user_id = p.user_id
    JOIN clean.games AS g ON g.game_id = p.game_id
    WHERE g.game_type <> 'unknown'
    GROUP BY
        u.location,
        g.game_type
),

favourite_types AS (
    SELECT
        t.location,
        t.game_type
    FROM location_types AS t
    QUALIFY
        row_number() OVER (
            PARTITION BY t.location
            ORDER BY
                t.events DESC,
                t.game_type
        ) = 1
)

SELECT
    l.location,
    l.players,
    (l.events / nullif(l.players, 0))::DOUBLE AS events_per_user,
    (l.sessions / nullif(l.players, 0))::DOUBLE AS sessions_per_user,
    (l.seconds_played / nullif(l.players, 0))::DOUBLE AS seconds_per_user,
    (l.purchases / nullif(l.players, 0))::DOUBLE AS purchases_per_user,
    t.game_type AS favourite_game_type
FROM locations AS l
LEFT JOIN favourite_types AS t ON t.location = l.location
ORDER BY l.location;

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
            coalesce(sum(u.events), 0)::BIGINT AS events
        FROM kpi.user_engagement AS u
    ) AS f
    CROSS JOIN (SELECT count(*) AS events FROM clean.events) AS e
    CROSS JOIN temp.kpi_active_time AS t
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

DROP TABLE temp.kpi_months;

DROP TABLE temp.kpi_month_purchases;

DROP TABLE temp.kpi_month_sessions;

DROP TABLE temp.kpi_month_activity;

DROP VIEW temp.kpi_located_events;

DROP TABLE temp.kpi_user_games;

DROP TABLE temp.kpi_user_months;

DROP TABLE temp.kpi_sessions;

DROP TABLE temp.kpi_session_games;

DROP VIEW temp.kpi_events;

DROP TABLE temp.kpi_active_time;

COMMIT;

FROM kpi.user_status_counts;

-- Step 30_user_segments of the pipeline `games`: players in segments, what makes each
-- different, who moved, a picture.
--
-- main.user_segments      one row: a user with at least min_events events: the columns of kpi.user_engagement,
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
--   svg         the file that the picture goes to (beside the database, shop.games.svg of
--               shop.duckdb; of a database in memory 'segments.svg')
--
-- Features: the figures of kpi.user_engagement, that is everything but identifiers, favourites and
-- the time, all on the standard scale. Counts and seconds are taken as ln(1 + x): they are spread
-- over powers of ten, and without it the few keenest players would be segments of their own. Time
-- since the last event is not: there each day counts the same. Of a session's two lengths it is
-- avg_seconds_played, as avg_session_seconds says 0 of one event.
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
        SELECT regexp_replace(d.path, '[.](duckdb|db|ddb)$', '') || '.games.svg'
        FROM duckdb_databases() AS d
        WHERE d.database_name = current_database()
    ),
    'segments.svg'
);

SET VARIABLE segment_features = [
    'events', 'sessions', 'days_active', 'months_active', 'events_per_active_month',
        'avg_time_between_events',
    'avg_seconds_played', 'seconds_played', 'games_played', 'purchases', 'days_since_last_event'
];

SET VARIABLE segment_log = [
    'events', 'sessions', 'days_active', 'months_active', 'events_per_active_month',
        'avg_time_between_events',
    'avg_seconds_played', 'seconds_played', 'games_played', 'purchases'
];

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
FROM kpi.user_engagement AS u
WHERE false;

CREATE OR REPLACE TEMP TABLE segment_users AS
SELECT f.*
FROM kpi.user_engagement AS f
WHERE f.events >= getvariable('min_events')::BIGINT;

SET VARIABLE segment_count = (
    SELECT if(count(*) BETWEEN 1 AND getvariable('k') - 1, count(*), getvariable('k'))
    FROM (
        SELECT DISTINCT u.* EXCLUDE (user_id, favourite_game, favourite_device, last_event_time)
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
                        'title': 'Player segments',
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
    CROSS JOIN (SELECT count(*) AS users FROM kpi.user_engagement) AS u
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
