"""What a ward can send by mistake: the belief stays finite, and where nothing was learned it is kept."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from tests.twin.one_compartment import at, dose, level, one_compartment, person, weight
from twin_service.kalman.belief import Belief
from twin_service.kalman.errors import Noise, ObservedReadings
from twin_service.kalman.unscented import unscented_update
from twin_service.record.events import Correction, DoseGiven, Event
from twin_service.record.timeline import Timeline
from twin_service.twin.fold import Folded, fold, prior_belief

MODEL = one_compartment()


def folded(events: list[Event]) -> Folded:
    return fold(MODEL, person(), Timeline.of(events))


def test_a_level_before_any_dose_keeps_the_prior() -> None:
    twin = folded([weight(), level(3.0, 1.0, "l"), dose(100.0, 2.0, "d")])
    prior = prior_belief(MODEL)
    np.testing.assert_array_equal(twin.belief.mean, prior.mean)
    np.testing.assert_array_equal(twin.belief.chol, prior.chol)


def test_a_level_before_any_dose_does_not_spoil_the_next() -> None:
    good = [weight(), dose(100.0, 2.0, "d"), level(2.5, 8.0, "l1")]
    with_bad, without = folded([*good, level(3.0, 1.0, "l0")]), folded(good)
    assert np.isfinite(with_bad.belief.mean).all()
    np.testing.assert_allclose(with_bad.belief.mean, without.belief.mean, atol=0.05)


@pytest.mark.parametrize("value", [0.0, -1.0, np.nan])
def test_a_level_without_a_logarithm_keeps_the_belief(value: float) -> None:
    belief = Belief.of([0.1], [[0.09]])
    found = unscented_update(
        belief, lambda eta: np.exp(eta), ObservedReadings.create([value], [Noise("log", 0.0, 0.1)])
    )
    np.testing.assert_array_equal(found.belief.mean, belief.mean)
    np.testing.assert_array_equal(found.belief.chol, belief.chol)
    assert bool(found.report.warnings) == (not np.isnan(value))


def test_a_singular_covariance_gives_a_finite_belief() -> None:
    belief = Belief.of([0.0, 0.0], [[0.09, 0.09], [0.09, 0.09]])
    found = unscented_update(
        belief, lambda eta: np.exp(eta[:, :1] + eta[:, 1:]), ObservedReadings.create([1.5], [Noise("normal", 0.0, 0.1)])
    )
    assert np.isfinite(found.belief.mean).all() and np.isfinite(found.belief.chol).all()
    # the two effects are one: they move together, toward the reading
    assert found.belief.mean[0] == pytest.approx(found.belief.mean[1], abs=1e-4)
    assert 0.05 < found.belief.mean[0] < 0.5 * np.log(1.5) + 0.05


@pytest.mark.parametrize("value", [1e30, 1e300])
def test_a_level_beyond_any_scale_keeps_the_belief(value: float) -> None:
    good = [weight(), dose(100.0, 0.0, "d"), level(3.0, 3.0, "l0")]
    later = level(2.0, 8.0, "l2")
    twin, before = folded([*good, level(value, 6.0, "l1")]), folded(good)
    np.testing.assert_allclose(twin.belief.mean, before.belief.mean, atol=1e-6)
    assert twin.forecasts[-1].weight == 0.0
    again, without = folded([*good, level(value, 6.0, "l1"), later]), folded([*good, later])
    np.testing.assert_allclose(again.belief.mean, without.belief.mean, atol=1e-2)


def test_a_level_beyond_any_scale_is_named() -> None:
    observed = ObservedReadings.create([1e300, 1.5], [Noise("normal", 0.0, 0.1)] * 2)
    found = unscented_update(Belief.of([0.1], [[0.09]]), lambda eta: np.exp(np.hstack([eta, eta])), observed)
    assert found.report.weight[0] == 0.0 and found.report.weight[1] == 1.0
    assert "beyond any scale" in found.report.warnings[0]


def test_negative_levels_leave_a_finite_belief_in_any_order() -> None:
    events = [weight(), dose(100.0, 0.0, "d"), level(-4.0, 3.0, "l0"), level(3.0, 6.0, "l1")]
    twins = [folded(list(order)) for order in itertools.permutations(events)]
    assert len({t.state_digest for t in twins}) == 1
    assert np.isfinite(twins[0].belief.mean).all() and np.isfinite(twins[0].belief.chol).all()
    first = next(f for f in twins[0].forecasts if f.sample.value < 0.0)
    assert first.surprising and first.weight < 0.1


def test_of_contradictory_corrections_one_wins_in_any_order() -> None:
    events = [weight(), dose(100.0, 0.0, "d"), level(3.0, 6.0, "l")]
    fixes = [
        Event(f"c{mg:g}", at(hour), Correction("d", DoseGiven("drugx", mg, "iv"), at(0.0)))
        for mg, hour in ((80.0, 7.0), (200.0, 8.0))
    ]
    last = folded([weight(), dose(200.0, 0.0, "d"), level(3.0, 6.0, "l")])
    for order in itertools.permutations(fixes):
        np.testing.assert_array_equal(folded([*events, *order]).belief.mean, last.belief.mean)
