INSERT INTO raw.loaded_files
SELECT
    q.file_name,
    q.table_name, -- {if several tables}
    q.size_bytes,
    q.last_modified,
    q.fingerprint,
    q.line_count,
    coalesce(c.rows_loaded, 0),
    coalesce(r.rows_rejected, 0),
    make_timestamp(epoch_us(now())),
    1
FROM temp.load_queue AS q
LEFT JOIN temp.load_counts AS c ON c.file_name = q.file_name
LEFT JOIN (
    SELECT
        r.file_name,
        count(*) AS rows_rejected
    FROM raw.rejected_lines AS r
    GROUP BY r.file_name
) AS r ON r.file_name = q.file_name
WHERE q.is_next;

SET VARIABLE load_check = (
    SELECT
        CASE
            WHEN count(*) > 0
                THEN error(
                    '00_raw: nothing was loaded, these files hold records that are not one line '
                    || 'each (line breaks'
                    || ' inside quotes, or a quote that is never closed): '
                    || string_agg(
                        '"' || f.file_name || '": ' || f.line_count || ' lines are not 1 header + '
                            || f.rows_loaded
                        || ' rows + ' || f.rows_rejected || ' rejected lines',
                        '; '
                        ORDER BY f.file_name
                    )
                )
        END
    FROM raw.loaded_files AS f
    JOIN temp.load_queue AS q ON q.file_name = f.file_name AND q.is_next
    WHERE f.line_count <> 1 + f.rows_loaded + f.rows_rejected
);

SET VARIABLE load_summary = (
    SELECT
        {
            'files_found': coalesce(len(getvariable('load_names')), 0),
            'files_loaded': count(*) FILTER (q.is_next),
            'files_left': count(*) FILTER (NOT q.is_next),
            'rows_loaded': coalesce(sum(f.rows_loaded), 0)::BIGINT,
            'lines_rejected': coalesce(sum(f.rows_rejected), 0)::BIGINT,
            'message': CASE
                WHEN count(*) = 0 THEN 'nothing new'
                WHEN count(*) FILTER (NOT q.is_next) > 0 THEN 'files are left: run the step again'
                ELSE 'all files are loaded'
            END
            || coalesce(
                '; WARNING: no line could be loaded of '
                || string_agg(
                    format('"{}" ({} lines: {})', f.file_name, f.rows_rejected, r.reason),
                    ', '
                    ORDER BY f.file_name
                ) FILTER (f.rows_loaded = 0 AND f.rows_rejected > 0)
                || ', see raw.rejected_lines',
                ''
            )
            || coalesce(
                '; gone since they were loaded are '
                || (
                    SELECT string_agg(format('"{}" ({} rows)', g.file_name, g.rows_loaded), ', '
                        ORDER BY g.file_name)
                    FROM temp.load_gone AS g
                )
                || if(
                    getvariable('deleted_files')::VARCHAR = 'remove',
                    ', which were removed',
                    $$, whose rows stay; deleted_files 'remove' removes them$$
                ),
                ''
            )
            || coalesce(
                '; skipped are '
                || (
                    SELECT string_agg(format('"{}" ({})', p.file_name, p.problem), ', '
                        ORDER BY p.file_name)
                    FROM temp.load_problems AS p
                    WHERE p.problem IS NOT NULL
                ),
                ''
            )
            || coalesce(
                '; left out are the columns '
                || (
                    SELECT string_agg(o.name, ', ' ORDER BY o.name)
                    FROM (
                        SELECT '"' || unnest(h.others) || '" of "' || h.file_name || '"' AS name
                        FROM temp.load_headers AS h
                        JOIN temp.load_queue AS q ON q.file_name = h.file_name AND q.is_next
                    ) AS o
                ),
                ''
            )
        }
    FROM temp.load_queue AS q
    LEFT JOIN raw.loaded_files AS f ON f.file_name = q.file_name AND q.is_next
    LEFT JOIN (
        SELECT
            r.file_name,
            arg_min(r.error_message, coalesce(r.line, 0)) AS reason
        FROM raw.rejected_lines AS r
        GROUP BY r.file_name
    ) AS r
        ON r.file_name = f.file_name
);

SET VARIABLE run_counts = (
    SELECT
        {
            'rows_in': s.rows_loaded + s.lines_rejected,
            'rows': s.rows_loaded,
            'rows_replaced': getvariable('load_replaced_rows'),
            'rows_rejected': s.lines_rejected,
            'message': s.files_loaded || ' new of ' || s.files_found || ' files, ' || s.rows_loaded
            || ' rows, ' || s.lines_rejected || ' lines rejected, '
            || getvariable('load_replaced_rows') || ' rows replaced; ' || s.message
        }
    FROM (SELECT unnest(getvariable('load_summary'))) AS s
);

-- {record a run}

DROP TABLE temp.load_found;

DROP TABLE temp.load_files;

DROP TABLE temp.load_file_columns;

DROP TABLE temp.load_file_lines;

DROP TABLE temp.load_source_columns;

DROP TABLE temp.load_sources;

DROP TABLE temp.load_source_lines;

-- {each table}
DROP TABLE temp.load_rows_{table};
-- {end}

DROP TABLE temp.load_lines;

DROP TABLE temp.load_places;

DROP TABLE temp.load_bytes;

DROP TABLE temp.load_contents;

DROP TABLE temp.load_known;

DROP TABLE temp.load_new;

DROP TABLE temp.load_columns;

DROP TABLE temp.load_layouts;

DROP TABLE temp.load_headers;

DROP TABLE temp.load_synonyms;

DROP TABLE temp.load_line_ends;

DROP TABLE temp.load_problems;

DROP TABLE temp.load_queue;

DROP TABLE temp.load_replaced;

DROP TABLE temp.load_gone;

DROP TABLE temp.load_texts;

DROP TABLE temp.load_counts;

DROP TABLE temp.load_rejected;

DROP TABLE temp.load_again;

DROP TABLE temp.load_unreadable;

COMMIT;

SELECT unnest(getvariable('load_summary'));
