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

