-- How each step begins, in place of {begin a run}. The load step makes the table of runs, so that
-- only the others can tell there that they begin: at once, so that a run that fails or is killed
-- leaves its row.

SET VARIABLE current_run = coalesce(
    getvariable('run_id')::VARCHAR,
    getvariable('current_run'),
    uuid()::VARCHAR
);

SET VARIABLE run_started = make_timestamp(epoch_us(uuid_extract_timestamp(uuidv7())));

-- {but for 00_raw}
INSERT INTO raw.pipeline_runs (run_id, step, started_at, finished_at, rows, status)
SELECT
    getvariable('current_run'),
    '{step}',
    getvariable('run_started'),
    getvariable('run_started'),
    0,
    'started';

BEGIN TRANSACTION;
