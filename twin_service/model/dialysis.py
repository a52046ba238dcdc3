"""Blood cleaned outside the body: what a session clears of a drug, and a block that loses drug to it.

Hemodialysis   a dialyzer's clearance saturates in blood flow:   K = Qp (1 - exp(-A/Qp)),  A from the study's K and Qp
Hemofiltration K = S Qf, S sieving coefficient, Qf effluent (post-dilution)
A session's own clearance goes before both.  Qp = Qb (1 - hematocrit) is the plasma flow, in which K is stated.
Renkin 1956, Trans Am Soc Artif Intern Organs 2:102 (dialyzer); Golper 1991, Am J Kidney Dis 17:1 (sieving).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Final

from pydantic import Field

from twin_service.library.files import FOLDER, parse_toml
from twin_service.model.library.reader import read_as
from twin_service.model.library.schema import FileKind, in_schema_2
from twin_service.model.library.tables import Head, LibraryTable, Number, Text
from twin_service.model.structure import Block, Covariate, PatientModel
from twin_service.outcome import Refusal, RefusalCode
from twin_service.record.events import DialysisDone
from twin_service.solver.expression import expression, symbol
from twin_service.units import conversion

HEMATOCRIT: Final = 0.33
MOST_L_H: Final = 60.0


class _Hemodialysis(LibraryTable):
    drug: Text
    clearance: Number
    blood_flow: Number


class _Hemofiltration(LibraryTable):
    drug: Text
    sieving: Number


class DialysisTable(Head):
    """`library/dialysis.toml`."""

    hemodialysis: list[_Hemodialysis] = Field(min_length=1)
    hemofiltration: list[_Hemofiltration] = []


@dataclass(frozen=True)
class Hemodialysis:
    """Intermittent or prolonged; `blood_flow_ml_min` 0: that of the study. `clearance_ml_min` > 0 is the session's."""

    blood_flow_ml_min: float = 0.0
    clearance_ml_min: float = 0.0
    hematocrit: float = HEMATOCRIT


@dataclass(frozen=True)
class Hemofiltration:
    """Continuous, post-dilution; `effluent_l_h` of ultrafiltrate (with dialysate: of both)."""

    effluent_l_h: float
    clearance_ml_min: float = 0.0


@dataclass(frozen=True)
class Peritoneal:
    """Exchanges through the peritoneum: the clearance must be stated."""

    clearance_ml_min: float


Session = Hemodialysis | Hemofiltration | Peritoneal


@dataclass(frozen=True)
class SessionClearance:
    """Plasma clearance L/h, its spread between patients (a fraction) and where it comes from."""

    clearance_l_h: float
    cv: float
    origin: str


@lru_cache(maxsize=2)
def load_dialysis(path: Path = FOLDER / "dialysis.toml") -> DialysisTable:
    """The library's table of sessions."""
    table, _ = in_schema_2(parse_toml(path), FileKind.SHARED, path.name)
    return read_as(DialysisTable, table, path.name)


def session_of(done: DialysisDone, drug: str) -> Session:
    """The recorded session as it bears on `drug`: a clearance stated for another drug says nothing of this one."""
    stated = done.clearance_ml_min if done.drug in ("", drug) else 0.0
    match done.modality:
        case "hemodialysis":
            return Hemodialysis(done.blood_flow_ml_min, stated)
        case "hemofiltration":
            return Hemofiltration(done.effluent_l_h, stated)
        case "peritoneal":
            return Peritoneal(stated)


def dialyzable(model: PatientModel) -> tuple[str, ...]:
    """Drugs that sessions take out of `model`."""
    known = {c.name for c in model.covariates}
    return tuple(dict.fromkeys(r.drug for r in model.routes if dialysis_covariate(r.drug) in known))


def cleared_by(model: PatientModel, done: DialysisDone) -> dict[str, SessionClearance]:
    """Drug -> what the session clears of it. Raises Refusal where that is not known."""
    return {d: session_clearance(d, session_of(done, d)) for d in dialyzable(model)}


def session_clearance(drug: str, session: Session, table: DialysisTable | None = None) -> SessionClearance:
    """What `session` clears of `drug`. Raises Refusal where neither the library nor the session says."""
    if session.clearance_ml_min > 0.0:
        return SessionClearance(session.clearance_ml_min * conversion("mL/min", "L/h"), 0.0, "stated with the session")
    known = table or load_dialysis()
    match session:
        case Hemodialysis():
            for row in known.hemodialysis:
                if row.drug == drug:
                    return _of_dialyzer(row, session)
        case Hemofiltration():
            for sieve in known.hemofiltration:
                if sieve.drug == drug and session.effluent_l_h > 0.0:
                    return SessionClearance(
                        sieve.sieving.value * session.effluent_l_h, sieve.sieving.cv, sieve.sieving.origin
                    )
        case Peritoneal():
            pass
    raise Refusal(
        RefusalCode.INVALID,
        f"what {type(session).__name__.lower()} clears of {drug} is not in library/dialysis.toml; "
        "state the session's clearance (mL/min of plasma)",
        field="clearance_ml_min",
        reason="NO_DIALYSIS_CLEARANCE",
    )


def _of_dialyzer(row: _Hemodialysis, session: Hemodialysis) -> SessionClearance:
    """The study's clearance, carried to another plasma flow by Renkin's law."""
    study = conversion(row.clearance.unit, "mL/min") * row.clearance.value
    flow = conversion(row.blood_flow.unit, "mL/min") * row.blood_flow.value * (1.0 - HEMATOCRIT)
    wanted = session.blood_flow_ml_min * (1.0 - session.hematocrit) if session.blood_flow_ml_min > 0.0 else flow
    area = -flow * math.log(1.0 - min(study / flow, 0.99))
    cleared = wanted * (1.0 - math.exp(-area / wanted))
    return SessionClearance(cleared * conversion("mL/min", "L/h"), row.clearance.cv, row.clearance.origin)


def dialysis_covariate(drug: str) -> str:
    """The covariate that holds what is being cleared of `drug` (L/h of plasma): 0 between sessions."""
    return f"{drug}_dialysis_clearance_l_h"


def with_dialysis(block: Block, drug: str) -> Block:
    """`block` with the drug also leaving its blood at `dialysis_covariate(drug)` times the plasma level.

    A population model loses it from its central compartment, a body from the venous blood that feeds the circuit:
        dA/dt = ... - K C            A amount, C plasma concentration at that place
    Without sessions (K = 0) nothing changes. Raises Refusal for a block that has no such drug.
    """
    place = _blood_of(block, drug)
    if place is not None:
        state, level = place
        name = dialysis_covariate(drug)
        lost = symbol(name) * next(o.expression for o in block.outputs if o.name == level)
        states = tuple(replace(s, rate=expression(s.rate - lost)) if s.name == state else s for s in block.states)
        return replace(block, states=states, covariates=(*block.covariates, Covariate(name, "L/h", 0.0, 0.0, MOST_L_H)))
    raise Refusal(
        RefusalCode.INVALID,
        f"{block.id} has no blood that holds {drug}; dialysis is for a population model or a body of the drug",
        field="drug",
        reason="NO_DIALYSIS_HERE",
    )


def can_be_dialyzed(block: Block, drug: str) -> bool:
    """Whether `block` has blood that holds `drug`."""
    return _blood_of(block, drug) is not None


def _blood_of(block: Block, drug: str) -> tuple[str, str] | None:
    """The state from which a circuit draws, and the output that is its plasma level."""
    states, outputs = {s.name for s in block.states}, {o.name for o in block.outputs}
    for state, level in ((f"{drug}_venous", f"{drug}_venous_plasma"), ("central", "central")):
        if state in states and level in outputs:
            return state, level
    return None
