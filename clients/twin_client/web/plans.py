"""The futures a page compares: as now, nothing, and what the reader set with the sliders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from twin_client.events import hours, mg, quantity
from twin_client.web.sight import CurrentDosing, TargetRange
from twin_service.v1 import simulation_pb2

AS_NOW, NOTHING, YOURS = "As now", "Give nothing", "Your plan"
COUNT_MAX = 500


class BadForm(ValueError):
    """What was typed cannot be asked: which field, and what was expected."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field, self.message = field, message


@dataclass(frozen=True)
class PlanForm:
    """The sliders: one drug by one route; `horizon_h` 0 until the question is asked."""

    drug: str
    route: str
    mg: float
    interval_h: float
    over_h: float
    delay_h: float
    horizon_h: float
    log: bool = False


def read_plan(form: Mapping[str, str]) -> PlanForm:
    """The plan of a form; raises BadForm. An empty field is an error, not a zero."""
    return PlanForm(
        form.get("drug", ""),
        form.get("route", ""),
        _number(form, "mg", 0.0, 1e6),
        _number(form, "interval", 0.5, 2016.0),
        _number(form, "over", 0.0, 336.0),
        _number(form, "delay", 0.0, 336.0),
        0.0,
        form.get("scale") == "log",
    )


def _number(form: Mapping[str, str], field: str, low: float, high: float) -> float:
    text = form.get(field, "").strip()
    try:
        value = float(text)
    except ValueError:
        raise BadForm(field, f"expected a number, not {text!r}") from None
    if not low <= value <= high:
        raise BadForm(field, f"expected {low:g} to {high:g}")
    return value


def numbers(text: str, field: str, low: float, high: float) -> list[float]:
    """Numbers separated by commas or spaces; raises BadForm."""
    parts = text.replace(",", " ").split()
    found = sorted({_number({field: p}, field, low, high) for p in parts})
    if not found:
        raise BadForm(field, "give at least one number")
    return found


def regimen(plan: PlanForm, title: str) -> simulation_pb2.Regimen:
    """The plan as doses until the horizon; no amount is no dose."""
    made = simulation_pb2.Regimen(name=title)
    if plan.mg <= 0:
        return made
    count = max(1, min(COUNT_MAX, int((plan.horizon_h - plan.delay_h - 1e-9) // plan.interval_h) + 1))
    doses = made.doses.add(drug=plan.drug, route=plan.route, amount=mg(plan.mg), count=count)
    doses.interval.CopyFrom(hours(plan.interval_h))
    if plan.over_h > 0:
        doses.duration.CopyFrom(hours(plan.over_h))
    if plan.delay_h > 0:
        doses.delay.CopyFrom(hours(plan.delay_h))
    return made


def as_now(dosing: Sequence[CurrentDosing], now_h: float, horizon_h: float) -> simulation_pb2.Regimen | None:
    """Every drug as it was last given, the next dose when it is due; None where no interval is known.

    now_h   hours from each last dose are counted against this: hours of now after the epoch of `CurrentDosing.last`
    """
    made = simulation_pb2.Regimen(name=AS_NOW)
    for d in dosing:
        if d.interval_h <= 0:
            continue
        due = max(0.0, d.interval_h - (now_h - d.last.timestamp() / 3600))
        if due >= horizon_h:
            continue
        part = regimen(PlanForm(d.drug, d.route, d.mg, d.interval_h, d.over_h, due, horizon_h), AS_NOW)
        made.doses.extend(part.doses)
    return made if made.doses else None


def target_of(found: TargetRange, output: str, horizon_h: float) -> simulation_pb2.Target | None:
    """The trough within range after the first third of the horizon; None where the model names no range."""
    if not found.both or found.low is None or found.high is None:
        return None
    return simulation_pb2.Target(
        name=f"trough {found.low:g} to {found.high:g} {found.unit}",
        output=output,
        metric=simulation_pb2.METRIC_TROUGH,
        low=quantity(found.low, found.unit),
        high=quantity(found.high, found.unit),
        window_start=hours(horizon_h / 3),
    )
