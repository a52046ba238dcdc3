"""The external control as a page: the calibration first, then the effect, balance, overlap and bias analysis."""

from __future__ import annotations

import numpy as np

from twin_service.report.page import Section
from twin_service.report.text import number, probability
from twin_service.trial.data.assemble import AnalysisData
from twin_service.trial.external.compare import Compared, weighted_curves
from twin_service.trial.external.run import ExternalAnalysis
from twin_service.trial.protocol import ExternalSpec, TrialProtocol
from twin_service.trial.report.pictures import forest, histograms, love, survival_curves
from twin_service.trial.report.results import Json, StepResult, interval, jsonable, section_of, text_table
from twin_service.trial.survival.curves import numbers_at_risk


def external_step(p: TrialProtocol, data: AnalysisData, found: ExternalAnalysis) -> StepResult:
    c = found.compared
    shown = _shown(c, c.effect.estimate, c.effect.low, c.effect.high)
    naive = _shown(c, c.naive.estimate, c.naive.low, c.naive.high)
    what = "hazard ratio" if c.scale.startswith("log") else "difference"
    first = found.notes[0]
    believed = "" if not first.warning else " Not to be believed as it stands: see the first warning."
    answer = f"Treated against external controls: {what} {shown}; as they came {naive}.{believed}"
    spec = p.external
    assert spec is not None
    sections = [_effects(found), _balance(c), _overlap(c)]
    if found.groups.outcomes.event is not None:
        sections.append(_curves(p, found))
    sections += [_bias(found), _target(spec, found)]
    values: dict[str, Json] = {
        "scale": c.scale,
        "naive": jsonable(c.naive),
        "effect": jsonable(c.effect),
        "augmented": jsonable(c.augmented),
        "balance": jsonable(c.balance),
        "effective_treated": c.ess[0],
        "effective_controls": c.ess[1],
        "bootstrap": jsonable(found.interval),
        "e_value": jsonable(found.evalue),
        "tipping": jsonable(found.tipping),
        "calibration": None
        if found.calibration is None
        else {"naive": jsonable(found.calibration.naive), "effect": jsonable(found.calibration.effect)},
        "believed": not first.warning,
        "bias_array": jsonable(found.bias),
        "negative_control": None if found.negative is None else jsonable(found.negative.effect),
        "rmst_difference": jsonable(found.rmst_difference),
    }
    return StepResult("external", answer, tuple(sections), values, (*found.notes, *data.notes))


def _shown(c: Compared, *values: float) -> str:
    told = [float(np.exp(v)) for v in values] if c.scale.startswith("log") else list(values)
    return interval(told[0], told[1], told[2])


def _effects(found: ExternalAnalysis) -> Section:
    named = [("as they came", found.compared.naive), ("made comparable", found.compared.effect)]
    if found.compared.augmented is not None:
        named.append(("doubly robust", found.compared.augmented))
    if found.calibration is not None:
        named.append(("controls against controls, as they came", found.calibration.naive))
        named.append(("controls against controls, made comparable", found.calibration.effect))
    rows = tuple(
        (n, _shown(found.compared, e.estimate, e.low, e.high), number(e.se), probability(e.p)) for n, e in named
    )
    low, high, failed = found.interval
    boot = f"Bootstrap, weights made anew each time: {_shown(found.compared, low, low, high).split('(')[1][:-1]}"
    text = f"{boot} ({failed} resamples without overlap)."
    picture = forest([(n, e.estimate, e.low, e.high) for n, e in named], found.compared.scale)
    return section_of("Effect", text, (text_table("Effects", ("", "effect (interval)", "SE", "p"), rows),), (picture,))


def _balance(c: Compared) -> Section:
    rows = tuple(
        (
            b.name,
            number(b.mean_treated),
            number(b.mean_control),
            number(b.difference_before, 2),
            number(b.difference_after, 2),
            number(b.variance_ratio, 2),
        )
        for b in c.balance
    )
    heads = ("", "treated", "controls", "difference before", "after", "variance ratio")
    before, after = (np.array([getattr(b, k) for b in c.balance]) for k in ("difference_before", "difference_after"))
    picture = love([b.name for b in c.balance], before, after)
    text = (
        f"Effective patients: {c.ess[0]:.0f} treated, {c.ess[1]:.0f} controls. Differences are in SDs of the treated."
    )
    return section_of("Are the groups comparable?", text, (text_table("Balance", heads, rows),), (picture,))


def _overlap(c: Compared) -> Section:
    groups = (("external controls", c.scores[c.group == 0]), ("treated", c.scores[c.group == 1]))
    return section_of(
        "Overlap", "", (), (histograms(groups, "probability of being in the trial, given the covariates"),)
    )


def _curves(p: TrialProtocol, found: ExternalAnalysis) -> Section:
    y = found.groups.outcomes.y
    ticks = [float(t) for t in np.linspace(0, float(y.max()), 6)]
    names = ("treated", "external controls, weighted")
    risk = [numbers_at_risk(y[found.groups.group == g], ticks) for g in (1, 0)]
    curves = weighted_curves(found.groups, found.compared.weights)
    picture = survival_curves(names, curves, risk, ticks, f"{p.endpoint.label} ({p.endpoint.unit})")
    text = "Numbers at risk are patients, before weighting."
    if found.rmst_difference is not None:
        d, se = found.rmst_difference
        text += f" Difference of mean time without the event, as they came: {number(d)} (SE {number(se)})."
    return section_of("Time to event", text, (), (picture,))


def _bias(found: ExternalAnalysis) -> Section:
    rows = tuple(
        (f"{b.treated_share:.0%} of treated, {b.control_share:.0%} of controls", number(b.strength, 2), number(b.ratio))
        for b in found.bias
        if (b.treated_share, b.control_share) in ((0.1, 0.5), (0.3, 0.5), (0.5, 0.3), (0.5, 0.1))
    )
    e = found.evalue
    text = (
        f"E-value {number(e.point)} for the estimate, {number(e.interval)} for the interval: an unmeasured "
        "characteristic would have to be tied to both group and outcome by that risk ratio to explain the effect away."
    )
    if found.tipping is not None and np.isfinite(found.tipping.shift):
        text += f" The interval reaches no effect when the controls' mean moves by {number(found.tipping.shift)}."
    heads = ("an unmeasured characteristic in", "risk ratio", "effect without it")
    return section_of("How much hidden bias would it take?", text, (text_table("Array of confounders", heads, rows),))


def _target(spec: ExternalSpec, found: ExternalAnalysis) -> Section:
    kept, of = found.eligible
    limits = "; ".join(f"{k} {v[0]:g} to {v[1]:g}" for k, v in spec.eligibility.items()) or "none beyond the files'"
    rows = (
        ("Eligibility", f"{limits} ({kept} of {of} external patients)"),
        ("Time zero", spec.index_date or "not said"),
        ("Look-back", spec.look_back or "not said"),
        ("Washout", spec.washout or "not said"),
        ("Follow-up", spec.follow_up or "not said"),
        ("Assignment", f"emulated by {spec.method}, estimand {spec.estimand}, on {', '.join(spec.covariates)}"),
    )
    return section_of("The trial this emulates", "", (text_table("Target trial", ("", ""), rows),))
