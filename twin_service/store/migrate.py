"""Brings a database to the schema of this version, and refuses to work on another one."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError

from twin_service.outcome import Refusal, RefusalCode
from twin_service.store.connect import lock_file, parse_url, writer_engine

SCRIPTS = Path(__file__).parent / "migrations"


def newest() -> str | None:
    """The schema revision of this version."""
    return ScriptDirectory.from_config(_config()).get_current_head()


def migrate_url(url: str, revision: str = "head") -> str:
    """Bring the database at `url` to `revision` ("base": an empty schema), up or down, in one transaction.

    Raises Refusal for a database that cannot be reached, and for a schema of a later version.
    """
    parsed = parse_url(url)
    lock = lock_file(parsed)
    engine = writer_engine(parsed)
    try:
        with engine.begin() as connection:
            take_turn(connection)
            before = current(connection)
            config = _config()
            config.attributes["connection"] = connection
            if _is_below(config, revision, before):
                command.downgrade(config, revision)
            else:
                command.upgrade(config, revision)
            after = current(connection)
    except OperationalError as error:
        raise _unreachable(error) from None
    finally:
        engine.dispose()
        if lock is not None:
            lock.close()
    return f"schema {after or 'empty'}" + ("" if before == after else f", was {before or 'empty'}")


def check_schema(url: str) -> None:
    """Raises Refusal when the database has another schema than this version expects."""
    engine = writer_engine(parse_url(url))
    try:
        with engine.connect() as connection:
            found = current(connection)
    except OperationalError as error:
        raise _unreachable(error) from None
    finally:
        engine.dispose()
    wanted = newest()
    if found != wanted:
        raise Refusal(
            RefusalCode.PRECONDITION,
            f"the database has schema {found or 'none'}, this version needs {wanted}: run `twin migrate`",
            field="database_url",
            reason="SCHEMA",
        )


def current(connection: Connection) -> str | None:
    """The schema revision a database says it has."""
    return MigrationContext.configure(connection).get_current_revision()


MIGRATION_LOCK = 7_238_411_905
"""Of PostgreSQL."""


def take_turn(connection: Connection) -> None:
    """Several servers that start at once migrate one after the other."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SET LOCAL lock_timeout = 0"))
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})


def _is_below(config: Config, wanted: str, present: str | None) -> bool:
    """Whether `wanted` is an earlier schema than the present one. Raises Refusal for a present one of the future."""
    order = [s.revision for s in ScriptDirectory.from_config(config).walk_revisions()]  # newest first
    if present is not None and present not in order:
        raise Refusal(
            RefusalCode.PRECONDITION,
            f"the database has schema {present}, which is later than this version ({order[0]}): use a later version",
            field="database_url",
            reason="SCHEMA_OF_THE_FUTURE",
        )
    if wanted == "base":
        return True
    return present is not None and wanted in order and order.index(wanted) > order.index(present)


def _unreachable(error: OperationalError) -> Refusal:
    """One sentence without the URL, which may hold a password."""
    said = str(error.orig).splitlines()[0] if error.orig is not None else "it does not answer"
    return Refusal(
        RefusalCode.PRECONDITION, f"the database cannot be opened: {said}", field="database_url", reason="NO_DATABASE"
    )


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    config.set_main_option("path_separator", "os")
    return config
