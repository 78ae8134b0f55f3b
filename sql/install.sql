-- install.sql: creates the relations of amazing in the current database, under their bare names.
-- Generated from sql/functions (make docs). Needs LOAD amazing before; replaces what an earlier version installed.

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
            system.main.category_match(__d.__value, vocabulary, min_similarity) AS __match
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
            filename = true
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

COMMENT ON MACRO TABLE file_fingerprint IS 'amazing 0.1.0: Size, time, number of lines that are not blank, and fingerprint of the content of files, one row a file.';

CREATE OR REPLACE MACRO amazing_info() AS TABLE
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
    FROM system.main.amazing_info() AS __i;

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
    SELECT
        __u.*,
        system.main.kmeans_predict(
            (
                SELECT system.main.kmeans_fit(
                    __t,
                    k,
                    {
                        'relation': 'kmeans_segments',
                        'adds': ['segment'],
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
                FROM query_table(source) AS __t
            ),
            __u
        ) AS segment
    FROM query_table(source) AS __u;

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
                    __t,
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
        FROM query_table(source) AS __t
    ) AS __c;

COMMENT ON MACRO TABLE kmeans_centroids IS 'amazing 0.1.0: The centroids of a source''s segments in original units, one row for each segment and feature.';

CREATE OR REPLACE MACRO pca_2d(
    source,
    features := NULL,
    id := NULL,
    scale := 'standard',
    log := NULL,
    nulls := 'skip',
    memory := 1073741824
) AS TABLE
    SELECT
        __s.* EXCLUDE (__scores),
        __s.__scores[1] AS pc1,
        __s.__scores[2] AS pc2
    FROM (
        SELECT
            __u.*,
            system.main.pca_transform(
                (
                    SELECT system.main.pca_fit(
                        __t,
                        {
                            'relation': 'pca_2d',
                            'adds': ['pc1', 'pc2'],
                            'n': 2,
                            'features': features,
                            'id': id,
                            'scale': scale,
                            'log': log,
                            'nulls': nulls,
                            'memory': memory,
                            'threads': current_setting('threads')
                        }
                    )
                    FROM query_table(source) AS __t
                ),
                __u
            ) AS __scores
        FROM query_table(source) AS __u
    ) AS __s;

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
                    __t,
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
        FROM query_table(source) AS __t
    ) AS __c;

COMMENT ON MACRO TABLE pca_components IS 'amazing 0.1.0: The principal components of a source, one row for each component and feature.';

CREATE OR REPLACE MACRO segment_profile(
    source,
    segment := 'segment',
    features := NULL,
    id := NULL
) AS TABLE
    WITH __labelled_rows AS (
        SELECT
            __s AS __row,
            COLUMNS([segment]) AS __segment
        FROM query_table(source) AS __s
    ),

    __segments AS (
        SELECT
            __r.__segment AS __segment,
            count(*) AS __size,
            system.main.feature_summary(
                __r.__row,
                {'relation': 'segment_profile', 'features': features, 'id': id, 'label': segment}
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
                {'relation': 'segment_profile', 'features': features, 'id': id, 'label': segment}
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
            CASE
                WHEN __p.__all.stddev > 0 THEN (__p.__own.mean - __p.__all.mean) / __p.__all.stddev
                WHEN __p.__own.mean IS NOT NULL THEN 0.0
            END AS __z_score
        FROM __feature_pairs AS __p
    ),

    __ranked_features AS (
        SELECT
            __f.*,
            row_number() OVER (
                PARTITION BY __f.__segment
                ORDER BY abs(__f.__z_score) DESC NULLS LAST, __f.__feature
            ) AS __rank
        FROM __scored_features AS __f
    ),

    __named_segments AS (
        SELECT
            __f.__segment AS __segment,
            coalesce(
                string_agg(
                    CASE WHEN __f.__z_score > 0 THEN 'high ' ELSE 'low ' END || __f.__feature,
                    ', ' ORDER BY __f.__rank
                ) FILTER (WHERE __f.__rank <= 2 AND abs(__f.__z_score) >= 0.25),
                'average'
            ) AS __name
        FROM __ranked_features AS __f
        GROUP BY __f.__segment
    )

    SELECT
        __f.__segment AS segment,
        __f.__size AS size,
        __f.__share AS share,
        __n.__name AS name,
        __f.__feature AS feature,
        __f.__mean AS mean,
        __f.__z_score AS z_score,
        __f.__rank AS rank
    FROM __ranked_features AS __f
    INNER JOIN __named_segments AS __n
        ON __f.__segment = __n.__segment
    ORDER BY __f.__segment, __f.__rank;

COMMENT ON MACRO TABLE segment_profile IS 'amazing 0.1.0: What makes each segment different: its means against those of all rows, and a short name.';
