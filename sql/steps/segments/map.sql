CREATE OR REPLACE TABLE kpi.segment_map AS
SELECT
    m.user_id,
    m.segment,
    m.pc1,
    m.pc2
FROM amz.pca_2d(
    'main.user_segments',
    features := getvariable('segment_features'),
    log := getvariable('segment_log'),
    nulls := 'zero'
) AS m;

CREATE OR REPLACE TABLE kpi.segment_components AS
SELECT *
FROM amz.pca_components(
    'main.user_segments',
    n := 2,
    features := getvariable('segment_features'),
    log := getvariable('segment_log'),
    nulls := 'zero'
);

SET VARIABLE segment_axes = (
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
            c.component,
            c.explained_variance_ratio
        FROM kpi.segment_components AS c
    ) AS a
);

COPY (
    SELECT
        encode(
            coalesce(
                scatter_svg(
                    m.pc1,
                    m.pc2,
                    m.segment || ': ' || p.name,
                    {
                        'title': '{title}',
                        'x_label': getvariable('segment_axes')[1],
                        'y_label': getvariable('segment_axes')[2]
                    }
                ),
                '<svg xmlns="http://www.w3.org/2000/svg" width="800" height="80">'
                || '<text x="20" y="45" font-family="sans-serif">No user has enough events for a '
                || 'segment.</text></svg>'
            )
        ) AS svg
    FROM kpi.segment_map AS m
    INNER JOIN kpi.segment_profile AS p
        ON m.segment = p.segment AND p.rank = 1
) TO (getvariable('svg')) (FORMAT blob);

