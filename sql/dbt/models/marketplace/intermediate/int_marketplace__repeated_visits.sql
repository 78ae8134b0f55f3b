-- int_marketplace__repeated_visits: generated from sql/marketplace/20_kpi.sql (make docs).
{{ config(materialized='table', schema='intermediate') }}

-- Nearly all sessions are one visit, which as it is stands for its session. The others, over
-- midnight or of several users, would count once for each of their visits. Two sessions with one
-- hash are among them too, and counted as what they are. (Without the GROUP BY, DuckDB 1.x would
-- build the hash table of the join from all visits: how many there are is not known to it before
-- the transaction ends.)
SELECT v.*
FROM {{ ref('int_marketplace__visits') }} AS v
WHERE
    (hash(v.user_session) >> 1)::BIGINT IN (
        SELECT h.session_hash
        FROM (
            SELECT unnest(repeated_values((hash(r.user_session) >> 1)::BIGINT)) AS session_hash
            FROM {{ ref('int_marketplace__visits') }} AS r
        ) AS h
        GROUP BY h.session_hash
    )
