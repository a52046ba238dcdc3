"""Statements of the hot path, as text that is ready for the driver.

SQLAlchemy builds, keys and binds a statement in a few hundred microseconds, the driver runs it in ten: recording one
event takes five of them. Errors are raised as SQLAlchemy raises them, so that whoever asked need not know the way.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.exc import DBAPIError

Row = tuple[Any, ...]


class Prepared:
    """One statement with `?` for each value, whatever the driver writes for it."""

    def __init__(self, sql: str) -> None:
        self._text = {"qmark": sql, "pyformat": sql.replace("?", "%s")}

    def rows(self, connection: Connection, *values: object) -> list[Row]:
        """The rows it finds."""
        found: list[Row] = self._done(connection, values).fetchall()
        return found

    def first(self, connection: Connection, *values: object) -> Row | None:
        """The first row it finds."""
        found: Row | None = self._done(connection, values).fetchone()
        return found

    def run(self, connection: Connection, *values: object) -> int:
        """How many rows it changed."""
        return int(self._done(connection, values).rowcount)

    def many(self, connection: Connection, rows: Iterable[Sequence[object]]) -> None:
        """Once for each of `rows`, sent together (psycopg does so in one pipeline)."""
        self._done(connection, list(rows), many=True)

    def _done(self, connection: Connection, values: Sequence[object], *, many: bool = False) -> Any:
        dialect = connection.dialect
        text = self._text[dialect.paramstyle if dialect.paramstyle == "qmark" else "pyformat"]
        driver = connection.connection.driver_connection
        assert driver is not None and dialect.dbapi is not None
        try:
            cursor = driver.cursor()
            (cursor.executemany if many else cursor.execute)(text, values)
        except dialect.dbapi.Error as error:
            # values are left out: a message must not quote data
            raise DBAPIError.instance(text, None, error, dialect.dbapi.Error, dialect=dialect) from error
        return cursor


def insert_into(table: Table) -> Prepared:
    """The statement that inserts one row, its values in the order of the table's columns."""
    names = [c.name for c in table.columns]
    return Prepared(f"INSERT INTO {table.name} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})")


def values_of(table: Table, row: dict[str, object]) -> list[object]:
    """A row's values in the order of the table's columns."""
    return [row[c.name] for c in table.columns]
