-- Step 10_clean of the pipeline `games`: text becomes typed users, games and events, and nothing
-- disappears on the way.
--
-- clean.users            one row: a user
-- clean.games            one row: a game
-- clean.events           one row: an event
-- clean.sessions         one row: a session of a user: events at most 30 minutes apart, also across
--                        midnight
-- clean.session_games    one row: a session and game, with its first and last event of this game;
--                        the game is NULL for events without one
-- clean.rejected_users, clean.rejected_games, clean.rejected_events
--                        one row: a row of the raw table that could not be kept, as it was, with
--                        the reason
-- clean.corrections      one row: a value that is missing or was changed, with the number of clean
--                        rows that have it
-- clean.unmatched_values  one row: a value of a category that nobody knows the meaning of, with the
--                        number of its raw rows and the entry that is nearest
-- config.category_map    one row: a value, and what it is to be taken for: yours to fill
--
-- Parameters (session variables):
--   min_time  no event and no registration is before it (2000-01-01)
--   max_time  none is after it; a day counts to its end (the day after the one on which the file
--             was loaded)
--   event_types          other names for the types of events, as a map from ours (login,
--                        start_game, finish_game, purchase) to theirs:
--                        MAP {'purchase': ['order', 'sale']}
--   cities               the locations there are, as a list or, with other names for them, as a
--                        map (Paris, Lyon, Berlin, Madrid, Rome)
--   genres               the types of games there are, likewise (cardio, strategy, puzzle, arcade,
--                        action)
--   platforms            (iOS, Android, Web)
--   difficulties         (easy, medium, hard)
--   device_types         (mobile, which a tablet is too, web, console)
--   age_ranges           (-18, 18-25, 26-35, 36-50, 50+)
--   genders              (M, F, Other)
--   workout_frequencies  (minimal, flexible, regular, maximal)
--   subscription_types   (free, trial, premium)
--
-- A value that is in no vocabulary is `unknown` and stands in clean.unmatched_values; the next run
-- reads it as the replacement that config.category_map has for it, or as nothing where that is
-- NULL.
--
-- Of each of the three: raw rows = clean rows + rejected rows; the script checks it. An empty text
-- counts as missing, and blanks around a value do not count.
--
-- A row is rejected when it cannot be told who, what or when it is, for the first of these reasons
-- that applies:
--   no id, bad id             digits only: a cast would take `1.5` and `2.1E+18` and make other
--                             numbers of them
--   bad time                  of events: what exact_timestamp does not take; `2024-06-15T14:23:01`
--                             is a time, also with a space for the `T`, a fraction, `Z`, ` UTC` or
--                             an offset; it is in UTC
--   implausible time          of events: before min_time or after max_time
--   no user, bad user, unknown user
--   no game, bad game, unknown game    a login may be without a game
--   duplicate id              another row with this id stays: the one whose typed values most rows
--                             have, else the first by its text, whatever the order of rows
--
-- Everything else is a value, and the row stays. Rules of clean.corrections:
--   case, accent, synonym, typo   a category that normalize_category repaired
--   answer                        a category that config.category_map answered
--   none, ambiguous               a category that it could not repair: `unknown`
--   empty                         a missing value, shown as NULL: `unknown` for a category or game
--                                 name, NULL for a registration date, e-mail address or duration
--   negative                      a duration below 0: NULL
--   invalid                       a duration that is not a whole number, a registration date that
--                                 is none: NULL
--   implausible                   a registration date before min_time or after max_time: NULL
--
-- A session lasts from its first event to its last, so that one event makes a session of 0 seconds;
-- seconds_played is the sum of the durations that its events tell.

SET VARIABLE run_counts = (
    SELECT
        {
            'rows_in': k.users + k.games + k.events + r.rows_rejected,
            'rows': k.events,
            'rows_replaced': getvariable('replaced_rows'),
            'rows_rejected': r.rows_rejected,
            'message': k.users || ' users, ' || k.games || ' games, ' || k.events || ' events, '
            || r.rows_rejected || ' rows rejected, ' || getvariable('replaced_rows')
            || ' events replaced'
        }
    FROM (
        SELECT
            (SELECT count(*) FROM clean.users) AS users,
            (SELECT count(*) FROM clean.games) AS games,
            (SELECT count(*) FROM clean.events) AS events
    ) AS k
    CROSS JOIN (SELECT count(*) AS rows_rejected FROM temp.clean_rejected) AS r
);

SELECT
    o.table_name,
    o.outcome,
    count(*) AS row_count
FROM (
    SELECT
        'users' AS table_name,
        'kept' AS outcome
    FROM clean.users
    UNION ALL
    SELECT
        'users' AS table_name,
        x.reason
    FROM clean.rejected_users AS x
    UNION ALL
    SELECT
        'games' AS table_name,
        'kept' AS outcome
    FROM clean.games
    UNION ALL
    SELECT
        'games' AS table_name,
        x.reason
    FROM clean.rejected_games AS x
    UNION ALL
    SELECT
        'events' AS table_name,
        'kept' AS outcome
    FROM clean.events
    UNION ALL
    SELECT
        'events' AS table_name,
        x.reason
    FROM clean.rejected_events AS x
) AS o
GROUP BY ALL
ORDER BY
    o.table_name,
    row_count DESC,
    o.outcome;
