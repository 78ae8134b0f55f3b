-- The table of runs, in place of {table of runs}.

-- A run is 'started' until it tells that it is 'done', and 'failed' where its runner has told so:
-- one that is 'started' and does not run any more has failed. Then finished_at is when it began.
CREATE TABLE IF NOT EXISTS raw.pipeline_runs (
    run_id VARCHAR NOT NULL,
    step VARCHAR NOT NULL,
    started_at TIMESTAMP NOT NULL,
    finished_at TIMESTAMP NOT NULL,
    rows BIGINT NOT NULL
);

-- Databases of earlier versions have the columns above, and a row for each step that was done.
ALTER TABLE raw.pipeline_runs ADD COLUMN IF NOT EXISTS status VARCHAR DEFAULT 'done';

ALTER TABLE raw.pipeline_runs ADD COLUMN IF NOT EXISTS rows_in BIGINT;

ALTER TABLE raw.pipeline_runs ADD COLUMN IF NOT EXISTS rows_replaced BIGINT;

ALTER TABLE raw.pipeline_runs ADD COLUMN IF NOT EXISTS rows_rejected BIGINT;

ALTER TABLE raw.pipeline_runs ADD COLUMN IF NOT EXISTS seconds DOUBLE;

ALTER TABLE raw.pipeline_runs ADD COLUMN IF NOT EXISTS message VARCHAR;

ALTER TABLE raw.pipeline_runs ADD COLUMN IF NOT EXISTS parameters MAP (VARCHAR, VARCHAR);

ALTER TABLE raw.pipeline_runs ADD COLUMN IF NOT EXISTS amazing_version VARCHAR;

ALTER TABLE raw.pipeline_runs ADD COLUMN IF NOT EXISTS duckdb_version VARCHAR;
