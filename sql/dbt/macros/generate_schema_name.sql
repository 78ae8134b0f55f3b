{# generate_schema_name: the schemas of this project's models, as the plain scripts call them: `kpi`, `games_kpi`. #}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {%- if custom_schema_name is none or node.resource_type != 'model' -%}
        {{- target.schema -}}
    {%- else -%}
        {{- var(node.fqn[1] ~ '_schema_prefix', '') ~ custom_schema_name -}}
    {%- endif -%}
{%- endmacro %}
