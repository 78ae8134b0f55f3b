{# min_share: each value of the column has at least the share `at_least` of the rows that have one, as a segment should. #}
{% test min_share(model, column_name, at_least) %}
SELECT
    s.{{ column_name }},
    count(*) AS row_count,
    count(*) / sum(count(*)) OVER () AS share
FROM {{ model }} AS s
WHERE s.{{ column_name }} IS NOT NULL
GROUP BY s.{{ column_name }}
QUALIFY count(*) / sum(count(*)) OVER () < {{ at_least }}
{% endtest %}
