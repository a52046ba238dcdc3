"""Maximum likelihood and profiles where the answer is known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import chi2

from twin_service.fit.parameters.fit import estimate
from twin_service.fit.parameters.problem import CoordinateScale, Free, MeasuredRow, Problem
from twin_service.outcome import Refusal

T = np.linspace(0.0, 5.0, 12)


def decay(v: dict[str, float], observable: str, condition: str, t: np.ndarray) -> np.ndarray:
    return v["a"] * np.exp(-v["k"] * t)


def test_a_line_is_fitted_as_by_least_squares() -> None:
    rng = np.random.default_rng(1)
    y = 2.0 + 0.5 * T + 0.3 * rng.standard_normal(len(T))
    problem = Problem.create(
        "line",
        [Free("a", -10, 10, 0.0, CoordinateScale.LIN), Free("b", -10, 10, 0.0, CoordinateScale.LIN)],
        [MeasuredRow("y", "c", t, v, 0.3) for t, v in zip(T, y, strict=True)],
        predict=lambda v, o, c, t: v["a"] + v["b"] * t,
    )
    fitted = estimate(problem, starts=4, rng=rng)
    x = np.column_stack([np.ones_like(T), T])
    best = np.linalg.lstsq(x, y, rcond=None)[0]
    half = np.sqrt(chi2.ppf(0.95, 1) * np.diag(np.linalg.inv(x.T @ x))) * 0.3
    assert [fitted.values["a"], fitted.values["b"]] == pytest.approx(best, abs=1e-4)
    for interval, centre, width in zip(fitted.intervals, best, half, strict=True):
        assert (interval.low, interval.high) == pytest.approx((centre - width, centre + width), abs=1e-3)
        assert interval.identifiable
    assert fitted.found >= 2 and fitted.outcome.ok


def test_noise_is_estimated_with_the_rest() -> None:
    rng = np.random.default_rng(2)
    y = 10.0 * np.exp(-0.7 * T + 0.1 * rng.standard_normal(len(T)))
    rows = [MeasuredRow("y", "c", t, v, "s", CoordinateScale.LOG) for t, v in zip(T, y, strict=True)]
    free = [Free("a", 0.1, 1e3, 1.0), Free("k", 1e-3, 1e2, 0.1), Free("s", 1e-3, 10.0, 1.0, CoordinateScale.LOG)]
    fitted = estimate(Problem.create("decay", free, rows, predict=decay), starts=6, rng=rng, profiles=False)
    x = np.column_stack([np.ones_like(T), T])
    best, rss = np.linalg.lstsq(x, np.log(y), rcond=None)[:2]
    assert np.log(fitted.values["a"]) == pytest.approx(best[0], abs=1e-3)
    assert fitted.values["k"] == pytest.approx(-best[1], rel=1e-3)
    assert fitted.values["s"] == pytest.approx(np.sqrt(rss[0] / len(T)), rel=1e-3)


def test_a_product_cannot_be_told_apart_and_is_reported_open() -> None:
    rows = [MeasuredRow("y", "c", t, 6.0, 1.0) for t in (0.0, 1.0, 2.0)]
    free = [Free("p", 0.1, 100.0, 2.0), Free("q", 0.1, 100.0, 3.0)]
    problem = Problem.create("product", free, rows, predict=lambda v, o, c, t: v["p"] * v["q"] + 0 * t)
    fitted = estimate(problem, starts=3, rng=np.random.default_rng(3))
    assert not any(i.identifiable for i in fitted.intervals)
    assert fitted.values["p"] * fitted.values["q"] == pytest.approx(6.0, rel=1e-3)


def test_a_model_that_cannot_be_solved_comes_back_as_a_verdict() -> None:
    problem = Problem.create(
        "lost",
        [Free("a", 0.1, 1.0, 0.5)],
        [MeasuredRow("y", "c", 0.0, 1.0, 1.0)],
        predict=lambda v, o, c, t: np.full_like(t, np.nan),
    )
    fitted = estimate(problem, starts=3, rng=np.random.default_rng(4))
    assert not fitted.outcome.ok and "narrow" in fitted.outcome.detail


def test_conditions_and_observables_reach_the_model_in_order_of_time() -> None:
    asked: list[tuple[str, str, tuple[float, ...]]] = []

    def predict(v: dict[str, float], o: str, c: str, t: np.ndarray) -> np.ndarray:
        asked.append((o, c, tuple(t)))
        return v["a"] * np.ones_like(t)

    rows = [MeasuredRow("y", c, t, 1.0, 1.0) for c, t in (("high", 2.0), ("low", 1.0), ("high", 0.0))]
    Problem.create("order", [Free("a", 0.1, 10.0, 1.0)], rows, predict=predict).objective(np.zeros(1))
    assert asked == [("y", "high", (0.0, 2.0)), ("y", "low", (1.0,))]


@pytest.mark.parametrize(
    ("free", "rows", "said"),
    [
        (Free("a", 1.0, 0.5, 0.7), [MeasuredRow("y", "c", 0, 1, 1)], "low < high"),
        (Free("a", 0.5, 1.0, 2.0), [MeasuredRow("y", "c", 0, 1, 1)], "start between"),
        (Free("a", 0.0, 1.0, 0.5), [MeasuredRow("y", "c", 0, 1, 1)], "positive for a log scale"),
        (Free("a", 0.5, 1.0, 0.7), [], "no measurements"),
        (Free("a", 0.5, 1.0, 0.7), [MeasuredRow("y", "c", 0, 0.0, 1, CoordinateScale.LOG)], "which log cannot take"),
    ],
)
def test_bad_problems_are_refused(free: Free, rows: list[MeasuredRow], said: str) -> None:
    with pytest.raises(Refusal, match=said):
        Problem.create("p", [free], rows, predict=decay)
