-- base_marketplace__known_rows: generated from sql/marketplace/10_clean.sql (make docs).
{{ config(materialized='view', schema='intermediate') }}

{% set clean_new_days %}(
    SELECT {'first_day': d.first_day, 'day_behind': d.day_behind, 'has_blanks': d.has_blanks}
    FROM {{ ref('base_marketplace__new_days') }} AS d
){% endset %}
-- Rows of known files that can be equal to a new one: those whose text begins with a day between
-- theirs, which in the order of months leaves old files unread. Where texts begin with blanks, all.
SELECT
    e.rowid AS raw_row,
    e.*
FROM {{ source('marketplace', 'all_events') }} AS e
WHERE
    e.file_name IN (SELECT f.file_name FROM {{ ref('base_marketplace__files') }} AS f WHERE NOT f.is_new)
    AND (
        {{ clean_new_days }}.has_blanks
        OR (
            e.event_time >= {{ clean_new_days }}.first_day
            AND e.event_time < {{ clean_new_days }}.day_behind
        )
    )
