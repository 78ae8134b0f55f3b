-- What the step 30_user_segments (sql/steps/segments) needs to know of the games: its {places},
-- features.
-- {pipeline} games
-- {people} players
-- {title} Player segments
-- {users} kpi.user_engagement
-- {events} events
-- {no_figures} user_id, favourite_game, favourite_device, last_event_time

-- Features: the figures of kpi.user_engagement, that is everything but identifiers, favourites and
-- the time, all on the standard scale. Counts and seconds are taken as ln(1 + x): they are spread
-- over powers of ten, and without it the few keenest players would be segments of their own. Time
-- since the last event is not: there each day counts the same. Of a session's two lengths it is
-- avg_seconds_played, as avg_session_seconds says 0 of one event.

SET VARIABLE segment_features = [
    'events', 'sessions', 'days_active', 'months_active', 'events_per_active_month',
        'avg_time_between_events',
    'avg_seconds_played', 'seconds_played', 'games_played', 'purchases', 'days_since_last_event'
];

SET VARIABLE segment_log = [
    'events', 'sessions', 'days_active', 'months_active', 'events_per_active_month',
        'avg_time_between_events',
    'avg_seconds_played', 'seconds_played', 'games_played', 'purchases'
];
