-- base_marketplace__duplicates: generated from sql/marketplace/10_clean.sql (make docs).
{{ config(materialized='table', schema='intermediate') }}

-- New rows that are duplicates, with the file whose row is rejected. Where the new row is the one to stay, that is the
-- row which stayed before: but for the file they are the same. Only rows whose hash occurs twice are compared in full;
-- of three columns, because these tell nearly all rows apart and the others need not be read.
WITH repeated_hashes AS (
    SELECT unnest(repeated_values(e.row_hash)) AS row_hash
    FROM {{ ref('base_marketplace__similar_rows') }} AS e
),

copies AS (
    SELECT
        e.raw_row,
        e.file_name,
        e.category_id,
        n.file_name IS NOT NULL AS is_new,
        row_number() OVER (same_rows ORDER BY e.file_name, e.raw_row) AS copy_number,
        min(if(n.file_name IS NULL, e.file_name, NULL)) OVER same_rows AS known_file
    FROM {{ ref('base_marketplace__similar_rows') }} AS e
    LEFT JOIN {{ ref('base_marketplace__new_files') }} AS n ON n.file_name = e.file_name
    WHERE e.row_hash IN (SELECT h.row_hash FROM repeated_hashes AS h)
    WINDOW
        same_rows AS (
            PARTITION BY
                e.event_time, e.event_type, e.product_id, e.category_id, e.category_code,
                e.brand, e.price, e.user_id, e.user_session
        )
)

SELECT
    c.raw_row,
    if(c.copy_number > 1, c.file_name, c.known_file) AS file_name,
    c.category_id
FROM copies AS c
WHERE c.is_new AND (c.copy_number > 1 OR c.known_file IS NOT NULL)
