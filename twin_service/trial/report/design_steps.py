"""Planning, interim analysis and simulation as pages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from twin_service.report.text import number
from twin_service.trial.adjust.ancova import refuse
from twin_service.trial.adjust.planning import Assumptions, plan, power
from twin_service.trial.interim.futility import Bounds, crossings, with_futility, without_futility
from twin_service.trial.interim.group_sequential import (
    GroupSequentialDesign,
    Spending,
    conditional_power,
    drift_for_power,
    haybittle_peto,
    hwang_shih_decani,
    obrien_fleming,
    pocock,
    power_family,
    predictive_power,
    spending_design,
)
from twin_service.trial.interim.simulate import SimulatedTrials, VirtualTrial, simulate_design
from twin_service.trial.note import Note
from twin_service.trial.protocol import InterimSpec, PlanSpec, TrialProtocol
from twin_service.trial.protocol_reader import did_you_mean
from twin_service.trial.report.pictures import boundaries, lines
from twin_service.trial.report.results import Json, StepResult, jsonable, section_of, text_table

Progress = Callable[[float], None]
SPENDINGS = ("obrien_fleming", "pocock", "hwang_shih_decani", "power_family", "haybittle_peto")


def assumptions_of(spec: PlanSpec) -> Assumptions:
    return Assumptions(
        effect=spec.effect,
        sd_control=spec.sd,
        correlation_control=spec.correlation,
        share_treated=spec.share_treated,
        alpha=spec.alpha,
        power=spec.power,
        deflate=spec.deflate,
        inflate=spec.inflate,
        dropout=spec.dropout,
    )


def plan_step(p: TrialProtocol, progress: Progress) -> StepResult:
    """Sample size with and without forecasts, its power by formula and by simulation."""
    spec = p.plan
    assert spec is not None
    a = assumptions_of(spec)
    found = plan(a)
    analyzed = int(round(found.patients * (1 - spec.dropout)))
    one = Bounds(np.ones(1), np.array([_z(spec.alpha)]), np.array([-np.inf]), spec.alpha / 2, 0.0, False)
    sd, r = spec.sd * spec.inflate, spec.correlation * spec.deflate
    virtual = VirtualTrial(analyzed, abs(spec.effect), sd, r, spec.share_treated)
    rng = np.random.default_rng(p.seed)
    seen = simulate_design(one, virtual, spec.simulated_trials, rng, progress)
    correlations = np.linspace(0, 0.9, 19)
    curve = np.array([plan(replace(a, correlation_control=float(c))).patients for c in correlations], dtype=float)
    answer = (
        f"{found.patients} patients ({found.treated} treated, {found.control} control) instead of "
        f"{found.patients_unadjusted} without forecasts, for power {spec.power:.0%} to "
        f"see {spec.effect:g} {p.endpoint.unit}."
    )
    rows = (
        ("Patients to randomize", str(found.patients), str(found.patients_unadjusted)),
        ("of them control", str(found.control), str(found.control_unadjusted)),
        (
            "Power by formula",
            f"{power(a, found.patients):.3f}",
            f"{power(replace(a, correlation_control=0.0), found.patients_unadjusted):.3f}",
        ),
        ("Power in simulated trials", f"{seen.efficacy:.3f} (error {seen.error:.3f})", "\N{EN DASH}"),
    )
    text = (
        f"Correlation {spec.correlation:g} of forecast and endpoint, counted as {r:.3g}; "
        f"SD {spec.sd:g}, counted as {sd:.3g}; "
        f"{spec.dropout:.0%} without the endpoint; two-sided alpha {spec.alpha:g}."
    )
    grid = text_table("Size", ("", "with forecasts", "without"), rows)
    picture = lines(
        correlations, (("patients", curve),), ("correlation of forecast and endpoint", "patients to randomize")
    )
    values: dict[str, Json] = {
        "plan": jsonable(found),
        "simulated_power": seen.efficacy,
        "simulated_error": seen.error,
        "power": power(a, found.patients),
    }
    return StepResult("plan", answer, (section_of("How many patients?", text, (grid,), (picture,)),), values, ())


def bounds_of(spec: InterimSpec) -> Bounds:
    """Raises Refusal for a spending function that is not known, or looks that are not fractions up to 1."""
    if spec.spending == "haybittle_peto":
        design: GroupSequentialDesign = haybittle_peto(spec.looks, alpha=spec.alpha)
    else:
        design = spending_design(spec.looks, _spending(spec.spending, spec.gamma, "spending"), alpha=spec.alpha)
    if spec.futility == "none":
        return without_futility(design, drift_for_power(design, spec.power))
    return with_futility(
        design, _spending(spec.futility, spec.futility_gamma, "futility"), power=spec.power, binding=spec.binding
    )


def _spending(name: str, gamma: float, field: str) -> Spending:
    table: dict[str, Spending] = {
        "obrien_fleming": obrien_fleming,
        "pocock": pocock,
        "hwang_shih_decani": hwang_shih_decani(gamma),
        "power_family": power_family(abs(gamma) or 1.0),
    }
    if name not in table:
        raise refuse(f"interim.{field}", f"{name!r} is unknown{did_you_mean(name, SPENDINGS)}")
    return table[name]


def interim_step(p: TrialProtocol) -> StepResult:
    """Boundaries, what they do under no effect and under the planned one, and where the trial stands."""
    spec = p.interim
    assert spec is not None
    b = bounds_of(spec)
    if len(spec.observed_z) > len(b.information):
        raise refuse("interim.observed_z", f"{len(spec.observed_z)} statistics for {len(b.information)} looks")
    null = crossings(b, 0.0, ignore_futility=not b.binding)
    planned = crossings(b, b.drift)
    rows = tuple(
        (f"{t:.0%}", number(u, 4), number(lo, 4), number(float(a), 3), number(float(f), 3), number(float(n), 3))
        for t, u, lo, a, f, n in zip(
            b.information, b.upper, b.lower, planned.above, planned.below, null.above, strict=True
        )
    )
    heads = (
        "information",
        "efficacy z",
        "futility z",
        "P efficacy, planned effect",
        "P futility",
        "P efficacy, no effect",
    )
    sections = [
        section_of(
            "Boundaries",
            "",
            (text_table("Looks", heads, rows),),
            (boundaries(b.information, b.upper, b.lower, spec.observed_z),),
        )
    ]
    answer = f"{len(b.information)} looks; type I error {null.above.sum():.4f}, power {planned.above.sum():.3f}."
    values: dict[str, Json] = {
        "bounds": jsonable(b),
        "type_one_error": float(null.above.sum()),
        "power": float(planned.above.sum()),
        "expected_information": planned.information,
    }
    if spec.observed_z:
        answer, told = _standing(spec, b)
        values |= told
    notes = (
        ()
        if b.binding or spec.futility == "none"
        else (Note("futility", "non-binding: the type I error holds whether or not the lower boundary is obeyed"),)
    )
    return StepResult("interim", answer, tuple(sections), values, notes)


def _standing(spec: InterimSpec, b: Bounds) -> tuple[str, dict[str, Json]]:
    k = len(spec.observed_z) - 1
    z = spec.observed_z[k]
    if z >= b.upper[k]:
        return f"Look {k + 1}: z {z:.3f} crosses {b.upper[k]:.3f}: stop for efficacy.", {"decision": "efficacy"}
    if z <= b.lower[k]:
        return f"Look {k + 1}: z {z:.3f} is below {b.lower[k]:.3f}: stop for futility.", {"decision": "futility"}
    if k == len(b.information) - 1:
        return f"The last look: z {z:.3f} does not reach {b.upper[k]:.3f}.", {"decision": "no effect shown"}
    design = GroupSequentialDesign(b.information, b.upper, np.zeros(len(b.upper)), b.alpha)
    planned = conditional_power(design, k, z, b.drift)
    trend = conditional_power(design, k, z, z / np.sqrt(float(b.information[k])))
    predicted = predictive_power(design, k, z)
    answer = (
        f"Look {k + 1}: z {z:.3f}: go on. Conditional power {planned:.0%} at the "
        f"planned effect, {trend:.0%} at the effect "
        f"seen; predictive power {predicted:.0%}."
    )
    return answer, {
        "decision": "continue",
        "conditional_power_planned": planned,
        "conditional_power_trend": trend,
        "predictive_power": predicted,
    }


def simulate_step(p: TrialProtocol, pool: np.ndarray | None, progress: Progress) -> StepResult:
    """The whole design with virtual patients, under no effect and under the planned one."""
    spec, planned = p.interim, p.plan
    assert spec is not None and planned is not None
    b = bounds_of(spec)
    sd, r = planned.sd * planned.inflate, planned.correlation * planned.deflate
    if pool is not None:
        sd, r = float(pool[:, 1].std(ddof=1)), float(np.corrcoef(pool.T)[0, 1])
    size = int(
        np.ceil(
            (b.drift * sd * np.sqrt(1 - r**2) / planned.effect) ** 2
            / (planned.share_treated * (1 - planned.share_treated))
        )
    )
    rng = np.random.default_rng(p.seed)
    whole = VirtualTrial(size, 0.0, sd, r, planned.share_treated, pool)
    null_bounds = b if b.binding else replace(b, lower=np.full(len(b.lower), -np.inf))
    null = simulate_design(null_bounds, whole, spec.trials, rng, lambda s: progress(s / 2))
    hoped = simulate_design(
        b, replace(whole, effect=abs(planned.effect)), spec.trials, rng, lambda s: progress(0.5 + s / 2)
    )
    answer = (
        f"{spec.trials} simulated trials of at most {size} patients: type I error "
        f"{null.efficacy:.4f} (nominal {b.alpha:g}), "
        f"power {hoped.efficacy:.3f}, {hoped.patients:.0f} patients on average."
    )

    def row(name: str, s: SimulatedTrials) -> tuple[str, ...]:
        shares = [number(float(v), 3) for v in s.efficacy_by_look]
        return name, f"{s.efficacy:.4f}", f"{s.error:.4f}", number(s.patients, 4), *shares

    heads = ("", "efficacy", "MC error", "mean patients", *(f"efficacy at {t:.0%}" for t in b.information))
    grid = text_table("Simulated trials", heads, (row("no effect", null), row("planned effect", hoped)))
    source = "drawn from the trial's own controls and their forecasts" if pool is not None else "normal, as planned"
    far = abs(null.efficacy - b.alpha) > 3 * null.error
    note = Note("type I error", "differs from nominal by more than three Monte Carlo errors", True)
    values: dict[str, Json] = {"null": jsonable(null), "planned": jsonable(hoped), "patients": size, "alpha": b.alpha}
    text = f"Virtual patients are {source}; correlation of forecast and endpoint {r:.2f}, SD {sd:.3g}."
    return StepResult(
        "simulate", answer, (section_of("What the design does", text, (grid,)),), values, (note,) if far else ()
    )


def _z(alpha: float) -> float:
    from scipy.stats import norm

    return float(norm.isf(alpha / 2))
