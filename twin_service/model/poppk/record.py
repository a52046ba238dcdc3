"""A population PK file as read: parts checked, numbers in h, L, mg.

One published model, one file: `library/poppk/<id>.toml`. It names structures and laws by id and holds no expressions.
Every number that came out of a publication has an origin (check R7).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from twin_service.library.files import FOLDER, files_in, parse_toml
from twin_service.model.library.findings import gathered, hinted
from twin_service.model.library.reader import read_as
from twin_service.model.library.schema import FileKind, in_schema_2
from twin_service.model.library.tables import PopulationEffect, PopulationFile, PopulationParameter, StructureTable
from twin_service.model.poppk.covariates import DERIVED, LAWS
from twin_service.outcome import Refusal, RefusalCode
from twin_service.units import UnitError, conversion

LIBRARY: Final = FOLDER / "poppk"

EFFECTS: Final = ("exponential", "proportional", "additive", "logit", "boxcox_logit")

BENCH: Final = ("L/h", "L", "1/h", "h", "mg/h", "mg/L", "L/mg", "1", "%", "10^9/L")


def to_bench(unit: object) -> tuple[str, float]:
    """(bench unit, factor) of a parameter's unit; raises UnitError for one of no dimension a law knows."""
    if unit in BENCH:
        return str(unit), 1.0
    for bench in BENCH:
        try:
            return bench, conversion(str(unit), bench)
        except UnitError:
            continue
    raise UnitError(f"unit {unit!r} is unknown or fits none of: {', '.join(BENCH)}")


@dataclass(frozen=True)
class CovariateTerm:
    """One covariate law on a typical value; `adds` makes it a term instead of a factor."""

    law: str
    covariate: str
    coefficient: float
    reference: float
    adds: bool = False


@dataclass(frozen=True)
class EffectRecord:
    """How a parameter varies between patients and, if it does, between occasions of one patient.

    scale      the effect enters as scale * eta (shared effects)
    shape      of the Box-Cox transform (boxcox_logit only)
    """

    name: str
    kind: str
    variance: float
    scale: float = 1.0
    shape: float = 0.0
    occasion_variance: float = 0.0
    occasions: int = 0
    drift_per_h: float = 0.0


@dataclass(frozen=True)
class TypicalParameter:
    """Typical value in bench units, its covariate laws and its variability."""

    name: str
    unit: str
    value: float
    terms: tuple[CovariateTerm, ...]
    effect: EffectRecord | None


@dataclass(frozen=True)
class PopPkRecord:
    """A checked file: `file` as it is typed, `raw` as it was read, which an estimate writes anew."""

    id: str
    version: str
    drug: str
    title: str
    source: str
    fitted_on: str
    file: PopulationFile
    parameters: Mapping[str, TypicalParameter]
    covariances: tuple[tuple[str, str, float], ...]
    raw: Mapping[str, Any]

    @property
    def structure(self) -> StructureTable:
        return self.file.structure

    @property
    def where(self) -> str:
        return f"poppk/{self.id}.toml"


def model_files(library_dir: Path | None = None) -> dict[str, Path]:
    """id -> file of every population PK model in the library."""
    return files_in(library_dir or LIBRARY)


def read_model(model_id: str, library_dir: Path | None = None) -> PopPkRecord:
    """The file of `model_id`. Raises Refusal NOT_FOUND naming what there is, INVALID naming the fault."""
    files = model_files(library_dir)
    if model_id not in files:
        raise Refusal(
            RefusalCode.NOT_FOUND,
            f"population PK model {model_id!r} is unknown; known: {', '.join(files) or 'none'}",
            field="model.poppk",
            reason="UNKNOWN_MODEL",
        )
    table = parse_toml(files[model_id])
    if table.get("id") != model_id:
        raise refuse(f"poppk/{model_id}.toml", f"id {table.get('id')!r} differs from the file's name")
    return parse_model(table)


def parse_model(table: Mapping[str, Any]) -> PopPkRecord:
    """A checked record of a file's table. Raises Refusal naming file, element, fault and what is known."""
    where = f"poppk/{table.get('id', '?')}.toml"
    table, _ = in_schema_2(table, FileKind.POPULATION, where)
    file = read_as(PopulationFile, table, where)

    known = {c.name for c in file.covariate} | set(file.derived)

    def read(n: str, p: PopulationParameter) -> TypicalParameter | None:
        return _parameter(n, p, known, f"{where} parameters.{n}")

    steps: list[Callable[[], TypicalParameter | None]] = [lambda: _check_covariates(file, where)]
    steps += [partial(read, n, p) for n, p in file.parameters.items()]
    parameters = {p.name: p for p in gathered(steps) if p is not None}
    record = PopPkRecord(
        str(table["id"]),
        str(table["version"]),
        file.drug,
        file.title,
        file.source,
        file.fitted_on,
        file,
        parameters,
        tuple((c.between[0], c.between[1], c.value) for c in file.covariance),
        table,
    )
    omega(record)
    return record


def effects_of(record: PopPkRecord) -> dict[str, EffectRecord]:
    """The distinct effects in the order of the file; a shared effect appears once, where its variance is stated."""
    found: dict[str, EffectRecord] = {}
    for p in record.parameters.values():
        if p.effect is not None and (p.effect.name not in found or p.effect.variance > 0.0):
            found[p.effect.name] = p.effect
    return found


def omega(record: PopPkRecord) -> NDArray[np.float64]:
    """Covariance of the between-patient effects, (n, n), in the order of `effects_of`. Refuses an indefinite one."""
    effects = effects_of(record)
    names = list(effects)
    matrix = np.diag([e.variance for e in effects.values()])
    for a, b, value in record.covariances:
        if a not in effects or b not in effects:
            raise refuse(record.where, f"covariance between {a} and {b}: no such effects; effects: {', '.join(names)}")
        matrix[names.index(a), names.index(b)] = matrix[names.index(b), names.index(a)] = value
    if names and float(np.linalg.eigvalsh(matrix)[0]) <= 0.0:
        raise refuse(record.where, "the covariance of the effects is not positive definite")
    return matrix


def _parameter(name: str, p: PopulationParameter, known: set[str], where: str) -> TypicalParameter:
    try:
        unit, scale = to_bench(p.unit)
    except UnitError as error:
        raise refuse(where, f"{error} (R5)") from None
    terms = []
    for k, c in enumerate(p.covariate_effect):
        if c.law not in LAWS:
            raise refuse(f"{where}.covariate_effect[{k}]", f"law {c.law!r} is unknown{hinted(c.law, LAWS)} (R4)")
        if c.covariate not in known:
            said = f"covariate {c.covariate!r} is not declared in this file{hinted(c.covariate, known)} (R4)"
            raise refuse(f"{where}.covariate_effect[{k}]", said)
        terms.append(CovariateTerm(c.law, c.covariate, c.coefficient * (scale if c.adds else 1.0), c.reference, c.adds))
    return TypicalParameter(name, unit, p.value * scale, tuple(terms), _effect(name, p.effect, where))


def _effect(name: str, e: PopulationEffect | None, where: str) -> EffectRecord | None:
    if e is None:
        return None
    if e.kind not in EFFECTS:
        raise refuse(f"{where}.effect", f"kind {e.kind!r} is unknown{hinted(e.kind, EFFECTS)} (R4)")
    stated = e.variance if e.variance is not None else e.sd**2 if e.sd is not None else None
    if stated == 0.0 and not e.shares:
        # a variance stated as 0 says that the parameter does not vary
        return None
    variance = stated or 0.0
    if variance < 0.0 or (variance == 0.0 and not e.shares):
        raise refuse(f"{where}.effect", "variance (or sd) is missing or not positive")
    return EffectRecord(
        e.shares or name, e.kind, variance, e.scale, e.shape, e.occasion_variance, e.occasions, e.drift_per_h
    )


def _check_covariates(file: PopulationFile, where: str) -> None:
    """Derived covariates exist, and what they are derived from is declared."""
    declared = {c.name for c in file.covariate}
    for name in file.derived:
        if name not in DERIVED:
            raise refuse(where, f"derived covariate {name!r} is unknown; known: {', '.join(DERIVED)}")
        missing = [n for n in DERIVED[name][1] if n not in declared]
        if missing:
            raise refuse(where, f"derived covariate {name} needs {', '.join(missing)}; declare them")


def refuse(where: str, message: str) -> Refusal:
    return Refusal(RefusalCode.INVALID, f"{where}: {message}", field=where, reason="BAD_LIBRARY_FILE")
