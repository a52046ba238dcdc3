"""Closed forms against the engine on other structures; effects, occasions, counts; files that come back as written."""

from __future__ import annotations

import tomllib
from datetime import date
from typing import Any

import numpy as np
import pytest

from tests.fit.population.sets import built_of, theophylline
from twin_service.fit.population.build import BuildOptions
from twin_service.fit.population.closed_form import ClosedForm
from twin_service.fit.population.estimate import LikelihoodMethod, estimate_population
from twin_service.fit.population.library_file import estimated_table, origin_of, written
from twin_service.fit.population.modes import Warm
from twin_service.fit.population.objective import FOCEI, evaluate
from twin_service.fit.population.prior import PopulationPrior, prior_terms
from twin_service.fit.population.table import estimate_rows
from twin_service.model.poppk.record import parse_model
from twin_service.outcome import Refusal

BASE: dict[str, Any] = {"id": "m", "schema": 2, "version": "3", "drug": "x", "source": "a test"}
OBSERVED = [{"analyte": "x", "unit": "mg/L", "error": {"proportional": 0.2, "origin": "a test"}}]


def value(v: float, unit: str, variance: float = 0.0) -> dict[str, Any]:
    return {"value": v, "unit": unit, "origin": "a test", **({"effect": {"variance": variance}} if variance else {})}


PARAMETERS = {
    1: {"CL": value(3.0, "L/h", 0.1), "V": value(20.0, "L", 0.1)},
    2: {"CL": value(3.0, "L/h", 0.1), "V1": value(10.0, "L", 0.1), "Q": value(4.0, "L/h"), "V2": value(30.0, "L")},
    3: {
        "CL": value(3.0, "L/h", 0.1),
        "V1": value(10.0, "L"),
        "Q": value(4.0, "L/h"),
        "V2": value(30.0, "L", 0.1),
        "Q3": value(1.0, "L/h"),
        "V3": value(80.0, "L"),
    },
}
ROWS: list[dict[str, Any]] = [
    {"ID": i, "TIME": t, **more}
    for i in range(2)
    for t, more in (
        (0.0, {"AMT": 100.0, "EVID": 1, "DUR": 1.5}),
        (0.7, {"DV": 2.0 + i, "EVID": 0}),
        (3.0, {"DV": 2.5, "EVID": 0}),
        (12.0, {"AMT": 80.0, "EVID": 1}),
        (13.0, {"DV": 4.0, "EVID": 0}),
        (30.0, {"DV": 0.8, "EVID": 0}),
    )
]


@pytest.mark.parametrize("compartments", [1, 2, 3])
def test_closed_form_is_what_the_engine_finds(compartments: int) -> None:
    structure = {"compartments": compartments, "absorption": "none", "elimination": "linear"}
    record = parse_model(
        {**BASE, "structure": structure, "parameters": PARAMETERS[compartments], "observable": OBSERVED}
    )
    closed, engine = built_of(record, ROWS), built_of(record, ROWS, BuildOptions(closed_form=False))
    assert isinstance(closed.problem.predict, ClosedForm)
    a, b = (evaluate(t.problem, t.start, Warm.cold(t.problem), FOCEI) for t in (closed, engine))
    assert a.value == pytest.approx(b.value, abs=2e-4)
    assert a.gradient == pytest.approx(b.gradient, abs=2e-2)


def test_prior_pulls_and_its_gradient_is_that_of_differences() -> None:
    built = theophylline()
    space, x = built.problem.space, built.start
    mode = tuple(np.array([[0.2]]) for _ in space.blocks)
    prior = PopulationPrior(np.array([0, 1]), x[:2] + 0.3, np.diag([4.0, 9.0]), (5.0, 0.0, 8.0), mode)
    gradient, moves = prior_terms(prior, space, x)[1], 1e-5 * np.eye(len(x))
    differences = [(prior_terms(prior, space, x + e)[0] - prior_terms(prior, space, x - e)[0]) / 2e-5 for e in moves]
    assert gradient == pytest.approx(differences, abs=1e-5)


def test_the_new_file_reads_back_with_the_estimates_and_their_origin() -> None:
    e = estimate_population(theophylline())
    origin = origin_of(e, "theo.csv", "abc", date(2026, 12, 1))
    table = tomllib.loads(written(estimated_table(e, origin)))
    again = parse_model(table)
    rows = {r.name: r for r in estimate_rows(e)}
    assert again.version == "2" and "n = 12 subjects" in table["fitted_on"]
    assert again.parameters["KA"].value == pytest.approx(rows["KA"].value, rel=1e-6)
    assert rows["CL"].low < rows["CL"].value < rows["CL"].high
    assert again.parameters["V"].effect is not None
    assert again.parameters["V"].effect.variance == pytest.approx(rows["omega2[V]"].value, rel=1e-6)


def test_fo_of_theophylline_and_refusal_of_too_few_readings() -> None:
    assert estimate_population(theophylline(), LikelihoodMethod.FO).found.outcome.ok
    structure = {"compartments": 1, "absorption": "none", "elimination": "linear"}
    record = parse_model({**BASE, "structure": structure, "parameters": PARAMETERS[1], "observable": OBSERVED})
    few = [r for r in ROWS if r["TIME"] < 1.0]
    with pytest.raises(Refusal, match="2 readings cannot determine 5 parameters"):
        estimate_population(built_of(record, few))
