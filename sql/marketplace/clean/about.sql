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
