"""Prognostic adjustment: the variance formula against simulation, and what a forecast can and cannot do."""

from __future__ import annotations

import numpy as np
import pytest

from twin_service.outcome import Refusal
from twin_service.trial.adjust.procova import procova, unit_variance


def trial(
    rng: np.random.Generator, n: int, *, r: float = 0.6, share: float = 0.5, tau: float = 0.3
) -> tuple[np.ndarray, ...]:
    """Unit-variance endpoint whose control forecast correlates r with it."""
    w = (rng.permutation(n) < share * n).astype(float)
    f = rng.normal(size=n)
    y = tau * w + r * f + np.sqrt(1 - r**2) * rng.normal(size=n)
    return y, w, f


def test_a_perfect_forecast_leaves_no_doubt() -> None:
    y, w, f = trial(np.random.default_rng(1), 60)
    found = procova(f + 0.3 * w, w, f)
    assert found.adjusted.estimate == pytest.approx(0.3)
    assert found.adjusted.se < 1e-12
    assert found.variance_reduction == pytest.approx(1.0)
    assert found.slope == pytest.approx(1.0)


def test_a_forecast_of_noise_changes_little() -> None:
    rng = np.random.default_rng(2)
    y, w, _ = trial(rng, 400)
    found = procova(y, w, rng.normal(size=400))
    assert abs(found.variance_reduction) < 0.03
    assert abs(found.correlation) < 0.15


def test_variance_falls_by_the_squared_correlation() -> None:
    rng = np.random.default_rng(3)
    found = [procova(*trial(rng, 300, r=0.6)) for _ in range(200)]
    assert np.mean([a.variance_reduction for a in found]) == pytest.approx(0.36, abs=0.015)
    assert np.mean([a.correlation for a in found]) == pytest.approx(0.6, abs=0.01)
    spread = np.var([a.adjusted.estimate for a in found])
    assert spread == pytest.approx(4 * (1 - 0.36) / 300, rel=0.25)
    assert np.mean([a.adjusted.estimate for a in found]) == pytest.approx(0.3, abs=4 * np.sqrt(spread / 200))


def test_a_shifted_or_stretched_forecast_adjusts_the_same() -> None:
    y, w, f = trial(np.random.default_rng(4), 100)
    a, b = procova(y, w, f), procova(y, w, 5 - 0.2 * f)
    assert (a.adjusted.estimate, a.adjusted.se) == pytest.approx((b.adjusted.estimate, b.adjusted.se))
    assert b.slope == pytest.approx(a.slope / -0.2)


def test_what_covariates_already_say_is_not_counted_twice() -> None:
    y, w, f = trial(np.random.default_rng(5), 200)
    x = f + 0.1 * np.random.default_rng(6).normal(size=200)
    found = procova(y, w, f, x)
    assert found.variance_reduction > 0.25
    assert abs(found.beyond_covariates) < 0.05
    assert found.unadjusted.estimate == procova(y, w, f).unadjusted.estimate


def test_without_covariates_both_baselines_are_the_difference_in_means() -> None:
    y, w, f = trial(np.random.default_rng(7), 50)
    found = procova(y, w, f)
    assert found.covariates_only == found.unadjusted
    assert found.beyond_covariates == found.variance_reduction
    assert found.unadjusted.estimate == pytest.approx(y[w == 1].mean() - y[w == 0].mean())


@pytest.mark.parametrize(
    ("s1", "r0", "r1", "share"),
    [
        (1.0, 0.5, 0.5, 0.5),
        (1.0, 0.5, 0.5, 0.6675),
        (1.3, 0.6, 0.4, 0.5),
        (1.3, 0.6, 0.4, 0.6675),
        (1.0, 0.3, 0.3, 0.5),
    ],
)
def test_the_variance_formula_is_what_simulation_gives(s1: float, r0: float, r1: float, share: float) -> None:
    """4,000 trials of 400 patients; a variance from 4,000 draws has a relative standard error of 2.2 %."""
    rng = np.random.default_rng(8)
    n, trials = 400, 4000
    treated = round(share * n)
    f = rng.normal(size=(trials, n))
    noise = rng.normal(size=(trials, n))
    w = np.arange(n) < treated
    s, r = np.where(w, s1, 1.0), np.where(w, r1, r0)
    y = s * (r * f + np.sqrt(1 - r**2) * noise)
    estimates = _interacted(y, f, treated)
    formula = (
        unit_variance(
            sd_control=1.0, sd_treated=s1, correlation_control=r0, correlation_treated=r1, share_treated=treated / n
        )
        / n
    )
    assert estimates.var() == pytest.approx(formula, rel=0.07)


def _interacted(y: np.ndarray, f: np.ndarray, treated: int) -> np.ndarray:
    """Difference of each arm's line at the common mean of f, for many trials at once."""
    center, at = f.mean(axis=1, keepdims=True), []
    for arm in (slice(0, treated), slice(treated, None)):
        fa, ya = f[:, arm], y[:, arm]
        df = fa - fa.mean(axis=1, keepdims=True)
        slope = (df * ya).sum(axis=1) / (df**2).sum(axis=1)
        at.append(ya.mean(axis=1) + slope * (center[:, 0] - fa.mean(axis=1)))
    return at[0] - at[1]


def test_equal_arms_have_the_short_formula() -> None:
    nu2 = unit_variance(sd_control=2.0, correlation_control=0.4, share_treated=0.3)
    assert nu2 == pytest.approx(4 * (1 - 0.16) / (0.3 * 0.7))


@pytest.mark.parametrize("change", [{"sd_control": 0}, {"correlation_control": 1.0}, {"share_treated": 1.0}])
def test_impossible_assumptions_are_refused(change: dict) -> None:
    with pytest.raises(Refusal):
        unit_variance(**{"sd_control": 1.0} | change)


@pytest.mark.parametrize("forecast", [[1, 2, 3], [1, 2, 3, np.nan], [1, 1, 1, 1], [[1, 2], [3, 4]]])
def test_bad_forecasts_are_refused(forecast: list) -> None:
    with pytest.raises(Refusal):
        procova([1.0, 2.0, 3.0, 5.0], [0, 1, 0, 1], forecast)
