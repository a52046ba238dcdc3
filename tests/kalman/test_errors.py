from __future__ import annotations

import numpy as np
import pytest

from twin_service.kalman.errors import ABOVE, BELOW, SEEN, Noise, ObservedReadings, scaled, usable

LAWS = [Noise("normal", 0.5, 0.2), Noise("sum", 0.5, 0.2), Noise("power", 0.1, 0.3, 0.7), Noise("log", 0.0, 0.25)]


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.kind)
def test_derivatives_are_those_of_the_law(law: Noise) -> None:
    f, h = np.array([0.7, 3.0, 40.0]), 1e-6
    here, up, down = scaled(f, law), scaled(f + h, law), scaled(f - h, law)
    np.testing.assert_allclose(here.df, (up.f - down.f) / (2 * h), rtol=1e-7)
    np.testing.assert_allclose(here.dv, (up.v - down.v) / (2 * h), rtol=1e-6, atol=1e-9)


def test_variances_by_hand() -> None:
    f = np.array([10.0])
    assert scaled(f, LAWS[0]).v == pytest.approx(0.25 + 4.0)
    assert scaled(f, LAWS[1]).v == pytest.approx(2.5**2)
    assert scaled(f, LAWS[2]).v == pytest.approx(0.01 + 0.09 * 10.0**1.4)
    assert scaled(f, LAWS[3]).v == pytest.approx(0.0625)
    assert scaled(f, LAWS[3]).f == pytest.approx(np.log(10.0))


def test_censored_rows_take_their_value_as_limit() -> None:
    o = ObservedReadings.create([0.5, 90.0, 3.0], [LAWS[0]] * 3, censoring=[BELOW, ABOVE, SEEN])
    np.testing.assert_array_equal(o.limits, [0.5, 90.0, 3.0])
    p = ObservedReadings.create([np.nan, 3.0], [LAWS[0]] * 2, censoring=[BELOW, SEEN], lower=[0.2, np.nan])
    np.testing.assert_array_equal(p.limits, [0.2, 3.0])


def test_a_censored_row_without_limit_is_refused() -> None:
    with pytest.raises(ValueError, match="limit"):
        ObservedReadings.create([np.nan], [LAWS[0]], censoring=[BELOW])
    with pytest.raises(ValueError, match="expected one of each"):
        ObservedReadings.create([1.0, 2.0], [LAWS[0]])


def test_rows_that_cannot_inform_are_named() -> None:
    log, prop = Noise("log", 0.0, 0.2), Noise("normal", 0.0, 0.2)
    o = ObservedReadings.create([np.nan, -1.0, 0.0, 2.0, 2.0, np.inf, 5.0], [log, log, log, log, prop, prop, prop])
    chosen = usable(o, np.array([1.0, 1.0, 1.0, 0.0, 0.0, 1.0, 4.0]))
    np.testing.assert_array_equal(chosen.keep, [False, False, False, False, False, False, True])
    assert any("2 zero or negative" in w for w in chosen.warnings)
    assert any("2 readings ignored" in w and "no dose" in w for w in chosen.warnings)
    assert any("infinite" in w for w in chosen.warnings)


def test_targets_are_on_the_scale_of_the_noise() -> None:
    o = ObservedReadings.create([2.0, 2.0], [Noise("log", 0.0, 0.1), Noise("normal", 1.0)])
    np.testing.assert_allclose(o.targets(), [np.log(2.0), 2.0])
