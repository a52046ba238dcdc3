"""Two bands: what is uncertain of the patient, and what an assay would read of him."""

from __future__ import annotations

import numpy as np
import pytest

from tests.twin.one_compartment import PROPORTIONAL, one_compartment
from twin_service.model.structure import Endpoint
from twin_service.scenario.bands import QUANTILES, summarize
from twin_service.scenario.endpoints import crossed, endpoint_probability
from twin_service.scenario.target import Target
from twin_service.scenario.utility import attained_smoothly, cost_of, harm_of

NORMAL_95 = 1.6448536


def test_a_reading_scatters_by_the_assay_around_a_known_curve() -> None:
    """All members alike: the curve's band has no width, the reading's that of 10 % noise."""
    z = np.random.default_rng(1).standard_normal(20_000)
    found = summarize(one_compartment(), "x.plasma", np.full((len(z), 2), 5.0), z)
    assert found.quantiles == pytest.approx(5.0)
    assert found.readings is not None
    assert found.readings[[0, 4], 0] == pytest.approx(
        5.0 * (1 + np.array([-1, 1]) * PROPORTIONAL * NORMAL_95), rel=0.01
    )
    assert found.readings.shape == (len(QUANTILES), 2)


def test_no_reading_lies_below_zero_where_no_level_does() -> None:
    z = np.full(16, -30.0)
    found = summarize(one_compartment(), "x.plasma", np.full((16, 1), 5.0), z)
    assert found.readings is not None and found.readings.min() == 0.0


def endpoint(grade: int, threshold: float) -> Endpoint:
    return Endpoint(f"g{grade}", "anc", "1", "below", threshold, "", grade=grade)


def test_nested_grades_count_once() -> None:
    """Whoever reaches grade 4 has passed 3: his cost is that of grade 4, not of both."""
    three, four = endpoint(3, 1.0), endpoint(4, 0.5)
    reached = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]])
    cost = harm_of([three, four], reached, np.zeros((3, 2)))
    assert cost == pytest.approx([0.0, cost_of(three), cost_of(four)])
    assert harm_of([three, four], reached, reached) == pytest.approx(0.0), "nothing that he has without drug"
    assert harm_of([four], reached[:, 1:], np.zeros((3, 1)), {"g4": 2.0})[2] == 2.0


def test_attainment_falls_over_a_tenth() -> None:
    t = Target("x", "peak", 10.0, 20.0)
    edge = np.array([9.0, 10.0, 15.0, 20.0, 21.0, 23.0])
    assert attained_smoothly(t, edge) == pytest.approx(
        [max(0.0, 1 - np.log(10 / 9) / np.log(1.1)), 1.0, 1.0, 1.0, 1 - np.log(1.05) / np.log(1.1), 0.0]
    )
    assert attained_smoothly(Target("x", "peak", low=0.0), np.array([0.0, 5.0])).tolist() == [1.0, 1.0]


def test_who_failed_counts_neither_as_reached_nor_as_not() -> None:
    relative = Endpoint("half", "x", "1", "below", 0.5, "", relative_to_baseline=True)
    values = np.array([[1.0, 0.4], [1.0, 0.9], [np.nan, 0.1]])
    assert endpoint_probability(relative, values) == 0.5
    assert crossed(relative, values[:2], np.array([0.5, 4.0])).tolist() == [False, True], "his own baseline"
    assert np.isnan(endpoint_probability(relative, values[2:]))
