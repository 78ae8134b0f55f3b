#!/bin/sh
# Loads the CSV files of a games platform into raw tables of PostgreSQL, then builds the pipeline `games`
# from these tables into a DuckDB file.
#
#   orchestration/import.sh FOLDER DATABASE [options of run_step.py]
#
# FOLDER has users*.csv, games*.csv and events*.csv, each with a header. The server is that of psql:
# PGHOST, PGDATABASE, PGUSER, PGPASSWORD or ~/.pgpass. Further variables:
#   RAW_SCHEMA  the schema of the raw tables (raw)
#   PYTHON      a Python that has duckdb (python3)
#   AMAZING     path of the extension (the one installed)
#   SCANNER     path of DuckDB's extension for PostgreSQL (downloaded by DuckDB)
#
# A file is one transaction. It is known by its name: unchanged, it is not loaded again; changed, its
# rows replace those that it had. The tables are made of the headers, all columns are text.
set -eu

if [ $# -lt 2 ] || [ ! -d "$1" ]; then
    echo "usage: import.sh FOLDER DATABASE [options of run_step.py], and FOLDER must exist" >&2
    exit 2
fi
folder=$1 database=$2
shift 2
schema=${RAW_SCHEMA:-raw}
here=$(cd "$(dirname "$0")" && pwd)

sql() {
    psql --no-psqlrc --quiet --tuples-only --no-align --set ON_ERROR_STOP=1 \
        --set schema="$schema" "$@"
}

sql <<'SQL'
SET client_min_messages = warning;
CREATE SCHEMA IF NOT EXISTS :"schema";
CREATE TABLE IF NOT EXISTS :"schema".imported_files (
    file_name text PRIMARY KEY, checksum text NOT NULL, rows bigint NOT NULL,
    imported_at timestamptz NOT NULL DEFAULT now()
);
SQL

n_files=0
for table in users games events; do
    for file in "$folder/$table"*.csv; do
        [ -e "$file" ] || continue
        n_files=$((n_files + 1))
        name=$(basename "$file")
        checksum=$(cksum < "$file" | tr ' ' '-')
        known=$(sql --set name="$name" <<'SQL'
SELECT checksum FROM :"schema".imported_files WHERE file_name = :'name';
SQL
)
        if [ "$known" = "$checksum" ]; then
            echo "$name: unchanged"
            continue
        fi
        # Names of columns, without the mark of UTF-8 and the end of a line of Windows, each quoted.
        columns=$(head -n 1 "$file" | tr -d '\r' | sed 's/^\xef\xbb\xbf//' | tr -d '"' \
            | sed 's/ *, */", "/g; s/^ */"/; s/ *$/"/')
        if [ "$columns" = '""' ]; then
            echo "import.sh: $name has no header" >&2
            exit 1
        fi
        added=$(printf '%s' "$columns" | sed 's/", "/" text, ADD COLUMN IF NOT EXISTS "/g')
        # \copy knows no variables of psql, so that its line is written here; a name may hold quotes.
        quoted=$(printf '%s' "$file" | sed "s/'/''/g")
        rows=$(sql --single-transaction --set name="$name" --set table="$table" \
            --set checksum="$checksum" <<SQL
SET client_min_messages = warning;
CREATE TABLE IF NOT EXISTS :"schema".:"table" (imported_from text);
ALTER TABLE :"schema".:"table" ADD COLUMN IF NOT EXISTS $added text;
CREATE TEMP TABLE arrived ON COMMIT DROP AS SELECT $columns FROM :"schema".:"table" LIMIT 0;
\\copy arrived ($columns) FROM '$quoted' WITH (FORMAT csv, HEADER)
DELETE FROM :"schema".:"table" WHERE imported_from = :'name';
INSERT INTO :"schema".:"table" (imported_from, $columns) SELECT :'name', $columns FROM arrived;
INSERT INTO :"schema".imported_files (file_name, checksum, rows)
SELECT :'name', :'checksum', count(*) FROM arrived
ON CONFLICT (file_name) DO UPDATE
SET checksum = excluded.checksum, rows = excluded.rows, imported_at = now();
SELECT count(*) FROM arrived;
SQL
)
        echo "$name: $rows rows"
    done
done
if [ "$n_files" = 0 ]; then
    echo "import.sh: no users*.csv, games*.csv or events*.csv in $folder" >&2
    exit 1
fi

init=$(mktemp)
trap 'rm -f "$init"' EXIT
if [ -n "${SCANNER:-}" ]; then
    printf "LOAD '%s';\n" "$(printf '%s' "$SCANNER" | sed "s/'/''/g")" > "$init"
else
    printf 'INSTALL postgres; LOAD postgres;\n' > "$init"
fi
# libpq reads the same variables as psql.
printf "ATTACH '' AS pg (TYPE postgres, READ_ONLY);\n" >> "$init"
"${PYTHON:-python3}" "$here/run_step.py" --pipeline games --database "$database" \
    --extension "${AMAZING:-amazing}" --init "$init" --source "pg.$schema" "$@"
