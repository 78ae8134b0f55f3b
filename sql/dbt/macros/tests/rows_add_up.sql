{# rows_add_up: the rows of this relation and of all `parts` are as many as those of `whole`: nothing was lost. #}
{% test rows_add_up(model, whole, parts=[]) %}
SELECT *
FROM (
    SELECT
        (SELECT count(*) FROM {{ whole }}) AS whole_rows,
        (SELECT count(*) FROM {{ model }})
        {%- for part in parts %}
        + (SELECT count(*) FROM {{ part }})
        {%- endfor %} AS rows_of_the_parts
) AS counts
WHERE counts.whole_rows <> counts.rows_of_the_parts
{% endtest %}
