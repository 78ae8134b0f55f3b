-- Step 00_raw of the pipeline `games`: the lines of the files of users, games and events, as text,
-- and what became of each file.
--
-- raw.users           one row: a line of a file of users
-- raw.games           one row: a line of a file of games
-- raw.events          one row: a line of a file of events

-- The tables and their columns; a file may lack those that are not required.
CREATE OR REPLACE TEMP TABLE load_columns AS
SELECT *
FROM (
    VALUES
        ('users', 'user_id', true),
        ('users', 'age_range', true),
        ('users', 'registration_date', true),
        ('users', 'email', true),
        ('users', 'workout_frequency', true),
        ('users', 'gender', true),
        ('users', 'location', true),
        ('users', 'subscription_type', true),
        ('games', 'game_id', true),
        ('games', 'game_type', true),
        ('games', 'game_name', true),
        ('games', 'platform', true),
        ('games', 'difficulty', true),
        ('events', 'event_id', true),
        ('events', 'game_id', true),
        ('events', 'user_id', true),
        ('events', 'event_time', true),
        ('events', 'event_type', true),
        ('events', 'duration_seconds', true),
        ('events', 'device_type', true)
) AS c (table_name, column_name, is_required);
