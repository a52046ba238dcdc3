"""NONMEM-style event tables: one row per dose, reading or change, columns ID TIME AMT DV EVID MDV CMT RATE II ADDL SS.

    EVID 0 reading, 1 dose, 2 other, 3 reset, 4 reset and dose        RATE > 0: infusion, duration = AMT F / RATE
    SS 1 steady state of the dose repeated every II, 2 added to what is there        ADDL: further doses every II
    CENS 1 below the limit in DV, -1 above it; BLQ 1 below LLOQ (or DV)        DVID or ANALYTE: which reading

Records act in their order, also at one time; covariates, bioavailability and lag of a dose are those of its record.
SS 1 and a reset cancel additional doses that are still to come: the record says "from here on, this", and what was
promised before it would contradict it. A record of EVID 3 or 4 may put the clock back: its TIME begins anew.
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

from twin_service.fit.columns import COVARIATE_NAMES, MISSING, Row, Rows, check_columns, clean_rows, covariate_of
from twin_service.fit.dose_records import compartments, count, doses_of, number
from twin_service.fit.subject import TableSubject, refuse_row
from twin_service.model.structure import PatientModel
from twin_service.outcome import Refusal, RefusalCode
from twin_service.solver.schedule import Dose, Schedule

__all__ = [
    "COVARIATE_NAMES",
    "EventTable",
    "JUST_AFTER_H",
    "ColumnReading",
    "event_table",
    "read_event_table",
    "subjects_of",
]
ROWS_MAX: Final = 2_000_000
JUST_AFTER_H: Final = 1e-7
READING, DOSE, OTHER, RESET, RESET_DOSE = range(5)


@dataclass(frozen=True)
class ColumnReading:
    """How a table's columns map to the model.

    columns      our column or covariate -> the table's column; "" leaves ours unused
    covariates   column -> covariate, beyond those of equal name and the usual abbreviations
    analytes     value of DVID (or CMT) -> analyte; a model with one observable needs none
    inputs       value of ROUTE or CMT -> input of the model
    carry        "backward" as NONMEM does, or "forward"
    """

    covariates: Mapping[str, str] = field(default_factory=dict)
    analytes: Mapping[str, str] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict)
    carry: Literal["backward", "forward"] = "backward"
    columns: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class EventTable:
    """Subjects in order of first appearance, and a sentence for everything that was left out or not used."""

    subjects: tuple[TableSubject, ...]
    notes: tuple[str, ...] = ()


def read_event_table(path: Path | str, model: PatientModel, how: ColumnReading = ColumnReading()) -> EventTable:
    """A CSV file. Raises Refusal naming the row and column at fault."""
    try:
        with open(path, newline="", encoding="utf-8-sig") as f:
            return event_table(csv.DictReader(f), model, how)
    except UnicodeDecodeError as error:
        raise Refusal(
            RefusalCode.INVALID, f"{Path(path).name} is no UTF-8 text: {error}", field="data", reason="BAD_EVENT_TABLE"
        ) from None


def subjects_of(
    rows: Iterable[Mapping[str, object]], model: PatientModel, how: ColumnReading = ColumnReading()
) -> list[TableSubject]:
    """The subjects of rows with string or number cells, in order of first appearance."""
    return list(event_table(rows, model, how).subjects)


def event_table(
    rows: Iterable[Mapping[str, object]], model: PatientModel, how: ColumnReading = ColumnReading()
) -> EventTable:
    """The same, with notes. Raises Refusal naming the row and column at fault."""
    table = clean_rows(rows, _renamed(how.columns))
    if len(table.rows) > ROWS_MAX:
        raise refuse_row(ROWS_MAX, "ID", f"more than {ROWS_MAX} rows; split the table")
    columns = list(dict.fromkeys(c for _, row in table.rows[:1000] for c in row))
    table.notes += check_columns(columns, model, how.covariates)
    groups: dict[str, list[tuple[int, Row]]] = {}
    for at, row in table.rows:
        groups.setdefault(row["ID"], []).append((at, row))
    subjects = tuple(_Reader(name, model, how, table).subject(group) for name, group in groups.items())
    return EventTable(subjects, tuple(table.notes))


def _renamed(columns: Mapping[str, str]) -> dict[str, str]:
    return {k.upper(): v for k, v in columns.items()}


@dataclass
class _Reader:
    """What is collected while the rows of one subject are read, in their order.

    times   effective hours: those of the table, the clock never put back, and records at one time told apart by
            JUST_AFTER_H where their order matters
    dosed   time of a dose record -> readings listed before it
    """

    name: str
    model: PatientModel
    how: ColumnReading
    table: Rows
    doses: list[Dose] = field(default_factory=list)
    to_come: list[Dose] = field(default_factory=list)
    resets: list[float] = field(default_factory=list)
    readings: list[tuple[float, float, str, int]] = field(default_factory=list)
    dosed: dict[float, int] = field(default_factory=dict)
    times: list[float] = field(default_factory=list)
    covariates: list[dict[str, float]] = field(default_factory=list)
    kinds: list[int] = field(default_factory=list)
    offset: float = 0.0
    clock: float = -math.inf

    def subject(self, rows: Sequence[tuple[int, Row]]) -> TableSubject:
        for at, row in rows:
            self._record(at, row)
        doses = self.doses + self.to_come
        changes, segments = _segments(self.times, self.covariates, self.how.carry)
        _require(self.model, segments[0])
        r = self.readings
        return TableSubject(
            self.name,
            Schedule(tuple(sorted(doses, key=lambda d: d.time_h)), changes, tuple(self.resets)),
            segments,
            np.array([x[0] for x in r]),
            np.array([x[1] for x in r]),
            tuple(x[2] for x in r),
            np.array([x[3] for x in r], dtype=np.int8),
            self._taken_after(doses),
        )

    def _record(self, at: int, row: Row) -> None:
        kind = _evid(row, at)
        values = self._covariates(row, at)
        time = self._time(row, at, kind, values)
        first = not self.times
        self.times.append(time)
        self.covariates.append(values)
        self.kinds.append(kind)
        if kind in (RESET, RESET_DOSE):
            self._cancel(time)
            if not first:
                self.resets.append(time)
        if kind in (DOSE, RESET_DOSE):
            given = doses_of(row, at, values, self.model, time=time, inputs=self.how.inputs)
            if given[0].steady_interval_h and not given[0].steady_adds:
                self._cancel(time)
            self.doses.append(given[0])
            self.to_come += given[1:]
            self.dosed[time] = len(self.readings)
        elif count(row, "SS", at, 2) or count(row, "ADDL", at, 100_000):
            raise refuse_row(at, "SS, ADDL", "stand on a record that is no dose")
        self._named_where_not_read(at, row, kind)
        if kind == READING:
            self._read(at, row, time)

    def _named_where_not_read(self, at: int, row: Row, kind: int) -> None:
        """Cells that this kind of record has no use for are named once for each column, not read past."""
        spare: tuple[str, ...] = ("RATE", "DUR", "II") if kind not in (DOSE, RESET_DOSE) else ()
        spare += ("DV",) if kind != READING else ()
        found = [c for c in spare if number(row, c, at)]
        found += ["DVID"] if kind != READING and row.get("DVID", "") not in (*MISSING, "0") else []
        for column in found:
            told = f"{column} is not read on records of EVID {kind}"
            if not any(told in note for note in self.table.notes):
                self.table.notes.append(f"{told} (first in row {at})")

    def _time(self, row: Row, at: int, kind: int, values: Mapping[str, float]) -> float:
        time = number(row, "TIME", at)
        if time is None:
            raise refuse_row(at, "TIME", f"{row['TIME']!r}: a record needs its time in hours")
        if time < self.clock:
            if kind not in (RESET, RESET_DOSE):
                raise refuse_row(
                    at, "TIME", f"{row['TIME']!r}: times must not go back within a subject, save at EVID 3 or 4"
                )
            self.offset = self.times[-1] - time
        self.clock = time
        if not self.times:
            return time
        effective = max(time + self.offset, self.times[-1])
        return effective + 2 * JUST_AFTER_H if self._must_follow(effective, kind, values) else effective

    def _must_follow(self, time: float, kind: int, values: Mapping[str, float]) -> bool:
        """Whether a record at the time of the one before it must be told apart from it to act after it."""
        if time > self.times[-1]:
            return False
        same = [k for t, k in zip(self.times, self.kinds, strict=True) if t == self.times[-1]]
        if values != self.covariates[-1] or kind in (RESET, RESET_DOSE) or same[-1] == RESET:
            return True
        return kind == DOSE and self.dosed.get(time, len(same)) < len(self.readings) and READING in same

    def _cancel(self, time: float) -> None:
        """Additional doses still to come do not come."""
        self.doses += [d for d in self.to_come if d.time_h < time]
        self.to_come = []

    def _read(self, at: int, row: Row, time: float) -> None:
        if count(row, "MDV", at, 1):
            return
        value = number(row, "DV", at)
        below = count(row, "BLQ", at, 1)
        censored = int(number(row, "CENS", at) or 0.0)
        if below:
            limit = number(row, "LLOQ", at)
            value, censored = limit if limit is not None else value, 1
        if value is None:
            self.table.notes.append(f"row {at}: EVID 0 without DV is no reading")
            return
        if censored not in (-1, 0, 1):
            raise refuse_row(at, "CENS", f"{row['CENS']}: expected -1, 0 or 1")
        analyte = self._analyte(row, at)
        if value == 0.0 and not censored:
            self._zero(at, analyte, time)
        self.readings.append((time, value, analyte, -censored))

    def _zero(self, at: int, analyte: str, time: float) -> None:
        """A zero where the law has none is refused; after a dose it is named: it may mean "below the limit"."""
        law = self.model.observables[analyte].error
        dosed = any(d.time_h < time for d in self.doses)
        if law.kind == "log":
            raise refuse_row(
                at, "DV", f"0: the error law of {analyte} has no zero; below the limit is CENS 1 with the limit in DV"
            )
        if dosed and law.kind != "poisson":
            self.table.notes.append(f"row {at}: {analyte} of exactly 0 after a dose is read as measured; is it CENS 1?")

    def _analyte(self, row: Row, at: int) -> str:
        known = list(self.model.observables)
        for column in ("ANALYTE", "DVID", "CMT"):
            key = row.get(column, "")
            if key in MISSING:
                continue
            if key in self.how.analytes:
                return self.how.analytes[key]
            if key in known:
                return key
            if len(known) == 1 and self._is_the_one(column, key):
                return known[0]
            raise refuse_row(
                at,
                column,
                f"{key!r} names none of the model's observables: {', '.join(known)}; say --analyte {key}=NAME",
            )
        if len(known) == 1:
            return known[0]
        raise refuse_row(at, "DVID", f"'' names none of the model's observables: {', '.join(known)}")

    def _is_the_one(self, column: str, key: str) -> bool:
        """Whether a number may stand for the only observable: DVID 1, or the compartment that is measured."""
        if column == "DVID":
            return key in ("0", "1")
        numbered = compartments(self.model)
        return column == "CMT" and (not numbered or key in ("0", str(len(numbered))))

    def _covariates(self, row: Row, at: int) -> dict[str, float]:
        """What holds on this record. Raises Refusal outside the limits that a twin of this model has."""
        by_name = {c.name: c for c in self.model.covariates}
        found = dict(self.covariates[-1]) if self.covariates else {}
        for column in row:
            name = covariate_of(column, by_name, self.how.covariates)
            value = number(row, column, at) if name else None
            if value is None:
                continue
            c = by_name[name]
            if not c.low <= value <= c.high:
                raise refuse_row(
                    at, column, f"{value:g}: {self.model.id} is for {c.name} {c.low:g} to {c.high:g} {c.unit}"
                )
            found[name] = value
        return found

    def _taken_after(self, doses: Sequence[Dose]) -> NDArray[np.bool_]:
        """Whether each reading sees the doses of its time: not where a dose record follows, nor an ADDL dose."""
        repeated = {d.time_h for d in doses} - set(self.dosed)
        return np.array(
            [k >= self.dosed.get(x[0], 0) and x[0] not in repeated for k, x in enumerate(self.readings)], dtype=bool
        )


def _evid(row: Row, at: int) -> int:
    given, amount = number(row, "EVID", at), number(row, "AMT", at) or 0.0
    if given is None:
        return DOSE if amount > 0.0 else READING if number(row, "DV", at) is not None else OTHER
    if given not in (0.0, 1.0, 2.0, 3.0, 4.0):
        raise refuse_row(at, "EVID", f"{given:g}: expected 0 to 4")
    if given == READING and amount != 0.0:
        raise refuse_row(at, "AMT", f"{amount:g} on a record of EVID 0; a dose is EVID 1")
    return int(given)


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


def _require(model: PatientModel, values: Mapping[str, float]) -> None:
    missing = [c.name for c in model.covariates if c.default is None and c.name not in values]
    if missing:
        raise Refusal(
            RefusalCode.PRECONDITION,
            f"{model.id} needs {', '.join(missing)}; add the column or map one to it",
            field=f"covariates.{missing[0]}",
            reason="COVARIATE_MISSING",
        )
