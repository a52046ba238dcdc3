"""Every member of a belief treated by its own decisions under one protocol.

All members are first simulated under the plan. Then, visit by visit, each decides from its own course; those whose
doses change are simulated anew, from the start of the forecast, under the doses they get. So each member's course is
one plain simulation of what it was given, and one in whom no rule speaks has the plan's course bit for bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from twin_service.outcome import Outcome
from twin_service.scenario.grid import Grid
from twin_service.scenario.regimen import PlannedDoses, planned_doses, route_for
from twin_service.solver.schedule import Dose, Schedule
from twin_service.solver.simulate import Deadline, simulate
from twin_service.twin.fold import Folded
from twin_service.twin.protocol import Protocol, Rule, rules_on
from twin_service.twin.simulate import FutureStart
from twin_service.twin.trajectory import resolve_outputs

FloatArray = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass
class _Arm:
    """One line of the plan in N members: hours and shares of each planned dose (N, count); NaN hours: not given."""

    doses: PlannedDoses
    hours: FloatArray
    shares: FloatArray
    stopped: Flags


@dataclass
class _Level:
    """Share of the planned dose in force for one drug, and after how many doses it was last changed: (N,)."""

    share: FloatArray
    adjusted_for: NDArray[np.intp]


@dataclass
class _Tally:
    """What happened so far, by member."""

    holding: Flags
    acted: NDArray[np.intp]
    holds: NDArray[np.intp]
    adjustments: NDArray[np.intp]
    stopped_h: FloatArray
    levels: dict[str, _Level]
    rescues: list[list[tuple[int, float]]] = field(default_factory=list)


@dataclass(frozen=True)
class FollowedMembers:
    """outputs (N, nt, no) and what each member got; `acted` (N, rules) counts each rule's actions.

    planned_mg, given_mg   by drug, within the horizon; given (N,) without rescues
    rescue_mg              by drug (N,)
    stopped_h              NaN where treatment was not stopped
    """

    outputs: FloatArray
    outcome: Outcome
    planned_mg: dict[str, float]
    given_mg: dict[str, FloatArray]
    rescue_mg: dict[str, FloatArray]
    acted: NDArray[np.intp]
    holds: NDArray[np.intp]
    adjustments: NDArray[np.intp]
    rescues: NDArray[np.intp]
    stopped_h: FloatArray
    given_h: FloatArray


def possible_doses(protocol: Protocol, horizon_h: float) -> list[tuple[float, float]]:
    """(hour, duration) of every dose a member might get, for a grid that sees them all."""
    found: list[tuple[float, float]] = []
    for d in protocol.plan.doses:
        planned = d.hours.tolist()
        shifted = protocol.visits(horizon_h) if protocol.rules and protocol.held == "delayed" else []
        found += [(t, d.duration_h) for t in {*planned, *(v for v in shifted if v >= d.delay_h)} if t < horizon_h]
    for r in protocol.rules:
        if r.rescue is not None:
            later = r.rescue.hours.tolist()
            found += [
                (v + t, r.rescue.duration_h) for v in protocol.visits(horizon_h) for t in later if v + t < horizon_h
            ]
    return found


def follow(
    folded: Folded, start: FutureStart, protocol: Protocol, grid: Grid, *, deadline: Deadline | None = None
) -> FollowedMembers:
    """Walk all members of `start` through `protocol` on `grid`, which holds all its visits."""
    horizon_h, n = float(grid.hours[-1]), len(start.rows)
    arms = [_arm(d, n) for d in protocol.plan.doses]
    tally = _Tally(
        np.zeros((n, len(protocol.rules)), dtype=bool),
        np.zeros((n, len(protocol.rules)), dtype=np.intp),
        np.zeros(n, dtype=np.intp),
        np.zeros(n, dtype=np.intp),
        np.full(n, np.nan),
        {d.drug: _Level(np.ones(n), np.zeros(n, dtype=np.intp)) for d in protocol.plan.doses},
        [[] for _ in range(n)],
    )
    plan = planned_doses(folded.model, protocol.plan, start.time_h)
    outputs, outcome = _run(folded, start, grid, np.arange(n), [plan] * n, deadline)
    index = folded.model.system.output_index
    columns = [index[resolve_outputs(folded, [r.output])[0]] for r in protocol.rules]
    visits = protocol.visits(horizon_h) if protocol.rules else []
    for k, visit in enumerate(visits):
        spoke, wrong = _look(protocol, columns, outputs, grid, arms, visit=visit, previous=visits[k - 1] if k else 0.0)
        changed = _decide(protocol, arms, tally, spoke, wrong, visit=visit)
        if changed.any():
            who = np.flatnonzero(changed)
            doses = [_doses_of(folded, protocol, arms, tally, int(i), start.time_h) for i in who]
            outputs[who], found = _run(folded, start, grid, who, doses, deadline)
            outcome = outcome if found.ok else found
    return _followed(protocol, arms, tally, outputs, outcome, horizon_h)


def _run(
    folded: Folded,
    start: FutureStart,
    grid: Grid,
    who: NDArray[np.intp],
    doses: Sequence[tuple[Dose, ...]],
    deadline: Deadline | None,
) -> tuple[FloatArray, Outcome]:
    solution = simulate(
        folded.model.system,
        start.rows[who],
        [Schedule(start.history + d, start.changes_h) for d in doses],
        grid.clock_h,
        after_dose=grid.after,
        start_h=start.time_h,
        state=start.states[who],
        deadline=deadline,
    )
    return solution.outputs, next((o for o in solution.outcomes if not o.ok), Outcome())


def _arm(d: PlannedDoses, n: int) -> _Arm:
    return _Arm(d, np.tile(d.hours, (n, 1)), np.ones((n, d.count)), np.zeros(n, dtype=bool))


def _look(
    protocol: Protocol,
    columns: Sequence[int],
    outputs: FloatArray,
    grid: Grid,
    arms: Sequence[_Arm],
    *,
    visit: float,
    previous: float,
) -> tuple[Flags, Flags]:
    """For each member and rule: does it speak, and is the value now on the wrong side of where a hold ends."""
    n = len(outputs)
    spoke, wrong = np.zeros((n, len(columns)), dtype=bool), np.zeros((n, len(columns)), dtype=bool)
    at = int(np.searchsorted(grid.hours, visit - 1e-8))
    for r, (rule, column) in enumerate(zip(protocol.rules, columns, strict=True)):
        y = outputs[:, : at + 1, column]
        if rule.relative:
            y = y / outputs[:, :1, column]
        now, sign = y[:, -1], 1.0 if rule.side == "below" else -1.0
        seen = now if rule.look == "now" else sign * _lowest(sign * y, grid.hours, _since(rule, arms, visit, previous))
        with np.errstate(invalid="ignore"):
            spoke[:, r] = sign * seen < sign * rule.threshold
            wrong[:, r] = sign * now < sign * (rule.threshold if rule.resume is None else rule.resume)
    return spoke, wrong


def _since(rule: Rule, arms: Sequence[_Arm], visit: float, previous: float) -> FloatArray:
    """Hour of each member's last dose by this visit, or of the last visit if that was earlier; else the start."""
    concerned = [a for a in arms if not rule.drugs or a.doses.drug in rule.drugs]
    last = np.full(len(arms[0].stopped) if arms else 1, -np.inf)
    for a in concerned:
        given = np.where(a.hours < visit - 1e-8, a.hours, -np.inf)
        last = np.maximum(last, np.where(np.isnan(given), -np.inf, given).max(axis=1))
    return np.minimum(np.where(np.isfinite(last), last, 0.0), previous)


def _lowest(y: FloatArray, hours: FloatArray, since: FloatArray) -> FloatArray:
    inside = hours[None, : y.shape[1]] >= since[:, None] - 1e-8
    return np.asarray(np.where(inside, y, np.inf).min(axis=1))


def _decide(
    protocol: Protocol, arms: Sequence[_Arm], tally: _Tally, spoke: Flags, wrong: Flags, *, visit: float
) -> Flags:
    """Change the doses from `visit` on by what the rules say; which members changed."""
    changed = np.zeros(len(spoke), dtype=bool)
    rules = protocol.rules
    tally.holding = (spoke | tally.holding) & wrong & np.array([r.action == "hold" for r in rules])
    for drug in tally.levels:
        mine = [a for a in arms if a.doses.drug == drug]
        for arm in mine:
            changed |= _stop(arm, rules, tally, spoke, visit)
        due = [~a.stopped & _due(a, protocol, visit) for a in mine]
        changed |= _adjust(mine, rules, tally, spoke & np.logical_or.reduce(due)[:, None], visit)
        held = rules_on(rules, drug, "hold")
        for arm, now in zip(mine, due, strict=True):
            holding = now & tally.holding[:, held].any(axis=1)
            tally.acted[:, held] += tally.holding[:, held] & holding[:, None]
            changed |= _hold(arm, protocol, tally, holding, visit)
    for i, rule in enumerate(rules):
        if rule.action == "rescue":
            now = spoke[:, i] & ((rule.times_max == 0) | (tally.acted[:, i] < rule.times_max))
            tally.acted[:, i] += now
            for m in np.flatnonzero(now):
                tally.rescues[m].append((i, visit))
            changed |= now
    return changed


def _due(arm: _Arm, protocol: Protocol, visit: float) -> Flags:
    """Delayed: a dose falls on this visit; omitted: some dose lies before the next one."""
    window = 1e-6 if protocol.held == "delayed" else protocol.visit_h - 1e-8
    return np.asarray(((arm.hours >= visit - 1e-6) & (arm.hours < visit + window)).any(axis=1))


def _stop(arm: _Arm, rules: Sequence[Rule], tally: _Tally, spoke: Flags, visit: float) -> Flags:
    which = rules_on(rules, arm.doses.drug, "stop")
    now = spoke[:, which].any(axis=1) & ~arm.stopped if which else np.zeros(len(spoke), dtype=bool)
    tally.acted[:, which] += spoke[:, which] & now[:, None]
    return _end(arm, tally, now, visit)


def _end(arm: _Arm, tally: _Tally, now: Flags, visit: float) -> Flags:
    arm.stopped |= now
    later = now[:, None] & (arm.hours >= visit - 1e-6)
    arm.hours = np.where(later, np.nan, arm.hours)
    tally.stopped_h = np.where(now & np.isnan(tally.stopped_h), visit, tally.stopped_h)
    return np.asarray(later.any(axis=1))


def _adjust(arms: Sequence[_Arm], rules: Sequence[Rule], tally: _Tally, spoke: Flags, visit: float) -> Flags:
    """Change the later doses of one drug, `arms` of the plan; a drug not given since its last change keeps its dose."""
    drug = arms[0].doses.drug
    level = tally.levels[drug]
    given = np.sum([(a.hours < visit - 1e-6).sum(axis=1) for a in arms], axis=0)
    free = given > level.adjusted_for
    changed = np.zeros(len(spoke), dtype=bool)
    for i in rules_on(rules, drug, "adjust"):
        now, r = spoke[:, i] & free, rules[i]
        share = np.clip(level.share * r.factor, r.share_min, r.share_max)
        moved = now & (share != level.share)
        level.share = np.where(now, share, level.share)
        level.adjusted_for = np.where(now, given, level.adjusted_for)
        free &= ~now
        tally.acted[:, i] += moved
        changed |= moved
    tally.adjustments += changed
    for arm in arms:
        later = changed[:, None] & (arm.hours >= visit - 1e-6)
        arm.shares = np.where(later, level.share[:, None], arm.shares)
    return changed


def _hold(arm: _Arm, protocol: Protocol, tally: _Tally, holding: Flags, visit: float) -> Flags:
    later = arm.hours >= visit - 1e-6
    if protocol.held == "omitted":
        left_out = holding[:, None] & later & (arm.hours < visit + protocol.visit_h - 1e-8)
        tally.holds += left_out.sum(axis=1)
        arm.hours = np.where(left_out, np.nan, arm.hours)
        return np.asarray(left_out.any(axis=1))
    tally.holds += holding
    first = np.where(np.isnan(arm.hours), np.inf, np.where(later, arm.hours, np.inf)).argmin(axis=1)
    planned = arm.doses.hours
    # how late the dose is by its own interval: the time since the last one given, less the interval
    before = np.where(
        first > 0, arm.hours[np.arange(len(first)), np.maximum(first - 1, 0)] + arm.doses.interval_h, planned[0]
    )
    too_late = holding & (visit + protocol.visit_h - before > protocol.delay_max_h + 1e-6)
    _end(arm, tally, too_late, visit)
    arm.hours = np.where(holding[:, None] & ~too_late[:, None] & later, arm.hours + protocol.visit_h, arm.hours)
    return holding


def _doses_of(
    folded: Folded, protocol: Protocol, arms: Sequence[_Arm], tally: _Tally, member: int, start_h: float
) -> tuple[Dose, ...]:
    found: list[Dose] = []
    for arm in arms:
        d = arm.doses
        route = route_for(folded.model, d.drug, d.route)
        for k, mg in enumerate(d.amounts.tolist()):
            if not np.isnan(arm.hours[member, k]):
                found.append(
                    Dose(
                        start_h + float(arm.hours[member, k]),
                        route.input,
                        mg * float(arm.shares[member, k]) * route.units_per_mg,
                        d.duration_h,
                    )
                )
    for i, visit in tally.rescues[member]:
        r = protocol.rules[i].rescue
        assert r is not None
        route = route_for(folded.model, r.drug, r.route)
        found += [
            Dose(
                start_h + visit + r.delay_h + k * r.interval_h,
                route.input,
                r.amount_mg * route.units_per_mg,
                r.duration_h,
            )
            for k in range(r.count)
        ]
    return tuple(sorted(found))


def _followed(
    protocol: Protocol, arms: Sequence[_Arm], tally: _Tally, outputs: FloatArray, outcome: Outcome, horizon_h: float
) -> FollowedMembers:
    n = len(outputs)
    planned: dict[str, float] = {}
    given: dict[str, FloatArray] = {}
    for arm in arms:
        d = arm.doses
        mg, hours = d.amounts, d.hours
        planned[d.drug] = planned.get(d.drug, 0.0) + float(mg[hours < horizon_h].sum())
        with np.errstate(invalid="ignore"):
            got = np.where(arm.hours < horizon_h, arm.shares * mg, 0.0).sum(axis=1)
        given[d.drug] = given.get(d.drug, np.zeros(n)) + got
    rescue: dict[str, FloatArray] = {}
    for m, told in enumerate(tally.rescues):
        for i, visit in told:
            r = protocol.rules[i].rescue
            assert r is not None
            rescue.setdefault(r.drug, np.zeros(n))[m] += r.amount_mg * float((visit + r.hours < horizon_h).sum())
    every = sorted({float(t) for a in arms for t in a.hours.ravel() if t == t and t < horizon_h})
    return FollowedMembers(
        outputs,
        outcome,
        planned,
        given,
        rescue,
        tally.acted,
        tally.holds,
        tally.adjustments,
        np.array([len(t) for t in tally.rescues]),
        tally.stopped_h,
        np.array(every),
    )
