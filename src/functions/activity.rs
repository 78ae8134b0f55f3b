//! Activity of users in time: sessions, months and figures of each user, as relations over their
//! events.

use super::{Example, Function, Kind, relation};

/// `amz.sessionize(source, ...)`
pub const SESSIONIZE: Function = Function {
    kind: Kind::Relation,
    subject: "activity",
    signature: relation("sessionize"),
    columns: "every column of the source, then session_number BIGINT",
    description: "The session of each event: a pause longer than `max_gap` since the user's event \
                  before begins a new one.",
    details: "`user` and `time` name its columns (on DuckDB 1.x in quotes: `\"time\" := 'ts'`). A \
              time may be what `event_timestamp` takes: a TIMESTAMP WITH TIME ZONE, and a text \
              with an offset, is its moment in UTC, so that elapsed time is elapsed time in every \
              `TimeZone` and across a change of clocks. Sessions of a user are numbered from 1 in \
              the order of time; events at the same time are in the same session, whatever the \
              order of rows. A pause of exactly `max_gap` does not end a session; 0 makes each \
              moment a session of its own (which an infinite time is too). `session_number` is \
              NULL where the user or the time is. A session is a GROUP BY of the user and \
              `session_number`. A source that has a column `session_number` already is refused.",
    examples: &[Example {
        sql: "WITH events AS (SELECT * FROM (VALUES (1, TIMESTAMP '2024-05-01 23:50:00'), (1, \
              TIMESTAMP '2024-05-02 00:20:00'), (1, TIMESTAMP '2024-05-02 00:50:01')) AS \
              t(user_id, event_time)) SELECT session_number, count(*) AS events, max(event_time) - \
              min(event_time) AS duration FROM amz.sessionize(events) GROUP BY user_id, \
              session_number ORDER BY session_number",
        rows: &["1 | 2 | 00:30:00", "2 | 1 | 00:00:00"],
    }],
    errors: &[(
        "WITH events AS (SELECT 1 AS user_id, TIMESTAMP '2024-05-01' AS event_time) FROM \
         amz.sessionize(events, max_gap := '-1 minutes')",
        "sessionize: max_gap must be an interval of at least 0 with its unit, such as INTERVAL 30 \
         MINUTE, not -1 minutes",
    )],
    since: "0.1.0",
    register: None,
};

/// `amz.user_activity(source, ...)`
pub const USER_ACTIVITY: Function = Function {
    kind: Kind::Relation,
    subject: "activity",
    signature: relation("user_activity"),
    columns: "user_id, events BIGINT, first_event_time TIMESTAMP, last_event_time TIMESTAMP, \
              avg_time_between_events DOUBLE",
    description: "How often and when each user was active, one row per user.",
    details: "`user` and `time` name its columns (on DuckDB 1.x in quotes: `\"time\" := 'ts'`). A \
              time may be what `event_timestamp` takes and is one of UTC; rows where one of them \
              is NULL, and times that are infinite, are left out. `avg_time_between_events` is in \
              seconds, (last - first) / (events - 1), NULL for one event.",
    examples: &[Example {
        sql: "WITH events AS (SELECT * FROM (VALUES (1, DATE '2024-01-31'), (1, DATE \
              '2024-02-01'), (1, DATE '2024-02-01'), (2, DATE '2024-02-29')) AS t(user_id, \
              event_time)) FROM amz.user_activity(events) ORDER BY user_id",
        rows: &[
            "1 | 3 | 2024-01-31 00:00:00 | 2024-02-01 00:00:00 | 43200.0",
            "2 | 1 | 2024-02-29 00:00:00 | 2024-02-29 00:00:00 | NULL",
        ],
    }],
    errors: &[(
        "WITH events AS (SELECT 1 AS user_id, DATE '2024-05-01' AS day) FROM \
         amz.user_activity(events)",
        "user_activity: time names no column of the source: \"event_time\"; there are \
         \"user_id\", \"day\"",
    )],
    since: "0.1.0",
    register: None,
};

/// `amz.monthly_activity(source, ...)`
pub const MONTHLY_ACTIVITY: Function = Function {
    kind: Kind::Relation,
    subject: "activity",
    signature: relation("monthly_activity"),
    columns: "[the column `col`,] month DATE, events BIGINT, active_users BIGINT, new_users \
              BIGINT, churned_users BIGINT, reactivated_users BIGINT",
    description: "Users who are active, new, gone and back, one row per calendar month.",
    details: "`user` and `time` name its columns (on DuckDB 1.x in quotes: `\"time\" := 'ts'`). A \
              time may be what `event_timestamp` takes and is one of UTC, so that a month begins \
              at midnight of UTC; for local months give `event_time AT TIME ZONE 'Europe/Berlin'`; \
              rows where one of them is NULL, and times that are infinite, are left out. In a \
              month, users are `active` with an event in it, `new` with their first event, \
              `churned` when they were active in the month before and are not in this one, \
              `reactivated` when they are active and were before, but not in the month before. So \
              active users = those of the month before + new + reactivated - churned. Months run \
              from the first event to the last, those without events included. `col`, the name of \
              a column as a text, asks for the same of each value of this column (NULL is one) \
              over the same months, with its own first events and its own pauses.",
    examples: &[
        Example {
            sql: "WITH events AS (SELECT * FROM (VALUES (1, DATE '2024-01-31'), (2, DATE \
                  '2024-01-01'), (1, DATE '2024-03-05')) AS t(user_id, event_time)) FROM \
                  amz.monthly_activity(events)",
            rows: &[
                "2024-01-01 | 2 | 2 | 2 | 0 | 0",
                "2024-02-01 | 0 | 0 | 0 | 2 | 0",
                "2024-03-01 | 1 | 1 | 0 | 0 | 1",
            ],
        },
        Example {
            sql: "WITH events AS (SELECT * FROM (VALUES (1, DATE '2024-01-31', 'chess'), (1, DATE \
                  '2024-02-05', 'go')) AS t(user_id, event_time, game)) SELECT game, month, \
                  active_users, new_users, churned_users FROM amz.monthly_activity(events, col := \
                  'game')",
            rows: &[
                "chess | 2024-01-01 | 1 | 1 | 0",
                "chess | 2024-02-01 | 0 | 0 | 1",
                "go | 2024-01-01 | 0 | 0 | 0",
                "go | 2024-02-01 | 1 | 1 | 0",
            ],
        },
    ],
    errors: &[],
    since: "0.1.0",
    register: None,
};

/// `amz.user_features(source, ...)`
pub const USER_FEATURES: Function = Function {
    kind: Kind::Relation,
    subject: "activity",
    signature: relation("user_features"),
    columns: "user_id, total_events BIGINT, total_views BIGINT, total_purchases BIGINT, \
              avg_time_between_events DOUBLE, total_spent, avg_basket DOUBLE, last_event_time \
              TIMESTAMP, conversion_rate DOUBLE, purchase_ratio DOUBLE, days_since_last_event \
              BIGINT [, a count for each of `types`]",
    description: "What each user did, one row per user, in columns that segments can be made of.",
    details: "`user`, `time`, `type`, `value` and `session` name the columns of any table of \
              events (on DuckDB 1.x `time` stands in quotes: `\"time\" := 'ts'`), `view` and \
              `purchase` are the types that mean a view and a purchase. A time may be what \
              `event_timestamp` takes. Rows without a user or a finite time, and those after the \
              day `as_of`, are left out, then users with fewer than `min_events` events. The \
              columns are those of `kpi.user_features` of the pipeline `marketplace`: \
              `avg_time_between_events` in seconds, (last - first) / (events - 1), NULL for one \
              event; `total_spent`: the sum of the values of purchases, of their type (a DECIMAL \
              stays exact), 0 without one; `avg_basket`: `total_spent` by session with a purchase, \
              0 without a purchase, NULL where purchases have no session; `conversion_rate`: \
              purchases by view, NULL without a view (a fit takes such users with `nulls := \
              'zero'`); `purchase_ratio`: purchases by event; `days_since_last_event`: whole days \
              from the last event to `as_of`, by default the day of the last event of all.\n\nWhat \
              events lack is NULL, and the columns that need it are left out: `value := NULL` \
              leaves `total_spent` and `avg_basket` out, `session := NULL` `avg_basket`, `view := \
              NULL` `total_views` and `conversion_rate`, `purchase := NULL` all that count or sum \
              purchases. With `type := NULL` each row is a purchase, as in a table of orders: \
              `total_spent` and `avg_basket` are of all rows, and the counts of types and their \
              ratios are left out. A type that no event has is an error, because its columns would \
              be 0 for everyone.\n\n`types := ['cart']` adds `total_cart`, the number of events of \
              this type, and so on for each type; the source is read once more for them. With \
              `kmeans_segments` give `min_events := 2`, or the users with one event have no \
              segment.",
    examples: &[
        Example {
            sql: "WITH log AS (SELECT * FROM (VALUES (7, TIMESTAMP '2024-05-01 10:00', 'view', \
                  NULL, 'a'), (7, TIMESTAMP '2024-05-01 10:01', 'cart', NULL, 'a'), (7, TIMESTAMP \
                  '2024-05-03 10:00', 'purchase', 19.90, 'b'), (8, TIMESTAMP '2024-05-05 09:00', \
                  'view', NULL, 'c')) AS t(visitor, ts, event, price, visit)) SELECT user_id, \
                  total_events, total_views, total_purchases, avg_time_between_events, \
                  total_spent, avg_basket, conversion_rate, days_since_last_event, total_cart FROM \
                  amz.user_features(log, user := 'visitor', \"time\" := 'ts', type := 'event', \
                  session := 'visit', types := ['cart']) ORDER BY user_id",
            rows: &[
                "7 | 3 | 1 | 1 | 86400.0 | 19.90 | 19.9 | 1.0 | 2 | 1",
                "8 | 1 | 1 | 0 | NULL | 0.00 | 0.0 | 0.0 | 0 | 0",
            ],
        },
        Example {
            sql: "WITH orders AS (SELECT * FROM (VALUES (1, DATE '2024-05-01', 10.00), (1, DATE \
                  '2024-05-03', 30.00), (2, DATE '2024-05-02', 5.00)) AS t(customer_id, day, \
                  total)) FROM amz.user_features(orders, user := 'customer_id', \"time\" := 'day', \
                  type := NULL, value := 'total', session := NULL) ORDER BY user_id",
            rows: &[
                "1 | 2 | 172800.0 | 40.00 | 2024-05-03 00:00:00 | 0",
                "2 | 1 | NULL | 5.00 | 2024-05-02 00:00:00 | 1",
            ],
        },
    ],
    errors: &[
        (
            "WITH log AS (SELECT 1 AS visitorid, TIMESTAMP '2024-05-01' AS event_time) FROM \
             amz.user_features(log, user := 'visitor_id')",
            "user_features: user names no column of the source: \"visitor_id\", did you mean \
             \"visitorid\"; there are \"visitorid\", \"event_time\"",
        ),
        (
            "WITH log AS (SELECT 1 AS user_id, TIMESTAMP '2024-05-01' AS event_time, 'transaction' \
             AS event_type, 5 AS price) FROM amz.user_features(log, session := NULL, view := \
             NULL)",
            "user_features: no event has the type 'purchase', say by purchase := '...' which type \
             a purchase has, or by purchase := NULL that there is none",
        ),
    ],
    since: "0.1.0",
    register: None,
};

/// `amz.funnel(source, steps := [...], ...)`
pub const FUNNEL: Function = Function {
    kind: Kind::Relation,
    subject: "activity",
    signature: relation("funnel"),
    columns: "step INTEGER, event_type VARCHAR, users BIGINT, rate DOUBLE, step_rate DOUBLE",
    description: "How many users take the steps of a funnel in their order, one row per step.",
    details: "`steps` are types of events, each once: `steps := ['view', 'cart', 'purchase']`. \
              `user`, `time` and `type` name the columns (on DuckDB 1.x `time` stands in quotes: \
              `\"time\" := 'ts'`). A user has reached step n with an event of its type that is not \
              before one with which the user reached step n - 1; other events may lie between; \
              events of one moment are in the order of the steps, because nothing else says which \
              was first. `within := INTERVAL 7 DAY`: from the event of step 1 to that of step n at \
              most so long has passed (exactly so long is in time); each event of step 1 may be \
              the beginning. `users` is the number of users who reached the step, `rate` its part \
              of the users of step 1, `step_rate` of those of the step before (NULL at step 1); \
              NULL where there are none. Rows without a user, a finite time or a type of `steps` \
              do not count.\n\nThe table `kpi.funnel` of the pipeline `marketplace` is another \
              funnel: there a later step includes the earlier ones, in whatever order and also \
              where the shop did not record them.",
    examples: &[
        Example {
            sql: "WITH events AS (SELECT * FROM (VALUES (1, TIMESTAMP '2024-05-01 10:00', 'view'), \
                  (1, TIMESTAMP '2024-05-01 10:05', 'cart'), (1, TIMESTAMP '2024-05-03 10:05', \
                  'purchase'), (2, TIMESTAMP '2024-05-01 11:00', 'cart'), (2, TIMESTAMP \
                  '2024-05-01 12:00', 'view'), (3, TIMESTAMP '2024-05-02 08:00', 'purchase')) AS \
                  t(user_id, event_time, event_type)) FROM amz.funnel(events, steps := ['view', \
                  'cart', 'purchase'])",
            rows: &[
                "1 | view | 2 | 1.0 | NULL",
                "2 | cart | 1 | 0.5 | 0.5",
                "3 | purchase | 1 | 0.5 | 1.0",
            ],
        },
        Example {
            sql: "WITH events AS (SELECT 1 AS user_id, unnest([TIMESTAMP '2024-05-01', TIMESTAMP \
                  '2024-05-09', TIMESTAMP '2024-05-10']) AS event_time, unnest(['view', 'view', \
                  'purchase']) AS event_type) SELECT step, users FROM amz.funnel(events, steps := \
                  ['view', 'purchase'], within := INTERVAL 1 DAY)",
            rows: &["1 | 1", "2 | 1"],
        },
    ],
    errors: &[(
        "WITH events AS (SELECT 1 AS user_id, DATE '2024-05-01' AS event_time, 'view' AS \
         event_type) FROM amz.funnel(events, steps := ['view', 'view'])",
        "funnel: steps must differ and not be NULL, not [view, view]",
    )],
    since: "0.1.0",
    register: None,
};

/// `amz.retention(source, ...)`
pub const RETENTION: Function = Function {
    kind: Kind::Relation,
    subject: "activity",
    signature: relation("retention"),
    columns: "cohort DATE, periods_since BIGINT, users BIGINT, active_users BIGINT, retention \
              DOUBLE",
    description: "Who comes back: the users of each first period, and how many of them are active \
                  in the periods after it.",
    details: "`period` is `'day'`, `'week'` (from Monday), `'month'`, `'quarter'` or `'year'`; \
              `user` and `time` name the columns (on DuckDB 1.x `time` stands in quotes: `\"time\" \
              := 'ts'`). A time may be what `event_timestamp` takes; periods begin at midnight of \
              UTC. A cohort is the users whose first event is in the period that begins at \
              `cohort`: `users` of them, the same in all its rows. `periods_since` counts periods \
              of the calendar, 0 is the first itself. `active_users` of the cohort have an event \
              in that period, and `retention` is their part of `users`, the denominator, so 1 in \
              period 0. Each cohort has all periods up to the last with events of anyone, those \
              without an active user included; the last one may not be over. Rows without a user \
              or a finite time are left out.",
    examples: &[Example {
        sql: "WITH events AS (SELECT * FROM (VALUES (1, DATE '2024-01-31'), (2, DATE \
              '2024-01-05'), (1, DATE '2024-03-01'), (3, DATE '2024-02-29')) AS t(user_id, \
              event_time)) FROM amz.retention(events)",
        rows: &[
            "2024-01-01 | 0 | 2 | 2 | 1.0",
            "2024-01-01 | 1 | 2 | 0 | 0.0",
            "2024-01-01 | 2 | 2 | 1 | 0.5",
            "2024-02-01 | 0 | 1 | 1 | 1.0",
            "2024-02-01 | 1 | 1 | 0 | 0.0",
        ],
    }],
    errors: &[(
        "WITH events AS (SELECT 1 AS user_id, DATE '2024-05-01' AS event_time) FROM \
         amz.retention(events, period := 'fortnight')",
        "retention: period must be one of 'day', 'week', 'month', 'quarter', 'year', not \
         'fortnight'",
    )],
    since: "0.1.0",
    register: None,
};
