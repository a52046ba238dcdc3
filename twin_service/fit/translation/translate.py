"""`translate(compound)`: every method beside the others, one posterior, and the course in man."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from twin_service.fit.predict.plan import DosePlan
from twin_service.fit.translation.allometry import ScalingMethod, clearance_methods, invariant_time
from twin_service.fit.translation.compound import Compound
from twin_service.fit.translation.course import HumanCourse, HumanDraws, draw, human_course, volume_note
from twin_service.fit.translation.evidence import Evidence, HumanBelief, clearance_belief, load_evidence, volume_belief
from twin_service.fit.translation.in_vitro import blood_plasma, in_vitro_methods, liver_clint, renal, well_stirred
from twin_service.fit.translation.volume import volume_methods
from twin_service.model.pbpk.library import Library, load_library
from twin_service.model.pbpk.physiology import create_body

TENFOLD: Final = 10.0
APART: Final = 0.05


@dataclass(frozen=True)
class Translation:
    """What man will do with the compound: beliefs, what each method says, draws and the course."""

    compound: Compound
    clearance: HumanBelief
    vss: HumanBelief
    methods: Mapping[str, tuple[ScalingMethod, ...]]
    draws: HumanDraws
    course: HumanCourse | None
    plan: DosePlan | None
    disagreements: tuple[str, ...]
    warnings: tuple[str, ...]
    evidence_digest: str
    stretched: Mapping[str, tuple[list[float], list[float]]]

    def figures(self) -> dict[str, float]:
        """Median and 80 % interval of each quantity by dotted name."""
        found = {}
        for name, values in self.quantities().items():
            finite = values[np.isfinite(values)]
            for end, p in (("", 0.5), ("_q10", 0.1), ("_q90", 0.9)):
                found[f"translate.{name}{end}"] = float(np.quantile(finite, p)) if len(finite) else float("nan")
        for name, belief in (("clearance_ml_min_kg", self.clearance), ("vss_l_kg", self.vss)):
            for end, p in (("", 0.5), ("_q10", 0.1), ("_q90", 0.9)):
                found[f"translate.{name}{end}"] = belief.quantile(p)
        return found

    def quantities(self) -> dict[str, np.ndarray]:
        """Every draw of what is reported."""
        found = {
            "clearance_ml_min_kg": self.draws.clearance,
            "vss_l_kg": self.draws.vss,
            "thalf_h": self.draws.half_life_h,
        }
        if self.course is not None:
            found["auc_mg_h_l"] = np.array([e.total_area for e in self.course.exposures])
            found["cmax_mg_l"] = np.array([e.cmax_mg_l for e in self.course.exposures])
            if self.course.available is not None:
                found["f"] = self.course.available
        return found


def translate(
    compound: Compound,
    plan: DosePlan | None = None,
    *,
    library: Library | None = None,
    evidence: Evidence | None = None,
    seed: int = 1,
) -> Translation:
    """Man from everything measured before; with a plan, the course after its doses."""
    library, evidence = library or load_library(), evidence or load_evidence()
    brains = {s: create_body(found, {}).volume["brain"] for s, found in library.species.items()}
    stirred = well_stirred_of(compound)
    clearance = clearance_belief(compound, evidence, stirred)
    vss = volume_belief(compound, evidence)
    methods = {
        "clearance": (*clearance_methods(compound, brains), *in_vitro_methods(compound, evidence.bias_log10)),
        "vss": tuple(volume_methods(compound, library)),
    }
    pairs = draw(clearance, vss, evidence.correlation, seed=seed)
    course = human_course(compound, pairs, plan, library) if plan is not None else None
    return Translation(
        compound,
        clearance,
        vss,
        methods,
        pairs,
        course,
        plan,
        disagreements(methods, clearance, vss),
        (
            *compound.warnings,
            *contradictions(compound),
            *_silent(compound, clearance, vss),
            *volume_note(list(methods["vss"]), vss),
            *(course.warnings if course is not None else ()),
        ),
        evidence.digest,
        {a.species: invariant_time(a) for a in compound.animals if a.course is not None},
    )


def well_stirred_of(compound: Compound) -> float | None:
    """The well-stirred model's plasma clearance (mL/min/kg): hepatocytes where there are any, else microsomes."""
    for system in ("hepatocytes", "microsomes"):
        clints = [liver_clint(v, compound) for v in compound.in_vitro if v.system == system and v.clint > 0]
        if clints:
            mean = float(np.exp(np.mean(np.log(clints))))
            return well_stirred(mean, compound.fup, blood_plasma(compound)) + renal(compound)
    return None


def contradictions(compound: Compound) -> tuple[str, ...]:
    """Animals that, put on one scale, differ tenfold: named, since no weighing makes both right."""
    found = []
    for what, values in (
        (
            "clearance",
            {
                f"{a.species} [{i}]": a.clearance_ml_min_kg * a.weight_kg**0.25
                for i, a in enumerate(compound.animals)
                if a.clearance_ml_min_kg
            },
        ),
        ("Vss", {f"{a.species} [{i}]": a.vss_l_kg for i, a in enumerate(compound.animals) if a.vss_l_kg}),
    ):
        if len(values) < 2:
            continue
        low, high = min(values, key=values.__getitem__), max(values, key=values.__getitem__)
        ratio = values[high] / values[low]
        if ratio >= TENFOLD:
            found.append(
                f"{what} of {high} and {low} differ {ratio:.0f}-fold on one scale: a species difference in metabolism "
                "or binding, or a wrong unit; the interval is wider for it, and neither is right by itself"
            )
    return tuple(found)


def disagreements(
    methods: Mapping[str, Sequence[ScalingMethod]], clearance: HumanBelief, vss: HumanBelief
) -> tuple[str, ...]:
    """Methods outside the 90 % interval, and what is usually the reason."""
    found = []
    for what, belief in (("clearance", clearance), ("vss", vss)):
        low, high = belief.quantile(APART), belief.quantile(1.0 - APART)
        for m in methods[what]:
            if not low <= m.value <= high:
                side = "above" if m.value > high else "below"
                found.append(f"{what}, {m.name}: {m.value:.3g}, {side} {low:.3g} to {high:.3g}; {_why(m, what)}")
    return tuple(found)


def _why(method: ScalingMethod, what: str) -> str:
    """The usual reason of a method's miss."""
    name = method.name
    if name.startswith(("microsomes", "hepatocytes")):
        return (
            "in vitro values miss transport, enzymes outside the liver and renal secretion, and lie threefold low for "
            "strongly bound drugs"
        )
    if name.startswith("composition"):
        return "tissue composition knows no transporters, lysosomes or target binding, and needs right logP and pKa"
    if "unbound" in name:
        return "the ratio of unbound fractions carries their errors, large where little is unbound"
    if "allometry" in name or "exponent" in name:
        return "the species' exponents scatter widely; with two or three species the slope is hardly known"
    if what == "clearance":
        return "this species may have an enzyme, transporter or binding that man has not"
    return "binding to this species' tissues or plasma differs"


def _silent(compound: Compound, clearance: HumanBelief, vss: HumanBelief) -> tuple[str, ...]:
    """What entered no posterior."""
    found = []
    if not clearance.weights:
        found.append("no rat, dog or monkey clearance and no in vitro value: the posterior is that of any drug")
    if not vss.weights:
        found.append("no rat, dog or monkey volume: the posterior is that of any drug")
    others = sorted({a.species for a in compound.animals} - {"rat", "dog", "monkey"})
    if others:
        found.append(f"{', '.join(others)}: too few compounds measured in man too; shown among the methods only")
    return tuple(found)
