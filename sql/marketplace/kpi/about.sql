-- Step 20_kpi of the pipeline `marketplace`: what users do, what each day and month brought, and
-- what sells.
--
-- kpi.user_features  one row: a user
-- kpi.daily          one row: a day with events (UTC)
-- kpi.monthly        one row: a month with events (UTC)
-- kpi.category       one row: a category_code with events, and NULL for events without one
-- kpi.brand          one row: a brand with events, and NULL for events without one
-- kpi.funnel         one row: a month with events and a step: 1 view, 2 cart, 3 purchase
-- kpi.cohorts        one row: a month that brought new users, and a number of months since, up to
--                    the last with events
--
-- Parameter (session variable):
--   as_of  the last day that counts (the day of the last event): no figure knows of an event after
--          it
--
-- views, carts and purchases count events, buyers are users with a purchase, revenue is the sum of
--   prices of purchases.
-- conversion_rate = purchases / views, NULL without views; above 1 where more was bought than
--   looked at. session_conversion_rate = sessions with a purchase / sessions, user_conversion_rate
--   = buyers / users.
-- A month is complete when as_of is its last day or later. One that is not has no changes: it has
--   not ended.
-- Of a category or brand, `share` is its part of all revenue, 0 where there is none. `rank` is by
--   revenue and leaves gaps after ties (1, 2, 2, 4); events without a category or brand are
--   nobody's success: their rank is NULL.
-- In the funnel, a user or session reaches a step in a month with an event of the step's type or of
--   a later step's in this month, in whatever order: who buys has seen the product and put it in a
--   cart, also where the site did not record it. So no step has more than the one before.
--   `remove_from_cart` is no step. A session across two months is in both. next_user_rate and
--   next_session_rate: those of the next step / those of this one, 0 without any, NULL at the last.
-- A cohort is the users whose first event is in first_month. months_since counts calendar months, 0
--   is the first month itself. active_users have an event in that month, retention = active_users /
--   users, revenue is what they spent in it. Months without an active user are there, with zeros:
--   each cohort has all months up to the last of kpi.monthly.
--
-- Money is summed as DECIMAL and a mean is one division of exact sums, so that no figure depends on
-- the order of rows.

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
            coalesce(sum(u.total_events), 0)::BIGINT AS events
        FROM kpi.user_features AS u
    ) AS f
    CROSS JOIN (SELECT count(*) AS events FROM clean.events) AS e
    CROSS JOIN temp.kpi_time AS t
);

SELECT
    count(*) AS users,
    coalesce(sum(f.total_events), 0)::BIGINT AS events,
    coalesce(sum(f.total_spent), 0) AS revenue
FROM kpi.user_features AS f;
