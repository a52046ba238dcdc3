"""The first dose in man: all routes side by side, the lowest named, the ladder above it, and where it must end.

Each route proposes a starting dose; the starting dose is the lowest of them, and the answer says which route it was.
No group mean may pass the exposure at the safe dose of the most sensitive animal that is relevant (EMA 2017,
EMEA/CHMP/SWP/28367/07 Rev. 1), and each dose carries the probability of passing each cap.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from twin_service.trial.adjust.ancova import refuse
from twin_service.trial.phase1.conversion import (
    DoseFinding,
    Scaling,
    human_equivalent_dose,
    safety_factor,
    species_named,
)
from twin_service.trial.phase1.first_dose_plan import FirstDosePlan, TargetPart
from twin_service.trial.phase1.human_course import (
    AnimalPk,
    HumanPk,
    KineticDraws,
    draw,
    exposure,
    from_animals,
    time_of_peak,
)
from twin_service.trial.phase1.occupancy import SampledTarget, concentration_for, occupancy, occupancy_course

FloatArray = NDArray[np.float64]
DRAWS, HORIZON_HALF_LIVES, FLOOR_MG = 4000, 5.0, 1e-6


@dataclass(frozen=True)
class StartingDoseRoute:
    """One way to a starting dose: dose in mg, and mg/kg; how it came about; what it assumed."""

    name: str
    dose_mg: float
    dose_mg_per_kg: float
    how: str
    reasons: tuple[str, ...] = ()


class Cap(NamedTuple):
    """A limit: of the exposure ("cmax" umol/L, "auc" umol h/L) or of the share of target bound ("occupancy")."""

    name: str
    kind: str
    value: float


@dataclass(frozen=True)
class Rung:
    """One dose of the ladder: median and 90 % interval of C_max (umol/L), AUC (umol h/L), highest share of target
    bound; probability of passing each cap, in the order of `FirstDose.caps`; margins to the animals (AUC, else
    C_max, at the cap over here)."""

    dose_mg: float
    cmax: tuple[float, float, float]
    auc: tuple[float, float, float]
    bound: tuple[float, float, float] | None
    exceeds: tuple[float, ...]
    margin: float | None


@dataclass(frozen=True)
class FirstDose:
    """The answer of a plan."""

    plan: FirstDosePlan
    pk: HumanPk
    target: SampledTarget | None
    routes: tuple[StartingDoseRoute, ...]
    limiting: StartingDoseRoute
    start_mg: float
    maximum_mg: float
    maximum_reason: str
    effective_mg: float | None
    caps: tuple[Cap, ...]
    ladder: tuple[Rung, ...]
    sentinel: str
    stagger_h: float
    stopping: tuple[str, ...]
    notes: tuple[str, ...]


def first_dose(plan: FirstDosePlan, rng: np.random.Generator) -> FirstDose:
    """Raises Refusal for a species that is unknown, a reason outside the rule, or routes that leave no dose."""
    pk, target = _kinetics(plan), _target(plan.target)
    routes = (*_from_toxicology(plan), *_from_exposure(plan, pk), *_from_pharmacology(plan, pk, target))
    if not routes:
        raise refuse("toxicology", "no study is marked relevant and no pharmacology is given: nothing proposes a dose")
    limiting = min(routes, key=lambda r: r.dose_mg)
    start = _rounded(limiting.dose_mg, plan.escalation.round_to)
    if start < FLOOR_MG:
        raise refuse("escalation.round_to", f"the starting dose {limiting.dose_mg:.3g} mg rounds down to nothing")
    effective = _effective_dose(plan, pk, target)
    caps = _caps(plan)
    maximum, why = _maximum(plan, pk, caps)
    if maximum < start:
        raise refuse(
            "escalation",
            f"the highest dose allowed, {maximum:.3g} mg ({why}), is below the starting dose "
            f"{start:.3g} mg; look at the exposures of the toxicology",
        )
    doses = _steps(plan, start, maximum, effective)
    draws = draw(pk, DRAWS, rng)
    binding = _binding_draws(plan.target, rng)
    ladder = tuple(_rung(plan, pk, d, (draws, binding, caps)) for d in doses)
    delay = _stagger(plan, pk, draws)
    return FirstDose(
        plan,
        pk,
        target,
        routes,
        limiting,
        start,
        maximum,
        why,
        effective,
        caps,
        ladder,
        "one person alone first in each group, the others after the stagger",
        delay,
        _stopping(caps),
        _notes(plan, pk),
    )


def to_umol(plan: FirstDosePlan, dose_mg: float) -> float:
    """Amount of substance of a dose."""
    return dose_mg / plan.drug.molar_mass * 1000


def _kinetics(plan: FirstDosePlan) -> HumanPk:
    k = plan.kinetics
    ka = (k.absorption or 0.0) if plan.drug.route == "oral" else 0.0
    like = HumanPk(
        k.clearance or 1.0, k.volume or 1.0, ka, k.bioavailability, plan.drug.fu, k.clearance_cv, k.volume_cv
    )
    if k.clearance is not None and k.volume is not None:
        return like
    animals = tuple(AnimalPk(a.species, a.weight, a.clearance, a.volume) for a in plan.animal_kinetics)
    return from_animals(animals, plan.person.weight, like)


def _target(part: TargetPart | None) -> SampledTarget | None:
    if part is None:
        return None
    return SampledTarget.create(part.kd, part.concentration or 0.0, part.half_life, part.complex_half_life)


def _scaling(plan: FirstDosePlan) -> Scaling:
    return plan.scaling.by or (Scaling.WEIGHT if plan.drug.protein else Scaling.SURFACE_AREA)


def _hed(plan: FirstDosePlan, dose: float, species: str, path: str) -> float:
    return human_equivalent_dose(
        dose,
        species_named(species, path=path),
        _scaling(plan),
        human_weight_kg=plan.person.weight,
        exponent=plan.scaling.exponent,
    )


def _from_toxicology(plan: FirstDosePlan) -> tuple[StartingDoseRoute, ...]:
    found = []
    for k, study in enumerate(plan.toxicology):
        if not study.relevant:
            continue
        hed = _hed(plan, study.dose, study.species, f"toxicology[{k}].species")
        factor = safety_factor(study.finding, species_named(study.species), plan.safety.reasons, plan.safety.factor)
        per_kg = hed / factor.value
        found.append(
            StartingDoseRoute(
                f"{study.finding.value} in the {study.species}",
                per_kg * plan.person.weight,
                per_kg,
                f"{study.dose:g} mg/kg as {hed:.3g} mg/kg in man ({_scaling(plan).value}), over {factor.value:.3g}",
                factor.reasons,
            )
        )
    return tuple(found)


def _from_exposure(plan: FirstDosePlan, pk: HumanPk) -> tuple[StartingDoseRoute, ...]:
    """The dose whose expected exposure is that of the animals divided by the safety factor."""
    found = []
    for cap in _caps(plan, share=1.0):
        if cap.kind == "occupancy":
            continue
        cmax, auc = exposure(pk, 1.0)
        per_umol = float((cmax if cap.kind == "cmax" else auc)[0])
        factor = (
            plan.safety.factor
            or safety_factor(DoseFinding.NOAEL, species_named("rat"), plan.safety.reasons, None).value
        )
        dose = cap.value / per_umol / factor / 1000 * plan.drug.molar_mass
        what = "highest concentration" if cap.kind == "cmax" else "exposure (AUC)"
        found.append(
            StartingDoseRoute(
                f"{cap.name}",
                dose,
                dose / plan.person.weight,
                f"the {what} expected in man reaches one part in {factor:.3g} of the animals'",
                (pk.origin,),
            )
        )
    return tuple(found)


def _from_pharmacology(plan: FirstDosePlan, pk: HumanPk, target: SampledTarget | None) -> tuple[StartingDoseRoute, ...]:
    found = []
    if plan.target is not None and target is not None:
        share = plan.target.start
        total = concentration_for(share, target.kd / pk.fu, target.total)
        dose = _dose_for_peak(plan, pk, total)
        how = f"peak of {total:.3g} umol/L in all binds {100 * share:.0f} % of the target"
        if target.total == 0:
            how += "; the target's own binding of the drug is taken as negligible"
        found.append(StartingDoseRoute("MABEL: receptor occupancy", dose, dose / plan.person.weight, how))
    for p in plan.potency:
        dose = _dose_for_peak(plan, pk, p.concentration / pk.fu)
        found.append(
            StartingDoseRoute(
                f"MABEL: {p.assay}",
                dose,
                dose / plan.person.weight,
                f"the unbound peak reaches {p.concentration:.3g} umol/L",
            )
        )
    for k, a in enumerate(plan.active_dose):
        per_kg = _hed(plan, a.dose, a.species, f"active_dose[{k}].species")
        found.append(
            StartingDoseRoute(
                f"MABEL: {a.what} in the {a.species}",
                per_kg * plan.person.weight,
                per_kg,
                f"{a.dose:g} mg/kg by {_scaling(plan).value}",
            )
        )
    return tuple(found)


def _dose_for_peak(plan: FirstDosePlan, pk: HumanPk, peak: float) -> float:
    return peak / float(exposure(pk, 1.0)[0][0]) / 1000 * plan.drug.molar_mass


def _caps(plan: FirstDosePlan, share: float | None = None) -> tuple[Cap, ...]:
    """Lowest exposure among the relevant studies, corrected for the unbound share where both are known."""
    share = plan.escalation.exposure_share if share is None else share
    found = []
    for kind, words in (("cmax", "highest concentration"), ("auc", "AUC")):
        values = []
        for s in plan.toxicology:
            value = s.cmax if kind == "cmax" else s.auc
            if value is not None and s.relevant:
                unbound = (s.fu / plan.drug.fu) if s.fu is not None else 1.0
                values.append((value * unbound * share, s.species, s.finding.value))
        if values:
            value, species, finding = min(values)
            found.append(Cap(f"{words} at the {finding} of the {species}", kind, value))
    if plan.target is not None and plan.target.limit is not None:
        found.append(Cap(f"{100 * plan.target.limit:.0f} % of the target bound", "occupancy", plan.target.limit))
    return tuple(found)


def _maximum(plan: FirstDosePlan, pk: HumanPk, caps: tuple[Cap, ...]) -> tuple[float, str]:
    cmax, auc = exposure(pk, 1.0)
    limits = []
    for cap in caps:
        if cap.kind == "occupancy" and plan.target is not None:
            peak = concentration_for(cap.value, plan.target.kd / pk.fu, plan.target.concentration or 0.0)
            limits.append((_dose_for_peak(plan, pk, peak), cap.name))
        else:
            per_umol = float((cmax if cap.kind == "cmax" else auc)[0])
            limits.append((cap.value / per_umol / 1000 * plan.drug.molar_mass, cap.name))
    if plan.escalation.dose_max is not None:
        limits.append((plan.escalation.dose_max, "the plan's highest dose"))
    if not limits:
        raise refuse(
            "escalation.dose_max", "nothing limits the ladder: give exposures of the toxicology, a limit or a dose_max"
        )
    return min(limits)


def _effective_dose(plan: FirstDosePlan, pk: HumanPk, target: SampledTarget | None) -> float | None:
    """The dose whose peak binds `target.effect`; with turnover the course is integrated, which can ask for more."""
    if target is None or plan.target is None or plan.target.effect is None:
        return None
    share = plan.target.effect
    start = _dose_for_peak(plan, pk, concentration_for(share, target.kd / pk.fu, target.total))
    if target.half_life is None:
        return start
    times = np.linspace(0.0, HORIZON_HALF_LIVES * pk.half_life_h, 400)

    def short(log_dose: float) -> float:
        _, bound = occupancy_course(pk, target, to_umol(plan, float(np.exp(log_dose))), times)
        return float(bound.max()) - share

    low, high = np.log(start / 10), np.log(start * 100)
    if short(high) < 0:
        return None
    return start / 10 if short(low) > 0 else float(np.exp(brentq(short, low, high, xtol=1e-3)))


def _steps(plan: FirstDosePlan, start: float, maximum: float, effective: float | None) -> tuple[float, ...]:
    """Rising by the increment, smaller from the dose that is expected to act; the last is the highest allowed."""
    rule, doses = plan.escalation, [start]
    while len(doses) < rule.levels_max and doses[-1] < maximum * (1 - 1e-9):
        acts = effective is not None and doses[-1] * rule.increment > effective
        following = _rounded(doses[-1] * (rule.increment_after if acts else rule.increment), rule.round_to)
        doses.append(min(max(following, doses[-1] * 1.01), maximum))
    return tuple(doses)


def _rounded(dose: float, step: float | None) -> float:
    """Down to the step, or to two significant digits."""
    step = step or 10 ** (np.floor(np.log10(dose)) - 1)
    return float(np.floor(dose / step * (1 + 1e-12)) * step)


def _binding_draws(part: TargetPart | None, rng: np.random.Generator) -> tuple[FloatArray, FloatArray] | None:
    if part is None:
        return None
    s_kd, s_r = (np.sqrt(np.log1p(cv**2)) for cv in (part.kd_cv, part.concentration_cv))
    z = rng.standard_normal((2, DRAWS))
    return part.kd * np.exp(s_kd * z[0]), (part.concentration or 0.0) * np.exp(s_r * z[1])


def _rung(
    plan: FirstDosePlan,
    pk: HumanPk,
    dose_mg: float,
    doubt: tuple[KineticDraws, tuple[FloatArray, FloatArray] | None, tuple[Cap, ...]],
) -> Rung:
    draws, binding, caps = doubt
    cmax, auc = exposure(pk, to_umol(plan, dose_mg), draws)
    bound = None if binding is None else occupancy(cmax, binding[0] / pk.fu, binding[1])
    of = {"cmax": cmax, "auc": auc, "occupancy": bound}
    passed = []
    for cap in caps:
        values = of[cap.kind]
        passed.append(float(np.mean(values > cap.value)) if values is not None else 0.0)
    margins = [cap.value / float(np.median(of[cap.kind])) for cap in caps if cap.kind != "occupancy"]  # type: ignore[arg-type]
    return Rung(
        dose_mg,
        _band(cmax),
        _band(auc),
        None if bound is None else _band(bound),
        tuple(passed),
        min(margins, default=None),
    )


def _band(values: FloatArray) -> tuple[float, float, float]:
    q = np.quantile(values, [0.05, 0.5, 0.95])
    return float(q[0]), float(q[1]), float(q[2])


def _stagger(plan: FirstDosePlan, pk: HumanPk, draws: KineticDraws) -> float:
    """Hours between the sentinel and the next: the latest peak plus the delay of the effect, at least a day; twice
    that where the target is new or a toxicity would come without warning."""
    peak = float(np.quantile(time_of_peak(pk, draws), 0.95))
    hours = max(24.0, peak + plan.escalation.effect_delay)
    wary = {"novel target", "toxicity without warning", "nonmonitorable toxicity"} & set(plan.safety.reasons)
    return 2 * hours if wary else hours


def _stopping(caps: tuple[Cap, ...]) -> tuple[str, ...]:
    units = {"cmax": "umol/L", "auc": "umol h/L", "occupancy": "of the target"}
    return tuple(f"stop when a group's mean passes {c.value:.3g} {units[c.kind]} ({c.name})" for c in caps)


def _notes(plan: FirstDosePlan, pk: HumanPk) -> tuple[str, ...]:
    notes = [f"human kinetics: {pk.origin}", "one compartment; single dose"]
    left = [s.species for s in plan.toxicology if not s.relevant]
    if left:
        notes.append(f"not relevant by the plan, and left out: {', '.join(left)}")
    if pk.clearance_cv == 0:
        notes.append("no doubt of clearance was stated: probabilities of passing a cap are too sharp")
    if plan.target is None:
        notes.append("no target was stated: no route by receptor occupancy")
    return tuple(notes)
