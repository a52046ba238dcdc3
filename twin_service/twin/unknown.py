"""Which characteristics a model needs, nobody recorded, and an answer would rest on without saying so.

A whole-body model can do without weight, age, sex or renal function: it then takes a usual person. Whether that matters
is asked of the model itself: one dose to the person as assumed and to adults at both ends of what adults are. Where the
exposure differs by more than the bioequivalence margin of 1.25, advice would be advice for somebody else.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from twin_service.model.structure import DoseRoute, PatientModel
from twin_service.outcome import Refusal, RefusalCode
from twin_service.scenario.exposure import area
from twin_service.solver.schedule import Dose, Schedule
from twin_service.solver.simulate import simulate
from twin_service.twin.fold import Folded

FloatArray = NDArray[np.float64]
MATTERS: Final = 1.25
WITHIN_H: Final = 48.0


class Characteristic(NamedTuple):
    """`words` of a characteristic, the covariates any of which would tell it, and the first one at both ends of
    adults."""

    words: str
    covariates: tuple[str, ...]
    low: float
    high: float


ASKED: Final = (
    Characteristic("weight", ("weight_kg",), 50.0, 110.0),
    Characteristic("age", ("age_y", "postnatal_age_d", "postmenstrual_age_w"), 20.0, 80.0),
    Characteristic("sex", ("sex_female",), 0.0, 1.0),
    Characteristic(
        "renal function",
        ("egfr_ml_min", "creatinine_umol_l", "creatinine_clearance_ml_min", "creatinine_mg_dl"),
        30.0,
        120.0,
    ),
)


class Unknown(NamedTuple):
    """A characteristic nobody recorded, and how many-fold exposure differs over what adults are."""

    characteristic: Characteristic
    fold: float

    def __str__(self) -> str:
        c = self.characteristic
        return f"{c.words} ({c.covariates[0]}: exposure differs {self.fold:.2g}-fold from {c.low:g} to {c.high:g})"


def not_recorded(folded: Folded) -> tuple[Characteristic, ...]:
    """Characteristics that the model could use and nobody recorded."""
    known = {*folded.course.covariates[-1], *folded.person.covariates}
    usable = {c.name for c in folded.model.covariates}
    return tuple(c for c in ASKED if c.covariates[0] in usable and not known & set(c.covariates))


def unknown_that_matter(folded: Folded, drug: str, route: str) -> tuple[Unknown, ...]:
    """Those of `not_recorded` on which the exposure to `drug` depends."""
    way = next((r for r in folded.model.routes if (r.drug, r.route) == (drug, route)), None)
    output = next((o.output for a, o in folded.model.observables.items() if a == drug), None)
    if way is None or output is None:
        return ()
    known = dict(folded.course.covariates[-1])
    found = [Unknown(c, _fold(folded.model, way, output, known, c)) for c in not_recorded(folded)]
    return tuple(u for u in found if u.fold > MATTERS)


def refuse_for_nobody(folded: Folded, drug: str, route: str) -> None:
    """Raises Refusal where advice on `drug` would rest on a characteristic that nobody recorded."""
    unknown = unknown_that_matter(folded, drug, route)
    if unknown:
        raise Refusal(
            RefusalCode.PRECONDITION,
            f"advice on {drug} would be for nobody in particular: not recorded are {', '.join(map(str, unknown))}; "
            "record them as covariates (a what-if may be asked without: it says what it assumes)",
            field=f"covariates.{unknown[0].characteristic.covariates[0]}",
            reason="CHARACTERISTIC_UNKNOWN",
        )


def _fold(model: PatientModel, way: DoseRoute, output: str, known: Mapping[str, float], c: Characteristic) -> float:
    name = c.covariates[0]
    rows = np.stack([model.values(known), *(model.values({**known, name: v}) for v in (c.low, c.high))])
    hours = np.linspace(0.0, WITHIN_H, 97)
    run = simulate(model.system, rows, Schedule((Dose(0.0, way.input, way.units_per_mg, 0.5),)), hours)
    exposure = area(hours, run.outputs[:, :, model.system.output_index[output]])
    if not (np.all(np.isfinite(exposure)) and np.all(exposure > 0)):
        return float("inf")
    return float(exposure.max() / exposure.min())
