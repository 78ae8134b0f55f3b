-- The report of a games platform: what stands in a database of the pipeline `games`, one page from top to bottom.
--
-- `# title` begins a section, the lines below it are its text, and each query is a table or, in a column called svg, a
-- picture. The first section gives the key figures. Each query runs in the client too, after LOAD amazing.

-- # Key figures
SELECT
    sum(m.events)::BIGINT AS events,
    (SELECT count(*) FROM kpi.user_engagement) AS players,
    sum(m.sessions)::BIGINT AS sessions,
    sum(m.purchases)::BIGINT AS purchases,
    (SELECT count(DISTINCT s.segment) FROM user_segments AS s) AS segments,
    min(m.month) AS first_month,
    max(m.month) AS last_month,
FROM kpi.monthly AS m;

-- # Segments
-- Players with enough events, by how they play. A name says what makes a segment different: `high` and `low` against
-- the mean of all these players, `very` from two standard deviations on.
SELECT
    s.segment,
    any_value(p.name) AS name,
    count(*) AS players,
    any_value(p.share) AS share,
    sum(s.events)::BIGINT AS events,
    sum(s.purchases)::BIGINT AS purchases,
    coalesce(sum(s.purchases) / nullif(sum(sum(s.purchases)) OVER (), 0), 0) AS purchases_share,
FROM user_segments AS s
INNER JOIN kpi.segment_profile AS p
    ON s.segment = p.segment AND p.rank = 1
GROUP BY s.segment
ORDER BY s.segment;

-- # Map
-- Each player on the first two principal components of their features: the two directions in which players differ most.
SET VARIABLE axes = (
    SELECT
        list(
            'principal component ' || a.component || coalesce(
                ' (' || round(100 * a.explained_variance_ratio)::BIGINT || ' % of the variance)',
                ''
            )
            ORDER BY a.component
        )
    FROM (
        SELECT DISTINCT
            component,
            explained_variance_ratio
        FROM kpi.segment_components
    ) AS a
);

SELECT
    scatter_svg(
        m.pc1,
        m.pc2,
        m.segment || ': ' || p.name,
        {
            'title': 'Player segments',
            'x_label': getvariable('axes')[1],
            'y_label': getvariable('axes')[2]
        }
    ) AS svg,
FROM kpi.segment_map AS m
INNER JOIN kpi.segment_profile AS p
    ON m.segment = p.segment AND p.rank = 1;

-- # What the axes mean
-- How much of each feature is in a component, from -1 to 1.
SELECT
    c.feature,
    any_value(c.loading) FILTER (c.component = 1) AS component_1,
    any_value(c.loading) FILTER (c.component = 2) AS component_2,
FROM kpi.segment_components AS c
GROUP BY c.feature
ORDER BY abs(component_1) DESC, c.feature;

-- # Profile: what makes a segment different
-- The mean of a segment minus the mean of all, in standard deviations of all, on the scale of the fit.
PIVOT kpi.segment_profile
ON segment
USING any_value(z_score) AS z_score_of_segment
GROUP BY feature
ORDER BY feature;

-- # Profile: means
PIVOT kpi.segment_profile
ON segment
USING any_value(mean) AS mean_of_segment
GROUP BY feature
ORDER BY feature;

-- # Who still plays
SELECT
    status,
    users,
    share,
FROM kpi.user_status_counts
ORDER BY status;

-- # Months
SELECT line_svg(u.month, u.n, u.kind, {'title': 'Players by month', 'height': 360}) AS svg,
FROM (
    UNPIVOT kpi.monthly
    ON active_users AS active, new_users AS new, churned_users AS churned, reactivated_users AS back
    INTO NAME kind VALUE n
) AS u;

SELECT line_svg(m.month, m.events, NULL, {'mark': 'bar', 'title': 'Events by month', 'height': 360}) AS svg,
FROM kpi.monthly AS m;

SELECT
    month,
    events,
    active_users,
    new_users,
    churned_users,
    reactivated_users,
    sessions,
    avg_session_seconds,
    purchases,
    events_change,
FROM kpi.monthly
ORDER BY month;

-- # Months that were no season
-- Events against what trend and season let expect.
SELECT
    month,
    events,
    expected,
    deviation AS deviation_share,
FROM kpi.seasonality
WHERE is_outlier
ORDER BY month;

-- # Games
SELECT
    game_name,
    game_type,
    platform,
    active_users,
    sessions,
    avg_session_seconds,
    finish_rate,
    purchases,
FROM kpi.game_performance
ORDER BY rank, game_id
LIMIT 10;

-- # Places
SELECT
    location,
    users,
    active_users,
    share,
FROM kpi.location
ORDER BY rank, location
LIMIT 20;

-- # Who plays
SELECT
    dimension,
    value,
    users,
    active_users,
    share,
    active_rate,
FROM kpi.demographics
ORDER BY dimension, users DESC, value;

-- # Where the figures come from
-- Each line of a file is its header, a row or a rejected line (it could not be read); each row is an event or a rejected row.
SELECT
    file_name,
    line_count AS lines,
    rows_loaded,
    rows_rejected AS lines_rejected,
FROM raw.loaded_files
ORDER BY file_name;

SELECT
    reason AS reason_of_rejected_events,
    count(*) AS row_count,
FROM clean.rejected_events
GROUP BY reason
ORDER BY row_count DESC, reason;
