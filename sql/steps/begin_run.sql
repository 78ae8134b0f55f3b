-- How each step begins, in place of {begin a run}.

SET VARIABLE current_run = coalesce(
    getvariable('run_id')::VARCHAR,
    getvariable('current_run'),
    uuid()::VARCHAR
);

BEGIN TRANSACTION;
