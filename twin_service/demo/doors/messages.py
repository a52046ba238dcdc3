"""A ward's HL7 v2 messages, made up from a seed, with what must stand in each twin when all have arrived.

Results, some corrected (C), withdrawn (W) or unobtainable (X) later; doses given, refused, deleted; characteristics.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from twin_client.ehr.hl7v2.message import parse
from twin_client.ehr.hl7v2.read import read_message
from twin_client.ehr.ingest import Options

START = datetime.fromisoformat("2026-03-01T06:00:00+01:00")
# LOINC, unit, mean, spread: plausible numbers, so that nothing is asked about
TESTS = (
    ("2160-0", "Creatinine", "mg/dL", 1.1, 0.2),
    ("2823-3", "Potassium", "mmol/L", 4.2, 0.4),
    ("2951-2", "Sodium", "mmol/L", 140.0, 3.0),
    ("1751-7", "Albumin", "g/dL", 3.9, 0.3),
    ("20578-1", "Vancomycin", "ug/mL", 15.0, 4.0),
)
CORRECTED, WITHDRAWN, PRELIMINARY, REFUSED, DELETED = 0.08, 0.04, 0.05, 0.05, 0.03


@dataclass
class Ward:
    """Messages in the order they were sent, and what stands in the end: patient -> finding -> value."""

    messages: list[bytes] = field(default_factory=list)
    stands: dict[str, dict[tuple[str, str], float]] = field(default_factory=dict)


@dataclass
class _Writer:
    """Gives each message its control id and each order its number."""

    rng: random.Random
    ward: Ward
    number: int = 0

    def send(self, kind: str, patient: str, at: datetime, *lines: str) -> None:
        self.number += 1
        control = f"{kind[:3]}{self.number:06d}"
        head = f"MSH|^~\\&|LAB|WARD|TWIN|HOSP|{_stamp(at)}||{kind}|{control}|P|2.5.1||||||UNICODE UTF-8"
        pid = f"PID|1||{patient}^^^HOSP^MR~9{patient[1:]}^^^OTHER^PI||M\u00fcller^Test||19610214|F"
        self.ward.messages.append("\r".join((head, pid, *lines, "")).encode("utf-8"))


def make_ward(seed: int, messages: int, patients: int) -> Ward:
    """At least `messages` messages of `patients` patients over some weeks, each value told apart in time."""
    rng, ward = random.Random(seed), Ward()
    writer = _Writer(rng, ward)
    names = [f"P{k:05d}" for k in range(patients)]
    ward.stands = {name: {} for name in names}
    hour = 0
    while len(ward.messages) < messages:
        for name in names:
            at = START + timedelta(hours=hour, minutes=rng.randrange(30))
            if hour % 12 == 0:
                _dose(writer, name, at)
            else:
                _panel(writer, name, at)
            if len(ward.messages) >= messages:
                break
        hour += 6
    return ward


def _panel(writer: _Writer, patient: str, at: datetime) -> None:
    """One message of two orders; some of its results are corrected or withdrawn in later messages."""
    rng, stands = writer.rng, writer.ward.stands[patient]
    lines: list[str] = []
    later: list[tuple[str, list[str]]] = []
    for k in range(2):
        number = f"F{writer.number:06d}{k}^LAB"
        obr = f"OBR|{k + 1}||{number}|24323-8^Panel^LN|||{_stamp(at + timedelta(minutes=k))}"
        lines.append(obr)
        for i, (code, title, unit, mean, spread) in enumerate(TESTS[k::2]):
            value = round(max(rng.gauss(mean, spread), 0.3 * mean), 3)
            status = "P" if rng.random() < PRELIMINARY else "F"
            obx = f"OBX|{i + 1}|NM|{code}^{title}^LN||{{}}|{unit}^^UCUM|||||{{}}"
            lines.append(obx.format(value, status))
            key = (f"lab/{title.lower()}", _minute(at + timedelta(minutes=k)))
            if status == "F":
                stands[key] = value
                later += _second_thoughts(rng, obr, obx, key, stands)
    writer.send("ORU^R01^ORU_R01", patient, at + timedelta(minutes=40), *lines)
    for k, (_, again) in enumerate(later):
        writer.send("ORU^R01^ORU_R01", patient, at + timedelta(hours=2, minutes=k), *again)


def _second_thoughts(
    rng: random.Random, obr: str, obx: str, key: tuple[str, str], stands: dict[tuple[str, str], float]
) -> list[tuple[str, list[str]]]:
    """What is said of a result afterwards: corrected, perhaps back again, or withdrawn."""
    first = stands[key]
    chance = rng.random()
    if chance < CORRECTED:
        stands[key] = round(first * 1.1, 3)
        found = [("C", [obr, obx.format(stands[key], "C")])]
        if chance < CORRECTED / 4:
            stands[key] = first
            found.append(("C", [obr, obx.format(first, "C")]))
        return found
    if chance < CORRECTED + WITHDRAWN:
        del stands[key]
        status = rng.choice(("W", "X"))
        return [(status, [obr, obx.format(first if status == "W" else "", status)])]
    return []


def _dose(writer: _Writer, patient: str, at: datetime) -> None:
    rng, stands = writer.rng, writer.ward.stands[patient]
    amount = rng.choice((750, 1000, 1250))
    orc = f"ORC|RE|O{writer.number:06d}^PHARM"
    status = "RE" if rng.random() < REFUSED else "CP"
    rxa = (
        f"RXA|0|1|{_stamp(at)}|{_stamp(at + timedelta(minutes=60))}|11124^Vancomycin^RXNORM|{amount}|mg^^UCUM"
        f"{'|' * 13}{status}|{{}}"
    )
    route = "RXR|IV^Intravenous^HL70162"
    writer.send("RAS^O17^RAS_O17", patient, at + timedelta(minutes=70), orc, rxa.format("A"), route)
    if status == "CP":
        stands["dose/vancomycin", _minute(at)] = float(amount)
        if rng.random() < DELETED:
            del stands["dose/vancomycin", _minute(at)]
            writer.send("RAS^O17^RAS_O17", patient, at + timedelta(hours=3), orc, rxa.format("D"), route)


def event_ids(messages: Sequence[bytes], options: Options) -> dict[str, set[str]]:
    """By patient: the id of every event that `messages` stand for."""
    found: dict[str, set[str]] = {}
    for block in messages:
        letter = read_message(parse(block), options)
        found.setdefault(letter.patient, set()).update(e.id for e in letter.events)
    return found


def _stamp(at: datetime) -> str:
    return at.strftime("%Y%m%d%H%M%S%z")


def _minute(at: datetime) -> str:
    return at.strftime("%Y%m%d%H%M")
