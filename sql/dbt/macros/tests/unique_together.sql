{# unique_together: no two rows have the same values in all of `columns`; NULL is a value like any other. #}
{% test unique_together(model, columns) %}
SELECT
    {{ columns | join(', ') }},
    count(*) AS row_count
FROM {{ model }}
GROUP BY {{ columns | join(', ') }}
HAVING count(*) > 1
{% endtest %}
