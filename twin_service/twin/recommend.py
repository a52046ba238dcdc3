"""Which of the regimens the pharmacy can dispense is worth most to this patient, within acceptable harm, and why.

    U(regimen) = E[ targets met - harm the drug adds ]        same members for every regimen (`scenario.utility`)

Differences are paired member by member, so they have a standard error of their own. Candidates within two of them (and
within 0.02 of the best) are ties, decided toward less harm, then fewer doses, then less drug; close ones are computed
again with more members first. Below the floor nothing is recommended; giving nothing is a candidate of its own; and
where it would help, the answer says when a level is worth drawing. A drug that the twin's own model does not carry
comes with a twin of its own (`alternative`); it has its own exposure targets and shares those on effects.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from twin_service.outcome import Refusal, RefusalCode
from twin_service.scenario.attainment import Attained
from twin_service.scenario.bands import outputs_of
from twin_service.scenario.endpoints import Reached, crossed
from twin_service.scenario.regimen import Regimen
from twin_service.scenario.target import Target, measure_each
from twin_service.scenario.utility import attained_smoothly, harm_of
from twin_service.solver.simulate import Deadline
from twin_service.twin.candidates import NOTHING, Dispensable, burden, candidates, combinations, too_much
from twin_service.twin.fold import Folded
from twin_service.twin.sampling import WorthDrawing, worth_drawing
from twin_service.twin.simulate import Future, Start, WhatIf, solve, start_from, summarized
from twin_service.twin.trajectory import resolve_outputs

__all__ = ["Constraint", "Dispensable", "Limit", "Preferences", "Ranked", "Ranking", "candidates", "recommend"]

FloatArray = NDArray[np.float64]
MICROSECONDS_PER_HOUR = 3.6e9
TIE = 0.02  # of utility: less is no difference to a patient, however sure
HARM_APART = 0.05
CONTENDERS_MAX = 8
MORE_MEMBERS = (1024, 4096)
MANY_STATES = 16  # of a model: beyond, the largest number of members costs more than the answer is worth


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
class Ranked:
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


@dataclass(frozen=True)
class Ranking:
    """Best first. `recommended` is None when no candidate is within the constraints and above the floor; `message` says
    why one or none is, and what ties with it; `draw` when a level is worth drawing, the most useful first."""

    ranked: tuple[Ranked, ...]
    recommended: Ranked | None
    considered: int
    message: str = ""
    draw: tuple[WorthDrawing, ...] = ()


class _Asked(NamedTuple):
    """What every candidate of one option is asked."""

    option: Dispensable | None
    twin: Folded
    targets: tuple[Target, ...]


@dataclass(frozen=True)
class _Question:
    horizon_h: float
    constraints: Sequence[Constraint]
    limits: Sequence[Limit]
    preferences: Preferences
    deadline: Deadline | None


class _Judged(NamedTuple):
    """A candidate, its utility by member (N,), and its course."""

    ranked: Ranked
    worth: FloatArray
    asked: _Asked
    future: Future

    @property
    def expected(self) -> float:
        return self.ranked.utility


def recommend(
    folded: Folded,
    options: Sequence[Dispensable],
    targets: Sequence[Target],
    *,
    start_h: float,
    horizon_h: float,
    constraints: Sequence[Constraint] = (),
    limits: Sequence[Limit] = (),
    carriers: Mapping[int, Folded] | None = None,
    members: int = 128,
    preferences: Preferences = Preferences(),
    deadline: Deadline | None = None,
) -> Ranking:
    """Rank all candidates by expected utility, admissible ones first. `carriers`: the twin of an option that `folded`
    does not carry, by its place."""
    carriers = carriers or {}
    _check(folded, options, targets, constraints=constraints, carriers=carriers)
    considered = len(candidates(options, horizon_h))
    question = _Question(horizon_h, constraints, limits, preferences, deadline)
    plans = [
        (_Asked(o, carriers.get(i, folded), (*targets, *o.targets)), plan)
        for i, o in enumerate(options)
        for plan in combinations(o, horizon_h)
    ]
    starts = _Starts(folded, start_h, question, plans)
    judged = [_judge(a, plan, starts.of(a.twin, members), question) for a, plan in plans]
    none = _judged_nothing(folded, plans, starts, members, question)
    judged = _resolved([*judged, *none], starts, members, question)
    ordered = _ordered(judged)
    best = ordered[0].ranked if _is_worth_giving(ordered[0].ranked, preferences) else None
    draw = worth_drawing(ordered[0].asked.twin, ordered[0].future, [j.worth for j in ordered if j.ranked.admissible])
    ranked = _marked(ordered)
    chosen = None if best is None else ranked[0]
    return Ranking(ranked, chosen, considered, _message(ranked, chosen, preferences), draw)


class _Starts:
    """The members at the start, solved once for each twin and number of members."""

    def __init__(
        self, folded: Folded, start_h: float, question: _Question, plans: Sequence[tuple[_Asked, Regimen]]
    ) -> None:
        self._origin_us, self._start_h, self._question = folded.course.start_us, start_h, question
        asked = [t.output for a, _ in plans for t in a.targets] + [x.target.output for x in question.limits]
        self._outputs = list(dict.fromkeys(asked))
        self._kept: dict[tuple[int, int], Start] = {}

    def of(self, twin: Folded, members: int) -> Start:
        key = (id(twin), members)
        if key not in self._kept:
            self._kept[key] = start_from(
                twin,
                self._start_h + (self._origin_us - twin.course.start_us) / MICROSECONDS_PER_HOUR,
                members,
                outputs=self._outputs,
                free_until_h=self._question.horizon_h,
                deadline=self._question.deadline,
            )
        return self._kept[key]


def serious_harm(endpoints: Sequence[Reached]) -> Reached | None:
    """The likeliest endpoint of serious harm; None when none is known. One that could not be computed comes first."""
    serious = [r for r in endpoints if r.endpoint.harmful and r.endpoint.serious]
    return max(serious, key=lambda r: (r.probability != r.probability, r.probability), default=None)


def _judge(asked: _Asked, plan: Regimen, start: Start, question: _Question) -> _Judged:
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
    return _Judged(replace(ranked, utility=float(good.mean()) if len(good) else float("nan")), worth, asked, run)


def _worth(asked: _Asked, start: Start, run: Future, preferences: Preferences) -> FloatArray:
    """Utility of each member (N,); NaN for one that could not be solved."""
    model, index = asked.twin.model, asked.twin.model.system.output_index
    solved = np.all(np.isfinite(run.outputs), axis=(1, 2))
    worth = np.full(len(run.outputs), np.nan)
    met = np.ones(int(solved.sum()))
    for t in asked.targets:
        values = run.outputs[solved][:, :, index[outputs_of(model, [t.output])[0]]]
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


def _judged_nothing(
    folded: Folded, plans: Sequence[tuple[_Asked, Regimen]], starts: _Starts, members: int, question: _Question
) -> list[_Judged]:
    """Giving nothing now, judged by the targets of all options; left out where a target needs doses to be measured."""
    own = [t for a, _ in plans if a.twin is folded for t in a.targets]
    asked = _Asked(None, folded, tuple(dict.fromkeys(own)))
    if not asked.targets:
        return []
    try:
        return [_judge(asked, NOTHING, starts.of(folded, members), question)]
    except Refusal as refusal:
        if refusal.reason != "EMPTY_WINDOW":
            raise
        return []


def _placed(w: WhatIf, question: _Question, model_id: str, excess: str) -> Ranked:
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
    return Ranked(w, benefit, serious_harm(w.endpoints), admissible, reason, w.limits, model_id)


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


def _apart(best: _Judged, other: _Judged) -> tuple[float, float]:
    """How far `other` lies below `best`, and the standard error of that, member by member."""
    if len(best.worth) != len(other.worth):
        return best.expected - other.expected, 0.0
    d = best.worth - other.worth
    d = d[np.isfinite(d)]
    return float(d.mean()), float(d.std() / np.sqrt(len(d)))


def _resolved(judged: list[_Judged], starts: _Starts, members: int, question: _Question) -> list[_Judged]:
    """The close ones at the top computed again with more members, until they are told apart or it does not matter."""
    for more in MORE_MEMBERS:
        able = sorted((j for j in judged if j.ranked.admissible), key=lambda j: -j.expected)
        pairs = [(j, _apart(able[0], j)) for j in able[1:]] if able else []
        close = [(j, gap, se) for j, (gap, se) in pairs if gap <= 2.0 * se]
        unsure = any(2.0 * se > TIE or _harms_apart(able[0], j) for j, _, se in close)
        states = max((len(j.asked.twin.model.system.states) for j in able), default=0)
        if not unsure or more <= members or (states > MANY_STATES and more == MORE_MEMBERS[-1]):
            break
        again = [able[0], *(j for j, _, _ in close[: CONTENDERS_MAX - 1])]
        fresh = {
            id(j): _judge(j.asked, j.ranked.what_if.regimen, starts.of(j.asked.twin, more), question) for j in again
        }
        if question.deadline is not None and question.deadline.expired:
            break
        judged = [fresh.get(id(j), j) for j in judged]
    return judged


def _harms_apart(a: _Judged, b: _Judged) -> bool:
    return abs(a.ranked.harm_added - b.ranked.harm_added) > HARM_APART


def _ordered(judged: list[_Judged]) -> list[_Judged]:
    """Admissible ones first: those that tie with the best by harm and burden, the others by utility."""
    able = sorted((j for j in judged if j.ranked.admissible), key=lambda j: -j.expected)
    rest = sorted((j for j in judged if not j.ranked.admissible), key=lambda j: -np.nan_to_num(j.expected, nan=-9.0))
    if not able:
        return rest
    ties: list[_Judged] = [able[0]]
    others: list[_Judged] = []
    for j in able[1:]:
        gap, se = _apart(able[0], j)
        (ties if gap <= min(2.0 * se, TIE) or gap <= 1e-12 else others).append(j)
    ties.sort(key=lambda j: (round(j.ranked.harm_added, 2), *burden(j.ranked.what_if.regimen)))
    ties = [j._replace(ranked=replace(j.ranked, tie=len(ties) > 1)) for j in ties]
    return [*ties, *others, *rest]


def _marked(ordered: list[_Judged]) -> tuple[Ranked, ...]:
    """With the standard error of each difference to the first, and who is on the efficient set."""
    found = []
    for j in ordered:
        r = j.ranked
        dominated = r.admissible and any(
            o.ranked.admissible
            and o.ranked.benefit >= r.benefit
            and o.ranked.harm_added <= r.harm_added
            and (o.ranked.benefit > r.benefit or o.ranked.harm_added < r.harm_added)
            for o in ordered
        )
        found.append(replace(r, utility_se=_apart(ordered[0], j)[1], efficient=r.admissible and not dominated))
    return tuple(found)


def _is_worth_giving(r: Ranked, preferences: Preferences) -> bool:
    return r.admissible and r.benefit >= preferences.floor and r.harm_added <= preferences.harm_max


def _message(ranked: Sequence[Ranked], chosen: Ranked | None, preferences: Preferences) -> str:
    if not ranked:
        return ""
    first = next((r for r in ranked if chosen is not None or r.what_if.regimen is not NOTHING), ranked[0])
    name = first.what_if.regimen.name
    if chosen is not None:
        ties = [r.what_if.regimen.name for r in ranked[1:] if r.tie]
        alike = f"; not told apart from {', '.join(ties)}: the least harm and fewest doses decided" if ties else ""
        return f"{name}: expected utility {first.utility:.2f}, targets met with {first.benefit:.0%}{alike}"
    if not first.admissible:
        return f"nothing is recommended: no candidate is admissible; the nearest, {name}, is {first.reason}"
    if first.benefit < preferences.floor:
        why = f"the best, {name}, meets all targets with {first.benefit:.0%}, below {preferences.floor:.0%}"
    else:
        why = f"the best, {name}, adds {first.harm_added:.0%} serious harm, above {preferences.harm_max:.0%}"
    return f"nothing is recommended: {why}; {_what_would_help(first)}"


def _what_would_help(first: Ranked) -> str:
    for a in first.what_if.targets:
        if a.q50 < a.target.low:
            return f"{a.target.label} is too low with it (median {a.q50:.3g}): offer larger or more frequent doses"
        if a.q50 > a.target.high:
            return f"{a.target.label} is too high with it (median {a.q50:.3g}): offer smaller or rarer doses"
    return "the patient is not known well enough: a level would narrow what is expected"


def _check(
    folded: Folded,
    options: Sequence[Dispensable],
    targets: Sequence[Target],
    *,
    constraints: Sequence[Constraint],
    carriers: Mapping[int, Folded],
) -> None:
    without = next((i for i, o in enumerate(options) if not targets and not o.targets), None)
    if without is not None or not options:
        raise Refusal(
            RefusalCode.INVALID, "a recommendation needs at least one target for each option", field="targets"
        )
    known = {e.id for f in (folded, *carriers.values()) for e in f.model.endpoints}
    for i, c in enumerate(constraints):
        if c.endpoint not in known:
            raise Refusal(
                RefusalCode.INVALID,
                f"no endpoint {c.endpoint!r} in this twin's model; it has: {', '.join(sorted(known)) or 'none'}",
                field=f"constraints[{i}].endpoint",
            )
