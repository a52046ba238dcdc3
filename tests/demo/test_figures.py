"""Errors and coverage are what their definitions say."""

from __future__ import annotations

import math

import pytest

from twin_service.demo.figures import judge, set_figures
from twin_service.v1 import common_pb2, twin_pb2


def forecast(observed: float, median: float, *, history: int = 1, prior: float = 10.0) -> twin_pb2.Forecast:
    """A forecast whose 90 % band is half to double the median."""

    def spread(m: float) -> common_pb2.Spread:
        return common_pb2.Spread(mean=m, sd=1.0, q05=0.5 * m, q50=m, q95=2.0 * m)

    return twin_pb2.Forecast(observed=observed, prior=spread(prior), forecast=spread(median), history=history)


def test_errors_are_relative_to_what_was_measured() -> None:
    quality = judge([forecast(10.0, 12.0), forecast(20.0, 16.0)], "forecast")
    assert quality.n == 2
    assert quality.rrmse == pytest.approx(math.sqrt((0.2**2 + 0.2**2) / 2))
    assert quality.mape == pytest.approx(0.2)
    assert quality.coverage90 == 1.0


def test_coverage_counts_readings_inside_the_band() -> None:
    assert judge([forecast(10.0, 10.0), forecast(30.0, 10.0)], "forecast").coverage90 == 0.5


def test_zero_readings_and_impossible_forecasts_have_no_relative_error() -> None:
    assert judge([forecast(0.0, 10.0), forecast(5.0, float("nan")), forecast(5.0, 0.0)], "forecast").n == 0


def test_prior_and_posterior_are_judged_on_the_same_readings() -> None:
    kept = [forecast(10.0, 99.0, history=0), forecast(10.0, 11.0), forecast(20.0, 22.0)]
    figures = set_figures("x", 1, kept)
    assert figures["demo.x.observations"] == 3 and figures["demo.x.patients"] == 1
    assert figures["demo.x.posterior_rrmse"] == pytest.approx(0.1)
    assert figures["demo.x.prior_rrmse"] == pytest.approx(math.sqrt((0.0 + 0.5**2) / 2))
    assert figures["demo.x.first_rrmse"] == 0.0
