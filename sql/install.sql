-- install.sql: creates the relations of amazing in the current database, under their bare names.
-- Generated from sql/functions (make docs). Needs LOAD amazing before; replaces what an earlier version installed.

SET VARIABLE amazing_check = (
    SELECT
        CASE
            WHEN count(*) = 0
                THEN error('install: the extension is not loaded, or it is an older one than this script: LOAD amazing')
        END
    FROM duckdb_functions() AS f
    WHERE f.function_name = 'content_summary'
);

CREATE OR REPLACE MACRO sessionize(
    source,
    max_gap := '30 minutes'
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
            COLUMNS(['user_id']) AS __user,
            CASE
                WHEN
                    typeof(COLUMNS(['event_time'])) = 'TIMESTAMP WITH TIME ZONE'
                    OR (
                        typeof(COLUMNS(['event_time'])) = 'VARCHAR'
                        AND regexp_matches(CAST(COLUMNS(['event_time']) AS VARCHAR), ':[0-9.]+ ?[+-][0-9]{2}(:[0-9]{2})?$')
                    )
                    THEN coalesce(
                        make_timestamp(epoch_us(CAST(COLUMNS(['event_time']) AS TIMESTAMP WITH TIME ZONE))),
                        CAST(COLUMNS(['event_time']) AS TIMESTAMP)
                    )
                ELSE CAST(COLUMNS(['event_time']) AS TIMESTAMP)
            END AS __time,
            CASE
                WHEN
                    coalesce(
                        regexp_matches(CAST(max_gap AS VARCHAR), '[a-z:]')
                        AND try_cast(CAST(max_gap AS VARCHAR) AS INTERVAL) >= INTERVAL 0 SECOND,
                        false
                    )
                    THEN try_cast(CAST(max_gap AS VARCHAR) AS INTERVAL)
                ELSE error(
                    'sessionize: max_gap must be an interval of at least 0 with its unit, such as INTERVAL 30 MINUTE, not '
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
                    lag(__e.__time) OVER (PARTITION BY __e.__user ORDER BY __e.__time NULLS LAST) + __e.__max_gap
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

CREATE OR REPLACE MACRO user_activity(source) AS TABLE
    WITH __events AS (
        SELECT
            COLUMNS(['user_id']) AS __user,
            CASE
                WHEN
                    typeof(COLUMNS(['event_time'])) = 'TIMESTAMP WITH TIME ZONE'
                    OR (
                        typeof(COLUMNS(['event_time'])) = 'VARCHAR'
                        AND regexp_matches(CAST(COLUMNS(['event_time']) AS VARCHAR), ':[0-9.]+ ?[+-][0-9]{2}(:[0-9]{2})?$')
                    )
                    THEN coalesce(
                        make_timestamp(epoch_us(CAST(COLUMNS(['event_time']) AS TIMESTAMP WITH TIME ZONE))),
                        CAST(COLUMNS(['event_time']) AS TIMESTAMP)
                    )
                ELSE CAST(COLUMNS(['event_time']) AS TIMESTAMP)
            END AS __time
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
    col := NULL
) AS TABLE
    WITH __events AS (
        SELECT
            CASE
                WHEN
                    lower(CAST(col AS VARCHAR)) IN (
                        'month', 'events', 'active_users', 'new_users', 'churned_users', 'reactivated_users'
                    )
                    THEN error('monthly_activity: col must not be a column of the result, not "' || col || '"')
                WHEN col IS NOT NULL
                    THEN COLUMNS(CASE WHEN col IS NULL THEN ['user_id'] ELSE [CAST(col AS VARCHAR)] END)
            END AS __group,
            COLUMNS(['user_id']) AS __user,
            CASE
                WHEN
                    typeof(COLUMNS(['event_time'])) = 'TIMESTAMP WITH TIME ZONE'
                    OR (
                        typeof(COLUMNS(['event_time'])) = 'VARCHAR'
                        AND regexp_matches(CAST(COLUMNS(['event_time']) AS VARCHAR), ':[0-9.]+ ?[+-][0-9]{2}(:[0-9]{2})?$')
                    )
                    THEN coalesce(
                        make_timestamp(epoch_us(CAST(COLUMNS(['event_time']) AS TIMESTAMP WITH TIME ZONE))),
                        CAST(COLUMNS(['event_time']) AS TIMESTAMP)
                    )
                ELSE CAST(COLUMNS(['event_time']) AS TIMESTAMP)
            END AS __time
        FROM query_table(source) AS __s
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
            lag(__u.__month) OVER (PARTITION BY __u.__group, __u.__user ORDER BY __u.__month) AS __month_before
        FROM __user_months AS __u
    ),

    __active_months AS (
        SELECT
            __u.__group AS __group,
            __u.__month AS __month,
            CAST(sum(__u.__n_events) AS BIGINT) AS __n_events,
            count(*) AS __n_users,
            count(*) FILTER (WHERE __u.__month_before IS NULL) AS __n_new,
            count(*) FILTER (WHERE __u.__month_before < __u.__month - INTERVAL 1 MONTH) AS __n_reactivated
        FROM __dated_user_months AS __u
        GROUP BY __u.__group, __u.__month
    ),

    __calendar AS (
        SELECT CAST(unnest(generate_series(min(__a.__month), max(__a.__month), INTERVAL 1 MONTH)) AS DATE) AS __month
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

    -- Users who stay are those who are neither new nor reactivated; the others of the month before are gone.
    __results AS (
        SELECT
            COLUMNS(CASE WHEN col IS NULL THEN ['user_id'] ELSE [CAST(col AS VARCHAR)] END),
            CAST(NULL AS DATE) AS month,
            CAST(NULL AS BIGINT) AS events,
            CAST(NULL AS BIGINT) AS active_users,
            CAST(NULL AS BIGINT) AS new_users,
            CAST(NULL AS BIGINT) AS churned_users,
            CAST(NULL AS BIGINT) AS reactivated_users
        FROM query_table(source) AS __s
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
                THEN ['month', 'events', 'active_users', 'new_users', 'churned_users', 'reactivated_users']
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
                WHEN coalesce(try_cast(min_ratio AS DOUBLE) >= 1 AND isfinite(try_cast(min_ratio AS DOUBLE)), false)
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

    -- Runs of digits in their order: `2 of 3` is not `3 of 2`. Signs are told apart by fingerprints and by category_match.
    __numbered_spellings AS (
        SELECT
            __c.*,
            coalesce(array_to_string(regexp_extract_all(__c.__canonical, '\p{N}+'), ' '), '') AS __digits
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

    -- The text without accents and separators is for finding pairs; what becomes of them, category_match decides.
    -- Letters that Unicode does not decompose become the ones that category_match compares.
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
                            replace(translate(strip_accents(__s.__canonical), 'ıøłđðħŧς', 'iolddhtσ'), 'ß', 'ss'),
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
                __n.__row_count * __n.__min_ratio <= (SELECT max(__m.__row_count) FROM __names AS __m)
                OR __n.__row_count >= __n.__min_ratio * (SELECT min(__m.__row_count) FROM __names AS __m)
            )
    ),

    -- Texts at most two edits apart are equal after at most two deletions in each. The places of the two, the first one
    -- before the second; 0 is none.
    __first_deletions AS (
        SELECT
            __c.*,
            unnest(range(0, CASE WHEN __c.__max_edits = 2 THEN __c.__length + 1 ELSE 1 END)) AS __first
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

    -- Longer ones share one of their nine rarest trigrams, for two edits change eight at most. Both ways hold for 17 and
    -- 18 letters, so that no pair falls between them.
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
            row_number() OVER (PARTITION BY __t.__rank ORDER BY __t.__n_names, __t.__trigram) AS __rarity
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

    -- The order of tests in CASE is kept: the dear one is for the few pairs that pass the cheap ones.
    __links AS (
        SELECT __p.*
        FROM __named_pairs AS __p
        WHERE
            CASE
                WHEN __p.__similarity < __p.__min_similarity - 0.000000001 THEN false
                WHEN NOT __p.__is_ngram AND (1 - __p.__similarity) * __p.__length > 2.5 THEN false
                ELSE
                    system.main.category_match(__p.__name, [__p.__name_before], __p.__min_similarity).normalized
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

CREATE OR REPLACE MACRO file_fingerprint(path) AS TABLE
    WITH __files AS (
        SELECT
            __b.filename AS file_name,
            any_value(__b.size) AS size_bytes,
            make_timestamp(epoch_us(any_value(__b.last_modified))) AS last_modified,
            CASE
                WHEN count(*) > 1 THEN error('file_fingerprint: the file "' || __b.filename || '" is named twice')
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
                    '; ', __s.advice, 'the current database has relations of another version: run sql/install.sql again'
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
    memory := 1073741824
) AS TABLE
    WITH __no_rows AS (
        SELECT __source_row AS __row
        FROM query_table(source) AS __source_row
        WHERE false
    ),

    __check AS (
        SELECT system.main.check_new_columns(first(__n.__row), ['segment'], 'kmeans_segments') AS __is_good
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
                    'threads': current_setting('threads')
                }
            ) AS __model
        FROM query_table(source) AS __source_row
    )

    SELECT
        __source_row.*,
        system.main.kmeans_predict((SELECT __f.__model FROM __fit AS __f), __source_row) AS segment
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
    memory := 1073741824
) AS TABLE
    SELECT
        __c.__centroid.segment AS segment,
        __c.__centroid.size AS size,
        __c.__centroid.share AS share,
        __c.__centroid.feature AS feature,
        __c.__centroid.value AS value,
        __c.__centroid.z_score AS z_score
    FROM (
        SELECT unnest(
            system.main.kmeans_centroids(
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
                        'threads': current_setting('threads')
                    }
                )
            )
        ) AS __centroid
        FROM query_table(source) AS __source_row
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
        AND row_number() OVER (ORDER BY __e.__evaluation.silhouette DESC NULLS LAST, __e.__evaluation.k) = 1
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
        SELECT system.main.check_new_columns(first(__n.__row), ['pc1', 'pc2', '__pca_scores'], 'pca_2d') AS __is_good
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
            system.main.pca_transform((SELECT __f.__model FROM __fit AS __f), __source_row) AS __pca_scores
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
                ORDER BY sign(__f.__z_score) * (__f.__z_score - coalesce(__r.__z_score, 0)) DESC, __f.__rank
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
            ORDER BY count(DISTINCT __f.__words) DESC, max(__f.__z_score) - min(__f.__z_score) DESC, __f.__feature
        ) = 1
    ),

    -- What is alike in every word is numbered.
    __told_segments AS (
        SELECT
            __n.__segment AS __segment,
            concat_ws(', ', nullif(__n.__name, CASE WHEN __f.__words IS NULL THEN '' ELSE 'average' END), __f.__words)
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
        __n.__long_name || CASE WHEN __n.__number > 1 THEN ' (' || __n.__number || ')' ELSE '' END AS name,
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
            min({'key': __k.__key, 'side': __k.__repeated_side}) FILTER (WHERE __k.__repeated_side IS NOT NULL) AS __repeated
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
