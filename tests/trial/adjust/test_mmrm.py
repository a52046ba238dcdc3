"""Repeated measurements against visit-wise ANCOVA where that is exact, SAS, and what dropout does to completers."""

from __future__ import annotations

import csv
import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from twin_service.outcome import Refusal
from twin_service.trial.adjust.ancova import ancova
from twin_service.trial.adjust.mmrm.covariance import STRUCTURES, CovarianceStructure
from twin_service.trial.adjust.mmrm.fit import fit_repeated
from twin_service.trial.adjust.mmrm.inference import Contrasts, Inference
from twin_service.trial.adjust.mmrm.likelihood import curvature, evaluate, repeated, slope
from twin_service.trial.adjust.visit_effects import visit_effects

SIGMA = np.array([[1.0, 0.6, 0.5], [0.6, 1.5, 0.9], [0.5, 0.9, 2.0]])


def trial(rng: np.random.Generator, n: int = 90, tau: tuple[float, ...] = (0.0, 0.3, 0.6)) -> tuple[np.ndarray, ...]:
    w, x = (rng.permutation(n) % 2).astype(float), rng.normal(size=n)
    e = rng.normal(size=(n, 3)) @ np.linalg.cholesky(SIGMA).T
    return 1 + np.outer(w, tau) + x[:, None] * [0.5, 0.4, 0.3] + e, w, x


def dropped(rng: np.random.Generator, y: np.ndarray) -> np.ndarray:
    """Patients who did badly at the first visit tend to be gone at the last."""
    found = y.copy()
    found[rng.random(len(y)) < 1 / (1 + np.exp(3 * (y[:, 0] - 0.5))), 2] = np.nan
    return found


def test_with_everyone_read_it_is_an_ancova_at_each_visit() -> None:
    """All visits share one design, so generalized and ordinary least squares agree, and df is n - 3 exactly."""
    y, w, x = trial(np.random.default_rng(1))
    found = visit_effects(y, w, x)
    assert found.fit.outcome.ok
    for visit, effect in enumerate(found.effects):
        alone = ancova(y[:, visit], w, x, errors="classical")
        assert (effect.estimate, effect.se) == pytest.approx((alone.estimate, alone.se), rel=1e-5)
        assert effect.df == pytest.approx(alone.df, rel=1e-3)
        assert effect.p == pytest.approx(alone.p, rel=1e-3)


def test_covariance_of_complete_data_is_that_of_the_residuals() -> None:
    y, w, x = trial(np.random.default_rng(2))
    X = np.column_stack([np.ones(len(w)), w, x])
    residual = y - X @ np.linalg.lstsq(X, y, rcond=None)[0]
    np.testing.assert_allclose(visit_effects(y, w, x).fit.sigma, residual.T @ residual / (len(w) - 3), rtol=1e-4)


def test_gradient_is_the_finite_difference() -> None:
    rng = np.random.default_rng(3)
    y, w, _ = trial(rng, 40)
    design = np.einsum("nc,vu->nvcu", np.column_stack([np.ones(40), w]), np.eye(3)).reshape(40, 3, -1)
    data = repeated(dropped(rng, y), design)
    at = evaluate(data, SIGMA)
    assert at is not None
    G, H = slope(data, at), curvature(data, at)
    for i, j in ((0, 0), (2, 1), (2, 2)):
        E = np.zeros((3, 3))
        E[i, j] = E[j, i] = 1e-5
        ends = [evaluate(data, SIGMA + s * E) for s in (1, -1)]
        assert ends[0] is not None and ends[1] is not None
        assert np.sum(G * E) / 1e-5 == pytest.approx((ends[0].deviance - ends[1].deviance) / 2e-5, rel=1e-5)
        change = np.sum((slope(data, ends[0]) - slope(data, ends[1])) * E) / 2e-10
        assert np.einsum("ab,abcd,cd", E, H, E) / 1e-10 == pytest.approx(change, rel=1e-5)


@pytest.mark.parametrize("name", STRUCTURES)
def test_every_structure_is_a_covariance_with_the_slopes_it_says(name: str) -> None:
    shape = CovarianceStructure(name, 4, (0.0, 1.0, 3.0, 7.0))
    theta = np.random.default_rng(2).normal(0, 0.4, shape.parameters)
    sigma = np.asarray(shape.sigma(theta))
    assert np.all(np.linalg.eigvalsh(sigma) > 0)
    G = np.random.default_rng(3).normal(size=(4, 4))
    G = G + G.T
    J, bend = shape.slopes(theta), shape.bend(theta, G)
    for q, step in enumerate(np.eye(len(theta)) * 1e-6):
        np.testing.assert_allclose(J[q], (shape.sigma(theta + step) - shape.sigma(theta - step)) / 2e-6, atol=1e-7)
        moved = (shape.slopes(theta + step) - shape.slopes(theta - step)) / 2e-6
        np.testing.assert_allclose(bend[q], np.einsum("qab,ab->q", moved, G), atol=1e-5)


def test_jackknife_and_bias_reduced_errors_are_wider_than_the_plain_sandwich() -> None:
    y, w, x = trial(np.random.default_rng(12), 40)
    design = np.repeat(np.column_stack([np.ones(40), w, x])[:, None, :], 3, axis=1)
    fit = fit_repeated(y, design)
    se = [Contrasts(fit, kind).of(np.array([0, 1.0, 0])).se for kind in (Inference.CR0, Inference.CR2, Inference.CR3)]
    assert se[0] < se[1] < se[2]
    assert Contrasts(fit, Inference.CR2).of(np.array([0, 1.0, 0])).df < 38


def test_weights_divide_the_variance() -> None:
    """Doubling every weight halves the variance that is estimated and leaves beta where it was."""
    y, w, x = trial(np.random.default_rng(13), 50)
    design = np.repeat(np.column_stack([np.ones(50), w])[:, None, :], 3, axis=1)
    one, two = fit_repeated(y, design), fit_repeated(y, design, weights=np.full(y.shape, 2.0))
    np.testing.assert_allclose(two.sigma, 2 * one.sigma, rtol=1e-5)
    np.testing.assert_allclose(two.beta, one.beta, rtol=1e-6)
    assert two.deviance == pytest.approx(one.deviance, abs=1e-6)


def test_dropout_that_depends_on_the_past_does_not_bias() -> None:
    """120 trials; the completers' difference is off by more than 5 standard errors of the mean, this one is not."""
    rng = np.random.default_rng(4)
    repeated, completers = [], []
    for _ in range(120):
        y, w, x = trial(rng, 200, tau=(0.8, 0.8, 0.8))
        seen = dropped(rng, y)
        repeated.append(visit_effects(seen, w, x).effects[2])
        here = np.isfinite(seen[:, 2])
        completers.append(ancova(seen[here, 2], w[here]).estimate)
    estimates = np.array([e.estimate for e in repeated])
    mean_error = estimates.std() / np.sqrt(120)
    assert abs(estimates.mean() - 0.8) < 3.5 * mean_error
    assert abs(np.mean(completers) - 0.8) > 5 * np.std(completers) / np.sqrt(120)
    # 120 intervals of 95 %: fewer than 103 inside has a probability below 1e-4
    assert sum(e.low <= 0.8 <= e.high for e in repeated) >= 103


def test_a_forecast_at_each_visit_narrows_the_intervals() -> None:
    rng = np.random.default_rng(5)
    y, w, x = trial(rng, 120)
    truth = y - np.outer(w, (0.0, 0.3, 0.6))
    forecast = truth + 0.8 * rng.normal(size=truth.shape)
    plain, helped = visit_effects(y, w), visit_effects(y, w, prognostic=forecast)
    assert all(b.se < a.se for a, b in zip(plain.effects, helped.effects, strict=True))
    assert helped.effects[2].low < 0.6 < helped.effects[2].high


def test_units_change_nothing_but_the_scale() -> None:
    rng = np.random.default_rng(6)
    y, w, x = trial(rng)
    y = dropped(rng, y)
    a, b = visit_effects(y, w, x), visit_effects(1000 * y, w, 50 + 3 * x)
    for one, other in zip(a.effects, b.effects, strict=True):
        assert (other.estimate, other.se) == pytest.approx((1000 * one.estimate, 1000 * one.se), rel=1e-4, abs=1e-3)
        assert other.df == pytest.approx(one.df, rel=1e-2)


def test_patients_never_read_are_left_out() -> None:
    y, w, x = trial(np.random.default_rng(7))
    more = np.vstack([y, np.full(3, np.nan)])
    a, b = visit_effects(y, w, x), visit_effects(more, np.append(w, 1), np.append(x, 9.0))
    assert [e.estimate for e in a.effects] == pytest.approx([e.estimate for e in b.effects])
    assert a.effects[0].n_treated == b.effects[0].n_treated


@pytest.mark.parametrize(
    ("spoil", "field"),
    [
        (lambda y, w, x: (y[:, 0], w, x), "y"),
        (lambda y, w, x: (y, w + 1, x), "treatment"),
        (lambda y, w, x: (np.where(y > 1, np.inf, y), w, x), "y"),
        (lambda y, w, x: (y, w, x * np.nan), "covariates"),
        (lambda y, w, x: (y, w, w), "covariates"),
        (lambda y, w, x: (np.where(np.arange(len(y))[:, None] % 2 == np.arange(3) % 2, np.nan, y), w, x), "y"),
    ],
)
def test_bad_data_is_refused_by_field(spoil, field: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(Refusal) as caught:
        visit_effects(*spoil(*trial(np.random.default_rng(8))))
    assert caught.value.field == field


def test_forecasts_must_be_complete() -> None:
    y, w, x = trial(np.random.default_rng(9))
    with pytest.raises(Refusal, match="prognostic"):
        visit_effects(y, w, x, np.where(y > 2, np.nan, y))


def forced_expiratory_volume(folder: Path) -> tuple[list[dict], list[str], list[str]]:
    with gzip.open(folder / "trials" / "patient" / "mmrm_fev_SIMULATED.csv.gz", "rt") as file:
        rows = list(csv.DictReader(file))
    return rows, sorted({r["USUBJID"] for r in rows}), sorted({r["AVISIT"] for r in rows})


def test_sas_proc_mixed(reference_dir: Path) -> None:
    """FEV1 = race + sex + arm x visit, TYPE=UN: -2 restricted log-likelihood 3386.44987722 (PROC MIXED)."""
    rows, people, visits = forced_expiratory_volume(reference_dir)
    y, X = np.full((len(people), 4), np.nan), np.zeros((len(people), 4, 12))
    for r in rows:
        i, v, treated = people.index(r["USUBJID"]), visits.index(r["AVISIT"]), r["ARMCD"] == "TRT"
        if r["FEV1"]:
            y[i, v] = float(r["FEV1"])
        X[i, v, :4] = [r["RACE"].startswith("Black"), r["RACE"] == "White", r["SEX"] == "Female", 0]
        X[i, v, 4 + v] = 1
        X[i, v, 8 + v] = treated
    fit = fit_repeated(y, np.delete(X, 3, axis=2))
    assert fit.deviance == pytest.approx(3386.44987722, abs=1e-5)


def test_sas_satterthwaite(reference_dir: Path) -> None:
    """FEV1 = arm + sex, TYPE=UN, Satterthwaite: estimates, standard errors and degrees of freedom (PROC MIXED)."""
    rows, people, visits = forced_expiratory_volume(reference_dir)
    y, X = np.full((len(people), 4), np.nan), np.zeros((len(people), 4, 3))
    for r in rows:
        i, v = people.index(r["USUBJID"]), visits.index(r["AVISIT"])
        y[i, v] = float(r["FEV1"] or "nan")
        X[i, v] = [1, r["ARMCD"] == "TRT", r["SEX"] == "Female"]
    fit = fit_repeated(y, X)
    assert 3666.95 <= fit.deviance < 3666.96698
    for pick, wanted in zip(
        np.eye(3), [(41.0762, 0.5504, 156), (3.8265, 0.6421, 161), (-0.1404, 0.6434, 161)], strict=True
    ):
        estimate, se, df = Contrasts(fit).of(pick)
        # SAS stopped 7e-6 above this optimum of the deviance, which moves its estimates by up to 5e-4
        assert (estimate, se) == pytest.approx(wanted[:2], abs=6e-4)
        assert df == pytest.approx(wanted[2], abs=0.6)


def test_cdisc_pilot_as_two_programs_give_it(reference_dir: Path) -> None:
    """Change of ADAS-Cog by dose and week: R's gls, and SAS at the printed digits (week 24)."""
    wanted = json.loads((reference_dir / "trials" / "sca" / "cdisc_pilot_mmrm.json").read_text())
    with gzip.open(reference_dir / "trials" / "cdisc_pilot" / "adam_adqsadas.csv.gz", "rt") as file:
        rows = [r for r in csv.DictReader(file) if r["PARAMCD"] == "ACTOT" and r["EFFFL"] == "Y" and r["DTYPE"] == ""]
    rows = [r for r in rows if r["AVISITN"] in ("8", "16", "24") and r["ANL01FL"] == "Y" and r["CHG"]]
    people, sites = sorted({r["USUBJID"] for r in rows}), sorted({r["SITEGR1"] for r in rows})[1:]
    y, X = np.full((len(people), 3), np.nan), np.zeros((len(people), 3, 12 + len(sites)))
    for r in rows:
        i, v = people.index(r["USUBJID"]), ("8", "16", "24").index(r["AVISITN"])
        y[i, v] = float(r["CHG"])
        X[i, v, v], X[i, v, 9 + v] = 1, float(r["BASE"])
        X[i, v, 3 + v], X[i, v, 6 + v] = "Low" in r["TRTP"], "High" in r["TRTP"]
        X[i, v, 12:] = [r["SITEGR1"] == s for s in sites]
    assert len(rows) == wanted["n_rows"]
    fit = fit_repeated(y, X)
    assert fit.deviance == pytest.approx(wanted["minus2_reml_ll"], abs=1e-4)
    np.testing.assert_allclose(fit.sigma, wanted["R_matrix"], rtol=1e-3)
    for row in wanted["contrasts"]:
        start = 3 if "Low" in row["contrast"] else 6
        estimate, se, _ = Contrasts(fit).of(np.eye(X.shape[2])[start + ("8", "16", "24").index(row["vis"])])
        assert (estimate, se) == pytest.approx((row["estimate"], row["SE"]), abs=2e-3)
