"""Monthly partitions of `candles_intraday` on PostgreSQL, made ahead and attached.

A partition is created beside its parent and then attached: `PARTITION OF` would lock the
parent against every reader. With TimescaleDB the table is a hypertable and makes its own
chunks; on other databases it is a plain table. In both cases there is nothing to do here.
"""

from __future__ import annotations

from datetime import UTC, datetime

from django.db import connection, transaction
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.operations import CreateModel
from django.db.migrations.state import ProjectState
from typing_extensions import override

TABLE = "candles_intraday"
_LOCK = 0x6D64_7061_7274  # advisory lock of partition making ("mdpart")
_CHUNK = "7 days"
_seen: set[tuple[str, tuple[int, int]]] = set()  # (database, month) known to exist


class CreatePartitionedModel(CreateModel):
    """CreateModel whose table is partitioned by `ts` on PostgreSQL."""

    @override
    def database_forwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
    ) -> None:
        if schema_editor.connection.vendor != "postgresql":
            super().database_forwards(app_label, schema_editor, from_state, to_state)
            return
        model = to_state.apps.get_model(app_label, self.name)
        create, params = schema_editor.table_sql(model)
        table = model._meta.db_table
        with schema_editor.connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM pg_extension WHERE extname = 'timescaledb'")
            if cursor.fetchone():
                schema_editor.execute(create, params or None)
                schema_editor.execute(
                    "SELECT create_hypertable(%s, 'ts', create_default_indexes => false,"
                    " chunk_time_interval => %s::interval)",
                    [table, _CHUNK],
                )
            else:
                schema_editor.execute(f"{create} PARTITION BY RANGE (ts)", params or None)


def ensure(start: int, end: int) -> None:
    """Make sure that every month that `[start, end)` (epoch s) touches has its partition.

    Costs nothing when this process has already seen the months. Call it outside the
    transaction that writes.
    """
    if connection.vendor != "postgresql":
        return
    for month in _months(start, end):
        key = (str(connection.settings_dict["NAME"]), month)
        if key not in _seen:
            _ensure_month(month)
            if not connection.in_atomic_block:  # else a rollback may take it away again
                _seen.add(key)


def _months(start: int, end: int) -> list[tuple[int, int]]:
    first, last = (
        datetime.fromtimestamp(start, UTC),
        datetime.fromtimestamp(max(start, end - 1), UTC),
    )
    numbers = range(first.year * 12 + first.month - 1, last.year * 12 + last.month)
    return [(number // 12, number % 12 + 1) for number in numbers]


def _ensure_month(month: tuple[int, int]) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT relkind FROM pg_class WHERE oid = %s::regclass", [TABLE])
        if cursor.fetchone() != ("p",):
            return
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        year, number = month
        name = f"{TABLE}_{year:04d}_{number:02d}"
        cursor.execute("SELECT to_regclass(%s) IS NOT NULL", [name])
        if cursor.fetchone() == (True,):
            return
        after = (year + number // 12, number % 12 + 1)
        cursor.execute(f"CREATE TABLE {name} (LIKE {TABLE} INCLUDING ALL)")
        cursor.execute(
            f"ALTER TABLE {TABLE} ATTACH PARTITION {name} FOR VALUES FROM (%s) TO (%s)",
            [_first_of(month), _first_of(after)],
        )


def _first_of(month: tuple[int, int]) -> datetime:
    return datetime(*month, 1, tzinfo=UTC)
