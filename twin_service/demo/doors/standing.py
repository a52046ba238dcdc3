"""What stands in a twin's record: findings in force, without ids and order of arrival, so that two can be compared."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta, timezone

from twin_client import TwinClient
from twin_service.v1 import event_pb2

Findings = dict[tuple[str, str], list[float]]


def standing(client: TwinClient, patient: str, offset_h: int = 1) -> Findings:
    """Values in force by what was found (lab/creatinine, dose/vancomycin) and local minute; two are one doubled."""
    zone = timezone(timedelta(hours=offset_h))
    found: Findings = {}
    for when_s, what in _in_force([r.event for r in client.events(patient)]):
        if what.WhichOneof("finding") not in ("lab", "dose"):
            continue
        name = f"lab/{what.lab.analyte}" if what.HasField("lab") else f"dose/{what.dose.drug}"
        value = what.lab.value.value if what.HasField("lab") else what.dose.amount.value
        when = datetime.fromtimestamp(when_s, zone)
        found.setdefault((name, when.strftime("%Y%m%d%H%M")), []).append(value)
    return found


def _in_force(events: Sequence[event_pb2.Event]) -> Iterator[tuple[int, event_pb2.Finding]]:
    """Each finding as the contract says it counts: the amendment issued last stands in its place, or takes it away."""
    amendments = [e for e in events if e.WhichOneof("payload") in ("correction", "retraction")]
    last: dict[str, event_pb2.Event] = {}
    for e in sorted(amendments, key=lambda e: (e.time.ToNanoseconds(), e.id)):
        last[e.correction.target_event_id or e.retraction.target_event_id] = e
    for e in events:
        kind, amended = e.WhichOneof("payload"), last.get(e.id)
        if kind in ("correction", "retraction") or (amended is not None and amended.HasField("retraction")):
            continue
        if amended is not None:
            yield amended.correction.replacement_time.ToSeconds(), amended.correction.replacement
        elif kind is not None:
            finding = event_pb2.Finding()
            getattr(finding, kind).CopyFrom(getattr(e, kind))
            yield e.time.ToSeconds(), finding


def differences(found: Findings, expected: dict[tuple[str, str], float]) -> tuple[int, int]:
    """(lost, doubled): findings that do not stand with their value, and those that stand beside or too often."""
    lost = sum(value not in found.get(key, []) for key, value in expected.items())
    doubled = sum(len(values) - (key in expected) for key, values in found.items())
    return lost, doubled


def digest(states: Iterable[tuple[str, Findings]]) -> str:
    """SHA-256 over all patients' findings in one order."""
    h = hashlib.sha256()
    for patient, found in sorted(states):
        h.update(json.dumps([patient, sorted((*k, sorted(v)) for k, v in found.items())]).encode())
    return h.hexdigest()
