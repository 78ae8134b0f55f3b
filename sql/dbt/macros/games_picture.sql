{# games_picture: generated from sql/games/30_user_segments.sql (make docs). #}
{% macro games_picture(relation) %}
{% if var('games_svg', none) %}
{% set svg %}coalesce({{ amazing.parameter('games_svg') }}, 'segments.svg'){% endset %}
COPY (
    SELECT
        encode(
            coalesce(
                scatter_svg(
                    m.pc1,
                    m.pc2,
                    m.segment,
                    {
                        'title': 'Player segments',
                        'x_label': 'first principal component',
                        'y_label': 'second principal component'
                    }
                ),
                '<svg xmlns="http://www.w3.org/2000/svg" width="800" height="80">'
                || '<text x="20" y="45" font-family="sans-serif">No user has enough events for a segment.</text></svg>'
            )
        ) AS svg
    FROM {{ relation }} AS m
) TO ({{ svg }}) (FORMAT blob)
{% endif %}
{% endmacro %}
