"""How PostgreSQL keeps the rows that change every minute, and the events."""

from __future__ import annotations

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

_STATEMENTS = (
    # Room on each page for updates in place: these rows change with every poll.
    "ALTER TABLE series SET (fillfactor = 50)",
    "ALTER TABLE ingestion_cursor SET (fillfactor = 50)",
    "ALTER TABLE no_trade SET (fillfactor = 50)",
    # Events are packed numbers: compressing them costs time and gains little.
    "ALTER TABLE ingest_commits ALTER COLUMN events SET STORAGE EXTERNAL",
)


def tune(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Set fill factors and storage where the database has them."""
    if schema_editor.connection.vendor == "postgresql":
        for statement in _STATEMENTS:
            schema_editor.execute(statement)


class Migration(migrations.Migration):
    dependencies = [("ingestion", "0001_initial")]
    operations = [migrations.RunPython(tune, migrations.RunPython.noop)]
