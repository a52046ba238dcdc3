"""NONMEM's dosing semantics: 29 scenarios of infusions, lags, bioavailability, steady states and resets."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.estimation.nonmem_cases import reference
from twin_service.evaluate.event_table import Reading, subjects_of
from twin_service.evaluate.subject import predictor
from twin_service.model.compose import compose
from twin_service.model.structure import Block, Covariate, ErrorLaw, Observable, PatientModel, Route
from twin_service.solver.expression import symbol
from twin_service.solver.simulate import Tolerances
from twin_service.solver.system import Input, Output, Parameter, State

TIGHT = Tolerances(rtol=1e-9, atol_scale=1e-3)


def dosing_model() -> PatientModel:
    """One compartment, CL 1.1 L/h, V 20 L, KA 1.5 /h; lag and bioavailability of the central input are covariates."""
    depot, central = symbol("depot"), symbol("central")
    lag, f = symbol("lagt"), symbol("bioav")
    return compose("dosing", {"d": Block(
        "dosing", "1",
        (State("depot", "mg", -symbol("KA") * depot),
         State("central", "mg", symbol("KA") * depot - symbol("CL") / symbol("V") * central)),
        (Parameter("CL", "L/h", 1.1), Parameter("V", "L", 20.0), Parameter("KA", "1/h", 1.5)),
        (Output("cp", "ug/L", 1000.0 * central / symbol("V")),),
        (Input("depot", "mg", "depot"), Input("central", "mg", "central", f, lag),
         Input("modelled", "mg", "central", f, lag, symbol("dur2"))),
        observables=(Observable("drug", "cp", "ug/L", ErrorLaw(proportional=0.1)),),
        routes=(Route("drug", "depot", "depot", 1.0), Route("drug", "central", "central", 1.0)),
        covariates=(Covariate("lagt", "h", 0.0), Covariate("bioav", "1", 1.0), Covariate("dur2", "h", 2.0)),
    )})  # fmt: skip


def rows_of(scenario: dict[str, Any]) -> list[dict[str, Any]]:
    """The scenario's records in time order; at one time doses come before readings."""
    rows = [
        {"ID": 1, **{k.upper(): v for k, v in e.items() if k != "cmt"}, "CMT": int(e["cmt"])}
        for e in scenario["events"]
    ]
    for row in rows:
        row["ROUTE"] = "modelled" if row["RATE"] == -2.0 else str(row["CMT"])
    last = rows[-1]
    keep = {k: last[k] for k in ("LAGT", "BIOAV", "DUR2")}
    rows += [{"ID": 1, "TIME": t, "EVID": 0, "DV": max(cp, 1e-12), **keep} for t, cp in scenario["obs"]]
    return sorted(rows, key=lambda r: (r["TIME"], r["EVID"] == 0))


LATER_STEADY_STATE_WITH_LAG = pytest.mark.xfail(
    strict=True,
    reason="a steady state with lag that begins amid a course starts when its dose arrives, not when it is given",
)
SCENARIOS = [pytest.param(n, marks=LATER_STEADY_STATE_WITH_LAG if n == 25 else ()) for n in range(1, 30)]


@pytest.mark.parametrize("number", SCENARIOS)
def test_scenario(number: int) -> None:
    case = reference("nonmem_dosing_events.json")
    scenario = next(s for s in case["scenarios"] if s["id"] == number)
    model = dosing_model()
    how = Reading(inputs={"1": "d.depot", "2": "d.central", "modelled": "d.modelled"})
    subject = subjects_of(rows_of(scenario), model, how)[0]
    got = predictor(model, subject, TIGHT)(np.zeros((1, 0)))[0]
    expected = np.array([cp for _, cp in scenario["obs"]])
    # NONMEM's table has five digits; the reference's own solver agrees within 2e-3
    np.testing.assert_allclose(got, expected, rtol=2e-3, atol=2e-2, err_msg=scenario["description"])
