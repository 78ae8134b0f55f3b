-- Step 00_raw of the pipeline `marketplace`: the lines of the event files, as text, and what became
-- of each file.
--
-- raw.all_events      one row: a line of a file; `main.all_events` shows the same,
--                     `main.loaded_files` the files

-- The tables and their columns; a file may lack those that are not required.
CREATE OR REPLACE TEMP TABLE load_columns AS
SELECT *
FROM (
    VALUES
        ('all_events', 'event_time', true),
        ('all_events', 'event_type', true),
        ('all_events', 'product_id', true),
        ('all_events', 'category_id', false),
        ('all_events', 'category_code', true),
        ('all_events', 'brand', false),
        ('all_events', 'price', true),
        ('all_events', 'user_id', true),
        ('all_events', 'user_session', true)
) AS c (table_name, column_name, is_required);

CREATE OR REPLACE VIEW main.all_events AS
SELECT *
FROM raw.all_events;

CREATE OR REPLACE VIEW main.loaded_files AS
SELECT *
FROM raw.loaded_files;
