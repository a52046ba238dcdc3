"""The trail of a tenant as FHIR R4 AuditEvent resources (https://hl7.org/fhir/R4/auditevent.html), one a line.

Entries of the access trail, and the audit rows of writes that have none (their server died before it wrote it).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection

from twin_service.service.door.lane import Lane
from twin_service.service.handlers.table import ROUTES
from twin_service.settings import Settings
from twin_service.store.accesses import Access, read_accesses
from twin_service.store.connect import parse_url, reader_engine
from twin_service.store.twins import read_audit
from twin_service.store.vault import vault_at

_CODES = "http://terminology.hl7.org/CodeSystem"
_WRITES = {r.method for r in ROUTES if r.lane in (Lane.WRITE, Lane.INGEST)}
_CREATES, _DELETES = "CreateTwin", "DeleteTwin"
_SERIOUS = frozenset({"INTERNAL", "UNKNOWN", "DATA_LOSS"})
_WORKED = frozenset({"OK", "OPENED", "CANCELLED"})
METHODS = {"create": "CreateTwin", "record": "RecordEvents", "update": "UpdateTwin", "erase": "DeleteTwin"}


def export(
    settings: Settings, tenant: str, patient: str = "", *, from_us: int = 0, until_us: int | None = None
) -> Iterator[str]:
    """Lines of JSON, oldest first within each source."""
    engine = reader_engine(parse_url(settings.database_url), 1, vault_at(settings.keys, seals=settings.encrypt))
    try:
        with engine.connect() as connection, connection.begin():
            for access in _entries(connection, tenant, patient, from_us, until_us):
                yield json.dumps(audit_event(access), separators=(",", ":"))
    finally:
        engine.dispose()


def audit_event(access: Access) -> dict[str, Any]:
    """One entry as a resource; its id is a digest of the entry, so that exporting again gives the same resource."""
    method = access.method.rpartition(".")[2].rpartition("/")[2]
    event: dict[str, Any] = {
        "resourceType": "AuditEvent",
        "id": hashlib.sha256(repr(access).encode()).hexdigest()[:32],
        "type": {"system": f"{_CODES}/audit-event-type", "code": "rest", "display": "RESTful Operation"},
        "subtype": [{"system": "urn:twin-service:method", "code": method}],
        "action": _action(access.method, method),
        "recorded": datetime.fromtimestamp(access.time_us / 1e6, UTC).isoformat(timespec="milliseconds"),
        "outcome": "0" if access.outcome in _WORKED else "8" if access.outcome in _SERIOUS else "4",
        "outcomeDesc": access.outcome,
        "agent": [
            {
                "type": {"coding": [_agent_type(access.actor)]},
                "who": {"identifier": {"system": "urn:twin-service:caller", "value": access.actor}},
                "requestor": True,
            }
        ],
        "source": {"observer": {"display": "twin-service"}},
        "entity": [_entity(access)],
    }
    if access.purpose:
        event["purposeOfEvent"] = [{"text": access.purpose}]
    return event


def _entries(connection: Connection, tenant: str, patient: str, from_us: int, until_us: int | None) -> Iterator[Access]:
    known: set[str] = set()
    for access in read_accesses(connection, tenant, patient, from_us=from_us, until_us=until_us):
        known.add(access.call)
        yield access
    for name, act in read_audit(connection, tenant, patient):
        inside = act.time_us >= from_us and (until_us is None or act.time_us < until_us)
        if inside and act.call not in known:
            method = METHODS.get(act.action, act.action)
            yield Access(act.time_us, tenant, name.patient, act.actor, method, "OK", act.call, act.purpose)


def _action(path: str, method: str) -> str:
    """C(reate), U(pdate), D(elete), R(ead) or E(xecute)."""
    if method in (_CREATES, _DELETES):
        return "C" if method == _CREATES else "D"
    if path in _WRITES or path in METHODS.values():
        return "U"
    return "R" if method.startswith(("Get", "List", "Watch")) else "E"


def _agent_type(actor: str) -> dict[str, str]:
    system = f"{_CODES}/extra-security-role-type"
    if actor.startswith("user:"):
        return {"system": system, "code": "humanuser", "display": "human user"}
    return {"system": system, "code": "dataprocessor", "display": "data processor"}


def _entity(access: Access) -> dict[str, Any]:
    called = [{"type": "call", "valueString": access.call}] if access.call else []
    whose = f"urn:twin-service:tenants/{access.tenant or '-'}"
    if not access.patient:
        what: dict[str, Any] = {"what": {"identifier": {"system": whose, "value": "*"}}}
    else:
        what = {
            "what": {"identifier": {"system": whose, "value": access.patient}},
            "type": {"system": f"{_CODES}/audit-entity-type", "code": "1", "display": "Person"},
            "role": {"system": f"{_CODES}/object-role", "code": "1", "display": "Patient"},
        }
    return {**what, **({"detail": called} if called else {})}
