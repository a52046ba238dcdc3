"""The 59 neonates of Grasela & Donn 1985: NONMEM's estimates, the filters' distance, forecasts, residuals."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest

from tests.estimation.nonmem_cases import reference
from twin_service.fit import diagnostics
from twin_service.fit.event_table import subjects_of
from twin_service.fit.forecast import forecast_subject, score
from twin_service.fit.individual import ESTIMATORS, Estimator, fit_individual
from twin_service.fit.subject import TableSubject
from twin_service.model.compose import compose
from twin_service.model.poppk import build_poppk
from twin_service.model.structure import PatientModel


@cache
def infants() -> tuple[PatientModel, list[TableSubject], list[dict[str, Any]]]:
    model = compose("phenobarbital_neonate", {"d": build_poppk("phenobarbital_neonate")})
    patients = reference("pheno_nonmem_ebe_59_infants.json")["patients"]
    rows: list[dict[str, Any]] = []
    for p in patients:
        who = {"ID": p["id"], "WT": p["wgt"], "APGR": p["apgr"]}
        mine: list[dict[str, Any]] = [{**who, "TIME": t, "AMT": a} for t, a in p["doses"]]
        mine += [{**who, "TIME": o["time"], "DV": o["dv"]} for o in p["obs"]]
        rows += sorted(mine, key=lambda r: (r["TIME"], "DV" in r))
    return model, subjects_of(rows, model), patients


def test_laplace_is_nonmem() -> None:
    model, subjects, patients = infants()
    for subject, p in zip(subjects, patients, strict=True):
        fit = fit_individual(model, subject)
        np.testing.assert_allclose(fit.eta, p["eta"], atol=1e-4)
        np.testing.assert_allclose(fit.covariance, p["eta_cov"], atol=1e-3 * np.max(np.abs(p["eta_cov"])))
        # the table prints five digits
        np.testing.assert_allclose(fit.individual, [o["ipred"] for o in p["obs"]], rtol=5e-5)
        np.testing.assert_allclose(fit.typical, [o["pred"] for o in p["obs"]], rtol=5e-5)


def distances(estimator: Estimator) -> np.ndarray:
    model, subjects, patients = infants()
    omega = np.sqrt(np.diag(model.omega))
    return np.array(
        [
            np.abs(fit_individual(model, s, estimator).eta - p["eta"]) / omega
            for s, p in zip(subjects, patients, strict=True)
        ]
    )


def test_the_filter_stays_near_nonmem() -> None:
    d = distances("unscented")
    assert np.median(d) <= 0.05
    assert np.quantile(d, 0.95) <= 0.2


@pytest.mark.slow
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_every_estimator_stays_near_nonmem(estimator: Estimator) -> None:
    d = distances(estimator)
    assert np.median(d) <= 0.06
    assert np.quantile(d, 0.95) <= 0.2


def test_next_level_forecasts() -> None:
    model, subjects, _ = infants()
    forecasts = [f for s in subjects for f in forecast_subject(model, s, "laplace")]
    later = [f for f in forecasts if f.history]
    after, before = score(later), score(later, prior=True)
    assert after.readings == 96
    assert after.rrmse <= 0.160
    assert after.rrmse < 0.75 * before.rrmse
    assert 0.88 <= after.coverage90 <= 0.93


def test_residuals_are_those_of_nonmem() -> None:
    model, subjects, patients = infants()
    r = diagnostics.residuals(model, subjects)
    expected = np.concatenate([[o["cwres"] for o in p["obs"]] for p in patients])
    np.testing.assert_allclose(r.cwres, expected, atol=1e-4)
    found = diagnostics.figures(r)
    # 155 readings: three standard errors of a mean are 0.24, of a variance 0.34
    assert abs(found["npde_mean"]) < 0.24
    assert abs(found["npde_variance"] - 1.0) < 0.34
