{# kept: a table as the build before, or a person, has left it, or `nothing`, a query of its columns, where there was none. Not a ref():
   what a build adds to the table depends on what it reads here. #}
{% macro kept(world, schema, name, nothing) %}
    {%- if execute -%}
        {%- set schema = var(world ~ '_schema_prefix', '') ~ schema -%}
        {%- set relation = adapter.get_relation(database=target.database, schema=schema, identifier=name) -%}
        {{- return(relation if relation else nothing) -}}
    {%- endif -%}
    {{- return(nothing) -}}
{% endmacro %}

{# tell: what the run has done to the meaning of segments. #}
{% macro tell(news, world) %}
    {% if execute %}
        {% for row in run_query('SELECT news FROM ' ~ news).rows if row['news'] %}
            {% do log(world ~ ': ' ~ row['news'], info=true) %}
        {% endfor %}
    {% endif %}
{% endmacro %}
