"""One candidate judged: its course in every member, its utility to each, and its reason in words and numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from twin_service.scenario.attainment import Attained
from twin_service.scenario.bands import outputs_of
from twin_service.scenario.endpoints import Reached, crossed
from twin_service.scenario.regimen import Regimen
from twin_service.scenario.target import Target, measure_each
from twin_service.scenario.utility import attained_smoothly, harm_of
from twin_service.solver.simulate import Deadline
from twin_service.twin.candidates import Dispensable, too_much
from twin_service.twin.fold import Folded
from twin_service.twin.simulate import Future, FutureStart, WhatIf, solve, summarized
from twin_service.twin.trajectory import resolve_outputs
from twin_service.twin.within import levels

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Constraint:
    """An endpoint may be reached with at most this probability."""

    endpoint: str
    probability_max: float


@dataclass(frozen=True)
class Limit:
    """`target` must be met with a probability from `low` to `high`: P(trough > 20) <= 0.1 has high = 0.1."""

    target: Target
    low: float = 0.0
    high: float = 1.0


@dataclass(frozen=True)
class Preferences:
    """What a site wants of advice.

    floor     least probability of meeting all targets with which anything is recommended
    harm_max  largest probability of serious harm, beyond that without drug, with which anything is recommended
    costs     endpoint -> its cost in units of benefit, instead of the usual one (`scenario.utility.cost_of`)
    """

    floor: float = 0.5
    harm_max: float = 1.0
    costs: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class RankedCandidate:
    """A candidate with its benefit (probability that all targets are met), its likeliest serious harm, and the reason
    for its place. `harm` None: the model knows no serious harm.

    utility, utility_se   expected utility; standard error of its difference to the first one's
    tie                   not told apart from the first one
    efficient             no other candidate has at least its benefit with less harm
    """

    what_if: WhatIf
    benefit: float
    harm: Reached | None
    admissible: bool
    reason: str
    limits: tuple[Attained, ...] = ()
    model_id: str = ""
    utility: float = float("nan")
    utility_se: float = float("nan")
    tie: bool = False
    efficient: bool = False

    @property
    def harm_probability(self) -> float:
        return self.harm.probability if self.harm is not None else 0.0

    @property
    def harm_added(self) -> float:
        """Serious harm beyond what this patient has without drug."""
        return self.harm.attributable if self.harm is not None else 0.0


class OptionAsked(NamedTuple):
    """What every candidate of one option is asked."""

    option: Dispensable | None
    twin: Folded
    targets: tuple[Target, ...]


@dataclass(frozen=True)
class CandidateQuestion:
    horizon_h: float
    constraints: Sequence[Constraint]
    limits: Sequence[Limit]
    preferences: Preferences
    deadline: Deadline | None


class JudgedCandidate(NamedTuple):
    """A candidate, its utility by member (N,), and its course."""

    ranked: RankedCandidate
    worth: FloatArray
    asked: OptionAsked
    future: Future

    @property
    def expected(self) -> float:
        return self.ranked.utility


def serious_harm(endpoints: Sequence[Reached]) -> Reached | None:
    """The likeliest endpoint of serious harm; None when none is known. One that could not be computed comes first."""
    serious = [r for r in endpoints if r.endpoint.harmful and r.endpoint.serious]
    return max(serious, key=lambda r: (r.probability != r.probability, r.probability), default=None)


def judge(asked: OptionAsked, plan: Regimen, start: FutureStart, question: CandidateQuestion) -> JudgedCandidate:
    twin, measured = asked.twin, [*asked.targets, *(x.target for x in question.limits)]
    run = solve(twin, start, plan, horizon_h=question.horizon_h, targets=measured, deadline=question.deadline)
    found = summarized(
        twin,
        start,
        plan,
        run.grid,
        outputs=run.outputs,
        given_h=run.given_h,
        targets=asked.targets,
        names=list(dict.fromkeys(resolve_outputs(twin, [t.output for t in measured]))),
        limits=[x.target for x in question.limits],
        outcome=run.outcome,
    )
    worth = _worth(asked, start, run, question.preferences)
    excess = "" if asked.option is None else too_much(twin.model, asked.option, plan)
    ranked = _placed(found, question, twin.model.id, excess)
    good = worth[np.isfinite(worth)]
    return JudgedCandidate(
        replace(ranked, utility=float(good.mean()) if len(good) else float("nan")), worth, asked, run
    )


def _worth(asked: OptionAsked, start: FutureStart, run: Future, preferences: Preferences) -> FloatArray:
    """Utility of each member (N,); NaN for one that could not be solved."""
    model, index = asked.twin.model, asked.twin.model.system.output_index
    solved = np.all(np.isfinite(run.outputs), axis=(1, 2))
    worth = np.full(len(run.outputs), np.nan)
    met = np.ones(int(solved.sum()))
    for t in asked.targets:
        name = outputs_of(model, [t.output])[0]
        values = levels(asked.twin, name, run.outputs[:, :, index[name]])[solved]
        each = attained_smoothly(t, measure_each(t, run.grid.hours, values, run.given_h))
        shares = np.array([s for _, s in t.mics]) if each.shape[1] > 1 else np.ones(1)
        met = met * (each @ (shares / shares.sum()))
    worth[solved] = met
    if start.free is not None:
        reached = [
            crossed(e, run.outputs[:, :, index[e.output]], start.baseline[:, index[e.output]]) for e in model.endpoints
        ]
        harm = harm_of(
            model.endpoints,
            np.stack(reached, axis=1).astype(np.float64),
            start.free.astype(np.float64),
            preferences.costs,
        )
        worth = worth - harm
    return worth


def _placed(w: WhatIf, question: CandidateQuestion, model_id: str, excess: str) -> RankedCandidate:
    known = {r.endpoint.id: r.probability for r in w.endpoints}
    broken = [excess, *(_broken(c, known, model_id) for c in question.constraints)]
    broken += [_outside(x, a) for x, a in zip(question.limits, w.limits, strict=True)]
    told = [b for b in broken if b]
    if not w.outcome.ok:
        reason = f"not judged: {w.outcome}"
    elif told:
        reason = "excluded: " + "; ".join(told)
    else:
        reason = "; ".join(
            f"{a.target.name or a.target.metric} median {a.q50:.3g} (90 % {a.q05:.3g} to {a.q95:.3g}), "
            f"in range {a.probability:.0%}"
            for a in (*w.targets, *w.limits)
        )
        reason += _harm_told(serious_harm(w.endpoints))
    benefit = w.joint_probability
    admissible = not told and w.outcome.ok and benefit == benefit
    return RankedCandidate(w, benefit, serious_harm(w.endpoints), admissible, reason, w.limits, model_id)


def _harm_told(harm: Reached | None) -> str:
    if harm is None or not harm.probability > 0.005:
        return ""
    free = "" if np.isnan(harm.baseline) else f" (without drug {harm.baseline:.0%})"
    return f"; {harm.endpoint.title} {harm.probability:.0%}{free}"


def _broken(c: Constraint, known: Mapping[str, float], model_id: str) -> str:
    if c.endpoint not in known:
        return f"{c.endpoint} is not known to {model_id}"
    p = known[c.endpoint]
    return "" if p <= c.probability_max else f"{c.endpoint} {p:.0%} > {c.probability_max:.0%}"


def _outside(limit: Limit, found: Attained) -> str:
    p, name = found.probability, limit.target.label
    if not p >= limit.low:
        return f"{name} {p:.0%} < {limit.low:.0%}"
    return f"{name} {p:.0%} > {limit.high:.0%}" if p > limit.high else ""
