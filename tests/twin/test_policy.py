"""Who looks at an arriving reading, and what the belief is then worth."""

from __future__ import annotations

import numpy as np
import pytest

from twin_service.kalman.belief import Belief
from twin_service.kalman.errors import Noise, ObservedReadings
from twin_service.kalman.posterior import reference_posterior
from twin_service.kalman.walk import Walk, stacked
from twin_service.twin.policy import LAPLACE_SAMPLES_MAX, Seen, arrive

PRIOR = Belief.of([0.0, 0.0], np.diag([0.5, 0.5]))
LAW = Noise("normal", 0.2, 0.3, 1.0)
TIMES = np.array([1.0, 6.0])


def levels(eta: np.ndarray) -> np.ndarray:
    """A bolus of 100 in a volume of 10 exp(eta2), cleared at 1 exp(eta1)."""
    volume = 10.0 * np.exp(eta[:, 1:])
    return np.asarray(100.0 / volume * np.exp(-np.exp(eta[:, :1]) / volume * TIMES))


def seen(*values: float) -> Seen:
    return Seen(lambda eta: levels(eta)[:, : len(values)], ObservedReadings.create(values, [LAW] * len(values)))


@pytest.mark.parametrize(
    ("values", "reason"), [((4.0, 1.5), "first readings"), ((18.0, 14.0), "surprise"), ((9.0, 2.0), "first readings")]
)
def test_the_anchor_is_the_posteriors_mean_and_spread(values: tuple[float, float], reason: str) -> None:
    now = seen(*values)
    found = arrive(PRIOR, now, lambda: now, prior=PRIOR)
    exact = reference_posterior(PRIOR, now.predict, now.readings, rng=np.random.default_rng(1), count=16384).belief
    sd = np.sqrt(np.diag(exact.covariance))
    assert found.estimator == f"laplace+moments ({reason})"
    np.testing.assert_allclose((found.belief.mean - exact.mean) / sd, 0.0, atol=0.1)
    np.testing.assert_allclose(np.sqrt(np.diag(found.belief.covariance)) / sd, 1.0, atol=0.15)
    mode = arrive(PRIOR, now, lambda: now, prior=PRIOR, estimator="laplace")
    assert np.max(np.abs(mode.belief.mean - exact.mean) / sd) > 0.3


def test_a_filter_asked_for_is_left_alone() -> None:
    now = seen(9.0, 2.0)

    def never() -> Seen:
        raise AssertionError("the past is not looked at")

    assert arrive(PRIOR, now, never, prior=PRIOR, estimator="unscented").estimator == "unscented"
    assert arrive(PRIOR, now, None, prior=PRIOR).estimator == "unscented"


def test_a_surprise_is_a_reason_and_keeps_its_verdict() -> None:
    now = seen(9.0, 90.0)
    found = arrive(PRIOR, now, lambda: now, prior=PRIOR)
    assert found.report.surprising.any() and not found.outcome.ok
    assert found.estimator.endswith("(surprise)")


def test_a_past_too_long_is_not_fitted_again() -> None:
    now = seen(9.0, 2.0)
    count = LAPLACE_SAMPLES_MAX + 1
    long = Seen(
        lambda eta: np.repeat(levels(eta)[:, :1], count, axis=1), ObservedReadings.create([9.0] * count, [LAW] * count)
    )
    assert arrive(PRIOR, now, lambda: long, prior=PRIOR).estimator == "unscented"


def test_a_fit_that_fails_leaves_the_filters_answer() -> None:
    now = seen(9.0, 2.0)
    broken = Seen(lambda eta: np.full((len(eta), 2), np.nan), now.readings)
    found = arrive(PRIOR, now, lambda: broken, prior=PRIOR)
    assert found.estimator == "unscented" and np.all(np.isfinite(found.belief.mean))


def drifting(*values: float) -> Seen:
    now = seen(*values)
    return now._replace(walk=Walk(np.array([0.05, 0.0]), TIMES[: len(values)], 0.0))


def test_effects_that_drift_are_anchored_to_the_exact_posterior_of_their_last_hour() -> None:
    past = drifting(9.0, 2.0)
    assert past.walk is not None
    found = arrive(PRIOR, seen(9.0, 2.0), lambda: past, prior=PRIOR)
    assert found.estimator == "laplace+moments (first readings)"
    fit = stacked(PRIOR, past.predict, past.walk)
    rng = np.random.default_rng(1)
    exact = fit.arrived(reference_posterior(fit.prior, fit.predict, past.readings, rng=rng, count=16384).belief, ())
    np.testing.assert_allclose((found.belief.mean - exact.mean) / exact.sd, 0.0, atol=0.15)
    np.testing.assert_allclose(found.belief.sd / exact.sd, 1.0, atol=0.15)
    still = arrive(PRIOR, seen(9.0, 2.0), lambda: seen(9.0, 2.0), prior=PRIOR)
    assert found.belief.sd[0] > still.belief.sd[0]
    assert arrive(PRIOR, seen(9.0, 2.0), lambda: past, prior=PRIOR, estimator="laplace").estimator.startswith("laplace")


def test_a_walk_of_very_many_steps_is_filtered() -> None:
    long = seen(9.0, 2.0)._replace(walk=Walk(np.array([0.05, 0.0]), np.arange(1.0, 27.0), 0.0))
    assert arrive(PRIOR, seen(9.0, 2.0), lambda: long, prior=PRIOR).estimator == "unscented"
