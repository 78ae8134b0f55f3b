-- Other names of the types of events, in place of {event types: a, b}; {types} are those.

-- The types of events, with the names that the parameter event_types gives them.
SET VARIABLE clean_event_types = (
    SELECT map(list(t.name ORDER BY t.name), list(t.others ORDER BY t.name))
    FROM (
        SELECT
            n.name,
            coalesce(list(DISTINCT g.other) FILTER (g.other IS NOT NULL), []::VARCHAR[]) AS others
        FROM (SELECT unnest([{types}]) AS name) AS n
        LEFT JOIN (
            SELECT
                lower(trim(m.name)) AS name,
                unnest(coalesce(TRY_CAST(m.others AS VARCHAR[]), [m.others])) AS other
            FROM (
                SELECT
                    unnest(map_keys(v.given)) AS name,
                    unnest(map_values(v.given)) AS others
                FROM (
                    SELECT
                        TRY_CAST(getvariable('event_types')::VARCHAR AS MAP (VARCHAR, VARCHAR))
                            AS given
                ) AS v
            ) AS m
        ) AS g ON g.name = n.name
        GROUP BY n.name
    ) AS t
);

SET VARIABLE clean_check = (
    SELECT
        CASE
            WHEN
                getvariable('event_types') IS NOT NULL
                AND typeof(getvariable('event_types')) NOT LIKE 'MAP%'
                THEN error(
                    $$10_clean: event_types must be a map as MAP {'purchase': ['order']}, not $$
                    || getvariable('event_types')::VARCHAR
                )
            WHEN count(*) > 0
                THEN error(
                    '10_clean: event_types names '
                    || string_agg('"' || g.name || '"', ', ' ORDER BY g.name)
                    || ', the types are ' || array_to_string([{types}], ', ')
                )
        END
    FROM (
        SELECT
            lower(
                trim(
                    unnest(
                        map_keys(
                            TRY_CAST(getvariable('event_types')::VARCHAR AS MAP (VARCHAR, VARCHAR))
                        )
                    )
                )
            ) AS name
    ) AS g
    WHERE NOT list_contains([{types}], g.name)
);
