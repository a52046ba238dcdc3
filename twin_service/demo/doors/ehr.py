"""FHIR through the door: all entries accounted for, products resolved, resources a second into SQLite.

"Its ingredient is in the library" is judged apart from the resolver: a name or brand of products.toml stands as a word
anywhere in what the resource says of its drug. A rate is per core: entries by the processor seconds of client and
server together while they were read and made durable.
"""

from __future__ import annotations

import io
import json
import re
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from twin_client import TwinClient
from twin_client.ehr.feed import Sender
from twin_client.ehr.ingest import Ingest, Options
from twin_client.ehr.prescribed import product_of
from twin_client.ehr.products import product_table
from twin_client.ehr.reading import HoldError
from twin_client.ehr.references import Index
from twin_client.ehr.report import Report
from twin_client.ehr.site import Site, TwinModel
from twin_service.demo.doors.records import make_patients
from twin_service.demo.doors.run import Where
from twin_service.demo.process import running_server

MODEL = TwinModel(poppk="vancomycin_goti")
PATIENTS, SEED = 50, 2026
FOLDERS = ("synthea_r4_smart", "synthea_r4_tietai", "fhir_r4_examples")
Tell = Callable[[str], None]
File = tuple[str, bytes]


def figures(tell: Tell, where: Where) -> dict[str, float]:
    """Figures ehr.*; public samples count where they are at hand, and further bundles when a folder is given."""
    files = [*_samples(where.reference, where.bundles), *_made()]
    with tempfile.TemporaryDirectory(prefix="twin-doors-") as folder:
        with (
            running_server(Path(folder) / "server.log") as address,
            TwinClient(address, "doors", timeout_s=120) as client,
        ):
            server_pid = _server_of(address)
            began, busy = time.monotonic(), _processor_s(server_pid)
            report = _ingest(client, files)
            wall, spent = time.monotonic() - began, _processor_s(server_pid) - busy
    entries = sum(f.entries for f in report.files)
    read = entries - report.total("ignored")
    resolved, known = _resolved(files)
    errors = [f.name for f in report.files if f.error]
    tell(f"{len(files)} files, {entries} entries: {dict(_fates(report))}; refused files {errors}")
    tell(f"{wall:.1f} s, of which {spent:.1f} s of processor; {resolved} of {known} products of the library resolved")
    return {
        "ehr.files": len(files),
        "ehr.files_refused": len(errors),
        "ehr.resources": entries,
        "ehr.taken": report.total("taken"),
        "ehr.held": report.total("held"),
        "ehr.refused": report.total("refused"),
        "ehr.unaccounted": report.unaccounted,
        "ehr.products": known,
        "ehr.resolved_share": resolved / known if known else 0.0,
        "ehr.resources_per_s": entries / spent,
        "ehr.clinical_per_s": read / spent,
        "ehr.resources_per_s_wall": entries / wall,
    }


def _samples(reference: Path, more: Path | None) -> Iterator[File]:
    folders = [reference / "ehr" / f for f in FOLDERS] + ([more] if more is not None else [])
    for folder in folders:
        for path in sorted(folder.rglob("*.json")) if folder.is_dir() else ():
            yield f"{folder.name}/{path.name}", path.read_bytes()


def _made() -> Iterator[File]:
    for name, bundle in make_patients(SEED, PATIENTS):
        yield name, json.dumps(bundle).encode()


def _ingest(client: TwinClient, files: list[File]) -> Report:
    work = Ingest(Sender(client, MODEL), Options(Site()))
    try:
        for name, content in files:
            work.read(name, io.BytesIO(content))
        work.send()
        return work.report
    finally:
        work.close()


def _fates(report: Report) -> Iterator[tuple[str, int]]:
    for fate in ("taken", "held", "refused", "ignored", "repeated", "nothing"):
        yield fate, report.total(fate)


def _resolved(files: list[File]) -> tuple[int, int]:
    """How many orders and doses whose ingredient is in the library resolve to it, of how many."""
    names = sorted(product_table().by_name, key=len, reverse=True)
    word = re.compile(r"(?<![a-z])(" + "|".join(map(re.escape, names)) + r")(?![a-z])")
    resolved = known = 0
    for _, content in files:
        body = json.loads(content)
        entries = body.get("entry") or [{"resource": body}]
        index = Index.of(entries)
        for entry in entries:
            r = entry.get("resource") or {}
            if r.get("resourceType") not in ("MedicationRequest", "MedicationAdministration"):
                continue
            if not word.search(_said(r, index).lower()):
                continue
            known += 1
            resolved += _is_resolved(r, index)
    return resolved, known


def _said(r: dict[str, Any], index: Index) -> str:
    """All the resource says of its drug, as text."""
    if r.get("medicationReference"):
        try:
            return json.dumps(index.resolve(r["medicationReference"], "Medication", r))
        except HoldError:
            return ""
    return json.dumps(r.get("medicationCodeableConcept") or {})


def _is_resolved(r: dict[str, Any], index: Index) -> bool:
    try:
        return bool(product_of(r, index, Site()).drugs)
    except HoldError:
        return False


def _server_of(address: str) -> int:
    """The process that listens on `address`: a child of this one."""
    import psutil

    port = int(address.rsplit(":", 1)[1])
    for child in psutil.Process().children(recursive=True):
        if any(c.laddr.port == port and c.status == psutil.CONN_LISTEN for c in child.net_connections()):
            return int(child.pid)
    raise RuntimeError(f"no child process listens on {address}")


def _processor_s(server: int) -> float:
    """Processor seconds of this process and of the server so far."""
    import psutil

    own = resource.getrusage(resource.RUSAGE_SELF)
    times = psutil.Process(server).cpu_times()
    return own.ru_utime + own.ru_stime + float(times.user + times.system)
