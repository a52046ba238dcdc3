"""NONMEM-style event tables: one row per dose, reading or change, columns ID TIME AMT DV EVID MDV CMT RATE II ADDL SS.

    EVID 0 reading, 1 dose, 2 other, 3 reset, 4 reset and dose        RATE > 0: infusion, duration = AMT F / RATE
    SS 1 steady state of the dose repeated every II, 2 added to what is there        ADDL: further doses every II
    CENS 1 below the limit in DV, -1 above it        DVID or ANALYTE: which reading        ROUTE: which input

Covariates follow NONMEM: the value on record k holds on (t[k-1], t[k]] (next observation carried backward) unless
`carry` says "forward".
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from twin_service.fit.subject import Subject
from twin_service.model.structure import PatientModel
from twin_service.outcome import Refusal, RefusalCode
from twin_service.solver.expression import Expression, constant, substitute
from twin_service.solver.schedule import Dose, Schedule

COVARIATE_NAMES: Final[Mapping[str, str]] = {
    "wt": "weight_kg",
    "wgt": "weight_kg",
    "weight": "weight_kg",
    "bw": "weight_kg",
    "age": "age_y",
    "ht": "height_cm",
    "height": "height_cm",
    "apgr": "apgar_score",
    "apgar": "apgar_score",
    "occ": "occasion",
    "iov": "occasion",
    "crcl": "creatinine_clearance_ml_min",
    "clcr": "creatinine_clearance_ml_min",
    "alb": "albumin_g_l",
    "glyco": "alpha1_acid_glycoprotein_g_l",
    "aag": "alpha1_acid_glycoprotein_g_l",
    "bsa": "body_surface_m2",
    "ffm": "fat_free_mass_kg",
    "hct": "hematocrit",
}
MISSING: Final = ("", ".", "NA", "NaN", "nan")
ROWS_MAX: Final = 2_000_000
JUST_AFTER_H: Final = 1e-7


@dataclass(frozen=True)
class Reading:
    """How a table's columns map to the model.

    covariates   column -> covariate, beyond those of equal name and the usual abbreviations
    analytes     value of DVID (or CMT) -> analyte; a model with one observable needs none
    inputs       value of ROUTE or CMT -> input of the model
    carry        "backward" as NONMEM does, or "forward"
    """

    covariates: Mapping[str, str] = field(default_factory=dict)
    analytes: Mapping[str, str] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict)
    carry: Literal["backward", "forward"] = "backward"


Row = Mapping[str, str]


def read_event_table(path: Path | str, model: PatientModel, how: Reading = Reading()) -> list[Subject]:
    """The subjects of a CSV file. Raises Refusal naming the row and column at fault."""
    with open(path, newline="", encoding="utf-8-sig") as f:
        return subjects_of(csv.DictReader(f), model, how)


def subjects_of(rows: Iterable[Mapping[str, object]], model: PatientModel, how: Reading = Reading()) -> list[Subject]:
    """The subjects of rows with string or number cells, in order of first appearance."""
    groups: dict[str, list[tuple[int, Row]]] = {}
    for number, row in enumerate(rows, start=2):
        clean = {str(k).strip().upper(): "" if v is None else str(v).strip() for k, v in row.items()}
        if number > ROWS_MAX:
            raise _refuse(number, "ID", f"more than {ROWS_MAX} rows; split the table")
        if "ID" not in clean or "TIME" not in clean:
            raise _refuse(1, "ID, TIME", "missing; an event table has at least ID, TIME, AMT and DV")
        groups.setdefault(clean["ID"], []).append((number, clean))
    return [_subject(name, group, model, how) for name, group in groups.items()]


@dataclass
class _Course:
    """What is collected while the rows of one subject are read."""

    doses: list[Dose] = field(default_factory=list)
    resets: list[float] = field(default_factory=list)
    readings: list[tuple[float, float, str, int]] = field(default_factory=list)
    dosed: dict[float, int] = field(default_factory=dict)  # time of a dose record -> readings listed before it


def _subject(name: str, rows: Sequence[tuple[int, Row]], model: PatientModel, how: Reading) -> Subject:
    course, last = _Course(), -math.inf
    times: list[float] = []
    covariates: list[dict[str, float]] = []
    for number, row in rows:
        time = _number(row, "TIME", number)
        if time is None or time < last:
            raise _refuse(number, "TIME", f"{row['TIME']!r}: times must be given and must not go back within a subject")
        last = time
        times.append(time)
        covariates.append(_covariates(row, number, model, how, covariates[-1] if covariates else {}))
        evid = _evid(row, number)
        if evid in (3, 4) and time > times[0]:
            course.resets.append(time)
        if evid in (1, 4):
            course.doses += _doses(row, number, covariates[-1], model, time=time, how=how)
            course.dosed[time] = len(course.readings)
        if evid == 0 and (_number(row, "MDV", number) or 0.0) == 0.0:
            _read(course, row, number, time, model, how)
    changes, segments = _segments(times, covariates, how.carry)
    _require(name, model, segments[0])
    r = course.readings
    return Subject(
        name,
        Schedule(tuple(sorted(course.doses, key=lambda d: d.time_h)), changes, tuple(course.resets)),
        segments,
        np.array([x[0] for x in r]),
        np.array([x[1] for x in r]),
        tuple(x[2] for x in r),
        np.array([x[3] for x in r], dtype=np.int8),
        _taken_after(course),
    )


def _taken_after(course: _Course) -> NDArray[np.bool_]:
    """Whether each reading sees the doses of its time: unless a dose record follows it, or the dose is an ADDL one."""
    repeated = {d.time_h for d in course.doses} - set(course.dosed)
    return np.array(
        [k >= course.dosed.get(x[0], 0) and x[0] not in repeated for k, x in enumerate(course.readings)], dtype=bool
    )


def _evid(row: Row, number: int) -> int:
    given = _number(row, "EVID", number)
    if given is None:
        return 1 if (_number(row, "AMT", number) or 0.0) > 0.0 else 0 if _number(row, "DV", number) is not None else 2
    if given not in (0.0, 1.0, 2.0, 3.0, 4.0):
        raise _refuse(number, "EVID", f"{given:g}: expected 0 to 4")
    return int(given)


def _doses(
    row: Row, number: int, covariates: Mapping[str, float], model: PatientModel, *, time: float, how: Reading
) -> list[Dose]:
    amount, rate = _number(row, "AMT", number), _number(row, "RATE", number) or 0.0
    interval, steady = _number(row, "II", number) or 0.0, int(_number(row, "SS", number) or 0)
    more = int(_number(row, "ADDL", number) or 0)
    if amount is None or amount < 0.0 or (amount == 0.0 and not (steady and rate > 0.0)):
        raise _refuse(number, "AMT", f"{row.get('AMT')!r}: a dose needs a positive amount")
    if (steady or more) and interval <= 0.0 and amount > 0.0:
        raise _refuse(number, "II", "SS and ADDL need a positive interval")
    if rate < 0.0 and rate != -2.0:
        raise _refuse(number, "RATE", f"{rate:g}: expected 0, a positive rate, or -2 for a modelled duration")
    where = _input(row, number, model, how, rate)
    # tables hold mg; whole-body models count in umol
    scale = next((r.units_per_mg for r in model.routes if r.input == where), 1.0)
    amount, rate = amount * scale, rate * scale if rate > 0.0 else rate
    if amount == 0.0:
        # a constant infusion since for ever, which stops here
        return [Dose(time - 1.0, where, rate, 1.0, 1.0)]
    duration = _number(row, "DUR", number) or 0.0
    u = model.system.inputs[model.system.input_index[where]]
    if rate > 0.0:
        # NONMEM keeps the rate and shortens the infusion by the bioavailability
        duration = _typical(model, u.bioavailability, covariates, 1.0) * amount / rate
    first = Dose(time, where, amount, duration, interval if steady else 0.0, steady == 2)
    return [first, *(Dose(time + k * interval, where, amount, duration) for k in range(1, more + 1))]


def _typical(model: PatientModel, expression: Expression, covariates: Mapping[str, float], otherwise: float) -> float:
    """Value of `expression` for the typical patient; `otherwise` where it is not a number before the run."""
    if expression.op == "const":
        return expression.value
    values = model.values(covariates)
    known = {p.name: constant(float(v)) for p, v in zip(model.system.parameters, values, strict=True) if np.isfinite(v)}
    found = substitute([expression], known)[0]
    return found.value if found.op == "const" else otherwise


def _input(row: Row, number: int, model: PatientModel, how: Reading, rate: float) -> str:
    inputs = list(model.system.input_index)
    key = row.get("ROUTE") or row.get("CMT") or ""
    if key in how.inputs:
        return how.inputs[key]
    routes = {r.route: r.input for r in model.routes}
    if row.get("ROUTE") in routes:
        return routes[row["ROUTE"]]
    if row.get("ROUTE"):
        raise _refuse(number, "ROUTE", f"{row['ROUTE']!r} is unknown; known: {', '.join(routes)}")
    if len(routes) == 1:
        return next(iter(routes.values()))
    other = [i for r, i in routes.items() if r != "iv"]
    if "iv" in routes and (rate > 0.0 or not other or row.get("CMT") == "2"):
        return routes["iv"]
    if other:
        return other[0]
    raise _refuse(number, "CMT", f"cannot tell which input the dose enters; inputs: {', '.join(inputs)}")


def _read(course: _Course, row: Row, number: int, time: float, model: PatientModel, how: Reading) -> None:
    value = _number(row, "DV", number)
    if value is None:
        return
    key = row.get("ANALYTE") or row.get("DVID") or row.get("CMT") or ""
    known = list(model.observables)
    analyte = how.analytes.get(key) or (key if key in known else known[0] if len(known) == 1 else "")
    if not analyte:
        raise _refuse(number, "DVID", f"{key!r} names none of the model's observables: {', '.join(known)}")
    censored = int(_number(row, "CENS", number) or 0)
    course.readings.append((time, value, analyte, -censored))


def _covariates(
    row: Row, number: int, model: PatientModel, how: Reading, before: Mapping[str, float]
) -> dict[str, float]:
    found, wanted = dict(before), {c.name for c in model.covariates}
    chosen = {k.upper(): v for k, v in how.covariates.items()}
    for column in row:
        own = column.lower()
        name = chosen.get(column) or (own if own in wanted else COVARIATE_NAMES.get(own, own))
        if name in wanted:
            value = _number(row, column, number)
            if value is not None:
                found[name] = value
    return found


def _segments(
    times: list[float], rows: list[dict[str, float]], carry: str
) -> tuple[tuple[float, ...], tuple[dict[str, float], ...]]:
    """Change times and the values between them."""
    changes: list[float] = []
    segments = [rows[0]]
    for k in range(1, len(rows)):
        if rows[k] == segments[-1]:
            continue
        # backward: just after record k-1, so that a dose or reading at that very time still sees record k-1
        time = times[k - 1] + JUST_AFTER_H if carry == "backward" else times[k]
        if (changes and changes[-1] >= time) or (carry == "forward" and time <= times[0]):
            segments[-1] = rows[k]
        else:
            changes.append(time)
            segments.append(rows[k])
    return tuple(changes), tuple(segments)


def _require(name: str, model: PatientModel, values: Mapping[str, float]) -> None:
    missing = [c.name for c in model.covariates if c.default is None and c.name not in values]
    if missing:
        raise Refusal(
            RefusalCode.PRECONDITION,
            f"{model.id} needs {', '.join(missing)}; add the column or map one to it",
            field=f"covariates.{missing[0]}",
            reason="COVARIATE_MISSING",
        )


def _number(row: Row, column: str, number: int) -> float | None:
    text = row.get(column, "")
    if text in MISSING:
        return None
    try:
        value = float(text)
    except ValueError:
        raise _refuse(number, column, f"{text!r} is not a number") from None
    if not math.isfinite(value):
        raise _refuse(number, column, f"{text!r} is not finite")
    return value


def _refuse(number: int, column: str, message: str) -> Refusal:
    return Refusal(
        RefusalCode.INVALID,
        f"row {number}, {column}: {message}",
        field=f"rows[{number}].{column}",
        reason="BAD_EVENT_TABLE",
    )
