"""A course of doses as state events: a bolus steps its state, an infusion steps a rate up and down again."""

from __future__ import annotations

from typing import NamedTuple

from twin_service.model.sbml.refusal import unsupported
from twin_service.solver.expression import TIME, Expression, apply, constant, expression, symbol
from twin_service.solver.schedule import Dose, Schedule
from twin_service.solver.system import StateEvent, System


class SbmlDosing(NamedTuple):
    """`rates` maps the name of each infusion rate to the state it feeds."""

    events: tuple[StateEvent, ...]
    rates: dict[str, str]


def dose_course(system: System, schedule: Schedule) -> SbmlDosing:
    """The doses of `schedule` as events. Raises Refusal for what events cannot say."""
    if schedule.change_times_h or schedule.reset_times_h:
        raise unsupported("export", "schedule", "changes parameters or resets states", "export one segment of time")
    events: list[StateEvent] = []
    rates: dict[str, str] = {}
    for k, dose in enumerate(schedule.doses, 1):
        events += _events(system, dose, k, rates)
    return SbmlDosing(tuple(events), rates)


def _events(system: System, dose: Dose, k: int, rates: dict[str, str]) -> list[StateEvent]:
    if dose.steady_interval_h > 0:
        raise unsupported("export", f"dose {k}", "starts at a steady state", "give the doses one by one")
    entry = system.inputs[system.input_index[dose.input]]
    amount = entry.bioavailability * dose.amount
    start = entry.lag + dose.time_h
    duration = entry.duration if entry.duration is not None else constant(dose.duration_h)
    if duration.op == "const" and duration.value == 0.0:
        return [_step(f"dose_{k}", entry.state, amount, start)]
    rate = f"infusion_{entry.name}"
    rates[rate] = entry.state
    return [
        _step(f"dose_{k}_start", rate, amount / duration, start),
        _step(f"dose_{k}_end", rate, -(amount / duration), expression(start + duration)),
    ]


def _step(name: str, target: str, change: Expression, at: Expression) -> StateEvent:
    """Doses that fall together add up, so each takes the value it finds when its turn comes."""
    return StateEvent(
        name, apply("ge", TIME, at), {target: symbol(target) + change}, initially_true=False, values_at_trigger=False
    )
