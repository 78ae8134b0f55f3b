"""A plugin of dbt-duckdb: attaches the catalog `amz` where the extension was installed from a repository, on DuckDB 2.0."""

from dbt.adapters.duckdb.plugins import BasePlugin


class Plugin(BasePlugin):
    def configure_connection(self, conn):
        if not conn.execute(
            "SELECT 1 FROM duckdb_databases() WHERE database_name = 'amz'"
        ).fetchall():
            conn.execute("PRAGMA amz")
