"""Database triggers that refuse every change of what history says.

They guard against everything that reaches the database: the ORM, the admin, cascades and raw SQL. The one door
is a history row whose removal has been recorded in `PrunedRow` first, in the same database and with the same digest.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.apps import apps
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from history.chain import versioned_models
from history.models import ChangeSet, Generation, PrunedRow

_POSTGRES_FUNCTION = """
CREATE OR REPLACE FUNCTION history_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' AND TG_NARGS = 1 THEN
        PERFORM 1 FROM history_prunedrow p WHERE p.table_name = TG_TABLE_NAME
            AND p.history_id = OLD.history_id AND p.digest = OLD.digest;
        IF FOUND THEN
            RETURN OLD;
        END IF;
    END IF;
    RAISE EXCEPTION 'history cannot be changed: % on % is refused', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'integrity_constraint_violation';
END $$
"""


def protected_tables() -> dict[str, bool]:
    """Return the tables that nobody may change, each with whether its rows can be pruned."""
    tables = {ChangeSet._meta.db_table: False, PrunedRow._meta.db_table: False}
    tables.update({model.history.model._meta.db_table: True for model in versioned_models()})
    return tables


def _names(table: str) -> list[str]:
    return [f"{table[:50]}_keep_{what}" for what in ("update", "delete", "truncate")]


def install(connection: BaseDatabaseWrapper, tables: Iterable[str] | None = None) -> None:
    """Create the triggers of all protected tables that exist; those that are there already stay."""
    existing = set(connection.introspection.table_names())
    protected = protected_tables()
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(_POSTGRES_FUNCTION)
        for table in set(tables if tables is not None else protected) & existing:
            for statement in _statements(connection, table, prunable=protected[table]):
                cursor.execute(statement)


def _statements(connection: BaseDatabaseWrapper, table: str, *, prunable: bool) -> list[str]:
    quoted = connection.ops.quote_name(table)
    update, delete, truncate = (connection.ops.quote_name(name) for name in _names(table))
    if connection.vendor == "postgresql":
        argument = "'prunable'" if prunable else ""
        return [
            f"CREATE OR REPLACE TRIGGER {update} BEFORE UPDATE ON {quoted} "
            "FOR EACH ROW EXECUTE FUNCTION history_refuse()",
            f"CREATE OR REPLACE TRIGGER {delete} BEFORE DELETE ON {quoted} "
            f"FOR EACH ROW EXECUTE FUNCTION history_refuse({argument})",
            f"CREATE OR REPLACE TRIGGER {truncate} BEFORE TRUNCATE ON {quoted} "
            "FOR EACH STATEMENT EXECUTE FUNCTION history_refuse()",
        ]
    recorded = (
        f"SELECT 1 FROM history_prunedrow p WHERE p.table_name = '{table}' "
        "AND p.history_id = OLD.history_id AND p.digest = OLD.digest"
    )
    unless = f"WHEN NOT EXISTS ({recorded}) " if prunable else ""
    refuse = f"BEGIN SELECT RAISE(ABORT, 'history cannot be changed: %s on {table} is refused'); END"
    return [
        f"CREATE TRIGGER IF NOT EXISTS {update} BEFORE UPDATE ON {quoted} {refuse % 'UPDATE'}",
        f"CREATE TRIGGER IF NOT EXISTS {delete} BEFORE DELETE ON {quoted} {unless}{refuse % 'DELETE'}",
    ]


def remove(connection: BaseDatabaseWrapper) -> None:
    """Drop the triggers: for tests that empty whole tables. Needs the right to change the tables themselves."""
    existing = set(connection.introspection.table_names())
    with connection.cursor() as cursor:
        for table in set(protected_tables()) & existing:
            for name in map(connection.ops.quote_name, _names(table)):
                on = f" ON {connection.ops.quote_name(table)}" if connection.vendor == "postgresql" else ""
                cursor.execute(f"DROP TRIGGER IF EXISTS {name}{on}")


def missing(connection: BaseDatabaseWrapper) -> list[str]:
    """Return the names of triggers that should be there, and are not (or are disabled)."""
    existing = set(connection.introspection.table_names())
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT tgname FROM pg_trigger WHERE NOT tgisinternal AND tgenabled IN ('O', 'A')")
        else:
            cursor.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")
        present = {name for (name,) in cursor.fetchall()}
    wanted = [name for table in protected_tables() if table in existing for name in _names(table)]
    if connection.vendor != "postgresql":
        wanted = [name for name in wanted if not name.endswith("_truncate")]
    return [name for name in wanted if name not in present]


def prepare_database(using: str = DEFAULT_DB_ALIAS, **kwargs: Any) -> None:
    """After `migrate`: make sure that the chain has a head and that history is guarded."""
    connection = connections[using]
    if apps.is_installed("history") and Generation._meta.db_table in connection.introspection.table_names():
        Generation.objects.using(using).get_or_create(pk=Generation.HEAD)
        install(connection)
