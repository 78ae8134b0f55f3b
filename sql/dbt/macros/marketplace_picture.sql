{# marketplace_picture: generated from sql/marketplace/30_user_segments.sql (make docs). #}
{% macro marketplace_picture(relation) %}
{% if var('marketplace_svg', none) %}
{% set segment_axes %}(
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
        FROM {{ ref('marketplace__segment_components') }} AS c
    ) AS a
){% endset %}
COPY (
    SELECT
        encode(
            coalesce(
                scatter_svg(
                    m.pc1,
                    m.pc2,
                    m.segment || ': ' || p.name,
                    {
                        'title': 'User segments',
                        'x_label': {{ segment_axes }}[1],
                        'y_label': {{ segment_axes }}[2]
                    }
                ),
                '<svg xmlns="http://www.w3.org/2000/svg" width="800" height="80">'
                || '<text x="20" y="45" font-family="sans-serif">No user has enough events for a '
                || 'segment.</text></svg>'
            )
        ) AS svg
    FROM {{ relation }} AS m
    INNER JOIN {{ ref('marketplace__segment_profile') }} AS p
        ON m.segment = p.segment AND p.rank = 1
) TO ({{ amazing.parameter('marketplace_svg') }}) (FORMAT blob)
{% endif %}
{% endmacro %}
