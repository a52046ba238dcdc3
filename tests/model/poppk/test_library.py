"""Every population PK file of the library: it builds, composes and answers as its check file says."""

from __future__ import annotations

import numpy as np
import pytest

from twin_service.model.compose import compose
from twin_service.model.poppk import build_poppk, list_poppk
from twin_service.model.poppk.checks import check_population
from twin_service.model.poppk.record import LIBRARY, read_model
from twin_service.model.structure import PatientModel
from twin_service.solver.schedule import Dose, Schedule
from twin_service.solver.simulate import Tolerances, simulate

MODELS = list_poppk()
TIGHT = Tolerances(rtol=1e-9, atol_scale=1e-3)


def model(model_id: str) -> PatientModel:
    return compose(model_id, {"d": build_poppk(model_id)})


def typical(m: PatientModel) -> dict[str, float]:
    """Some patient inside the model's domain: the middle of the caution range where there is no default."""
    return {
        c.name: c.default if c.default is not None else 0.5 * (c.caution_low + c.caution_high) for c in m.covariates
    }


def run(m: PatientModel, covariates: dict[str, float], doses: tuple[Dose, ...], times: list[float]) -> np.ndarray:
    solution = simulate(
        m.system, m.members(covariates, np.zeros(len(m.effects))), Schedule(doses), times, tolerances=TIGHT
    )
    assert solution.ok, solution.outcomes
    return solution.outputs[0]


def test_the_library_holds_what_it_promises() -> None:
    assert len(MODELS) >= 20
    for wanted in ("phenobarbital_neonate", "quinidine_verme", "theophylline_oral", "vancomycin_goti", "warfarin_pkpd"):
        assert wanted in MODELS


@pytest.mark.parametrize("model_id", MODELS)
def test_check_file(model_id: str) -> None:
    found = check_population(LIBRARY / f"{model_id}.toml")
    assert found
    wrong = [f"{f.check} {f.measure}: {f.got:.8g}, expected {f.expected:.8g}" for f in found if not f.ok]
    assert not wrong, wrong


@pytest.mark.parametrize("model_id", MODELS)
def test_file_says_where_it_comes_from_and_for_whom(model_id: str) -> None:
    record = read_model(model_id)
    assert record.source and record.title and record.drug
    for o in record.raw["observable"]:
        assert o["error"].get("origin"), o["analyte"]
    for c in record.raw.get("covariate", ()):
        assert "limits" in c, f"{c['name']} has no domain"
    assert "own " not in record.source.lower() or record.fitted_on
    if "estimated by this project" in record.source:
        assert "in-sample" in record.fitted_on


@pytest.mark.parametrize("model_id", MODELS)
def test_dose_linearity_where_elimination_is_linear(model_id: str) -> None:
    record = read_model(model_id)
    if record.structure.elimination != "linear":
        pytest.skip("saturable elimination: not proportional by design")
    m = model(model_id)
    column = m.system.output_index["d.central"]
    route = m.routes[0]
    one = run(m, typical(m), (Dose(0.0, route.input, 100.0),), [1.0, 8.0, 30.0])[:, column]
    three = run(m, typical(m), (Dose(0.0, route.input, 300.0),), [1.0, 8.0, 30.0])[:, column]
    np.testing.assert_allclose(three, 3.0 * one, rtol=1e-9)
    assert np.all(one > 0.0)


@pytest.mark.parametrize("model_id", MODELS)
def test_members_differ_and_stay_positive(model_id: str) -> None:
    m = model(model_id)
    rng = np.random.default_rng(1)
    eta = rng.multivariate_normal(np.zeros(len(m.effects)), m.omega, size=40)
    route = m.routes[0]
    outputs = simulate(
        m.system, m.members(typical(m), eta), Schedule((Dose(0.0, route.input, 100.0, 1.0),)), [2.0, 24.0]
    )
    assert outputs.ok
    for o in m.observables.values():
        column = outputs.outputs[:, 1, m.system.output_index[o.output]]
        assert np.all(column >= 0.0)
        assert np.std(column) > 0.0
