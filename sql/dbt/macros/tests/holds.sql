{# holds: the expression is true in each row; a NULL is not. #}
{% test holds(model, expression) %}
SELECT *
FROM {{ model }}
WHERE ({{ expression }}) IS NOT TRUE
{% endtest %}
