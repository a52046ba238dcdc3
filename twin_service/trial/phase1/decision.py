"""The next dose of a running trial, with its reasons and the probabilities behind it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import singledispatch

import numpy as np
from numpy.typing import NDArray

from twin_service.trial.phase1.crm import FollowedPatients, crm
from twin_service.trial.phase1.designs import Blrm, Boin, Crm, EscalationDesign, RuleOfThree
from twin_service.trial.phase1.dose_toxicity import DoseOutcomes, logistic_risk
from twin_service.trial.phase1.escalation_plan import BoinPart, CrmPart, EscalationPlan, running_design
from twin_service.trial.phase1.live import Corrected, Dosed, TreatedPatient, TrialEvent, TrialState, fold

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class DoseView:
    """One dose in a decision: evaluable patients and toxicities, pending; risk with its 95 % (BLRM) or 90 % (CRM)
    interval; probability of the target interval and of overdosing where the design has them; why not, if not."""

    dose: float
    patients: int
    toxicities: int
    pending: int
    risk: float | None
    low: float | None
    high: float | None
    in_target: float | None
    overdose: float | None
    barred: str


@dataclass(frozen=True)
class Decision:
    """What follows at a revision. next_dose None: wait, or stop (`ends`). `digest` names plan and events behind it."""

    revision: int
    day: float
    current: float | None
    next_dose: float | None
    ends: bool
    declared: float | None
    reasons: tuple[str, ...]
    doses: tuple[DoseView, ...]
    late: tuple[str, ...]
    notes: tuple[str, ...]
    digest: str


@dataclass(frozen=True)
class ChangedDecision:
    """A past decision that later corrections change: before which cohort, what was said, what would be said."""

    cohort: int
    said: float | None
    now: float | None


def decide(plan: EscalationPlan, events: Sequence[TrialEvent]) -> Decision:
    """The decision after `events`."""
    state = fold(plan, events)
    design = running_design(state.plan)
    doses = state.plan.doses
    counted = [p for p in state.patients if not p.withdrawn and p.toxic is not None]
    pending = [p for p in state.patients if not p.withdrawn and p.toxic is None]
    n, y = _tally(doses, counted), _tally(doses, [p for p in counted if p.toxic and _counts(state, p)])
    views = _views(design, state, (n, y))
    late = tuple(f"{p.patient} on day {p.outcome_day:g}" for p in state.patients if state.is_late(p))
    level, why = _next(design, state, (n, y), pending)
    ends = level == -1
    declared = None
    if ends or state.cohorts >= plan.conduct.cohorts:
        at = np.array([doses.index(state.current)] if state.current else [0])
        place = int(design.select(n[None], y[None], at)[0])
        declared = None if place < 0 else doses[place]
    if not ends and not pending and state.cohorts >= plan.conduct.cohorts:
        level, ends, why = -1, True, [f"all {plan.conduct.cohorts} cohorts are treated"]
    if ends:
        word = f"{declared:g} {plan.unit}" if declared is not None else "none"
        why = [*why, f"declared maximum tolerated dose: {word}"]
    return Decision(
        state.revision,
        state.day,
        state.current,
        None if level < 0 else doses[level],
        ends,
        declared,
        tuple(why),
        tuple(_with_pending(v, pending) for v in views),
        late,
        state.notes,
        digest(plan, events),
    )


def history(plan: EscalationPlan, events: Sequence[TrialEvent]) -> tuple[Decision, ...]:
    """The decision before each cohort as it was made then: from the events recorded until that moment."""
    return tuple(decide(plan, events[:k]) for k, e in enumerate(events) if isinstance(e, Dosed))


def changed_by_corrections(plan: EscalationPlan, events: Sequence[TrialEvent]) -> tuple[ChangedDecision, ...]:
    """Past decisions that would have been others had every correction been known when its event was recorded."""
    if not any(isinstance(e, Corrected) for e in events):
        return ()
    corrections = {e.of: e for e in events if isinstance(e, Corrected)}
    found, cohort = [], 0
    for k, event in enumerate(events):
        if isinstance(event, Dosed):
            cohort += 1
            before = [e for e in events[:k] if not isinstance(e, Corrected)]
            known = [corrections[e.id].to if e.id in corrections else e for e in before]
            said = decide(plan, events[:k])
            now = decide(plan, [e for e in known if e is not None])
            if said.next_dose != now.next_dose or said.ends != now.ends:
                found.append(ChangedDecision(cohort, said.next_dose, now.next_dose))
    return tuple(found)


def digest(plan: EscalationPlan, events: Sequence[TrialEvent]) -> str:
    """SHA-256 of plan and events: equal decisions have equal digests."""
    text = plan.model_dump_json() + "\n" + "\n".join(map(repr, events))
    return hashlib.sha256(text.encode()).hexdigest()


def _counts(state: TrialState, p: TreatedPatient) -> bool:
    """A late toxicity is left out where the plan only reports it, and then counts as followed without."""
    return state.plan.conduct.late == "count" or not state.is_late(p)


def _tally(doses: tuple[float, ...], patients: Sequence[TreatedPatient]) -> FloatArray:
    return np.array([float(sum(p.dose == d for p in patients)) for d in doses])


def _next(
    design: EscalationDesign, state: TrialState, seen: tuple[FloatArray, FloatArray], pending: Sequence[TreatedPatient]
) -> tuple[int, list[str]]:
    doses, unit = state.plan.doses, state.plan.unit
    if state.current is None:
        return state.plan.start - 1, [f"the plan starts at {doses[state.plan.start - 1]:g} {unit}"]
    current = doses.index(state.current)
    part = state.plan.design[0]
    rolling = isinstance(part, BoinPart | CrmPart) and part.rolling
    here = [p for p in pending if p.dose == state.current]
    if pending and not rolling:
        return -2, [f"wait: {len(pending)} of the patients given a dose are still watched ({_names(pending)})"]
    if rolling and 2 * len(here) > sum(p.dose == state.current for p in state.patients):
        return -2, [f"wait: more than half of those at {state.current:g} {unit} are still watched ({_names(here)})"]
    n, y = seen
    if pending:
        level = _partial(design, state, current)
    else:
        level = int(design.next_level(n[None], y[None], np.array([current]))[0])
    return level, [*_because(design, state, (n, y)), _step(level, current, state)]


def _partial(design: EscalationDesign, state: TrialState, current: int) -> int:
    doses, window = state.plan.doses, state.plan.conduct.window_days
    seen = [p for p in state.patients if not p.withdrawn]
    level = np.array([[doses.index(p.dose) for p in seen]])
    toxic = np.array([[bool(p.toxic) for p in seen]])
    share = [1.0 if p.toxic is not None else min(max((state.day - p.day) / window, 0.0), 1.0) for p in seen]
    weight = np.array([share])
    if isinstance(design, Crm):
        return int(design.next_level_partial((level, toxic, weight), np.array([current]))[0])
    n, y = np.zeros((1, len(doses))), np.zeros((1, len(doses)))
    np.add.at(n, (0, level[0]), weight[0])
    np.add.at(y, (0, level[0]), toxic[0])
    return int(design.next_level(n, y, np.array([current]))[0])


def _step(level: int, current: int, state: TrialState) -> str:
    doses, unit = state.plan.doses, state.plan.unit
    if level < 0:
        return "the design ends the trial here"
    verb = "stay at" if level == current else "go up to" if level > current else "go down to"
    return f"{verb} {doses[level]:g} {unit}"


def _names(patients: Sequence[TreatedPatient]) -> str:
    return ", ".join(p.patient for p in patients)


@singledispatch
def _because(design: object, state: TrialState, seen: tuple[FloatArray, FloatArray]) -> list[str]:
    raise NotImplementedError(type(design))


@_because.register
def _(design: Boin, state: TrialState, seen: tuple[FloatArray, FloatArray]) -> list[str]:
    n, y = (v[state.plan.doses.index(state.current or 0.0)] for v in seen)
    t = design.table
    return [
        f"{y:g} of {n:g} toxic at {state.current:g} {state.plan.unit}, {y / max(n, 1):.2f}: escalate at or below "
        f"{t.escalate_below:.3f}, de-escalate at or above {t.deescalate_above:.3f}"
    ]


@_because.register
def _(design: RuleOfThree, state: TrialState, seen: tuple[FloatArray, FloatArray]) -> list[str]:
    n, y = (v[state.plan.doses.index(state.current or 0.0)] for v in seen)
    return [f"{y:g} of {n:g} toxic at {state.current:g} {state.plan.unit}"]


@_because.register
def _(design: Crm, state: TrialState, seen: tuple[FloatArray, FloatArray]) -> list[str]:
    return [f"the risk nearest to the target of {design.target:g} decides; a dose is not skipped on the way up"]


@_because.register
def _(design: Blrm, state: TrialState, seen: tuple[FloatArray, FloatArray]) -> list[str]:
    c = design.control
    return [
        f"likeliest to have a risk between {c.cuts[0]:g} and {c.cuts[1]:g} among doses that overdose with probability "
        f"at most {c.overdose_max:g} and rise at most {c.step_max:g}-fold"
    ]


@singledispatch
def _views(design: object, state: TrialState, seen: tuple[FloatArray, FloatArray]) -> list[DoseView]:
    raise NotImplementedError(type(design))


@_views.register
def _(design: Blrm, state: TrialState, seen: tuple[FloatArray, FloatArray]) -> list[DoseView]:
    n, y = seen
    c, doses = design.control, state.plan.doses
    given = DoseOutcomes(np.asarray(doses), n, y)
    highest = max((p.dose for p in state.patients), default=doses[state.plan.start - 1] / c.step_max)
    found = []
    for k, r in enumerate(logistic_risk(design.prior, given, doses, cuts=c.cuts)):
        barred = ""
        if r.overdose > c.overdose_max:
            barred = f"overdoses with probability {r.overdose:.2f}, above {c.overdose_max:g}"
        elif r.dose > highest * c.step_max * (1 + 1e-9):
            barred = f"more than {c.step_max:g} times the highest dose given"
        found.append(DoseView(r.dose, int(n[k]), int(y[k]), 0, r.mean, r.q025, r.q975, r.shares[1], r.overdose, barred))
    return found


@_views.register
def _(design: Crm, state: TrialState, seen: tuple[FloatArray, FloatArray]) -> list[DoseView]:
    n, y = seen
    level = np.repeat(np.arange(len(n)), n.astype(int))
    toxic = np.concatenate([[1] * int(b) + [0] * int(a - b) for a, b in zip(n, y, strict=True)])
    fit = crm(design.skeleton, FollowedPatients.create(level.tolist(), toxic.tolist(), len(n)), design.target)
    return [
        DoseView(d, int(n[k]), int(y[k]), 0, float(fit.risk[k]), float(fit.low[k]), float(fit.high[k]), None, None, "")
        for k, d in enumerate(state.plan.doses)
    ]


@_views.register
def _(design: Boin, state: TrialState, seen: tuple[FloatArray, FloatArray]) -> list[DoseView]:
    n, y = seen
    out = design.eliminated(n[None], y[None])[0]
    return _counts_only(state, n, y, ["eliminated as too toxic" if o else "" for o in out])


@_views.register
def _(design: RuleOfThree, state: TrialState, seen: tuple[FloatArray, FloatArray]) -> list[DoseView]:
    n, y = seen
    return _counts_only(state, n, y, ["two or more toxicities" if t >= 2 else "" for t in y])


def _counts_only(state: TrialState, n: FloatArray, y: FloatArray, barred: list[str]) -> list[DoseView]:
    return [
        DoseView(d, int(n[k]), int(y[k]), 0, float(y[k] / n[k]) if n[k] else None, None, None, None, None, barred[k])
        for k, d in enumerate(state.plan.doses)
    ]


def _with_pending(view: DoseView, pending: Sequence[TreatedPatient]) -> DoseView:
    return replace(view, pending=sum(p.dose == view.dose for p in pending))
