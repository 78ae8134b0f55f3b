-- int_games__segment_names: generated from sql/games/30_user_segments.sql (make docs).
{{ config(materialized='table', schema='intermediate') }}

-- One row: a segment with users, its name, and the stored name where there is one. A stored name
-- whose words all hold stays; a new name that is, but for a number in brackets, a stored one that
-- stays has a number after that.
WITH segments AS (
    SELECT
        f.segment,
        any_value(f.name) AS new_name,
        (SELECT c.names FROM {{ ref('int_games__segment_choice') }} AS c)[f.segment + 1] AS old_name,
        max(abs(f.z_score)) AS farthest
    FROM {{ ref('int_games__segment_figures') }} AS f
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
    LEFT JOIN {{ ref('int_games__segment_figures') }} AS f
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
WINDOW same_words AS (PARTITION BY n.words)
