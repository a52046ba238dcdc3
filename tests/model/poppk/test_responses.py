"""Responses against limits that are known without a solver."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from twin_service.model.compose import compose
from twin_service.model.poppk import build_poppk
from twin_service.model.poppk.record import parse_model
from twin_service.model.structure import PatientModel
from twin_service.solver.schedule import Dose, Schedule
from twin_service.solver.simulate import simulate


def model(law: str, parameters: dict[str, tuple[float, str]], **response: Any) -> PatientModel:
    """Infused drug at steady 4 mg/L (CL 5 L/h, 20 mg/h) with the response `law`."""
    base = {"CL": (5.0, "L/h"), "V": (5.0, "L"), **parameters}
    return compose(
        "m",
        {
            "d": build_poppk(
                parse_model(
                    {
                        "id": "t",
                        "schema": 2,
                        "version": "1",
                        "drug": "x",
                        "source": "test",
                        "structure": {
                            "compartments": 1,
                            "absorption": "none",
                            "response": {"law": law, "unit": "%", **response},
                        },
                        "parameters": {n: {"value": v, "unit": u, "origin": "test"} for n, (v, u) in base.items()},
                        "observable": [
                            {"analyte": "r", "compartment": "response", "unit": "%", "error": {"additive": 1.0}}
                        ],
                    }
                )
            )
        },
    )


def late(m: PatientModel, rate: float = 20.0) -> float:
    schedule = Schedule((Dose(0.0, "d.iv", rate * 2000.0, 2000.0),)) if rate else Schedule()
    run = simulate(m.system, m.members({}, np.zeros((1, 0))), schedule, [1500.0])
    assert run.ok
    return float(run.outputs[0, 0, m.system.output_index["d.response"]])


EMAX = {"E0": (80.0, "%"), "EC50": (4.0, "mg/L"), "EMAX": (0.6, "1")}
TURNOVER = {**EMAX, "KOUT": (0.05, "1/h")}


@pytest.mark.parametrize(
    ("law", "parameters", "direction", "expected"),
    [
        # at C = EC50 the drive is 1 -+ 0.3
        ("direct_emax", EMAX, "inhibition", 80.0 * 0.7),
        ("direct_emax", EMAX, "stimulation", 80.0 * 1.3),
        ("effect_emax", {**EMAX, "KE0": (0.1, "1/h")}, "inhibition", 80.0 * 0.7),
        ("turnover_in", TURNOVER, "inhibition", 80.0 * 0.7),
        ("turnover_in", TURNOVER, "stimulation", 80.0 * 1.3),
        ("turnover_out", TURNOVER, "inhibition", 80.0 / 0.7),
        ("turnover_out", TURNOVER, "stimulation", 80.0 / 1.3),
    ],
)
def test_steady_response(law: str, parameters: dict[str, tuple[float, str]], direction: str, expected: float) -> None:
    assert late(model(law, parameters, direction=direction)) == pytest.approx(expected, rel=1e-5)


def test_hill_coefficient() -> None:
    m = model("direct_emax", {**EMAX, "EC50": (2.0, "mg/L"), "HILL": (3.0, "1")})
    assert late(m) == pytest.approx(80.0 * (1.0 - 0.6 * 8.0 / 9.0), rel=1e-6)
    assert late(m, rate=0.0) == pytest.approx(80.0)


@pytest.mark.parametrize("law", ["direct_emax", "turnover_in", "turnover_out"])
def test_no_drug_no_change(law: str) -> None:
    assert late(model(law, EMAX if law == "direct_emax" else TURNOVER), rate=0.0) == pytest.approx(80.0, rel=1e-9)


def test_cells_settle_where_feedback_balances_the_drug() -> None:
    # (1 - SLOPE C) (base/N)^g = 1 at steady state
    p = {"E0": (5.0, "10^9/L"), "MTT_CELLS": (90.0, "h"), "SLOPE": (0.05, "L/mg"), "GAMMA": (0.3, "1")}
    assert late(model("friberg", p)) == pytest.approx(5.0 * 0.8 ** (1.0 / 0.3), rel=1e-3)
    assert late(model("friberg", p), rate=0.0) == pytest.approx(5.0, rel=1e-6)


def test_direction_must_be_known() -> None:
    with pytest.raises(Exception, match="sideways"):
        model("direct_emax", EMAX, direction="sideways")
