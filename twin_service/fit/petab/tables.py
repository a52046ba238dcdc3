"""The files of a PEtab version 1 problem as typed rows: every cell checked, every mistake of all tables told at once.

Schmiester 2021, doi:10.1371/journal.pcbi.1008646; format documentation of version 1.
"""

from __future__ import annotations

import csv
import difflib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, Final, TypeVar

import yaml  # type: ignore[import-untyped]

from twin_service.fit.parameters.problem import CoordinateScale, NoiseLaw
from twin_service.outcome import Refusal, RefusalCode

E = TypeVar("E", bound=Enum)
Row = Mapping[str, str]
PARAMETER: Final = ("parameterId", "parameterScale", "lowerBound", "upperBound", "estimate")
PARAMETER_MORE: Final = (
    *("nominalValue", "parameterName", "objectivePriorType", "objectivePriorParameters"),
    *("initializationPriorType", "initializationPriorParameters", "hierarchical"),
)
OBSERVABLE: Final = ("observableId", "observableFormula", "noiseFormula")
OBSERVABLE_MORE: Final = ("observableName", "observableTransformation", "noiseDistribution")
MEASUREMENT: Final = ("observableId", "simulationConditionId", "measurement", "time")
MEASUREMENT_MORE: Final = (
    *("preequilibrationConditionId", "observableParameters", "noiseParameters", "datasetId", "replicateId"),
)
STEADY: Final = math.inf


class PriorKind(Enum):
    """Densities of `objectivePriorType`; the `parameterScale` ones are densities of the scaled parameter."""

    UNIFORM = "uniform"
    NORMAL = "normal"
    LAPLACE = "laplace"
    LOG_NORMAL = "logNormal"
    LOG_LAPLACE = "logLaplace"
    SCALE_UNIFORM = "parameterScaleUniform"
    SCALE_NORMAL = "parameterScaleNormal"
    SCALE_LAPLACE = "parameterScaleLaplace"


@dataclass(frozen=True)
class ParameterRow:
    """`nominal` is NaN where the cell is empty."""

    id: str
    scale: CoordinateScale
    low: float
    high: float
    nominal: float
    free: bool
    prior: tuple[PriorKind, float, float] | None


@dataclass(frozen=True)
class ObservableRow:
    id: str
    formula: str
    noise: str
    transformation: CoordinateScale
    law: NoiseLaw


@dataclass(frozen=True)
class MeasurementRow:
    """`observable_values`, `noise_values`: what stands for observableParameter1_..., noiseParameter1_... here."""

    observable: str
    condition: str
    before: str
    time: float
    value: float
    observable_values: tuple[str, ...]
    noise_values: tuple[str, ...]


@dataclass(frozen=True)
class Tables:
    """One problem. Cells of a condition are kept as written; an empty or NaN cell is absent."""

    name: str
    sbml: Path
    parameters: tuple[ParameterRow, ...]
    conditions: Mapping[str, Mapping[str, str]]
    observables: Mapping[str, ObservableRow]
    measurements: tuple[MeasurementRow, ...]
    notes: tuple[str, ...]


def read_tables(path: Path) -> Tables:
    """The tables that the PEtab YAML file `path` lists.

    Raises Refusal with every mistake of every table: file, row, column, what stands there and what was expected.
    """
    listed = _yaml(path)
    files, folder, reader = listed["problems"][0], path.parent, _Reader()
    parameters = [
        reader.parameter(r) for r in reader.rows(folder, _many(listed["parameter_file"]), PARAMETER, PARAMETER_MORE)
    ]
    conditions = {
        r["conditionId"]: {
            k: v.strip()
            for k, v in r.items()
            if k not in ("conditionId", "conditionName", "") and v.strip().lower() not in ("", "nan")
        }
        for _, r in reader.rows(folder, _many(files.get("condition_files")), ("conditionId",), None)
    }
    observables = [
        reader.observable(r)
        for r in reader.rows(folder, _many(files.get("observable_files")), OBSERVABLE, OBSERVABLE_MORE)
    ]
    known = {o.id for o in observables}
    measurements = [
        reader.measurement(r, known, set(conditions))
        for r in reader.rows(folder, _many(files.get("measurement_files")), MEASUREMENT, MEASUREMENT_MORE)
    ]
    sbml = _many(files.get("sbml_files"))
    if len(sbml) != 1:
        reader.wrong(path.name, f"sbml_files lists {len(sbml)} files; expected one")
    reader.finish()
    return Tables(
        path.stem,
        folder / sbml[0],
        tuple(parameters),
        conditions,
        {o.id: o for o in observables},
        tuple(measurements),
        tuple(reader.notes),
    )


def _yaml(path: Path) -> dict[str, Any]:
    try:
        listed = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise _refuse(path.name, f"cannot be read: {error}") from None
    version = str(listed.get("format_version", "")) if isinstance(listed, dict) else ""
    if version.startswith("2"):
        raise _refuse(
            path.name,
            f"is PEtab version {version}, which is recognized and not read; write it as version 1 "
            "(conditions and preequilibration instead of experiments)",
            RefusalCode.UNSUPPORTED,
        )
    if not isinstance(listed, dict) or "parameter_file" not in listed:
        raise _refuse(path.name, "is no PEtab problem: parameter_file is missing")
    if not version.startswith("1"):
        raise _refuse(path.name, f"format_version is {version or 'missing'}; expected 1")
    if len(listed.get("problems") or ()) != 1:
        raise _refuse(path.name, f"lists {len(listed.get('problems') or ())} problems; expected exactly one")
    if listed.get("extensions"):
        raise _refuse(path.name, f"needs the extensions {listed['extensions']}; none is read", RefusalCode.UNSUPPORTED)
    return listed


def _many(given: object) -> list[str]:
    """A file name or a list of them."""
    return [str(g) for g in given] if isinstance(given, list) else [str(given)] if given else []


@dataclass
class _Reader:
    """Collects mistakes, so that a person mends a problem once and not cell by cell."""

    mistakes: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def wrong(self, where: str, what: str) -> None:
        self.mistakes.append(f"{where}: {what}")

    def finish(self) -> None:
        if self.mistakes:
            raise _refuse("PEtab problem", "; ".join(self.mistakes))

    def rows(
        self, folder: Path, files: Sequence[str], needed: Sequence[str], more: Sequence[str] | None
    ) -> list[tuple[str, Row]]:
        """Rows with their place; `more` None lets any further column stand (a condition's columns are ids)."""
        found: list[tuple[str, Row]] = []
        for name in files:
            path = folder / name
            if not path.is_file():
                raise _refuse(name, "the file is missing")
            with path.open(encoding="utf-8-sig", newline="") as handle:
                table = csv.DictReader(handle, delimiter="\t")
                self._columns(name, [c for c in table.fieldnames or () if c], needed, more)
                found += [
                    (f"{name} row {k}", {c: (v or "").strip() for c, v in r.items() if isinstance(c, str)})
                    for k, r in enumerate(table, start=1)
                    if any(v and str(v).strip() for v in r.values())
                ]
        return found

    def _columns(self, name: str, given: Sequence[str], needed: Sequence[str], more: Sequence[str] | None) -> None:
        missing = [c for c in needed if c not in given]
        if missing:
            raise _refuse(name, f"lacks the columns {', '.join(missing)}; it has {', '.join(given) or 'none'}")
        for column in given if more is not None else ():
            known = (*needed, *(more or ()))
            if column in known:
                continue
            meant = difflib.get_close_matches(column, known, 1, 0.8)
            if meant:
                self.wrong(name, f"column {column!r} is unknown; did you mean {meant[0]!r}?")
            else:
                self.notes.append(f"{name}: column {column!r} is not of PEtab and was not used")

    def parameter(self, placed: tuple[str, Row]) -> ParameterRow:
        where, r = placed
        scale = self._choice(where, r["parameterScale"], ("lin", "log", "log10"), "parameterScale")
        free = self._choice(where, r["estimate"], ("0", "1", "0.0", "1.0"), "estimate").startswith("1")
        nominal = self._number(where, r, "nominalValue", empty=math.nan)
        if not free and math.isnan(nominal):
            self.wrong(where, f"{r['parameterId']} is not estimated and has no nominalValue")
        low, high = (self._number(where, r, c, empty=None if free else math.nan) for c in ("lowerBound", "upperBound"))
        return ParameterRow(r["parameterId"], CoordinateScale(scale), low, high, nominal, free, self._prior(where, r))

    def _prior(self, where: str, r: Row) -> tuple[PriorKind, float, float] | None:
        text, numbers = r.get("objectivePriorType", ""), r.get("objectivePriorParameters", "")
        if not text:
            return None
        kind = self._enum(where, text, PriorKind, "objectivePriorType")
        try:
            low, high = (float(x) for x in numbers.split(";"))
        except ValueError:
            self.wrong(where, f"objectivePriorParameters is {numbers!r}; expected two numbers with ';' between")
            return None
        return (kind, low, high)

    def observable(self, placed: tuple[str, Row]) -> ObservableRow:
        where, r = placed
        scale = self._choice(
            where, r.get("observableTransformation", "") or "lin", ("lin", "log", "log10"), "observableTransformation"
        )
        law = self._enum(where, r.get("noiseDistribution", "") or "normal", NoiseLaw, "noiseDistribution")
        if not r["noiseFormula"]:
            self.wrong(where, "noiseFormula is empty; give the SD as a number or a formula")
        return ObservableRow(r["observableId"], r["observableFormula"], r["noiseFormula"], CoordinateScale(scale), law)

    def measurement(self, placed: tuple[str, Row], observables: set[str], conditions: set[str]) -> MeasurementRow:
        where, r = placed
        self._known(where, "observable", r["observableId"], observables)
        before = r.get("preequilibrationConditionId", "")
        for condition in filter(None, (r["simulationConditionId"], before)):
            self._known(where, "condition", condition, conditions)
        return MeasurementRow(
            r["observableId"],
            r["simulationConditionId"],
            before,
            self._number(where, r, "time"),
            self._number(where, r, "measurement"),
            _split(r.get("observableParameters", "")),
            _split(r.get("noiseParameters", "")),
        )

    def _known(self, where: str, kind: str, name: str, known: Iterable[str]) -> None:
        if name not in known:
            self.wrong(where, f"{kind} {name!r} is unknown; known: {', '.join(sorted(known)) or 'none'}")

    def _choice(self, where: str, given: str, allowed: Sequence[str], column: str) -> str:
        if given not in allowed:
            self.wrong(where, f"{column} is {given!r}; expected {', '.join(allowed)}")
            return allowed[0]
        return given

    def _enum(self, where: str, given: str, kinds: type[E], column: str) -> E:
        return kinds(self._choice(where, given, [str(k.value) for k in kinds], column))

    def _number(self, where: str, r: Row, column: str, *, empty: float | None = None) -> float:
        text = r.get(column, "")
        if not text and empty is not None:
            return empty
        try:
            return float(text)
        except ValueError:
            self.wrong(where, f"{column} is {text!r}; expected a number")
            return math.nan


def _split(text: str) -> tuple[str, ...]:
    return tuple(t.strip() for t in text.split(";")) if text else ()


def _refuse(where: str, message: str, code: RefusalCode = RefusalCode.INVALID) -> Refusal:
    return Refusal(code, f"{where}: {message}", field=where, reason="BAD_PETAB")
