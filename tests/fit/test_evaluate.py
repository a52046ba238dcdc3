"""Forecasts, residuals and the report on simulated patients whose truth is known."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from twin_service.fit import diagnostics
from twin_service.fit.evaluation import evaluate
from twin_service.fit.evaluation_page import write_evaluation
from twin_service.fit.event_table import subjects_of
from twin_service.fit.forecast import SubjectForecast, figures, forecast_subject, score
from twin_service.fit.individual import ESTIMATORS, Estimator, fit_individual
from twin_service.fit.subject import TableSubject, predictor
from twin_service.model.compose import compose
from twin_service.model.poppk import build_poppk
from twin_service.model.structure import PatientModel
from twin_service.outcome import Refusal

TIMES = (2.0, 40.0, 110.0)


@cache
def cohort(count: int = 40, seed: int = 3) -> tuple[PatientModel, list[TableSubject], np.ndarray]:
    """Neonates drawn from the model itself, three levels each."""
    model = compose("phenobarbital_neonate", {"d": build_poppk("phenobarbital_neonate")})
    rng = np.random.default_rng(seed)
    truth = rng.multivariate_normal(np.zeros(2), model.omega, size=count)
    subjects = []
    for k in range(count):
        weight = float(rng.uniform(0.8, 3.0))
        who = {"ID": k, "WT": weight, "APGR": 7}
        doses: list[dict[str, Any]] = [{**who, "TIME": 0.0, "AMT": 20.0 * weight}]
        doses += [{**who, "TIME": 12.0 * j, "AMT": 2.5 * weight} for j in range(1, 10)]
        readings: list[dict[str, Any]] = [{**who, "TIME": t, "DV": 1.0} for t in TIMES]
        (s,) = subjects_of(sorted(doses + readings, key=lambda r: r["TIME"]), model)
        f = predictor(model, s)(truth[k : k + 1])[0]
        s.values[:] = f * (1.0 + 0.115069544 * rng.standard_normal(len(f)))
        subjects.append(s)
    return model, subjects, truth


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_every_estimator_finds_the_truth_within_its_uncertainty(estimator: Estimator) -> None:
    model, subjects, truth = cohort()
    pulls = []
    for s, eta in zip(subjects, truth, strict=True):
        fit = fit_individual(model, s, estimator)
        assert fit.outcome.ok
        d = eta - fit.eta
        pulls.append(float(d @ np.linalg.solve(fit.covariance, d)) / 2.0)
    # mean of 40 chi-square(2)/2: standard error 0.16
    assert 0.5 < np.mean(pulls) < 1.6


def test_drift_is_fitted_and_not_only_filtered() -> None:
    """A clearance that rises: with drift declared, every estimator of the whole past finds where it is now."""
    still, subjects, _ = cohort()
    rate = 0.2 / 110.0
    effects = tuple(replace(e, drift_per_h=rate) if k == 0 else e for k, e in enumerate(still.effects))
    model, s = replace(still, effects=effects), subjects[1]
    rising = np.array([[-0.3, 0.0], [0.1, 0.0], [0.5, 0.0]])
    f = predictor(still, s)(rising)
    risen = replace(s, values=f[np.arange(3), np.arange(3)])
    for estimator in ("auto", "laplace", "moments"):
        walked, constant = fit_individual(model, risen, estimator), fit_individual(still, risen, estimator)
        assert walked.outcome.ok and walked.estimator.startswith("laplace")
        assert abs(walked.eta[0] - 0.5) < abs(constant.eta[0] - 0.5)
        assert walked.covariance[0, 0] > constant.covariance[0, 0]


def test_estimators_agree_on_a_well_determined_patient() -> None:
    model, subjects, _ = cohort()
    fits = {e: fit_individual(model, subjects[0], e) for e in ESTIMATORS}
    for e, fit in fits.items():
        # a quarter of a posterior standard deviation between mode, mean and filters
        distance = np.abs(fit.eta - fits["moments"].eta) / np.sqrt(np.diag(fits["moments"].covariance))
        assert np.max(distance) < 0.35, e
    assert fits["laplace"].objective <= min(f.objective for f in fits.values()) + 1e-9


def test_flattening_the_prior_follows_the_data_more_closely() -> None:
    model, subjects, _ = cohort()
    s = subjects[1]
    tight, loose = fit_individual(model, s), fit_individual(model, s, prior_weight=0.05)
    assert np.sum((loose.individual / s.values - 1.0) ** 2) < np.sum((tight.individual / s.values - 1.0) ** 2)


def test_a_subject_without_readings_is_the_prior() -> None:
    model, subjects, _ = cohort()
    fit = fit_individual(model, subjects[0].first(0))
    np.testing.assert_array_equal(fit.eta, 0.0)
    np.testing.assert_allclose(fit.covariance, model.omega)
    assert fit.warnings == ("no readings",)


def test_error_falls_with_each_reading_and_bands_cover() -> None:
    model, subjects, _ = cohort()
    forecasts = [f for s in subjects for f in forecast_subject(model, s)]
    first, third = (score([f for f in forecasts if f.history == k]) for k in (0, 2))
    assert third.rrmse < first.rrmse
    # 120 readings: standard error 2.7 %
    assert 0.82 <= score(forecasts).coverage90 <= 0.98
    assert forecasts[0].forecast == pytest.approx(forecasts[0].prior)


def test_a_forecast_never_sees_its_own_reading() -> None:
    model, subjects, _ = cohort()
    s = subjects[2]
    before = forecast_subject(model, s)
    changed = s.rows(np.arange(3))
    values = s.values.copy()
    values[2] *= 5.0
    object.__setattr__(changed, "values", values)
    after = forecast_subject(model, changed)
    assert [f.forecast for f in before] == [f.forecast for f in after]


def test_scores_by_hand() -> None:
    def f(value: float, forecast: float, low: float, high: float, history: int = 1) -> SubjectForecast:
        return SubjectForecast("s", 1.0, "a", history, value, False, forecast, low, high, forecast, low, high)

    s = score([f(10.0, 11.0, 8.0, 14.0), f(10.0, 7.5, 6.0, 9.0)])
    assert s.bias == pytest.approx(-0.075)
    assert s.rrmse == pytest.approx(np.sqrt((0.01 + 0.0625) / 2.0))
    assert s.mape == pytest.approx(0.175)
    assert (s.p20, s.p30, s.coverage90) == (0.5, 1.0, 0.5)
    assert np.isnan(score([]).rrmse)
    flat = figures([f(10.0, 11.0, 8.0, 14.0, 0), f(10.0, 7.5, 6.0, 9.0)], "x")
    assert flat["x.observations"] == 2.0 and flat["x.posterior_rrmse"] == pytest.approx(0.25)


def test_residuals_of_the_true_model_are_standard_normal() -> None:
    model, subjects, _ = cohort()
    found = diagnostics.figures(diagnostics.residuals(model, subjects))
    # 120 readings: three standard errors
    assert abs(found["npde_mean"]) < 0.28
    assert abs(found["npde_variance"] - 1.0) < 0.39
    assert found["npde_p_normal"] > 0.01
    assert abs(found["cwres_mean"]) < 0.28


def test_residuals_of_a_wrong_model_are_not() -> None:
    model, subjects, _ = cohort()
    doubled = []
    for s in subjects:
        copy = s.rows(np.arange(len(s)))
        object.__setattr__(copy, "values", 1.6 * s.values)
        doubled.append(copy)
    assert diagnostics.figures(diagnostics.residuals(model, doubled))["npde_mean"] > 0.8


def test_report_writes_figures_and_plots(tmp_path: Path) -> None:
    model, subjects, _ = cohort()
    found = evaluate(model, subjects[:8], "unscented")
    assert found.figures["evaluate.observations"] == 24.0
    assert all(isinstance(v, float) for v in found.figures.values())
    table, page = write_evaluation(found, tmp_path, title="test", notes=["a note"])
    text = page.read_text(encoding="utf-8")
    assert text.count("<svg") == 3 and "a note" in text and "after earlier readings" in text
    assert len(table.read_text().splitlines()) == 1 + len(found.forecasts)
    low, middle, high = found.check.simulated[:, 1]
    assert np.all(low <= middle) and np.all(middle <= high)


def test_nothing_to_evaluate_is_refused() -> None:
    model, subjects, _ = cohort()
    with pytest.raises(Refusal, match="no reading"):
        evaluate(model, [subjects[0].first(0)])
