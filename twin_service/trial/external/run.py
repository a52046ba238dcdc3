"""The external-control step of a protocol."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
from numpy.typing import NDArray

from twin_service.outcome import Refusal, RefusalCode
from twin_service.trial.data.assemble import AnalysisData, assemble
from twin_service.trial.data.results import data_refusal
from twin_service.trial.data.tables import DataTable
from twin_service.trial.external.bias import BiasCell, bias_array
from twin_service.trial.external.compare import (
    Comparability,
    Compared,
    Groups,
    Outcomes,
    Way,
    bootstrap_effect,
    calibration_note,
    compare_groups,
)
from twin_service.trial.external.propensity import Estimand
from twin_service.trial.external.sensitivity import EValue, Tipping, e_value, tipping_point
from twin_service.trial.note import Note
from twin_service.trial.protocol import ArmSpec, EndpointKind, ExternalSpec, TrialProtocol
from twin_service.trial.protocol_reader import did_you_mean
from twin_service.trial.survival.curves import restricted_mean

FloatArray = NDArray[np.float64]
Progress = Callable[[float], None]
STATED = ("index_date", "look_back", "washout", "follow_up")


@dataclass(frozen=True)
class ExternalAnalysis:
    """Treated against external controls, and the same between the two control groups where the trial has its own.

    rmst_difference   without weights, to the protocol's horizon (time to event)
    negative          the same comparison of an outcome that treatment cannot have changed
    """

    compared: Compared
    groups: Groups
    calibration: Compared | None
    interval: tuple[float, float, int]
    evalue: EValue
    tipping: Tipping | None
    bias: tuple[BiasCell, ...]
    rmst_difference: tuple[float, float] | None
    negative: Compared | None
    eligible: tuple[int, int]
    notes: tuple[Note, ...]


def external_analysis(
    p: TrialProtocol,
    data: AnalysisData,
    outside: DataTable,
    progress: Progress = lambda share: None,
    outside_results: DataTable | None = None,
) -> ExternalAnalysis:
    """Raises Refusal for a subject or a treated arm in both files, and when the groups cannot be compared."""
    spec = p.external
    assert spec is not None
    controls = _outside(p, data, outside, outside_results)
    controls, eligible = _eligible(spec, controls)
    way = _way(spec, p.adjust.level if p.adjust else 0.95)
    groups = _groups(p, spec, data, controls, 1)
    found = compare_groups(groups, way)
    notes = [*found.notes]
    calibration = None
    if np.sum(data.arm == 0) >= 10:
        pair = _groups(p, spec, data, controls, 0)
        calibration = compare_groups(pair, replace(way, smallest_ess=0.0))
        notes.insert(0, calibration_note(calibration, float(np.std(pair.outcomes.y, ddof=1))))
    else:
        text = "the trial has no controls of its own: how far this method can be trusted here was not checked"
        notes.insert(0, Note("control against control", text, True))
    notes += [
        Note("target trial", f"the protocol does not say external.{name}", True)
        for name in STATED
        if not getattr(spec, name)
    ]
    rng = np.random.default_rng(p.seed)
    interval = bootstrap_effect(groups, replace(way, smallest_ess=0.0), spec.bootstrap, rng, progress)
    negative = _negative(spec, data, controls, way)
    if negative is not None and (negative.effect.low > 0 or negative.effect.high < 0):
        notes.append(Note("negative control", f"{spec.negative_control} differs, and treatment cannot be why", True))
    evalue, tipping, cells = _bias(p, found, groups)
    rmst = _rmst(spec, groups) if groups.outcomes.event is not None else None
    return ExternalAnalysis(
        found, groups, calibration, interval, evalue, tipping, cells, rmst, negative, eligible, tuple(notes)
    )


def _outside(p: TrialProtocol, data: AnalysisData, outside: DataTable, results: DataTable | None) -> AnalysisData:
    frame = outside.frame
    column = p.arms.variable
    if column in frame.columns:
        labels = frame[column].astype(str)
        treated = sorted(set(labels) & set(p.arms.treated))
        if treated:
            raise data_refusal(f"{outside.source}: arm {treated[0]!r} is in both files", "data.external")
        frame = frame[labels == p.arms.control]
        if frame.empty:
            known = did_you_mean(p.arms.control, sorted(set(labels)))
            raise data_refusal(f"{outside.source}: nobody is in arm {p.arms.control!r}{known}", "data.external")
    else:
        frame = frame.assign(**{column: p.arms.control})
    table = DataTable(frame, outside.source, outside.digest)
    only = replace(p, arms=ArmSpec(column, p.arms.control, ()))
    found = assemble(only, table, results or table)
    both = set(found.subjects.index) & set(data.subjects.index)
    if both:
        raise data_refusal(f"{len(both)} subjects are in the trial and in {outside.source}", "data.external")
    return found


def _eligible(spec: ExternalSpec, controls: AnalysisData) -> tuple[AnalysisData, tuple[int, int]]:
    """Controls inside every [low, high] of the protocol's eligibility; how many of how many."""
    keep = np.ones(len(controls.arm), dtype=bool)
    for name, limits in spec.eligibility.items():
        if len(limits) != 2:
            raise data_refusal("expected [low, high]", f"external.eligibility.{name}")
        values = controls.numbers((name,), "external.eligibility")[:, 0]
        keep &= (values >= limits[0]) & (values <= limits[1])
    if not keep.any():
        raise Refusal(RefusalCode.PRECONDITION, "no external patient is eligible", field="external.eligibility")
    event = controls.event[keep]
    chosen = replace(
        controls,
        subjects=controls.subjects[keep],
        arm=controls.arm[keep],
        y=controls.y[keep],
        event=event,
        baseline=controls.baseline[keep],
        derived=controls.derived[keep],
    )
    return chosen, (int(keep.sum()), len(keep))


def _way(spec: ExternalSpec, level: float) -> Way:
    known = [c.value for c in Comparability]
    if spec.method not in known:
        raise data_refusal(f"{spec.method!r} is unknown{did_you_mean(spec.method, known)}", "external.method")
    if spec.estimand not in ("ATT", "ATE", "ATO"):
        raise data_refusal(f"{spec.estimand!r} is unknown; known: ATT, ATE, ATO", "external.estimand")
    return Way(Comparability(spec.method), cast(Estimand, spec.estimand), spec.caliper, spec.smallest_ess, level)


def _groups(p: TrialProtocol, spec: ExternalSpec, data: AnalysisData, controls: AnalysisData, arm: int) -> Groups:
    """Patients of the trial's arm (group 1) and external controls (group 0) with everything the comparison needs."""
    inside = data.arm > 0 if arm else data.arm == 0
    x = [
        np.concatenate(
            [
                d.numbers(spec.covariates, "external.covariates")[k]
                for d, k in ((data, inside), (controls, np.ones(len(controls.arm), dtype=bool)))
            ]
        )
    ]
    names = list(spec.covariates)
    for f in spec.factors:
        labels = np.concatenate([data.classes(f, "external.factors")[inside], controls.classes(f, "external.factors")])
        for level in sorted(set(labels))[1:]:
            x.append((labels == level).astype(float)[:, None])
            names.append(f"{f}: {level}")
    table = np.concatenate(x, axis=1)
    y = np.concatenate([data.y[inside, -1], controls.y[:, -1]])
    event = None
    if p.endpoint.kind is EndpointKind.TIME_TO_EVENT:
        event = np.concatenate([data.event[inside], controls.event])
        if spec.horizon_day is not None:
            event, y = np.where(y > spec.horizon_day, 0.0, event), np.minimum(y, spec.horizon_day)
    group = np.concatenate([np.ones(int(inside.sum())), np.zeros(len(controls.arm))])
    keep = np.isfinite(y) & np.all(np.isfinite(table), axis=1)
    who = np.concatenate([data.subjects.index[inside], controls.subjects.index]).astype(object)
    return Groups(Outcomes(y, event), group, table, tuple(names), who).take(keep)


def _negative(spec: ExternalSpec, data: AnalysisData, controls: AnalysisData, way: Way) -> Compared | None:
    if not spec.negative_control:
        return None
    name = (spec.negative_control,)
    inside = data.arm > 0
    parts = [
        (d.numbers(name, "external.negative_control")[k, 0], d.numbers(spec.covariates, "external.covariates")[k])
        for d, k in ((data, inside), (controls, np.ones(len(controls.arm), dtype=bool)))
    ]
    y, x = np.concatenate([v for v, _ in parts]), np.concatenate([v for _, v in parts])
    group = np.concatenate([np.ones(int(inside.sum())), np.zeros(len(controls.arm))])
    keep = np.isfinite(y) & np.all(np.isfinite(x), axis=1)
    return compare_groups(Groups(Outcomes(y, None), group, x, spec.covariates).take(keep), way)


def _bias(p: TrialProtocol, found: Compared, groups: Groups) -> tuple[EValue, Tipping | None, tuple[BiasCell, ...]]:
    e = found.effect
    if groups.outcomes.event is not None:
        hr, low, high = np.exp([e.estimate, e.low, e.high])
        return e_value(float(hr), float(low), float(high), measure="hazard_ratio"), None, bias_array(float(hr))
    sd = float(np.std(groups.outcomes.y[groups.group == 0], ddof=1))
    if not sd > 0:
        raise data_refusal("every external control has the same outcome", "endpoint")
    values = [v / sd for v in (e.estimate, e.low, e.high)]
    evalue = e_value(values[0], values[1], values[2], measure="standardized_difference")
    ratio = float(np.exp(0.91 * values[0]))
    return evalue, tipping_point(e.estimate, e.low, e.high, control_sd=sd), bias_array(ratio)


def _rmst(spec: ExternalSpec, groups: Groups) -> tuple[float, float]:
    y, event = groups.outcomes
    assert event is not None
    ends = [float(y[groups.group == g].max()) for g in (0, 1)]
    horizon = min(*ends, spec.horizon_day or np.inf)
    one, zero = (restricted_mean(y[groups.group == g], event[groups.group == g], horizon) for g in (1, 0))
    return one.mean - zero.mean, float(np.hypot(one.se, zero.se))
