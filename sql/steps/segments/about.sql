-- The step 30_user_segments of all pipelines, with places for what sql/<pipeline>/segments.sql
-- says.

-- Step 30_user_segments of the pipeline `{pipeline}`: {people} in segments, what makes each
-- different, who moved, a picture.
--
-- main.user_segments      one row: a user with at least min_events events: the columns of {users},
--                         then segment
-- kpi.segment_model       one row: a model that a run has fitted, the last one is what the next run
--                         starts from
-- kpi.segment_profile     one row: a segment and feature
-- kpi.segment_history     one row: a month and a user who was in a segment in it or in the run
--                         before
-- kpi.segment_migration   one row: a pair of segments that users have in the run before and in this
--                         one
-- kpi.segment_map         one row: a user of user_segments on the first two principal components
-- kpi.segment_components  one row: a principal component and feature: what the axes of the map mean
-- the file `svg`          segment_map as a picture
--
-- Parameters (session variables):
--   min_events  events that a user needs (10): of a few events no habit can be read
--   k           segments (5); fewer where there are fewer different users than that
--   refit       'warm' (default): a fit that starts from the stored model; 'never': the stored
--               model; 'fresh': a new fit
--   seed        of the random draws (42)
--   svg         the file that the picture goes to (beside the database, shop.{pipeline}.svg of
--               shop.duckdb; of a database in memory 'segments.svg')
--
{features}
--
-- Segments keep their numbers. A run starts from the centroids of the stored model, at their place
--   among the users of today (in standard deviations from the mean, as figures that add up over the
--   months grow for everyone). Another k, other features or other options are a fresh fit with new
--   numbers, and the last message says so; `series` tells which numbers can be compared. A run on
--   the users that the stored model was fitted to applies it, and changes nothing. `moved` of a
--   segment is the distance from where its centroid started to where it ended, as a part of the
--   distance to the nearest other: up to a half, the centroid is still where the stored model says
--   its number. Beyond, the last message warns. It always tells how many users have another segment
--   than in the run before. A name is kept while each of its words holds: `high` and `low` to the
--   mean of all, `very` to a standard deviation from it, `average` within half of one. (In a new
--   name they begin at 0.25, 2 and 0.25.) The history holds the last run of each month, by `as_of`,
--   the day of the data; the run before is the one with the last earlier day. Who has left the
--   segments since then has a row with segment NULL.

SET VARIABLE min_events = coalesce(getvariable('min_events'), 10);

SET VARIABLE k = coalesce(getvariable('k'), 5);

SET VARIABLE refit = coalesce(getvariable('refit')::VARCHAR, 'warm');

SET VARIABLE seed = coalesce(getvariable('seed'), 42);

SET VARIABLE svg = coalesce(
    getvariable('svg')::VARCHAR,
    (
        SELECT regexp_replace(d.path, '[.](duckdb|db|ddb)$', '') || '.{pipeline}.svg'
        FROM duckdb_databases() AS d
        WHERE d.database_name = current_database()
    ),
    'segments.svg'
);

{statements}

-- {begin a run}

-- A table of this name that no run of the pipeline made is somebody else's.
SET VARIABLE segment_check = (
    SELECT
        CASE
            WHEN
                count(*) > 0
                AND NOT EXISTS (
                    SELECT 1
                    FROM raw.pipeline_runs AS r
                    WHERE r.step = '30_user_segments' AND r.status = 'done' OR r.run_id LIKE 'dbt %'
                )
                THEN error(
                    '30_user_segments: main.user_segments is there already, and this pipeline '
                    || 'did not make it: rename it, or take'
                    || ' a schema_prefix (amazing_scripts)'
                )
        END
    FROM duckdb_tables() AS t
    WHERE t.database_name = current_database()
        AND t.schema_name || '.' || t.table_name = 'main.user_segments'
);

-- How many rows the run before has left, which this one replaces.
SET VARIABLE replaced_rows = (
    SELECT coalesce(sum(t.estimated_size), 0)::BIGINT
    FROM duckdb_tables() AS t
    WHERE
        t.database_name = current_database()
        AND t.schema_name || '.' || t.table_name = 'main.user_segments'
);

