"""The course in man: clearance and volume drawn from their posteriors, each pair put into the whole PBPK body.

Draws are quasi-random (Sobol) through a Gaussian copula with the correlation that the two left-out errors had.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from scipy.stats import norm, qmc, t

from twin_service.fit.predict.figures import Exposure, exposures, figure_nodes
from twin_service.fit.predict.plan import DosePlan, Floats, grid_of, schedule_of
from twin_service.fit.translation.allometry import ScalingMethod
from twin_service.fit.translation.compound import HUMAN_KG, Compound
from twin_service.fit.translation.evidence import HumanBelief
from twin_service.model.compose import compose
from twin_service.model.pbpk.body import build_body
from twin_service.model.pbpk.clearance import InVivo
from twin_service.model.pbpk.elimination import hepatic_flow
from twin_service.model.pbpk.individual import reference_body
from twin_service.model.pbpk.library import Library
from twin_service.model.pbpk.record import DrugRecord
from twin_service.model.pbpk.settle import settle
from twin_service.model.structure import PatientModel
from twin_service.outcome import Refusal, RefusalCode
from twin_service.solver.simulate import simulate

DRAWS = 64
MOST_LIVER = 0.9
LIVER_FLOW_ML_MIN_KG = 20.7


class HumanDraws(NamedTuple):
    """Pairs from the posterior: mL/min/kg, L/kg (n,) each."""

    clearance: Floats
    vss: Floats

    @property
    def half_life_h(self) -> Floats:
        """ln 2 Vss/CL."""
        found: Floats = np.log(2.0) * self.vss / (self.clearance * 0.06)
        return found


class HumanCourse(NamedTuple):
    """Plasma level (mg/L) of every draw (n, nt), its exposures, and bioavailability where the dose was oral."""

    time_h: Floats
    levels: Floats
    exposures: list[Exposure]
    available: Floats | None
    warnings: tuple[str, ...]


def draw(
    clearance: HumanBelief, vss: HumanBelief, correlation: float, *, count: int = DRAWS, seed: int = 1
) -> HumanDraws:
    """`count` pairs from the two posteriors (n a power of 2)."""
    u = qmc.Sobol(2, seed=seed).random(count)
    z = norm.ppf(u)
    z[:, 1] = correlation * z[:, 0] + np.sqrt(1.0 - correlation**2) * z[:, 1]
    return HumanDraws(*(_values(b, norm.cdf(x)) for b, x in zip((clearance, vss), z.T, strict=True)))


def _values(belief: HumanBelief, p: Floats) -> Floats:
    s = belief.student
    found: Floats = 10.0 ** (s.location + s.scale * t.ppf(p, s.degrees))
    return found


def human_course(compound: Compound, draws: HumanDraws, plan: DosePlan, library: Library) -> HumanCourse:
    """Every draw simulated in the reference man."""
    records = [_record(compound, float(c), float(v), library) for c, v in zip(draws.clearance, draws.vss, strict=True)]
    model, rows = _rows(records, library)
    longest = float(np.quantile(draws.half_life_h, 0.9))
    horizon = plan.horizon_h or plan.last_h + min(max(8.0 * longest, 48.0), 24.0 * 365.0)
    into_blood = replace(plan, route="iv", duration_h=0.5)
    shown = grid_of(plan, horizon, None)
    at = [figure_nodes(p, float(shown[-1])).times_h for p in (plan, into_blood)]
    grid = np.unique(np.concatenate([shown, *at]))
    levels = _levels(model, rows, plan, grid)
    found = exposures(grid, levels, plan)
    available = None
    if plan.route.startswith("oral"):
        areas = exposures(grid, _levels(model, rows, into_blood, grid), into_blood)
        available = np.array([a.total_area / b.total_area for a, b in zip(found, areas, strict=True)])
    return HumanCourse(grid, levels, found, available, _beyond_liver(compound, draws))


def _record(compound: Compound, clearance: float, vss: float, library: Library) -> DrugRecord:
    """The compound with this clearance; what the liver's flow cannot carry leaves from plasma, by other organs."""
    drug, human = compound.chemistry, library.species["human"]
    way = drug.clearances[0]
    law = way.law
    assert isinstance(law, InVivo)
    carried = MOST_LIVER * hepatic_flow(reference_body(human)) * (drug.bp or 1.0)
    whole = clearance * HUMAN_KG * 0.06
    # Both ways stand in every draw, so that all share one structure.
    hepatic = replace(way, law=replace(law, clearance=replace(law.clearance, value=min(whole, carried))))
    rest = replace(law.clearance, value=max(whole - carried, 0.0))
    other = replace(
        way, organ="plasma", name="other organs", enzyme="", law=replace(law, clearance=rest, per_weight=False)
    )
    ways = [hepatic, other]
    return settle(replace(drug, vss_l_kg=vss, kp={}, clearances=tuple(ways)), human)


def _rows(records: list[DrugRecord], library: Library) -> tuple[PatientModel, Floats]:
    """One closed model, of which the records differ in numbers only, and its parameters for each (n, np)."""
    model = compose("translate", {"body": build_body([records[0]], library, routes=("iv", "oral"))})
    rows = np.repeat(model.values({})[None, :], len(records), axis=0)
    index = model.system.parameter_index
    for row, record in zip(rows, records, strict=True):
        block = build_body([record], library, routes=("iv", "oral"))
        assert block.individualize is not None
        for name, value in block.individualize({}).items():
            if (full := f"body__{name}") in index:
                row[index[full]] = value
    return model, rows


def _levels(model: PatientModel, rows: Floats, plan: DosePlan, grid: Floats) -> Floats:
    drug = model.routes[0].drug
    solution = simulate(model.system, rows, schedule_of(model, [(drug, plan)]), grid)
    if not solution.ok:
        failed = next(o for o in solution.outcomes if not o.ok)
        raise Refusal(RefusalCode.PRECONDITION, f"the human course did not solve: {failed}", reason="DID_NOT_SOLVE")
    found: Floats = np.maximum(solution.outputs[:, :, model.system.output_index[f"body.{drug}_level"]], 0.0)
    return found


def _beyond_liver(compound: Compound, draws: HumanDraws) -> tuple[str, ...]:
    share = float(np.mean(draws.clearance > LIVER_FLOW_ML_MIN_KG * (compound.chemistry.bp or 1.0)))
    if share < 0.01:
        return ()
    return (f"{share:.0%} of the draws clear more than the liver's blood flow: the excess leaves by other organs",)


def volume_note(methods: list[ScalingMethod], belief: HumanBelief) -> tuple[str, ...]:
    """A doubt where tissue composition lies outside the posterior's 95 % interval."""
    low, high = belief.quantile(0.025), belief.quantile(0.975)
    out = [m.name.removeprefix("composition, ") for m in methods if m.name.startswith("composition")]
    outside = [
        m.name.removeprefix("composition, ")
        for m in methods
        if m.name.startswith("composition") and not low <= m.value <= high
    ]
    if len(outside) * 2 <= len(out):
        return ()
    return (
        f"tissue composition ({', '.join(outside)}) lies outside the posterior volume: check logP, pKa and fup, or "
        "binding to something the methods do not know (melanin, lysosomes, a target)",
    )
