"""Percentiles of a stream against NumPy's, whatever the order of the blocks."""

from __future__ import annotations

import numpy as np

from twin_service.cohort.percentiles import StreamedPercentiles


def test_percentiles_are_those_of_numpy_to_the_width_of_a_cell() -> None:
    rng = np.random.default_rng(1)
    x = np.exp(rng.normal(0.0, 3.0, (20_000, 3))) * np.array([1e-6, 1.0, 1e3])
    p = StreamedPercentiles.like(x)
    for block in np.array_split(x, 7):
        p = p.add(block)
    levels = (0.05, 0.5, 0.95)
    assert np.allclose(p.quantiles(levels), np.quantile(x, levels, axis=0), rtol=0.006)


def test_order_and_partition_do_not_matter_and_failures_are_counted() -> None:
    x = np.exp(np.random.default_rng(2).normal(size=(1000, 2)))
    x[3, 1] = np.nan
    a = StreamedPercentiles.like(x).add(x)
    b = StreamedPercentiles.like(x).add(x[600:]).merged(StreamedPercentiles.like(x).add(x[:600]))
    assert np.array_equal(a.counts, b.counts) and a.failed == b.failed == 1


def test_zero_is_zero_and_nothing_is_nan() -> None:
    p = StreamedPercentiles.like(np.zeros((1, 1)))
    assert np.isnan(p.quantiles([0.5])).all()
    assert p.add(np.zeros((5, 1))).quantiles([0.5])[0, 0] == 0.0
