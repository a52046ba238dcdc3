"""A QSP file as read: checked against its law, every number converted to the law's bench unit.

One file, one model: `library/qsp/<id>.toml`. It names a law by id and holds no expressions. Every number is a record
of value, unit and origin (check R7); parameters may add bounds, a transform and a between-patient variance.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import twin_service.model.qsp.laws  # noqa: F401  registers every law
from twin_service.library.files import FOLDER, files_in, parse_toml
from twin_service.model.library.findings import gathered, hinted
from twin_service.model.library.reader import read_as
from twin_service.model.library.schema import FileKind, in_schema_2
from twin_service.model.library.tables import EffectParameter, EffectTable, EffectTerm, Number
from twin_service.model.qsp.law import LAWS, BlockLaw
from twin_service.outcome import Refusal, RefusalCode
from twin_service.units import UnitError, conversion

LIBRARY: Final = FOLDER / "qsp"
# law -> how many coefficients it takes
COVARIATE_LAWS: Final[Mapping[str, int]] = {"power": 1, "linear": 1, "fraction": 1, "broken_line": 2}


@dataclass(frozen=True)
class LawParameter:
    """A typical value in the law's unit, its bounds, and how it differs between patients.

    transform   "log": value exp(eta); "logit": between the bounds; "none": value + eta; "fixed": no effect
    variance    of eta, in that free scale
    """

    name: str
    unit: str
    value: float
    low: float
    high: float
    transform: str = "fixed"
    variance: float = 0.0
    drift_per_h: float = 0.0


@dataclass(frozen=True)
class CovariateEffect:
    """A named covariate law on one parameter: coefficients k (1 or 2) and the reference x0.

    power (x/x0)^k | linear 1 + k(x - x0) | fraction 1 + k x | broken_line 1 + k1(x - x0) below, 1 + k2(x - x0) above
    """

    parameter: str
    covariate: str
    law: str
    coefficients: tuple[float, ...]
    reference: float


@dataclass(frozen=True)
class Port:
    """An input of the block: its unit, the drug output the published numbers belong to, why, and its level unwired."""

    name: str
    unit: str
    wire: str = ""
    drug: str = ""
    note: str = ""
    default: float = 0.0


@dataclass(frozen=True)
class QspRecord:
    """One QSP file; `file` is its tables as typed, which the builder turns into contract nouns one to one."""

    id: str
    version: str
    title: str
    area: str
    law: BlockLaw
    parameters: tuple[LawParameter, ...]
    ports: tuple[Port, ...]
    covariate_effects: tuple[CovariateEffect, ...]
    file: EffectTable
    where: str


def block_files(library_dir: Path | None = None) -> dict[str, Path]:
    """Block id -> file, in alphabetical order; check files are left out."""
    return files_in(library_dir or LIBRARY)


def read_block_file(block_id: str, library_dir: Path | None = None) -> QspRecord:
    """The record of block `block_id`. Raises Refusal naming the file, the element and the rule broken."""
    files = block_files(library_dir)
    if block_id not in files:
        raise Refusal(
            RefusalCode.NOT_FOUND,
            f"QSP block {block_id!r} is unknown; known: {', '.join(files)}",
            field="effects",
            reason="UNKNOWN_BLOCK",
        )
    return parse_block(parse_toml(files[block_id]), f"qsp/{block_id}.toml")


def parse_block(table: Mapping[str, Any], where: str) -> QspRecord:
    """A checked record from the parsed TOML `table`."""
    table, _ = in_schema_2(table, FileKind.EFFECT, where)
    file = read_as(EffectTable, table, where)
    law = LAWS.get(file.law)
    if law is None:
        raise _refuse(where, f"law {file.law!r} is unknown (R4){hinted(file.law, LAWS)}")
    molar_mass = quantity(file.molar_mass, "g/mol", f"{where} molar_mass") if file.molar_mass else None
    said = file.parameters.items()
    steps: list[Callable[[], LawParameter | None]] = [
        partial(_parameter, k, v, law, f"{where} parameters.{k}", molar_mass) for k, v in said
    ]
    steps.append(partial(_all_there, file, law, where))
    records = {q.name: q for q in gathered(steps) if q is not None}
    effects = tuple(
        gathered(
            partial(_covariate_effect, e, file, f"{where} covariate_effect[{i}]")
            for i, e in enumerate(file.covariate_effect)
        )
    )
    return QspRecord(
        file.id,
        file.version,
        file.title,
        file.area,
        law,
        tuple(records[k] for k in law.parameters),
        _ports(file, law, where),
        effects,
        file,
        where,
    )


def _all_there(file: EffectTable, law: BlockLaw, where: str) -> None:
    absent = [k for k in law.parameters if k not in file.parameters]
    if absent:
        raise _refuse(where, f"law {law.id} needs the parameters {', '.join(absent)}; add them with unit and origin")


def quantity(record: Number, unit: str, where: str, molar_mass: float | None = None) -> float:
    """The value of a `{value, unit, origin}` record in `unit`."""
    try:
        return record.value * conversion(record.unit, unit, molar_mass)
    except UnitError as e:
        raise _refuse(where, f"{e} (R5)") from e


def _parameter(name: str, record: EffectParameter, law: BlockLaw, where: str, molar_mass: float | None) -> LawParameter:
    if name not in law.parameters:
        raise _refuse(where, f"law {law.id} has no parameter {name!r} (R4){hinted(name, law.parameters)}")
    unit = law.parameters[name]
    value = quantity(record, unit, where, molar_mass)
    scale = conversion(record.unit, unit, molar_mass)
    low, high = (b * scale for b in record.bounds or (-float("inf"), float("inf")))
    variance, transform = record.variance, record.transform
    if not low <= value <= high:
        raise _refuse(where, f"value {value:g} {unit} is outside its bounds {low:g} to {high:g}")
    if (variance > 0) == (transform == "fixed"):
        raise _refuse(where, "a variance needs a transform (log, logit or none), and a transform a variance")
    if transform == "none":
        variance *= scale * scale
    return LawParameter(name, unit, value, low, high, transform, variance, record.drift_per_h)


def _covariate_effect(record: EffectTerm, file: EffectTable, where: str) -> CovariateEffect:
    declared = {c.name for c in file.covariate}
    for key, said, known in (
        ("parameter", record.parameter, set(file.parameters)),
        ("covariate", record.covariate, declared),
    ):
        if said not in known:
            raise _refuse(where, f"{key} {said!r} is not declared in this file{hinted(said, known)} (R4)")
    coefficients = tuple(record.coefficients)
    if len(coefficients) != COVARIATE_LAWS[record.law]:
        raise _refuse(where, f"law {record.law} does not take {len(coefficients)} coefficients")
    return CovariateEffect(record.parameter, record.covariate, record.law, coefficients, record.reference)


def _ports(file: EffectTable, law: BlockLaw, where: str) -> tuple[Port, ...]:
    declared = {p.name: p for p in file.port}
    if set(declared) != set(law.ports):
        raise _refuse(where, f"ports {sorted(declared)} are declared, law {law.id} has {sorted(law.ports)} (R4)")
    for name, unit in law.ports.items():
        if declared[name].unit != unit:
            raise _refuse(f"{where} port {name}", f"unit {declared[name].unit!r}, law {law.id} wants {unit} (R5)")
    return tuple(
        Port(n, u, declared[n].wire, declared[n].drug, declared[n].note, declared[n].default)
        for n, u in law.ports.items()
    )


def _refuse(where: str, message: str) -> Refusal:
    return Refusal(RefusalCode.INVALID, f"{where}: {message}", field=where, reason="BAD_LIBRARY_FILE")
