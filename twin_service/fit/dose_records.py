"""Doses of one record: amount, rate or duration, repetition, and which input they enter.

PREDPP's numbers: with a depot, compartment 1 is the depot and 2 the central one; without, 1 is central. RATE above 0
into a depot is a zero-order input to the depot. RATE -2 takes the duration that the model gives the input.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

import numpy as np

from twin_service.fit.columns import MISSING, Row
from twin_service.fit.subject import refuse_row
from twin_service.model.structure import PatientModel
from twin_service.solver.expression import Expression, constant, substitute
from twin_service.solver.schedule import Dose

SAME: Final = 1e-6
"""RATE and DUR that differ by more than this share of each other contradict."""


def number(row: Row, column: str, at: int) -> float | None:
    """The cell as a number, None where it says missing. Raises Refusal for other text and for infinity."""
    text = row.get(column, "")
    if text in MISSING:
        return None
    try:
        value = float(text)
    except ValueError:
        raise refuse_row(at, column, f"{text!r} is not a number") from None
    if not math.isfinite(value):
        raise refuse_row(at, column, f"{text!r} is not finite")
    return value


def count(row: Row, column: str, at: int, most: int) -> int:
    """The cell as a whole number from 0 to `most`; 0 where it is missing."""
    value = number(row, column, at) or 0.0
    if value < 0.0 or value > most or value != int(value):
        raise refuse_row(at, column, f"{value:g}: expected a whole number from 0 to {most}")
    return int(value)


def doses_of(
    row: Row, at: int, covariates: Mapping[str, float], model: PatientModel, *, time: float, inputs: Mapping[str, str]
) -> list[Dose]:
    """The dose of a record and its additional ones, in the model's units. Raises Refusal naming row and column."""
    amount, rate = number(row, "AMT", at), number(row, "RATE", at) or 0.0
    interval, steady = number(row, "II", at) or 0.0, count(row, "SS", at, 2)
    more, lasts = count(row, "ADDL", at, 100_000), number(row, "DUR", at) or 0.0
    if amount is None or amount < 0.0 or (amount == 0.0 and not (steady and rate > 0.0)):
        raise refuse_row(at, "AMT", f"{row.get('AMT')!r}: a dose needs a positive amount")
    if interval < 0.0 or ((steady or more) and interval == 0.0 and amount > 0.0):
        raise refuse_row(at, "II", f"{interval:g}: SS and ADDL need a positive interval")
    if rate < 0.0 and rate != -2.0:
        why = "a modelled rate (-1) is not part of any model here" if rate == -1.0 else "expected 0, above 0, or -2"
        raise refuse_row(at, "RATE", f"{rate:g}: {why}")
    if lasts < 0.0 or (rate < 0.0 and lasts > 0.0):
        raise refuse_row(at, "DUR", f"{lasts:g} with RATE {rate:g}: give one duration, not below 0")
    where = input_of(row, at, model, inputs, rate)
    entering = model.system.inputs[model.system.input_index[where]]
    if rate == -2.0 and entering.duration is None:
        raise refuse_row(at, "RATE", f"-2: {model.id} has no parameter for the duration of {where}")
    # tables hold mg; whole-body models count in umol
    scale = next((r.units_per_mg for r in model.routes if r.input == where), 1.0)
    amount, rate = amount * scale, rate * scale if rate > 0.0 else rate
    if amount == 0.0:
        # a constant infusion since for ever, which stops here
        return [Dose(time - 1.0, where, rate, 1.0, 1.0)]
    if rate > 0.0:
        _agree(at, amount / rate, lasts)
        # NONMEM keeps the rate and shortens the infusion by the bioavailability
        lasts = _typical(model, entering.bioavailability, covariates, 1.0) * amount / rate
    first = Dose(time, where, amount, lasts, interval if steady else 0.0, steady == 2)
    return [first, *(Dose(time + k * interval, where, amount, lasts) for k in range(1, more + 1))]


def _agree(at: int, by_rate: float, lasts: float) -> None:
    if lasts > 0.0 and abs(lasts - by_rate) > SAME * max(lasts, by_rate):
        raise refuse_row(at, "DUR", f"{lasts:g} h contradicts AMT/RATE, which is {by_rate:g} h; keep one of them")


def _typical(model: PatientModel, expression: Expression, covariates: Mapping[str, float], otherwise: float) -> float:
    """Value of `expression` for the typical patient; `otherwise` where it is not a number before the run."""
    if expression.op == "const":
        return expression.value
    values = model.values(covariates)
    known = {p.name: constant(float(v)) for p, v in zip(model.system.parameters, values, strict=True) if np.isfinite(v)}
    found = substitute([expression], known)[0]
    return found.value if found.op == "const" else otherwise


def input_of(row: Row, at: int, model: PatientModel, inputs: Mapping[str, str], rate: float) -> str:
    """The input that a dose enters, by ROUTE or CMT. Raises Refusal where the table does not say and it matters."""
    for column in ("ROUTE", "CMT"):
        key = row.get(column, "")
        if key in inputs:
            return inputs[key]
    routes = {r.route: r.input for r in model.routes}
    route, compartment = row.get("ROUTE", ""), row.get("CMT", "")
    if route not in MISSING:
        if route in routes:
            return routes[route]
        raise refuse_row(at, "ROUTE", f"{route!r} is unknown; {model.id} takes {', '.join(routes)}")
    if rate == -2.0:
        timed = [i for i in routes.values() if model.system.inputs[model.system.input_index[i]].duration is not None]
        if len(timed) == 1:
            return timed[0]
    if compartment not in (*MISSING, "0"):
        numbered = compartments(model)
        if compartment in numbered and numbered[compartment]:
            return numbered[compartment]
        said = ", ".join(f"{k} ({v})" for k, v in numbered.items() if v) or "none: give ROUTE instead"
        raise refuse_row(at, "CMT", f"{compartment}: no dose of {model.id} enters it; known: {said}")
    if len(routes) == 1:
        return next(iter(routes.values()))
    others = [i for r, i in routes.items() if r != "iv"]
    if len(others) == 1 and rate <= 0.0:
        return others[0]  # the default compartment of doses is the first one, the depot
    raise refuse_row(
        at, "CMT", f"missing: a dose of {model.id} can be {' or '.join(routes)}; add a column CMT or ROUTE"
    )


def compartments(model: PatientModel) -> dict[str, str]:
    """PREDPP's number of each compartment that a dose may enter; "" where no route leads there."""
    routes = {r.route: r.input for r in model.routes}
    others = [i for r, i in routes.items() if r != "iv"]
    if len(others) > 1:
        return {}
    return {"1": others[0], "2": routes.get("iv", "")} if others else {"1": routes.get("iv", "")}
