"""Which of the regimens the pharmacy can dispense serves the target best, within what harm is acceptable, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

from twin_service.outcome import Refusal, RefusalCode
from twin_service.solver.simulate import Deadline
from twin_service.twin.fold import Folded
from twin_service.twin.regimen import PlannedDoses, Regimen, Target
from twin_service.twin.simulate import WhatIf, future, start_from
from twin_service.twin.trajectory import resolve_outputs

CANDIDATES_MAX = 500


@dataclass(frozen=True)
class Dispensable:
    """What can be given: every combination of these is a candidate."""

    drug: str
    route: str
    amounts_mg: tuple[float, ...]
    intervals_h: tuple[float, ...]
    durations_h: tuple[float, ...] = (0.0,)
    loading_mg: tuple[float, ...] = (0.0,)


@dataclass(frozen=True)
class Constraint:
    """An endpoint may be reached with at most this probability."""

    endpoint: str
    probability_max: float


@dataclass(frozen=True)
class Ranked:
    """A candidate with its benefit (probability that all targets are met), worst harm, and the reason for its place."""

    what_if: WhatIf
    benefit: float
    harm: float
    admissible: bool
    reason: str


@dataclass(frozen=True)
class Ranking:
    """Best first. `recommended` is None when no candidate is within the constraints."""

    ranked: tuple[Ranked, ...]
    recommended: Ranked | None
    considered: int


def candidates(options: Sequence[Dispensable], horizon_h: float) -> list[Regimen]:
    """Every combination as a regimen that fills the horizon."""
    found: list[Regimen] = []
    for o in options:
        for mg, tau, duration, loading in product(o.amounts_mg, o.intervals_h, o.durations_h, o.loading_mg):
            count = max(1, int(horizon_h / tau + 1e-9)) if tau > 0 else 1
            name = f"{o.drug} {mg:g} mg every {tau:g} h" + (f" over {duration:g} h" if duration else "")
            name += f", loading {loading:g} mg" if loading else ""
            found.append(Regimen(name, (PlannedDoses(o.drug, o.route, mg, tau, count, duration, 0.0, loading),)))
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
    members: int = 128,
    deadline: Deadline | None = None,
) -> Ranking:
    """Rank all candidates: admissible ones first, by probability of meeting the targets, then by least harm, then by
    the smallest daily dose."""
    if not targets:
        raise Refusal(RefusalCode.INVALID, "a recommendation needs at least one target", field="targets")
    known = {e.id for e in folded.model.endpoints}
    for i, c in enumerate(constraints):
        if c.endpoint not in known:
            raise Refusal(
                RefusalCode.INVALID,
                f"no endpoint {c.endpoint!r} in this twin's model; it has: {', '.join(sorted(known)) or 'none'}",
                field=f"constraints[{i}].endpoint",
            )
    plans = candidates(options, horizon_h)
    start = start_from(folded, start_h, members, deadline=deadline)
    names = resolve_outputs(folded, [t.output for t in targets])
    tried = [
        future(folded, start, p, horizon_h=horizon_h, targets=targets, names=names, deadline=deadline) for p in plans
    ]
    ranked = sorted((_judge(w, constraints) for w in tried), key=_rank)
    best = ranked[0] if ranked and ranked[0].admissible else None
    return Ranking(tuple(ranked), best, len(plans))


def _judge(w: WhatIf, constraints: Sequence[Constraint]) -> Ranked:
    benefit = w.joint_probability
    harms = {r.endpoint.id: r.probability for r in w.endpoints if r.endpoint.harmful}
    broken = [
        f"{c.endpoint} {harms.get(c.endpoint, 0.0):.0%} > {c.probability_max:.0%}"
        for c in constraints
        if not harms.get(c.endpoint, 0.0) <= c.probability_max
    ]
    admissible = not broken and w.outcome.ok and benefit == benefit
    worst = max(harms.values(), default=0.0)
    if not w.outcome.ok:
        reason = f"not judged: {w.outcome}"
    elif broken:
        reason = "excluded: " + "; ".join(broken)
    else:
        reason = "; ".join(
            f"{a.target.name or a.target.metric} median {a.q50:.3g} (90 % {a.q05:.3g} to {a.q95:.3g}), "
            f"in range {a.probability:.0%}"
            for a in w.targets
        )
    return Ranked(w, benefit, worst, admissible, reason)


def _rank(r: Ranked) -> tuple[bool, float, float, float]:
    daily = sum(p.amount_mg * 24.0 / p.interval_h if p.interval_h > 0 else p.amount_mg for p in r.what_if.regimen.doses)
    return (not r.admissible, -r.benefit if r.benefit == r.benefit else 1.0, r.harm, daily)
