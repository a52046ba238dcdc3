"""What stands in a twin's record: findings in force, without ids and order of arrival, so that two can be compared."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from datetime import datetime, timedelta, timezone

from twin_client import TwinClient

Findings = dict[tuple[str, str], list[float]]


def standing(client: TwinClient, patient: str, offset_h: int = 1) -> Findings:
    """Values in force by what was found (LOINC code, drug) and local minute; two under one key were doubled."""
    zone = timezone(timedelta(hours=offset_h))
    found: Findings = {}
    for recorded in client.events(patient):
        event = recorded.event
        if not recorded.in_force or event.WhichOneof("payload") not in ("lab", "dose"):
            continue
        name = event.lab.loinc if event.HasField("lab") else event.dose.drug
        value = event.lab.value.value if event.HasField("lab") else event.dose.amount.value
        when = datetime.fromtimestamp(event.time.ToSeconds(), zone)
        found.setdefault((name, when.strftime("%Y%m%d%H%M")), []).append(value)
    return found


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
