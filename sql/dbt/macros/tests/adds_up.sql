{# adds_up: the sum of the column is the number of rows of `to`, or the sum of its column `to_column`. #}
{% test adds_up(model, column_name, to, to_column=none) %}
SELECT *
FROM (
    SELECT
        (SELECT coalesce(sum(m.{{ column_name }}), 0) FROM {{ model }} AS m) AS this_sum,
        {% if to_column is none -%}
        (SELECT count(*) FROM {{ to }}) AS other_sum
        {%- else -%}
        (SELECT coalesce(sum(t.{{ to_column }}), 0) FROM {{ to }} AS t) AS other_sum
        {%- endif %}
) AS sums
WHERE sums.this_sum <> sums.other_sum
{% endtest %}
