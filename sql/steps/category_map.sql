-- The answers of people to clean.unmatched_values, in place of {category map}.

-- What a value is to be taken for: yours to fill, the pipeline only reads it. A replacement that is
-- NULL says that the value means nothing.
CREATE SCHEMA IF NOT EXISTS config;

CREATE TABLE IF NOT EXISTS config.category_map (
    column_name VARCHAR NOT NULL,
    value VARCHAR NOT NULL,
    replacement VARCHAR,
    PRIMARY KEY (column_name, value)
);
