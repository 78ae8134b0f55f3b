"""Three months of both worlds whose users have habits: who changes a habit, and when, is known.

Users 1 to 1000 are there from the first month, 100 new ones come with each month after it. Most of the new ones have the
habit 3, so that segments numbered by size would be numbered otherwise the month after. Of the habits 0 to 3 every 25th
user of the first month takes the next habit in the second or third month; who has habit 4 is gone after six days.
"""

MONTHS = ["2019-10", "2019-11", "2019-12"]

# In a month: views, carts, purchases and the price of the marketplace; sessions, games in each, seconds and purchases of
# the games.
HABITS = """
CREATE OR REPLACE TABLE habits AS
FROM (
    VALUES
        (0, 16, 0, 0, 20, 6, 2, 30, 0),
        (1, 24, 9, 6, 25, 14, 3, 60, 2),
        (2, 12, 6, 5, 600, 10, 8, 90, 6),
        (3, 150, 30, 12, 30, 28, 6, 60, 0),
        (4, 12, 2, 1, 20, 5, 3, 30, 0)
) AS t (habit, views, carts, purchases, price, sessions, games, seconds, bought)
"""

PEOPLE = """
CREATE OR REPLACE TABLE people AS
SELECT
    i AS user_id,
    if(i > 1000, 1 + (i - 1001) // 100, 0) AS first_month,
    CASE
        WHEN i > 1000 THEN if(i % 4 = 0, 1, 3)
        WHEN i % 20 < 7 THEN 0
        WHEN i % 20 < 11 THEN 1
        WHEN i % 20 < 14 THEN 2
        WHEN i % 20 < 17 THEN 3
        ELSE 4
    END AS habit,
    if(i <= 1000 AND i % 25 = 0 AND i % 20 < 17, 1 + i // 25 % 2, NULL) AS moves_in
FROM range(1, 1201) AS t (i)
"""

# A user and month, with what the user does in it: up to 15 % more or less than the habit.
USER_MONTHS = """
CREATE OR REPLACE TABLE user_months AS
SELECT
    p.user_id,
    m.month,
    p.habit = 4 AS leaves,
    0.85 + 0.3 * (p.user_id * 7919 + m.month * 104729) % 1000 / 1000 AS factor,
    h.*
FROM people AS p
CROSS JOIN range(3) AS m (month)
JOIN habits AS h
    ON h.habit = CASE
        WHEN getvariable('all_move') AND p.habit = 0 AND m.month > 0 THEN 3
        WHEN m.month >= p.moves_in THEN (p.habit + 1) % 4
        ELSE p.habit
    END
WHERE m.month >= p.first_month AND (m.month = 0 OR p.habit <> 4)
"""

# Evenly over the days of the month, of those who leave over the first six.
SHOP_EVENTS = """
CREATE OR REPLACE TABLE shop_events AS
WITH kinds AS (
    SELECT *, 'view' AS event_type, unnest(range(round(views * factor)::INT)) AS i FROM user_months
    UNION ALL
    SELECT *, 'cart', 1000 + unnest(range(round(carts * factor)::INT)) FROM user_months
    UNION ALL
    SELECT *, 'purchase', 2000 + unnest(range(round(purchases * factor)::INT)) FROM user_months
),
placed AS (
    SELECT
        *,
        row_number() OVER (PARTITION BY user_id, month ORDER BY (i * 7919 + user_id) % 9973) AS place,
        count(*) OVER (PARTITION BY user_id, month) AS n
    FROM kinds
)
SELECT
    month,
    TIMESTAMP '2019-10-01' + to_months(month::INT) + to_seconds((place / n * if(leaves, 6, 29.9) * 86400)::BIGINT) AS event_time,
    event_type,
    1 + i % 50 AS product_id,
    2053013555631882655 AS category_id,
    'a.b' AS category_code,
    'acme' AS brand,
    round(price * (0.8 + (user_id * 13 + i * 31) % 400 / 1000), 2)::DECIMAL(10, 2) AS price,
    user_id,
    format('00000000-0000-4000-8000-{:012d}', user_id * 1000 + month * 100 + place // 10) AS user_session
FROM placed
"""

GAME_EVENTS = """
CREATE OR REPLACE TABLE game_events AS
WITH starts AS (
    SELECT *, unnest(range(1, round(sessions * factor)::INT + 1)) AS session FROM user_months
),
played AS (
    SELECT *, 'start_game' AS event_type, unnest(range(games)) AS i FROM starts
    UNION ALL
    SELECT *, 'purchase', 100 + unnest(range(1)) FROM starts WHERE session <= bought
)
SELECT
    month,
    (user_id * 3 + month) * 100000 + session * 1000 + i AS event_id,
    1 + (user_id + i) % (2 + 3 * habit) AS game_id,
    user_id,
    TIMESTAMP '2019-10-01' + to_months(month::INT)
    + to_seconds((session / round(sessions * factor) * if(leaves, 6, 29.5) * 86400)::BIGINT + i % 100 * seconds) AS event_time,
    event_type,
    seconds AS duration_seconds,
    'web' AS device_type
FROM played
"""


def make_people(con, all_move=False):
    """Makes the tables `people`, `shop_events` and `game_events` of the two worlds, with `month` 0, 1 or 2.

    With `all_move` all users of habit 0 take habit 3 in the second month.
    """
    con.execute("SET VARIABLE all_move = ?", [all_move])
    for statement in [HABITS, PEOPLE, USER_MONTHS, SHOP_EVENTS, GAME_EVENTS]:
        con.execute(statement)


def write_months(con, pipeline, folder):
    """Writes the files of the world, those of a month into a folder of its own: `<folder>/2019-10/...`."""
    for month, name in enumerate(MONTHS):
        (folder / name).mkdir(parents=True)
        table, time_format = (
            ("shop_events", "%Y-%m-%d %H:%M:%S UTC")
            if pipeline == "marketplace"
            else ("game_events", "%Y-%m-%dT%H:%M:%S")
        )
        con.execute(
            f"COPY (SELECT * EXCLUDE (month) FROM {table} WHERE month = {month} ORDER BY"
            f" event_time, user_id) TO '{folder / name / name}.csv' (TIMESTAMPFORMAT"
            f" '{time_format}')"
        )
    if pipeline == "games":
        first = folder / MONTHS[0]
        con.execute(f"""COPY (
            SELECT user_id, '18-25' AS age_range, DATE '2019-01-01' AS registration_date, user_id || '@b.org' AS email,
                'regular' AS workout_frequency, 'F' AS gender, 'Paris' AS location, 'free' AS subscription_type
            FROM people ORDER BY user_id
        ) TO '{first}/users.csv'""")
        con.execute(f"""COPY (
            SELECT i AS game_id, 'puzzle' AS game_type, 'Game ' || i AS game_name, 'Web' AS platform, 'easy' AS difficulty
            FROM range(1, 21) AS t (i)
        ) TO '{first}/games.csv'""")
