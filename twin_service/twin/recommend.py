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
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from twin_service.outcome import Refusal, RefusalCode
from twin_service.scenario.regimen import Regimen
from twin_service.scenario.target import Target
from twin_service.solver.simulate import Deadline
from twin_service.twin.candidates import NOTHING, Dispensable, burden, candidates, combinations
from twin_service.twin.fold import Folded
from twin_service.twin.judging import (
    CandidateQuestion,
    Constraint,
    JudgedCandidate,
    Limit,
    OptionAsked,
    Preferences,
    RankedCandidate,
    judge,
    serious_harm,
)
from twin_service.twin.sampling import WorthDrawing, worth_drawing
from twin_service.twin.simulate import FutureStart, start_from

__all__ = [
    "Constraint",
    "Dispensable",
    "Limit",
    "Preferences",
    "RankedCandidate",
    "Ranking",
    "candidates",
    "recommend",
    "serious_harm",
]

FloatArray = NDArray[np.float64]
MICROSECONDS_PER_HOUR = 3.6e9
TIE = 0.02  # of utility: less is no difference to a patient, however sure
HARM_APART = 0.05
CONTENDERS_MAX = 8
MORE_MEMBERS = (1024, 4096)
MANY_STATES = 16  # of a model: beyond, the largest number of members costs more than the answer is worth


@dataclass(frozen=True)
class Ranking:
    """Best first. `recommended` is None when no candidate is within the constraints and above the floor; `message` says
    why one or none is, and what ties with it; `draw` when a level is worth drawing, the most useful first."""

    ranked: tuple[RankedCandidate, ...]
    recommended: RankedCandidate | None
    considered: int
    message: str = ""
    draw: tuple[WorthDrawing, ...] = ()


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
    candidates(options, horizon_h)
    question = CandidateQuestion(horizon_h, constraints, limits, preferences, deadline)
    plans = [
        (OptionAsked(o, carriers.get(i, folded), (*targets, *o.targets)), plan)
        for i, o in enumerate(options)
        for plan in combinations(o, horizon_h)
    ]
    starts = _Starts(folded, start_h, question, plans)
    judged = [judge(a, plan, starts.of(a.twin, members), question) for a, plan in plans]
    none = _judged_nothing(folded, plans, starts, members, question)
    judged = _resolved([*judged, *none], starts, members, question)
    ordered = _ordered(judged)
    best = ordered[0].ranked if _is_worth_giving(ordered[0].ranked, preferences) else None
    draw = worth_drawing(ordered[0].asked.twin, ordered[0].future, [j.worth for j in ordered if j.ranked.admissible])
    ranked = _marked(ordered)
    chosen = None if best is None else ranked[0]
    return Ranking(ranked, chosen, len(ranked), _message(ranked, chosen, preferences), draw)


class _Starts:
    """The members at the start, solved once for each twin and number of members."""

    def __init__(
        self, folded: Folded, start_h: float, question: CandidateQuestion, plans: Sequence[tuple[OptionAsked, Regimen]]
    ) -> None:
        self._origin_us, self._start_h, self._question = folded.course.start_us, start_h, question
        asked = [t.output for a, _ in plans for t in a.targets] + [x.target.output for x in question.limits]
        self._outputs = list(dict.fromkeys(asked))
        self._kept: dict[tuple[int, int], FutureStart] = {}

    def of(self, twin: Folded, members: int) -> FutureStart:
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


def _judged_nothing(
    folded: Folded,
    plans: Sequence[tuple[OptionAsked, Regimen]],
    starts: _Starts,
    members: int,
    question: CandidateQuestion,
) -> list[JudgedCandidate]:
    """Giving nothing now, judged by the targets of all options; left out where a target needs doses to be measured."""
    own = [t for a, _ in plans if a.twin is folded for t in a.targets]
    asked = OptionAsked(None, folded, tuple(dict.fromkeys(own)))
    if not asked.targets:
        return []
    try:
        return [judge(asked, NOTHING, starts.of(folded, members), question)]
    except Refusal as refusal:
        if refusal.reason != "EMPTY_WINDOW":
            raise
        return []


def _apart(best: JudgedCandidate, other: JudgedCandidate) -> tuple[float, float]:
    """How far `other` lies below `best`, and the standard error of that, member by member."""
    if len(best.worth) != len(other.worth):
        return best.expected - other.expected, 0.0
    d = best.worth - other.worth
    d = d[np.isfinite(d)]
    return float(d.mean()), float(d.std() / np.sqrt(len(d)))


def _resolved(
    judged: list[JudgedCandidate], starts: _Starts, members: int, question: CandidateQuestion
) -> list[JudgedCandidate]:
    """The close ones at the top computed again with more members, until they are told apart or it does not matter."""
    for more in MORE_MEMBERS:
        able = sorted((j for j in judged if j.ranked.admissible), key=lambda j: -j.expected)
        pairs = [(j, _apart(able[0], j)) for j in able[1:]] if able else []
        close = [(j, gap, se) for j, (gap, se) in pairs if gap <= 2.0 * se]
        unsure = any(2.0 * se > TIE or _harms_apart(able[0], j) for j, _, se in close)
        unsure = unsure or (bool(able) and _is_near_floor(able[0], question.preferences.floor))
        states = max((len(j.asked.twin.model.system.states) for j in able), default=0)
        if not unsure or more <= members or (states > MANY_STATES and more == MORE_MEMBERS[-1]):
            break
        again = [able[0], *(j for j, _, _ in close[: CONTENDERS_MAX - 1])]
        fresh = {
            id(j): judge(j.asked, j.ranked.what_if.regimen, starts.of(j.asked.twin, more), question) for j in again
        }
        if question.deadline is not None and question.deadline.expired:
            break
        judged = [fresh.get(id(j), j) for j in judged]
    return judged


def _is_near_floor(best: JudgedCandidate, floor: float) -> bool:
    """Whether sampling error decides if anything is recommended at all."""
    return abs(best.ranked.benefit - floor) < 2.0 * float(np.sqrt(floor * (1.0 - floor) / len(best.worth)))


def _harms_apart(a: JudgedCandidate, b: JudgedCandidate) -> bool:
    return abs(a.ranked.harm_added - b.ranked.harm_added) > HARM_APART


def _ordered(judged: list[JudgedCandidate]) -> list[JudgedCandidate]:
    """Admissible ones first: those that tie with the best by harm and burden, the others by utility."""
    able = sorted((j for j in judged if j.ranked.admissible), key=lambda j: -j.expected)
    rest = sorted((j for j in judged if not j.ranked.admissible), key=lambda j: -np.nan_to_num(j.expected, nan=-9.0))
    if not able:
        return rest
    ties: list[JudgedCandidate] = [able[0]]
    others: list[JudgedCandidate] = []
    for j in able[1:]:
        gap, se = _apart(able[0], j)
        (ties if gap <= min(2.0 * se, TIE) or gap <= 1e-12 else others).append(j)
    ties.sort(key=lambda j: (round(j.ranked.harm_added, 2), *burden(j.ranked.what_if.regimen)))
    ties = [j._replace(ranked=replace(j.ranked, tie=len(ties) > 1)) for j in ties]
    return [*ties, *others, *rest]


def _marked(ordered: list[JudgedCandidate]) -> tuple[RankedCandidate, ...]:
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


def _is_worth_giving(r: RankedCandidate, preferences: Preferences) -> bool:
    return r.admissible and r.benefit >= preferences.floor and r.harm_added <= preferences.harm_max


def _message(ranked: Sequence[RankedCandidate], chosen: RankedCandidate | None, preferences: Preferences) -> str:
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


def _what_would_help(first: RankedCandidate) -> str:
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
