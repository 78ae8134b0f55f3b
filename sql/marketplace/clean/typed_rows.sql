-- Rows with their typed values.

-- {each of new_rows, repeats}
-- Each row of clean_{each} with its typed values and, unless it is an event or a duplicate of one,
-- the reason why not. Casts would take more than is an event. Most values have no blanks around
-- them: those of the others are taken off in a second try.
CREATE OR REPLACE TEMP VIEW clean_typed_{each} AS
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
    FROM temp.clean_{each} AS r
    JOIN temp.clean_files AS f ON f.file_name = r.file_name
    LEFT JOIN temp.clean_spellings AS t
        ON t.column_name = 'event_type' AND t.raw_value = r.event_type
    LEFT JOIN temp.clean_spellings AS c
        ON c.column_name = 'category_code' AND c.raw_value = r.category_code
    LEFT JOIN temp.clean_spellings AS b ON b.column_name = 'brand' AND b.raw_value = r.brand
) AS e;
-- {end}
