-- What the step 30_user_segments (sql/steps/segments) needs to know of the marketplace: its
-- {places}, features.
-- {pipeline} marketplace
-- {people} users
-- {title} User segments
-- {users} kpi.user_features
-- {events} total_events
-- {no_figures} user_id, last_event_time

-- Features: everything in kpi.user_features but the identifier and the time. Spend and counts are
-- taken as ln(1 + x): they are spread over powers of ten, and without it the few largest customers
-- would be segments of their own.

SET VARIABLE segment_features = [
    'total_events', 'total_views', 'total_purchases', 'avg_time_between_events', 'total_spent',
        'avg_basket',
    'conversion_rate', 'purchase_ratio', 'days_since_last_event'
];

SET VARIABLE segment_log = ['total_events', 'total_views', 'total_purchases', 'total_spent',
    'avg_basket'];
