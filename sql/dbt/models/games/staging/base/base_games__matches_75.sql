-- base_games__matches_75: generated from sql/games/10_clean.sql (make docs).
{{ config(materialized='table', schema='intermediate') }}

{% set clean_event_types %}(
    SELECT map(list(t.name ORDER BY t.name), list(t.others ORDER BY t.name))
    FROM (
        SELECT
            n.name,
            coalesce(list(DISTINCT g.other) FILTER (g.other IS NOT NULL), []::VARCHAR[]) AS others
        FROM (SELECT unnest(['login', 'start_game', 'finish_game', 'purchase', 'unknown']) AS name) AS n
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
                        TRY_CAST({{ amazing.parameter('games_event_types') }}::VARCHAR AS MAP (VARCHAR, VARCHAR))
                            AS given
                ) AS v
            ) AS m
        ) AS g ON g.name = n.name
        GROUP BY n.name
    ) AS t
){% endset %}
-- The entries of the vocabularies that values meet with a similarity of at least 0.75.
-- `unknown` is an entry, or what is called so already would be a correction.
SELECT
    v.*,
    CASE v.column_name
        WHEN 'age_range'
            THEN
                if(
                    {{ amazing.parameter('games_age_ranges') }} IS NULL,
                    category_match(
                        v.read_as,
                        ['-18', '18-25', '26-35', '36-50', '50+', 'unknown'],
                        0.75
                    ),
                    category_match(v.read_as, {{ amazing.parameter('games_age_ranges') }}, 0.75)
                )
        WHEN 'workout_frequency'
            THEN
                if(
                    {{ amazing.parameter('games_workout_frequencies') }} IS NULL,
                    category_match(
                        v.read_as,
                        ['minimal', 'flexible', 'regular', 'maximal', 'unknown'],
                        0.75
                    ),
                    category_match(v.read_as, {{ amazing.parameter('games_workout_frequencies') }}, 0.75)
                )
        WHEN 'gender'
            THEN
                if(
                    {{ amazing.parameter('games_genders') }} IS NULL,
                    category_match(
                        v.read_as,
                        map {'M': ['male'], 'F': ['female'], 'Other': [], 'unknown': []},
                        0.75
                    ),
                    category_match(v.read_as, {{ amazing.parameter('games_genders') }}, 0.75)
                )
        WHEN 'location'
            THEN
                if(
                    {{ amazing.parameter('games_cities') }} IS NULL,
                    category_match(
                        v.read_as,
                        ['Paris', 'Lyon', 'Berlin', 'Madrid', 'Rome', 'unknown'],
                        0.75
                    ),
                    category_match(v.read_as, {{ amazing.parameter('games_cities') }}, 0.75)
                )
        WHEN 'subscription_type'
            THEN
                if(
                    {{ amazing.parameter('games_subscription_types') }} IS NULL,
                    category_match(
                        v.read_as,
                        ['free', 'trial', 'premium', 'unknown'],
                        0.75
                    ),
                    category_match(v.read_as, {{ amazing.parameter('games_subscription_types') }}, 0.75)
                )
        WHEN 'game_type'
            THEN
                if(
                    {{ amazing.parameter('games_genres') }} IS NULL,
                    category_match(
                        v.read_as,
                        ['cardio', 'strategy', 'puzzle', 'arcade', 'action', 'unknown'],
                        0.75
                    ),
                    category_match(v.read_as, {{ amazing.parameter('games_genres') }}, 0.75)
                )
        WHEN 'platform'
            THEN
                if(
                    {{ amazing.parameter('games_platforms') }} IS NULL,
                    category_match(
                        v.read_as,
                        ['iOS', 'Android', 'Web', 'unknown'],
                        0.75
                    ),
                    category_match(v.read_as, {{ amazing.parameter('games_platforms') }}, 0.75)
                )
        WHEN 'difficulty'
            THEN
                if(
                    {{ amazing.parameter('games_difficulties') }} IS NULL,
                    category_match(
                        v.read_as,
                        ['easy', 'medium', 'hard', 'unknown'],
                        0.75
                    ),
                    category_match(v.read_as, {{ amazing.parameter('games_difficulties') }}, 0.75)
                )
        WHEN 'event_type'
            THEN
                category_match(v.read_as, {{ clean_event_types }}, 0.75)
        WHEN 'device_type'
            THEN
                if(
                    {{ amazing.parameter('games_device_types') }} IS NULL,
                    category_match(
                        v.read_as,
                        map {'mobile': ['tablet'], 'web': [], 'console': [], 'unknown': []},
                        0.75
                    ),
                    category_match(v.read_as, {{ amazing.parameter('games_device_types') }}, 0.75)
                )
    END AS match
FROM {{ ref('base_games__values') }} AS v
