"""Long-running operations and what they made, as they survive a restart."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

from sqlalchemy import Connection, Table, insert, select, update

from twin_service.outcome import Refusal, RefusalCode
from twin_service.store.errors import Conflict
from twin_service.store.sealed import OPERATION, POPULATION, plain, to_stored
from twin_service.store.tables import OperationTable, PopulationTable
from twin_service.store.tally import note

OPERATIONS: Table = OperationTable.__table__  # type: ignore[attr-defined]
POPULATIONS: Table = PopulationTable.__table__  # type: ignore[attr-defined]
WAITING, DONE, FAILED, CANCELLED = "waiting", "done", "failed", "cancelled"


@dataclass(frozen=True)
class OperationRow:
    """One operation. `request` is the question, `response` the answer once `state` is "done".

    state  "waiting" (accepted, perhaps running), "done", "failed" or "cancelled"
    """

    tenant: str
    operation: str
    kind: str
    state: str
    request: bytes
    response: bytes
    error_code: int
    error_message: str
    created_us: int
    ended_us: int


@dataclass(frozen=True)
class PopulationRow:
    """A virtual population: the request from which it is drawn again, and its weights (float64, empty: all equal)."""

    tenant: str
    population: str
    request: bytes
    weights: bytes
    effective_size: float
    remark: str
    created_us: int


def insert_operation(connection: Connection, row: OperationRow) -> None:
    connection.execute(insert(OPERATIONS).values(**to_stored(connection, OPERATION, _values(row))))


def get_operation(connection: Connection, tenant: str, operation: str) -> OperationRow:
    """Raises Refusal (NOT_FOUND)."""
    found = _rows(
        connection,
        select(*_columns(OPERATIONS, OperationRow)).where(
            OPERATIONS.c.tenant == tenant, OPERATIONS.c.operation == operation
        ),
    )
    if not found:
        raise Refusal(RefusalCode.NOT_FOUND, "no such operation", field="name", reason="NO_SUCH_OPERATION")
    return found[0]


def list_operations(
    connection: Connection, tenant: str, before: tuple[int, str] | None, count: int
) -> list[OperationRow]:
    """Newest first, those older than `before` (creation time, id)."""
    c = OPERATIONS.c
    query = select(*_columns(OPERATIONS, OperationRow)).where(c.tenant == tenant)
    if before is not None:
        query = query.where((c.created_us < before[0]) | ((c.created_us == before[0]) & (c.operation < before[1])))
    return _rows(connection, query.order_by(c.created_us.desc(), c.operation.desc()).limit(count))


def waiting_operations(connection: Connection) -> list[OperationRow]:
    """Those that were accepted and are not finished, oldest first."""
    query = select(*_columns(OPERATIONS, OperationRow)).where(OPERATIONS.c.state == WAITING)
    return _rows(connection, query.order_by(OPERATIONS.c.created_us))


def end_operation(connection: Connection, row: OperationRow, **changes: Any) -> bool:
    """Write the end of an operation; False when it ended before (the first end stands)."""
    ended = replace(row, **changes)
    c = OPERATIONS.c
    this = (c.tenant == row.tenant, c.operation == row.operation, c.state == WAITING)
    before = connection.execute(select(c.row_digest).where(*this)).scalar()
    if before is None:
        return False
    values = to_stored(connection, OPERATION, _values(ended))
    if connection.execute(update(OPERATIONS).where(*this).values(**values)).rowcount != 1:
        raise Conflict("another server ended this operation")
    note(connection, (row.tenant, ""), OPERATIONS.name, before, -1)
    return True


def insert_population(connection: Connection, row: PopulationRow) -> None:
    connection.execute(insert(POPULATIONS).values(**to_stored(connection, POPULATION, _values(row))))


def get_population(connection: Connection, tenant: str, population: str) -> PopulationRow:
    """Raises Refusal (NOT_FOUND); a population exists from the moment its operation is done."""
    c = POPULATIONS.c
    row = connection.execute(
        select(*_columns(POPULATIONS, PopulationRow)).where(c.tenant == tenant, c.population == population)
    ).first()
    if row is None:
        raise Refusal(
            RefusalCode.NOT_FOUND,
            "no such population; wait for the operation that generates it",
            field="population",
            reason="NO_SUCH_POPULATION",
        )
    return PopulationRow(**plain(connection, POPULATION, row._mapping))


def _values(row: OperationRow | PopulationRow) -> dict[str, Any]:
    return {f.name: getattr(row, f.name) for f in fields(row)}


def _columns(table: Table, kind: type) -> list[Any]:
    return [table.c[f.name] for f in fields(kind)]


def _rows(connection: Connection, query: Any) -> list[OperationRow]:
    return [OperationRow(**plain(connection, OPERATION, r._mapping)) for r in connection.execute(query)]
