//! Activity of users in time: sessions, months and figures of each user, as relations over their events.

use super::{Example, Function, Kind, relation};

/// `amz.sessionize(source, ...)`
pub const SESSIONIZE: Function = Function {
    kind: Kind::Relation,
    subject: "activity",
    signature: relation("sessionize"),
    columns: "every column of the source, then session_number BIGINT",
    description: "The session of each event: a pause longer than `max_gap` since the user's event before begins a new one.",
    details: "The source has the columns `user_id` and `event_time`, which is cast to TIMESTAMP; a TIMESTAMP WITH TIME ZONE, \
              and a text with an offset, is its moment in UTC, so that elapsed time is elapsed time in every `TimeZone` and \
              across a change of clocks. Sessions of a user are \
              numbered from 1 in the order of time; events at the same time are in the same session, whatever the \
              order of rows. A pause of exactly `max_gap` does not end a session; 0 makes each moment a session of its \
              own (which an infinite time is too). `session_number` is NULL where `user_id` or `event_time` is. A session is a GROUP BY of `user_id` \
              and `session_number`. A source that has a column `session_number` already is refused.",
    examples: &[Example {
        sql: "WITH events AS (SELECT * FROM (VALUES (1, TIMESTAMP '2024-05-01 23:50:00'), (1, TIMESTAMP '2024-05-02 00:20:00'), (1, TIMESTAMP '2024-05-02 00:50:01')) AS t(user_id, event_time)) SELECT session_number, count(*) AS events, max(event_time) - min(event_time) AS duration FROM amz.sessionize(events) GROUP BY user_id, session_number ORDER BY session_number",
        rows: &["1 | 2 | 00:30:00", "2 | 1 | 00:00:00"],
    }],
    errors: &[(
        "WITH events AS (SELECT 1 AS user_id, TIMESTAMP '2024-05-01' AS event_time) FROM amz.sessionize(events, max_gap := '-1 minutes')",
        "sessionize: max_gap must be an interval of at least 0 with its unit, such as INTERVAL 30 MINUTE, not -1 minutes",
    )],
    since: "0.1.0",
    register: None,
};

/// `amz.user_activity(source)`
pub const USER_ACTIVITY: Function = Function {
    kind: Kind::Relation,
    subject: "activity",
    signature: relation("user_activity"),
    columns: "user_id, events BIGINT, first_event_time TIMESTAMP, last_event_time TIMESTAMP, avg_time_between_events DOUBLE",
    description: "How often and when each user was active, one row per user.",
    details: "The source has the columns `user_id` and `event_time`, which is cast to TIMESTAMP (in UTC if it has a time zone or \
              an offset, as are the times in the result); rows where one of them is NULL, and times that are infinite, are \
              left out. `avg_time_between_events` is in seconds, (last - first) / (events - 1), \
              NULL for one event.",
    examples: &[Example {
        sql: "WITH events AS (SELECT * FROM (VALUES (1, DATE '2024-01-31'), (1, DATE '2024-02-01'), (1, DATE '2024-02-01'), (2, DATE '2024-02-29')) AS t(user_id, event_time)) FROM amz.user_activity(events) ORDER BY user_id",
        rows: &[
            "1 | 3 | 2024-01-31 00:00:00 | 2024-02-01 00:00:00 | 43200.0",
            "2 | 1 | 2024-02-29 00:00:00 | 2024-02-29 00:00:00 | NULL",
        ],
    }],
    errors: &[(
        "WITH events AS (SELECT 1 AS user_id, DATE '2024-05-01' AS day) FROM amz.user_activity(events)",
        "Column \"event_time\" was selected but was not found in the FROM clause",
    )],
    since: "0.1.0",
    register: None,
};

/// `amz.monthly_activity(source, ...)`
pub const MONTHLY_ACTIVITY: Function = Function {
    kind: Kind::Relation,
    subject: "activity",
    signature: relation("monthly_activity"),
    columns: "[the column `col`,] month DATE, events BIGINT, active_users BIGINT, new_users BIGINT, churned_users BIGINT, \
              reactivated_users BIGINT",
    description: "Users who are active, new, gone and back, one row per calendar month.",
    details: "The source has the columns `user_id` and `event_time`, which is cast to TIMESTAMP (in UTC if it has a time zone or \
              an offset, so that a month begins at midnight of UTC; for local months give `event_time AT TIME ZONE \
              'Europe/Berlin'`); rows where one of them is NULL, and times that are infinite, are left out. In a month, users are `active` with an event in it, \
              `new` with their first event, `churned` when they were active in the month before and are not in this \
              one, `reactivated` when they are active and were before, but not in the month before. So active users \
              = those of the month before + new + reactivated - churned. Months run from the first event to the last, \
              those without events included. `col`, the name of a column as a text, asks for the same of each value of \
              this column (NULL is one) over the same months, with its own first events and its own pauses.",
    examples: &[
        Example {
            sql: "WITH events AS (SELECT * FROM (VALUES (1, DATE '2024-01-31'), (2, DATE '2024-01-01'), (1, DATE '2024-03-05')) AS t(user_id, event_time)) FROM amz.monthly_activity(events)",
            rows: &[
                "2024-01-01 | 2 | 2 | 2 | 0 | 0",
                "2024-02-01 | 0 | 0 | 0 | 2 | 0",
                "2024-03-01 | 1 | 1 | 0 | 0 | 1",
            ],
        },
        Example {
            sql: "WITH events AS (SELECT * FROM (VALUES (1, DATE '2024-01-31', 'chess'), (1, DATE '2024-02-05', 'go')) AS t(user_id, event_time, game)) SELECT game, month, active_users, new_users, churned_users FROM amz.monthly_activity(events, col := 'game')",
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
