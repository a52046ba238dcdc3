"""Random effects of a drug: parameter times exp(eta), variance ln(1 + cv^2), so that cv is what people publish."""

from __future__ import annotations

from math import log

from twin_service.model.pbpk.record import DrugRecord
from twin_service.model.structure import Effect
from twin_service.solver import functions as fn
from twin_service.solver.expression import Expression, constant, symbol

_TITLES = {
    "clint": "metabolic capacity",
    "distribution": "tissue binding",
    "permeability": "absorption rate",
    "gastric_emptying": "gastric emptying",
    "renal": "renal clearance",
    "gut": "gut wall metabolism",
}


def effects_of(drug: DrugRecord) -> tuple[Effect, ...]:
    """The drug's effects, one a row of its `[[variability]]`; those without a matching process are left out."""
    return tuple(
        Effect(_name(drug, v.on), log(1.0 + v.cv**2), f"{drug.title}: {_TITLES[v.on]}", occasion=v.occasion)
        for v in drug.variability
        if _applies(drug, v.on)
    )


def factor(drug: DrugRecord, on: str, *, inverse: bool = False) -> Expression:
    """exp(eta), or exp(-eta) where `inverse`; 1 for what does not vary."""
    if not any(v.on == on for v in drug.variability) or not _applies(drug, on):
        return constant(1.0)
    eta = symbol(_name(drug, on))
    return fn.exp(-eta) if inverse else fn.exp(eta)  # type: ignore[no-any-return]


def _name(drug: DrugRecord, on: str) -> str:
    return f"{drug.id}_eta_{on}"


def _applies(drug: DrugRecord, on: str) -> bool:
    organs = {c.organ for c in drug.clearances}
    if on == "clint":
        return bool(organs & {"liver", "gut", "bile", "plasma"})
    if on == "gut":
        return "gut" in organs
    if on == "renal":
        return drug.gfr_fraction > 0 or "kidney" in organs
    return True
