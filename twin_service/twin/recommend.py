"""Which of the regimens the pharmacy can dispense serves the target best, within what harm is acceptable, and why.

Candidates differ by drug, dose, interval, infusion length and loading dose. A drug that the twin's own model does not
carry comes with a twin of its own (`alternative`); it has its own exposure targets and shares those on effects.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from twin_service.outcome import Refusal, RefusalCode
from twin_service.scenario.attainment import Attained
from twin_service.scenario.endpoints import Reached
from twin_service.scenario.regimen import PlannedDoses, Regimen
from twin_service.scenario.target import Target
from twin_service.solver.simulate import Deadline
from twin_service.twin.fold import Folded
from twin_service.twin.simulate import Start, WhatIf, future, start_from
from twin_service.twin.trajectory import resolve_outputs

CANDIDATES_MAX = 500
MICROSECONDS_PER_HOUR = 3.6e9


@dataclass(frozen=True)
class Dispensable:
    """What can be given: every combination of these is a candidate. `targets` are those of this drug alone."""

    drug: str
    route: str
    amounts_mg: tuple[float, ...]
    intervals_h: tuple[float, ...]
    durations_h: tuple[float, ...] = (0.0,)
    loading_mg: tuple[float, ...] = (0.0,)
    targets: tuple[Target, ...] = ()


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
class Ranked:
    """A candidate with its benefit (probability that all targets are met), its likeliest serious harm, and the reason
    for its place. `harm` None: the model knows no serious harm."""

    what_if: WhatIf
    benefit: float
    harm: Reached | None
    admissible: bool
    reason: str
    limits: tuple[Attained, ...] = ()
    model_id: str = ""

    @property
    def harm_probability(self) -> float:
        return self.harm.probability if self.harm is not None else 0.0


@dataclass(frozen=True)
class Ranking:
    """Best first. `recommended` is None when no candidate is within the constraints."""

    ranked: tuple[Ranked, ...]
    recommended: Ranked | None
    considered: int


def candidates(options: Sequence[Dispensable], horizon_h: float) -> list[Regimen]:
    """Every combination of `options` as a regimen that fills the horizon, in their order."""
    found = [r for o in options for r in _combinations(o, horizon_h)]
    if not 1 <= len(found) <= CANDIDATES_MAX:
        raise Refusal(
            RefusalCode.INVALID,
            f"{len(found)} candidate regimens; expected 1 to {CANDIDATES_MAX}: list "
            "fewer amounts, intervals or durations",
            field="options",
            reason="TOO_MANY_CANDIDATES",
        )
    return found


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
    deadline: Deadline | None = None,
) -> Ranking:
    """Rank all candidates: admissible ones first, by probability of meeting the targets, then by least serious harm,
    then by the smallest daily dose. `carriers`: the twin of an option that `folded` does not carry, by its place."""
    carriers = carriers or {}
    _check(folded, options, targets, constraints=constraints, carriers=carriers)
    considered = len(candidates(options, horizon_h))
    starts: dict[int, Start] = {}
    asked_of = [t.output for t in (*targets, *(x.target for x in limits), *(t for o in options for t in o.targets))]
    ranked: list[Ranked] = []
    for i, option in enumerate(options):
        twin = carriers.get(i, folded)
        if id(twin) not in starts:
            hours = start_h + (folded.course.start_us - twin.course.start_us) / MICROSECONDS_PER_HOUR
            starts[id(twin)] = start_from(twin, hours, members, outputs=asked_of, deadline=deadline)
        asked = [*targets, *option.targets]
        measured = [*asked, *(x.target for x in limits)]
        names = list(dict.fromkeys(resolve_outputs(twin, [t.output for t in measured])))
        for plan in _combinations(option, horizon_h):
            found = future(
                twin,
                starts[id(twin)],
                plan,
                horizon_h=horizon_h,
                targets=asked,
                names=names,
                limits=[x.target for x in limits],
                deadline=deadline,
            )
            ranked.append(_judge(found, constraints, limits, twin.model.id))
    ranked.sort(key=_rank)
    best = ranked[0] if ranked and ranked[0].admissible else None
    return Ranking(tuple(ranked), best, considered)


def serious_harm(endpoints: Sequence[Reached]) -> Reached | None:
    """The likeliest endpoint of serious harm; None when none is known. One that could not be computed comes first."""
    serious = [r for r in endpoints if r.endpoint.harmful and r.endpoint.serious]
    return max(serious, key=lambda r: (r.probability != r.probability, r.probability), default=None)


def _combinations(o: Dispensable, horizon_h: float) -> list[Regimen]:
    found: list[Regimen] = []
    for mg, tau, duration, loading in product(o.amounts_mg, o.intervals_h, o.durations_h, o.loading_mg):
        count = max(1, int(horizon_h / tau + 1e-9)) if tau > 0 else 1
        name = f"{o.drug} {mg:g} mg every {tau:g} h" + (f" over {duration:g} h" if duration else "")
        name += f", loading {loading:g} mg" if loading else ""
        found.append(Regimen(name, (PlannedDoses(o.drug, o.route, mg, tau, count, duration, 0.0, loading),)))
    return found


def _judge(w: WhatIf, constraints: Sequence[Constraint], limits: Sequence[Limit], model_id: str) -> Ranked:
    benefit = w.joint_probability
    known = {r.endpoint.id: r.probability for r in w.endpoints}
    broken = [_broken(c, known, model_id) for c in constraints]
    broken += [_outside(x, a) for x, a in zip(limits, w.limits, strict=True)]
    said = [b for b in broken if b]
    if not w.outcome.ok:
        reason = f"not judged: {w.outcome}"
    elif said:
        reason = "excluded: " + "; ".join(said)
    else:
        reason = "; ".join(
            f"{a.target.name or a.target.metric} median {a.q50:.3g} (90 % {a.q05:.3g} to {a.q95:.3g}), "
            f"in range {a.probability:.0%}"
            for a in (*w.targets, *w.limits)
        )
    admissible = not said and w.outcome.ok and benefit == benefit
    return Ranked(w, benefit, serious_harm(w.endpoints), admissible, reason, w.limits, model_id)


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


def _rank(r: Ranked) -> tuple[bool, float, float, float]:
    daily = sum(p.amount_mg * 24.0 / p.interval_h if p.interval_h > 0 else p.amount_mg for p in r.what_if.regimen.doses)
    return (not r.admissible, -r.benefit if r.benefit == r.benefit else 1.0, r.harm_probability, daily)
