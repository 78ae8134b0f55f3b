-- Step 20_kpi of the pipeline `games`: who plays, what, where, and what each month brought.
--
-- kpi.user_status            one row: a user
-- kpi.user_status_counts     one row: a status, also one that nobody has
-- kpi.user_engagement        one row: a user; NULL for figures that need an event and a favourite
--                            that is not known
-- kpi.demographics           one row: a dimension (age_range, gender, subscription_type,
--                            workout_frequency) and value
-- kpi.game_performance       one row: a game, also one that nobody played
-- kpi.monthly                one row: a month, from the first event to the last, also one without
--                            events (UTC)
-- kpi.monthly_by_game        one row: a game and month, every game and every month of kpi.monthly
-- kpi.monthly_by_location    one row: a location and month, every location of a user and every
--                            month of kpi.monthly
-- kpi.seasonality            one row: a month of kpi.monthly
-- kpi.status_by_month        one row: a month of kpi.monthly, with the status of users at its end
-- kpi.event_frequency        one row: a month of kpi.monthly, and NULL for all months
-- kpi.demographics_by_month  one row: a month of kpi.monthly, a dimension and a value
-- kpi.location               one row: a location of a user
-- kpi.location_behaviour     one row: a location of a user; figures are per user who ever played,
--                            NULL where nobody did
--
-- Parameter (session variable):
--   as_of  the last day that counts (the day of the last event): no figure knows of an event after
--          it
--
-- `active`: an event from the day 6 calendar months before as_of, this day included, to the end of
--   as_of. As of 2024-08-31 an event on 2024-02-29 at 00:00:00 counts, one a second before does
--   not. `churned`: events up to as_of, but none in this time. `inactive`: no event up to as_of.
--   active_users is meant so in demographics, game_performance (an event in the game) and location.
-- kpi.status_by_month means the same at the end of each month, of the last one at as_of. Its users
--   are those who were registered or had an event by then; who has no date of registration is
--   counted always.
-- A month is complete when as_of is its last day or later. One that is not has no changes, no
--   churned_users and no part in kpi.seasonality: it has not ended.
-- In the months, active_users have an event in the month, new_users their first one, churned_users
--   were active in the month before and are not in this one, reactivated_users are active, were not
--   in the month before, but earlier. Of a game these are events in the game. active_users = those
--   of the month before + new + reactivated - churned.
-- avg_session_seconds is from the first event of a session to its last, avg_seconds_played the sum
--   of duration_seconds of its events: it knows of sessions with one event too. Both are means over
--   sessions.
-- A session belongs to the month in which it begins. Of a game, sessions are those with an event in
--   the game, from the first to the last such event. A session of one event has 0 seconds and
--   counts in the mean.
-- A change is (this month - the other) / the other, against the month before or the same month of
--   the year before; NULL where that month is not in the table or a zero.
-- Ranks leave gaps after ties (1, 2, 2, 4). The favourite is that with most events; of equals the
--   game with the smallest identifier, the device or type that is first by name. `unknown` is
--   nobody's favourite.
-- finish_rate: events finish_game / start_game, NULL without a start.
-- kpi.seasonality: `trend` is the mean of the month and its neighbours, of two months at the ends;
--   the others are those of seasonal_decompose, a robust decomposition as STL is. `level` is the
--   month without its season, `seasonal_index` the factor of the calendar month: what recurs.
--   `expected` = level * seasonal_index, `deviation` = events / expected - 1. `is_outlier` tells a
--   one-off. Of fewer than 24 months there is no season: seasonal_index and is_outlier are NULL.
--
-- A mean is one division of exact sums, so that no figure depends on the order of rows.

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
            coalesce(sum(u.events), 0)::BIGINT AS events
        FROM kpi.user_engagement AS u
    ) AS f
    CROSS JOIN (SELECT count(*) AS events FROM clean.events) AS e
    CROSS JOIN temp.kpi_active_time AS t
);

FROM kpi.user_status_counts;
