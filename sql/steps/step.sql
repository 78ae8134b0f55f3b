-- The steps 10_clean and 20_kpi of all pipelines, made of the files in sql/<pipeline>/clean and
-- kpi:
-- {head}, what the step counts as its {rows} and its {answer} stand in about.sql, {statements} in
-- the others; {drops} follow from the statements.

{head}
--
-- Generated from {folder}/*.sql and ../steps/*.sql (make docs).

-- {begin a run}

{statements}

{rows}

-- {record a run}

{drops}

COMMIT;

{answer}
