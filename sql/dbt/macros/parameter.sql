{# parameter: a variable of dbt as a literal of SQL, NULL where it is not set; a list becomes a list, a mapping a map. A run is called as in
   load_once. #}
{% macro parameter(name) %}
    {%- if name.endswith('_run_id') -%}
        {{- return("'dbt " ~ invocation_id ~ "'") -}}
    {%- endif -%}
    {{- return(amazing.literal(var(name, none), name)) -}}
{% endmacro %}

{% macro literal(value, name) %}
    {%- if value is none -%}
        {{- return('NULL') -}}
    {%- elif value is boolean or value is number -%}
        {{- return(value | string | lower) -}}
    {%- elif value is string -%}
        {{- return("'" ~ value | replace("'", "''") ~ "'") -}}
    {%- elif value is mapping -%}
        {%- set entries = [] -%}
        {%- for key, item in value.items() -%}
            {%- do entries.append(amazing.literal(key, name) ~ ': ' ~ amazing.literal(item, name)) -%}
        {%- endfor -%}
        {{- return('MAP {' ~ entries | join(', ') ~ '}') -}}
    {%- elif value is not sequence -%}
        {{- exceptions.raise_compiler_error(
            'amazing: the variable ' ~ name ~ ' must be a text, a number, or a list or mapping of them, not ' ~ value
        ) -}}
    {%- endif -%}
    {%- set items = [] -%}
    {%- for item in value -%}
        {%- do items.append(amazing.literal(item, name)) -%}
    {%- endfor -%}
    {{- return('[' ~ items | join(', ') ~ ']') -}}
{% endmacro %}
