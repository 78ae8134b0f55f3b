-- file_fingerprint(path): what files hold, one row per file.
--
-- path         a file name, a pattern or a list of either file_name    as `path` spells it
-- size_bytes   as stored, so compressed where the file is last_modified  UTC line_count   lines
-- that are not blank and can be read fingerprint  content_hash of these lines: two files with the
-- same lines have the same fingerprint, whatever their names, the order of the lines or the line
-- ends. 0 for a file without any. NULL for a file that also has lines that cannot be read, which
-- are those that are not UTF-8 or longer than 16 MB: nothing can be said of it (it does not show in
-- a compressed file, whose size says nothing of its lines, nor does it, before DuckDB 2.0, if that
-- is cut short: content_summary tells)
--
-- Files are streamed through DuckDB's CSV reader, a line at a time, which ends a line at each CR
-- and each LF. Nothing but UTF-8 will do: its latin-1 refuses the bytes 0x80 to 0x9F. An empty file
-- has no lines to read: hence the join.
CREATE OR REPLACE MACRO file_fingerprint(path) AS TABLE
    WITH __files AS (
        SELECT
            __b.filename AS file_name,
            any_value(__b.size) AS size_bytes,
            make_timestamp(epoch_us(any_value(__b.last_modified))) AS last_modified,
            CASE
                WHEN count(*) > 1
                    THEN error('file_fingerprint: the file "' || __b.filename || '" is named twice')
            END AS problem
        FROM read_blob(path) AS __b
        GROUP BY __b.filename
    ),
    __contents AS (
        SELECT
            __l.filename AS file_name,
            count(__l.line) AS line_count,
            -- The size of what was read, with one byte for each end; the last line may do without.
            sum(coalesce(strlen(__l.line), 0) + 1) AS bytes_read,
            system.main.content_hash(__l.line) FILTER (__l.line IS NOT NULL) AS fingerprint
        FROM read_csv(
            path,
            columns = {'line': 'VARCHAR'},
            auto_detect = false,
            header = false,
            delim = chr(1) || chr(2),
            quote = '',
            escape = '',
            new_line = '\n',
            strict_mode = false,
            ignore_errors = true,
            max_line_size = 16000000,
            buffer_size = 32000000,
            filename = true,
            hive_partitioning = false
        ) AS __l
        GROUP BY __l.filename
    )
    SELECT
        __f.file_name AS file_name,
        __f.size_bytes AS size_bytes,
        __f.last_modified AS last_modified,
        coalesce(__c.line_count, 0) AS line_count,
        CASE
            WHEN __f.size_bytes = 0 THEN 0::UHUGEINT
            WHEN
                __c.bytes_read - __f.size_bytes IN (0, 1)
                OR regexp_matches(__f.file_name, '\.(gz|zst)$')
                THEN coalesce(__c.fingerprint, 0::UHUGEINT)
        END AS fingerprint
    FROM __files AS __f
    LEFT JOIN __contents AS __c ON __c.file_name = __f.file_name
    WHERE __f.problem IS NULL
    ORDER BY __f.file_name;
