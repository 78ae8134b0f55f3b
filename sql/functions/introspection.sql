-- What the extension tells of itself and finds in the current database.

-- amazing_info(): one row.
CREATE OR REPLACE MACRO amazing_info() AS TABLE
    SELECT
        __s.* REPLACE (
            CASE
                WHEN __s.stale_macros IS NULL THEN __s.advice
                ELSE concat_ws(
                    '; ', __s.advice, 'the current database has relations of another version: '
                    || 'run sql/install.sql again'
                )
            END AS advice
        )
    FROM (
        SELECT
            __i.*,
            (
                SELECT list(DISTINCT __f.function_name ORDER BY __f.function_name)
                FROM duckdb_functions() AS __f
                WHERE
                    __f.database_name = current_database()
                    AND __f.comment LIKE 'amazing %'
                    AND NOT starts_with(__f.comment, 'amazing ' || __i.version || ':')
            ) AS stale_macros
        FROM system.main.amazing_session() AS __i
    ) AS __s;
