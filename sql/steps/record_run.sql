-- How each step tells that it has run, in place of {record a run}: in its own transaction, so that
-- what is recorded is what is committed.

-- now() stands still in a transaction, the clock of a new UUID does not.
INSERT INTO raw.pipeline_runs
SELECT
    getvariable('current_run'),
    '{step}',
    make_timestamp(epoch_us(now())),
    make_timestamp(epoch_us(uuid_extract_timestamp(uuidv7()))),
    getvariable('run_rows');
