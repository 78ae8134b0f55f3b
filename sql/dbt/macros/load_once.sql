{# load_once: loads the files of a world that are new, with the load step that the extension carries; known ones change
   nothing. Repeats it until no file is left, because one run of the step takes at most `<world>_max_files`.

       dbt run-operation amazing.load_once --args '{world: marketplace}'

   A refused file refuses the run it is in: the step is one transaction. #}
{% macro load_once(world) %}
    {% if execute %}
        {% if world not in amazing.worlds() %}
            {% do exceptions.raise_compiler_error(
                'load_once: no world "' ~ world ~ '", there are ' ~ amazing.worlds() | join(', ')
            ) %}
        {% endif %}
        {% set prefix = amazing.literal(var(world ~ '_schema_prefix', ''), world ~ '_schema_prefix') %}
        {% set statements = run_query(
            "SELECT s.sql FROM amazing_scripts('" ~ world ~ "', schema_prefix := " ~ prefix ~ ") AS s "
            ~ "WHERE s.name = '00_raw' ORDER BY s.step"
        ).columns[0].values() %}
        {% for name in ['data', 'source', 'columns', 'bad_files', 'deleted_files', 'max_files'] %}
            {% do run_query('SET VARIABLE ' ~ name ~ ' = ' ~ amazing.parameter(world ~ '_' ~ name)) %}
        {% endfor %}
        {% do run_query("SET VARIABLE run_id = 'dbt " ~ invocation_id ~ "'") %}
        {# Each pass takes at least one file, so the files that are left only grow fewer. #}
        {% set load = namespace(is_done=false, files=0, rows=0, rejected=0) %}
        {% for pass in range(100000) if not load.is_done %}
            {% for sql in statements %}
                {% do run_query(sql) %}
            {% endfor %}
            {% set summary = run_query("SELECT unnest(getvariable('load_summary'))").rows[0] %}
            {% set load.files = load.files + summary['files_loaded'] | int %}
            {% set load.rows = load.rows + summary['rows_loaded'] | int %}
            {% set load.rejected = load.rejected + summary['lines_rejected'] | int %}
            {% if 'WARNING' in summary['message'] %}
                {% do log(world ~ ': ' ~ summary['message'], info=true) %}
            {% endif %}
            {% set load.is_done = summary['files_left'] | int == 0 %}
            {% if load.is_done %}
                {% do log(
                    world ~ ': ' ~ load.files ~ ' new of ' ~ summary['files_found'] | int ~ ' files, '
                    ~ load.rows ~ ' rows, ' ~ load.rejected ~ ' rejected lines',
                    info=true
                ) %}
            {% endif %}
        {% endfor %}
    {% endif %}
{% endmacro %}

{# worlds: those that have raw tables. #}
{% macro worlds() %}
    {{ return(['marketplace', 'games']) }}
{% endmacro %}

{# load_for_selected: load_once for each world of whose raw tables a model reads one that is about to be built. #}
{% macro load_for_selected() %}
    {% if execute and flags.WHICH in ['build', 'run'] %}
        {% set needed = [] %}
        {% for id in selected_resources if id.startswith('model.') %}
            {% for parent in graph.nodes[id].depends_on.nodes if parent.startswith('source.amazing.') %}
                {% do needed.append(parent.split('.')[2]) %}
            {% endfor %}
        {% endfor %}
        {% for world in amazing.worlds() if world in needed %}
            {% do amazing.load_once(world) %}
        {% endfor %}
    {% endif %}
{% endmacro %}

{# forget_cleaned_files: before `clean.events` is made anew. The plain script adds to the clean tables what this list lacks;
   without the list it makes them anew as well. #}
{% macro forget_cleaned_files(events) %}
    DROP TABLE IF EXISTS {{ api.Relation.create(database=events.database, schema=events.schema, identifier='cleaned_files') }}
{% endmacro %}
