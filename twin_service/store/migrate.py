"""Brings a database to the schema of this version, and refuses to work on another one."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from twin_service.outcome import Refusal, RefusalCode
from twin_service.settings import Settings
from twin_service.store.connect import lock_file, parse_url, writer_engine

SCRIPTS = Path(__file__).parent / "migrations"


def migrate(settings: Settings) -> str:
    """Bring the database of `settings` to the newest schema; a sentence that says what was done."""
    return migrate_url(settings.database_url)


def migrate_url(url: str, revision: str = "head") -> str:
    """Bring the database at `url` to `revision` ("base": an empty schema), in one transaction."""
    parsed = parse_url(url)
    lock = lock_file(parsed)
    engine = writer_engine(parsed)
    try:
        with engine.begin() as connection:
            before = current(connection)
            config = _config()
            config.attributes["connection"] = connection
            if revision == "base":
                command.downgrade(config, revision)
            else:
                command.upgrade(config, revision)
            after = current(connection)
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
    finally:
        engine.dispose()
    wanted = ScriptDirectory.from_config(_config()).get_current_head()
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


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    config.set_main_option("path_separator", "os")
    return config
