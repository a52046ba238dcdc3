"""Two thousand inputs, each changed in one element that bears meaning: the result must change, or be held or refused.

FHIR resources, event tables and wire events with random numbers; one leaf is changed, or a strange element put in. An
input is *ignored* when the changed one gives the same result, and *misread* when a number stated in the unit that is
kept was changed and the result, though another, does not hold the new number.
"""

from __future__ import annotations

import copy
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from twin_client.ehr.fhir import read_bundle
from twin_service.fit.event_table import event_table
from twin_service.model.structure import PatientModel
from twin_service.outcome import Refusal
from twin_service.record.events import to_json
from twin_service.record.person import ModelChoice
from twin_service.service.wire.event import event
from twin_service.service.wire.window import AcceptedTimes
from twin_service.twin.assemble import build
from twin_service.v1 import event_pb2

HELD: Final = "held"
NUMBER: Final = r"[-+]?\d+\.?\d*(?:[eE][-+]?\d+)?"
WHEN: Final = "2024-03-04T09:00:00+01:00"
US: Final = 1_709_539_200_000_000
RXNORM: Final = "http://www.nlm.nih.gov/research/umls/rxnorm"
PATIENT: Final = {"resourceType": "Patient", "id": "p", "gender": "male", "birthDate": "1950-07-01"}
STRANGE: Final[Mapping[str, Any]] = {
    "modifierExtension": [{"url": "http://example.org/not", "valueBoolean": True}],
    "doseRange": {"low": {"value": 1, "code": "mg"}},
    "asNeededBoolean": True,
    "implicitRules": "http://example.org/rules",
    "focus": [{"reference": "Patient/child"}],
}


class Mutant(NamedTuple):
    """Where it was changed, what came before and after, and the number that must be found in the result (or None)."""

    door: str
    where: str
    before: str
    after: str
    number: float | None


@dataclass(frozen=True)
class Door:
    """`base` a clean input; `mutants` of it: where, changed input, new number; `read` what is made of an input."""

    name: str
    base: Callable[[np.random.Generator], Any]
    mutants: Callable[[Any, np.random.Generator], Iterator[tuple[str, Any, float | None]]]
    read: Callable[[Any], str]


def run(count: int, say: Callable[[str], None]) -> dict[str, float]:
    """Figures `answers.mutations`, `answers.mutations_ignored`, `answers.silent_misreads`."""
    found = list(mutants(count))
    ignored = [m for m in found if is_ignored(m)]
    wrong = [m for m in found if is_misread(m)]
    for told, each in (("ignored", ignored), ("misread", wrong)):
        for m in list({(m.door, m.where): m for m in each}.values())[:40]:
            say(f"{told}: {m.door} {m.where}")
    return {
        "answers.mutations": float(len(found)),
        "answers.mutations_ignored": float(len(ignored)),
        "answers.mutations_held": float(sum(m.after == HELD for m in found)),
        "answers.silent_misreads": float(len(wrong)),
    }


def is_ignored(m: Mutant) -> bool:
    return m.after == m.before


def is_misread(m: Mutant) -> bool:
    if m.number is None or m.after in (m.before, HELD):
        return False
    return all(not math.isclose(m.number, float(x), rel_tol=1e-9) for x in re.findall(NUMBER, m.after))


def mutants(count: int) -> Iterator[Mutant]:
    """`count` of them, the doors in turn, each input changed in every place before the next is made."""
    streams = [_stream(d, np.random.default_rng(k)) for k, d in enumerate(_doors())]
    for k in range(count):
        yield next(streams[k % len(streams)])


def _stream(door: Door, rng: np.random.Generator) -> Iterator[Mutant]:
    while True:
        clean = door.base(rng)
        before = door.read(clean)
        assert before != HELD, (door.name, clean)
        for where, changed, number in door.mutants(clean, rng):
            yield Mutant(door.name, where, before, door.read(changed), number)


def _doors() -> tuple[Door, ...]:
    model = build(ModelChoice(poppk="vancomycin_goti"))
    return (
        Door("fhir", _resource, _changed_resource, _read_fhir),
        Door("table", _rows, _changed_rows, lambda rows: _read_table(rows, model)),
        Door("proto", _wire, _changed_wire, lambda e: _read_wire(e, model)),
    )


def _one_of(things: Sequence[Any], rng: np.random.Generator) -> Any:
    return things[int(rng.integers(len(things)))]


# FHIR


def _resource(rng: np.random.Generator) -> dict[str, Any]:
    value = float(int(rng.integers(101, 999, endpoint=True)))
    drug = {"coding": [{"system": RXNORM, "code": "11124"}]}
    route = {"coding": [{"system": "http://snomed.info/sct", "code": "47625008"}]}
    mg = {"value": value, "unit": "mg", "system": "http://unitsofmeasure.org", "code": "mg"}
    head = {"id": f"r{int(rng.integers(1, 999, endpoint=True))}", "subject": {"reference": "Patient/p"}}
    kind = int(rng.integers(3))
    if kind == 0:
        level = {"value": value / 10, "unit": "mg/L", "system": "http://unitsofmeasure.org", "code": "mg/L"}
        code = {"coding": [{"system": "http://loinc.org", "code": "20578-1"}]}
        more = {"status": "final", "code": code, "effectiveDateTime": WHEN, "valueQuantity": level}
        return {"resourceType": "Observation", **head, **more}
    if kind == 1:
        more = {"status": "completed", "effectiveDateTime": WHEN, "medicationCodeableConcept": drug}
        return {"resourceType": "MedicationAdministration", **head, **more, "dosage": {"dose": mg, "route": route}}
    span = {"start": WHEN, "end": "2024-03-07T09:00:00+01:00"}
    repeat = {"boundsPeriod": span, "frequency": int(rng.integers(1, 3, endpoint=True)), "period": 1, "periodUnit": "d"}
    instruction = {"timing": {"repeat": repeat}, "route": route, "doseAndRate": [{"doseQuantity": mg}]}
    more = {"status": "active", "intent": "order", "medicationCodeableConcept": drug}
    return {"resourceType": "MedicationRequest", **head, **more, "dosageInstruction": [instruction]}


def _changed_resource(body: Any, rng: np.random.Generator) -> Iterator[tuple[str, Any, float | None]]:
    for path in _leaves(body):
        mutant = copy.deepcopy(body)
        old = _at(body, path)
        new = "g" if path[-1] == "unit" else _other(old)
        _at(mutant, path[:-1])[path[-1]] = new
        yield ".".join(map(str, path)), mutant, float(new) if path[-1] == "value" else None
    for path in _objects(body):
        word = _one_of(sorted(STRANGE), rng)
        if word not in _at(body, path):
            mutant = copy.deepcopy(body)
            _at(mutant, path)[word] = STRANGE[word]
            yield ".".join(map(str, (*path, word))), mutant, None


def _other(value: Any) -> Any:
    """Another value of the same kind: what a slip or another patient would make of it."""
    if isinstance(value, int | float):
        return value * 3 + 1
    if isinstance(value, str) and value[:4].isdigit() and "T" in value:
        return "2024-03-05T11:00:00+01:00"
    known = {"active": "cancelled", "final": "preliminary", "completed": "on-hold", "order": "plan"}
    return known.get(value, f"{value}x")


def _read_fhir(body: Any) -> str:
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": r} for r in (PATIENT, body)]}
    reading = read_bundle(bundle, trust_requests=True)
    return HELD if reading.held else " ".join(str(e) for e in reading.events)


def _leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
    if parts is None:
        yield path
        return
    for k, v in parts:
        yield from _leaves(v, (*path, k))


def _objects(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if isinstance(value, dict):
        yield path
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for k, v in parts:
        yield from _objects(v, (*path, k))


def _at(body: Any, path: tuple[Any, ...]) -> Any:
    for part in path:
        body = body[part]
    return body


# Event tables


def _rows(rng: np.random.Generator) -> list[dict[str, Any]]:
    who = {"ID": 1, "weight_kg": 80.0, "age_y": 60.0, "sex_female": 0.0, "creatinine_umol_l": 90.0}
    mg, first = float(int(rng.integers(500, 1500, endpoint=True))), float(int(rng.integers(14, 20, endpoint=True)))
    return [
        {**who, "TIME": 0.0, "EVID": 1, "AMT": mg, "RATE": mg, "II": 12.0, "ADDL": 1, "SS": 0, "DV": "."},
        {**who, "TIME": first, "EVID": 0, "AMT": ".", "RATE": ".", "II": ".", "ADDL": ".", "SS": ".", "DV": 17.25},
        {**who, "TIME": first + 3.5, "EVID": 1, "AMT": mg, "RATE": mg, "II": 12.0, "ADDL": 0, "SS": 1, "DV": "."},
        {**who, "TIME": first + 9.5, "EVID": 0, "AMT": ".", "RATE": ".", "II": ".", "ADDL": ".", "SS": ".", "DV": 21.5},
    ]


def _changed_rows(rows: Any, rng: np.random.Generator) -> Iterator[tuple[str, Any, float | None]]:
    for k, row in enumerate(rows):
        for column, cell in row.items():
            mutant = copy.deepcopy(rows)
            new: Any = cell
            if column == "EVID":
                new = {0: 2, 1: 4}[cell]
                if k == 0:
                    continue  # a reset before anything was given changes nothing, rightly
            elif k == 0 and column in ("ADDL", "II"):
                continue  # row 2 says steady state, which cancels what is pending
            elif column == "ID":
                new = 2
            elif cell == ".":
                new = _one_of((3.0, "x", "<5"), rng)
            elif column == "SS":
                new = 1 - cell
            elif column == "ADDL":
                new = cell + 1
            elif column == "sex_female":
                new = 1.0
            elif column == "II" and row["SS"] == 0 and row["ADDL"] == 0:
                continue
            else:
                new = cell + 0.25
            mutant[k][column] = new
            told = float(new) if column in ("TIME", "AMT", "DV") and cell != "." else None
            yield f"row {k} {column} {cell} -> {new}", mutant, told
        mutant = copy.deepcopy(rows)
        word = _one_of(("NOTE", "CMT", "DVID", "OCC2"), rng)
        mutant[k][word] = 7
        yield f"row {k} strange column {word}", mutant, None


def _read_table(rows: Any, model: PatientModel) -> str:
    try:
        table = event_table(rows, model)
    except Refusal:
        return HELD
    told = []
    for s in table.subjects:
        doses = [(f"{d.time_h:.10g}", f"{d.amount:.10g}", d) for d in s.schedule.doses]
        seen = [(f"{t:.10g}", f"{y:.10g}") for t, y in zip(s.times_h, s.values, strict=True)]
        order = (s.analytes, s.censoring.tolist(), s.after_dose.tolist())
        told.append((s.id, doses, s.schedule.change_times_h, s.schedule.reset_times_h, s.covariates, seen, order))
    return str((told, table.notes))  # what is named is not read past


# Wire events


def _wire(rng: np.random.Generator) -> event_pb2.Event:
    n = float(int(rng.integers(501, 1500, endpoint=True)))
    made = event_pb2.Event(id=f"e{int(rng.integers(1, 99, endpoint=True))}", source="ehr")
    made.time.FromMicroseconds(US)
    kind = int(rng.integers(4))
    if kind == 0:
        made.dose.CopyFrom(event_pb2.Dose(drug="vancomycin", amount={"value": n, "unit": "mg"}, route="iv"))
        made.dose.duration.CopyFrom(type(made.dose.duration)(value=1.5, unit="h"))
    elif kind == 1:
        made.lab.CopyFrom(event_pb2.Lab(analyte="vancomycin", value={"value": n / 50, "unit": "mg/L"}, method="hplc"))
    elif kind == 2:
        weight = {"value": 50.0 + n / 50, "unit": "kg"}
        made.covariate.CopyFrom(event_pb2.Covariate(name="weight_kg", value=weight))
    else:
        session = event_pb2.Dialysis(
            modality=event_pb2.DIALYSIS_MODALITY_HEMODIALYSIS,
            duration={"value": 4.0, "unit": "h"},
            blood_flow_ml_min=300.0,
            clearance_ml_min=n / 10,
            drug="vancomycin",
        )
        made.dialysis.CopyFrom(session)
    return made


def _changed_wire(wire: Any, rng: np.random.Generator) -> Iterator[tuple[str, Any, float | None]]:
    for path in _set_fields(wire):
        mutant = event_pb2.Event()
        mutant.CopyFrom(wire)
        owner: Any = mutant
        for name in path[:-1]:
            owner = getattr(owner, name)
        old = getattr(owner, path[-1])
        new: Any
        if isinstance(old, bool):
            new = not old
        elif owner.DESCRIPTOR.fields_by_name[path[-1]].type == FieldDescriptor.TYPE_ENUM:
            new = old + 1
        elif isinstance(old, int):
            new = old + 3600
        elif isinstance(old, float):
            new = round(old * float(rng.uniform(1.05, 1.4)), 3)
        else:
            new = f"{old}x"
        setattr(owner, path[-1], new)
        stated = path[-1] == "value" or path[-1] == "clearance_ml_min"
        yield ".".join(path), mutant, float(new) if stated else None


def _set_fields(message: Message, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for field, value in message.ListFields():
        if isinstance(value, Message):
            yield from _set_fields(value, (*path, field.name))
        else:
            yield (*path, field.name)


def _read_wire(wire: Any, model: PatientModel) -> str:
    try:
        return to_json(event(wire, model, AcceptedTimes(US, 0, US + 10**12)))
    except Refusal:
        return HELD
