"""Signed heads of every chain, exported to where the database's owner cannot write: by them a database that was put
back to an earlier state, or cut off at its newest rows together with what counts them, is found.

A file of JSON: {"time_us", "key_id", "twins": {pseudonym: [events, link, audits, link]}, "streams": {id: [n, link]},
"signature"}. It names nobody. After `twin keys apply` links are new: export again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, select

from twin_service.outcome import Refusal, RefusalCode
from twin_service.record.person import TwinName
from twin_service.settings import Settings
from twin_service.store import accesses, chain, sealed
from twin_service.store.connect import parse_url, reader_engine
from twin_service.store.protect import AUDIT
from twin_service.store.twins import TWINS
from twin_service.store.vault import Vault, vault_at
from twin_service.store.verify import pseudonym


def export_anchor(settings: Settings, path: Path, now_us: int) -> int:
    """Write the present heads to `path`; how many. Raises Refusal without keys: an unsigned head proves nothing."""
    vault = vault_at(settings.keys, seals=settings.encrypt)
    if not vault.signs:
        said = "an anchor is signed: set `keys` to where the keys are"
        raise Refusal(RefusalCode.PRECONDITION, said, field="keys", reason="KEYS")
    engine = reader_engine(parse_url(settings.database_url), 1, vault)
    try:
        with engine.connect() as connection, connection.begin():
            heads = _heads(connection)
    finally:
        engine.dispose()
    body = {"time_us": now_us, "key_id": vault.key_id, **heads}
    body["signature"] = vault.sign(_digest(body))
    fresh = path.with_name(f"{path.name}.new")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
        json.dump(body, out, indent=0, sort_keys=True)
        out.flush()
        os.fsync(out.fileno())
    fresh.replace(path)
    return len(heads["twins"]) + len(heads["streams"])


def against_anchor(settings: Settings, path: Path) -> list[str]:
    """What an anchor knows of and the database no longer has. Raises Refusal for a file that is not an anchor."""
    vault = vault_at(settings.keys, seals=settings.encrypt)
    body = _read(path, vault)
    engine = reader_engine(parse_url(settings.database_url), 1, vault)
    try:
        with engine.connect() as connection, connection.begin():
            return list(_missing(connection, body))
    finally:
        engine.dispose()


def _heads(connection: Connection) -> dict[str, dict[str, list[Any]]]:
    c = TWINS.c
    rows = connection.execute(
        select(c.tenant, c.patient, c.timeline_revision, c.chain_digest, c.audit_count, c.audit_digest)
    )
    twins = {pseudonym(TwinName(r[0], r[1])): list(r[2:]) for r in rows}
    streams: dict[str, list[Any]] = {}
    for stream in accesses.streams(connection):
        a = accesses.ACCESSES.c
        last = select(a.number, a.chain_digest).where(a.stream == stream).order_by(a.number.desc()).limit(1)
        streams[stream] = list(connection.execute(last).one())
    return {"twins": twins, "streams": streams}


def _missing(connection: Connection, body: dict[str, Any]) -> Iterator[str]:
    names = {pseudonym(TwinName(*r)): r for r in connection.execute(select(TWINS.c.tenant, TWINS.c.patient)).all()}
    events = sealed.EVENT.table.c
    for label, (revision, link, audits, audit_link) in body["twins"].items():
        if label not in names:
            yield f"{label}: anchored, and not in the database"
            continue
        whose = names[label]
        for columns, number, wanted, what in (
            ((events.tenant, events.patient, events.revision, events.chain_digest), revision, link, "event"),
            ((AUDIT.c.tenant, AUDIT.c.patient, AUDIT.c.number, AUDIT.c.chain_digest), audits, audit_link, "audit"),
        ):
            tenant, patient, numbered, stored = columns
            query = select(stored).where(tenant == whose[0], patient == whose[1], numbered == number)
            if number and connection.execute(query).scalar() != wanted:
                yield f"{label}: {what} {number} is anchored, and not what the database has"
    for stream, (number, link) in body["streams"].items():
        a = accesses.ACCESSES.c
        if connection.execute(select(a.chain_digest).where(a.stream == stream, a.number == number)).scalar() != link:
            yield f"access {number} of {stream} is anchored, and not what the database has"


def _read(path: Path, vault: Vault) -> dict[str, Any]:
    try:
        body: dict[str, Any] = json.loads(path.read_text())
        signature = body.pop("signature")
        intact = vault.signs and vault.holds(_digest(body), signature)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        intact = False
        body = {}
    if not intact:
        said = "this is not an anchor of these keys, or it was altered"
        raise Refusal(RefusalCode.INVALID, said, field=str(path), reason="ANCHOR")
    return body


def _digest(body: dict[str, Any]) -> str:
    return chain.digest("anchor", json.dumps(body, sort_keys=True, separators=(",", ":")))
