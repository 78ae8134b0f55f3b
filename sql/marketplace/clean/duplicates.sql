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
