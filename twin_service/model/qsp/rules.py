"""Treatment by rule: holds, reductions, stops and rescue, decided at visits from what is seen there.

    decide(plan, rules, course so far, seen) -> what is given at this visit

`apply_rules` decides for one patient; `run_course` walks many simulated patients through the same visits at once. A
rule reads the value at the visit or the worst since the last dose; the first rule that speaks wins for each drug.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from twin_service.model.structure import PatientModel
from twin_service.outcome import Outcome, Refusal, RefusalCode
from twin_service.solver.schedule import Dose, Schedule
from twin_service.solver.simulate import simulate

Floats = NDArray[np.float64]
Action = Literal["hold", "reduce", "stop", "rescue"]
SCAN_STEPS = 8


@dataclass(frozen=True)
class Rule:
    """When `output` is beyond `threshold`, do `action`.

    look      "now": the value at the visit; "worst": the worst since the last dose
    factor    of "reduce": the next doses are multiplied by it, down to `floor` of the planned dose
    rescue    of "rescue": dose of `rescue_input` given besides the planned one
    """

    id: str
    output: str
    comparison: Literal["below", "above"]
    threshold: float
    action: Action
    look: Literal["now", "worst"] = "now"
    factor: float = 0.75
    floor: float = 0.5
    rescue_input: str = ""
    rescue_amount: float = 0.0


@dataclass(frozen=True)
class Plan:
    """Repeated doses of one input: every `interval_h`, `cycles` times, judged every `visit_h` while waiting.

    `delay_max_h`: a dose held longer than this ends the treatment.
    """

    input: str
    amount: float
    interval_h: float
    cycles: int
    duration_h: float = 0.0
    visit_h: float = 168.0
    delay_max_h: float = 504.0


@dataclass(frozen=True)
class Status:
    """Where one patient stands: doses given, dose level (share of the plan), time of the last dose, stopped."""

    given: int = 0
    level: float = 1.0
    last_h: float = -np.inf
    stopped: bool = False
    reduced_for: int = -1


class Decision(NamedTuple):
    """What is given now, the new status, and which rules spoke."""

    doses: tuple[Dose, ...]
    status: Status
    because: tuple[str, ...]


def apply_rule(rule: Rule, value: float) -> bool:
    """Whether `rule` speaks at `value`."""
    return value < rule.threshold if rule.comparison == "below" else value > rule.threshold


def apply_rules(
    plan: Plan, rules: Sequence[Rule], status: Status, seen: Mapping[str, tuple[float, float, float]], *, time_h: float
) -> Decision:
    """Decide at a visit. `seen`: output -> (value now, lowest and highest since the last dose)."""
    due = not status.stopped and status.given < plan.cycles and time_h - status.last_h >= plan.interval_h - 1e-9
    spoke = [r for r in rules if apply_rule(r, _looked(r, seen))]
    because = [r.id for r in spoke if r.action in ("rescue", "stop")]
    rescue = tuple(Dose(time_h, r.rescue_input, r.rescue_amount) for r in spoke if r.action == "rescue")
    if any(r.action == "stop" for r in spoke):
        return Decision(rescue, replace(status, stopped=True), tuple(because))
    if not due:
        return Decision(rescue, status, tuple(because))
    # a course is reduced once for what happened in it, however long the dose is then held
    if status.given > status.reduced_for:
        for r in spoke:
            if r.action == "reduce":
                status = replace(status, level=max(r.floor, status.level * r.factor), reduced_for=status.given)
                because.append(r.id)
    holds = [r.id for r in spoke if r.action == "hold"]
    if holds:
        late = time_h - status.last_h - plan.interval_h >= plan.delay_max_h
        return Decision(rescue, replace(status, stopped=late), tuple(because + holds))
    dose = Dose(time_h, plan.input, plan.amount * status.level, plan.duration_h)
    status = replace(status, given=status.given + 1, last_h=time_h)
    return Decision((*rescue, dose), status, tuple(because))


class Courses(NamedTuple):
    """N courses: doses and status of each, how often each rule spoke, outputs (N, nt, no) at `times_h`."""

    schedules: tuple[Schedule, ...]
    status: tuple[Status, ...]
    spoke: Mapping[str, int]
    times_h: Floats
    outputs: Floats
    outcome: Outcome


def run_course(
    model: PatientModel, rows: Floats, plan: Plan, rules: Sequence[Rule], *, horizon_h: float
) -> Courses:
    """Walk N simulated patients (parameter rows (N, np)) through the plan by the rules, visit by visit.

    Raises Refusal for a rule or plan that names an unknown output or input.
    """
    _check(model, plan, rules)
    n, index = len(rows), model.system.output_index
    column = {r.output: index[r.output] for r in rules}
    status = [Status()] * n
    doses: list[tuple[Dose, ...]] = [()] * n
    spoke = {r.id: 0 for r in rules}
    state: Floats | None = None
    low = np.full((n, len(index)), np.inf)
    high = np.full((n, len(index)), -np.inf)
    pieces: list[Floats] = []
    times: list[Floats] = []
    outcome, now = Outcome(), np.zeros((n, len(index)))
    for start in np.arange(0.0, horizon_h, plan.visit_h):
        grid = np.linspace(start, min(start + plan.visit_h, horizon_h), SCAN_STEPS + 1)
        if state is None:
            now = simulate(model.system, rows, times_h=[0.0]).outputs[:, 0]
        low, high = np.minimum(low, now), np.maximum(high, now)
        for i in range(n):
            seen = {k: (now[i, j], low[i, j], high[i, j]) for k, j in column.items()}
            decision = apply_rules(plan, rules, status[i], seen, time_h=float(start))
            for name in decision.because:
                spoke[name] += 1
            if decision.status.given > status[i].given:
                low[i], high[i] = np.inf, -np.inf
            status[i], doses[i] = decision.status, doses[i] + decision.doses
        run = simulate(model.system, rows, [Schedule(d) for d in doses], grid, start_h=float(start), state=state)
        outcome = next((o for o in run.outcomes if not o.ok), outcome)
        state, now = run.final, run.outputs[:, -1]
        low = np.minimum(low, run.outputs.min(axis=1))
        high = np.maximum(high, run.outputs.max(axis=1))
        pieces.append(run.outputs[:, :-1])
        times.append(grid[:-1])
    return Courses(tuple(Schedule(d) for d in doses), tuple(status), spoke, np.concatenate(times),
                   np.concatenate(pieces, axis=1), outcome)  # fmt: skip


def _looked(rule: Rule, seen: Mapping[str, tuple[float, float, float]]) -> float:
    now, low, high = seen[rule.output]
    if rule.look == "now":
        return now
    return low if rule.comparison == "below" else high


def _check(model: PatientModel, plan: Plan, rules: Sequence[Rule]) -> None:
    if plan.input not in model.system.input_index:
        raise _refuse(f"plan gives {plan.input!r}, which is no input of {model.id}; inputs: "
                      f"{', '.join(model.system.input_index)}")  # fmt: skip
    for r in rules:
        if r.output not in model.system.output_index:
            raise _refuse(f"rule {r.id} reads {r.output!r}, which is no output of {model.id}; outputs: "
                          f"{', '.join(model.system.output_index)}")  # fmt: skip


def _refuse(message: str) -> Refusal:
    return Refusal(RefusalCode.INVALID, message, field="rules", reason="BAD_RULE")
