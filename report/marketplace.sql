-- The report of a shop: what stands in a database of the pipeline `marketplace`, one page from top to bottom.
--
-- `# title` begins a section, the lines below it are its text, and each query is a table or, in a column called svg, a
-- picture. The first section gives the key figures. Each query runs in the client too, after LOAD amazing.

-- # Key figures
SELECT
    sum(m.events)::BIGINT AS events,
    (SELECT count(*) FROM kpi.user_features) AS users,
    sum(m.purchases)::BIGINT AS purchases,
    sum(m.revenue) AS revenue,
    (SELECT count(DISTINCT s.segment) FROM user_segments AS s) AS segments,
    min(m.month) AS first_month,
    max(m.month) AS last_month,
FROM kpi.monthly AS m;

-- # Segments
-- Users with enough events, by what they do. A name says what makes a segment different: `high` and `low` against the
-- mean of all these users, `very` from two standard deviations on.
SELECT
    s.segment,
    any_value(p.name) AS name,
    count(*) AS users,
    any_value(p.share) AS share,
    sum(s.total_purchases)::BIGINT AS purchases,
    sum(s.total_spent)::DECIMAL(38, 2) AS spent,
    coalesce(sum(s.total_spent) / nullif(sum(sum(s.total_spent)) OVER (), 0), 0) AS spent_share,
FROM user_segments AS s
INNER JOIN kpi.segment_profile AS p
    ON s.segment = p.segment AND p.rank = 1
GROUP BY s.segment
ORDER BY s.segment;

-- # Map
-- Each user on the first two principal components of their features: the two directions in which users differ most.
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
            'title': 'User segments',
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

-- # Months
SELECT line_svg(m.month, m.revenue, NULL, {'mark': 'bar', 'title': 'Revenue by month', 'height': 360}) AS svg,
FROM kpi.monthly AS m;

SELECT line_svg(u.month, u.n, u.kind, {'title': 'Users by month', 'height': 360}) AS svg,
FROM (UNPIVOT kpi.monthly ON users AS active, new_users AS new INTO NAME kind VALUE n) AS u;

SELECT
    month,
    events,
    users,
    new_users,
    sessions,
    purchases,
    revenue,
    avg_basket,
    conversion_rate,
    revenue_change,
FROM kpi.monthly
ORDER BY month;

-- # Days
SELECT line_svg(d.day, d.revenue, NULL, {'title': 'Revenue by day', 'height': 300}) AS svg,
FROM kpi.daily AS d;

-- # Funnel
-- Who reaches a step in a month, and the share of them who reach the next.
SELECT
    month,
    step,
    users,
    sessions,
    next_user_rate,
    next_session_rate,
FROM kpi.funnel
ORDER BY month, step_number;

-- # Cohorts: who comes back
-- Users by the month of their first event, and the share of them who are active so many months later.
PIVOT kpi.cohorts
ON months_since
USING any_value(retention) AS retention_after_month
GROUP BY first_month, users
ORDER BY first_month;

-- # What sells: categories
SELECT
    category_code,
    views,
    purchases,
    buyers,
    revenue,
    share,
    conversion_rate,
FROM kpi.category
ORDER BY rank NULLS LAST, category_code
LIMIT 10;

-- # What sells: brands
SELECT
    brand,
    views,
    purchases,
    buyers,
    revenue,
    share,
    conversion_rate,
FROM kpi.brand
ORDER BY rank NULLS LAST, brand
LIMIT 10;

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
    reason AS reason_of_rejected_rows,
    count(*) AS row_count,
FROM clean.rejected_events
GROUP BY reason
ORDER BY row_count DESC, reason;
