"""Areas and times above a level, on courses whose answers are known in closed form."""

from __future__ import annotations

import numpy as np
import pytest

from twin_service.outcome import Refusal
from twin_service.scenario.exposure import area, hours_above
from twin_service.scenario.grid import dosing_grid
from twin_service.scenario.target import Target, measure, measure_each
from twin_service.solver.schedule import Dose

K = 0.3


def test_an_exponential_fall_is_exact_on_any_grid() -> None:
    """Integral of 10 exp(-k t) over 0 .. 12, and ln(10/2)/k hours above 2, on four points."""
    t = np.array([0.0, 1.0, 7.0, 12.0])
    v = np.array([10.0 * np.exp(-K * t)])
    assert area(t, v) == pytest.approx([10.0 / K * (1 - np.exp(-K * 12.0))], rel=1e-12)
    assert hours_above(t, v, 2.0) == pytest.approx([np.log(5.0) / K], rel=1e-12)


def test_a_line_up_and_a_zero_are_exact() -> None:
    t, v = np.array([0.0, 2.0, 4.0, 5.0]), np.array([[0.0, 4.0, 4.0, 0.0]])
    assert area(t, v) == pytest.approx([4.0 + 8.0 + 2.0])
    assert hours_above(t, v, 1.0) == pytest.approx([1.5 + 2.0 + 0.75])
    assert hours_above(t, v, 0.0) == pytest.approx([5.0]) and hours_above(t, v, 4.0) == pytest.approx([0.0])


def test_a_level_reached_from_below_and_above_counts_once() -> None:
    t = np.linspace(0.0, 10.0, 101)
    v = np.array([5.0 + 3.0 * np.sin(2 * np.pi * t / 10.0)])
    assert hours_above(t, v, 5.0) == pytest.approx([5.0], abs=1e-9)


def test_both_sides_of_a_bolus_are_on_the_grid() -> None:
    doses = [Dose(5.1, "x", 1.0), Dose(13.1, "x", 1.0), Dose(21.1, "x", 1.0, 0.5)]
    grid = dosing_grid(doses, 5.1, 24.0, 6.0, marks_h=[3.3])
    assert np.all(np.diff(grid.hours) >= 0) and {0.0, 3.3, 8.0, 16.0, 16.5, 24.0} <= set(grid.hours.tolist())
    assert [float(h) for h in grid.hours[grid.after]] == [0.0, 8.0], "an infusion makes no jump"
    assert {5.1, 13.1, 21.1} <= set(grid.clock_h.tolist()), "a dose's own time to the last bit"
    for h in (0.0, 8.0):
        assert (grid.hours == h).sum() == 2


def test_many_doses_get_fewer_points() -> None:
    doses = [Dose(24.0 * k, "x", 1.0) for k in range(365)]
    assert len(dosing_grid(doses, 0.0, 365 * 24.0, 365 * 24.0 / 200).hours) < 2500


HOURS = np.concatenate([np.linspace(0, 8, 81), 8 + np.linspace(0, 8, 81), 16 + np.linspace(0, 16, 161)])


def saw() -> np.ndarray:
    """Doses of 10 at 0, 8, 16 h into one compartment of volume 1, both sides of each jump."""
    v = np.zeros(len(HOURS))
    for i, t in enumerate(HOURS):
        before = {81: 8.0, 162: 16.0}
        given = [d for d in (0.0, 8.0, 16.0) if d < t or (d == t and (i == 0 or i in before))]
        v[i] = sum(10.0 * np.exp(-K * (t - d)) for d in given)
    return v[None, :]


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (Target("x", "auc"), 10 / K * sum(1 - np.exp(-K * (32 - d)) for d in (0, 8, 16))),
        (Target("x", "auc_interval"), 10 / K * (1 - np.exp(-K * 8) + np.exp(-K * 8) - np.exp(-K * 16))),
        (Target("x", "auc_day"), 10 / K * sum(np.exp(-K * max(8 - d, 0)) - np.exp(-K * (32 - d)) for d in (0, 8, 16))),
        (Target("x", "trough", to_h=16.0), 10 * np.exp(-K * 8)),
        (Target("x", "final", to_h=16.0), 10 * (np.exp(-K * 8) + np.exp(-K * 16))),
        (Target("x", "peak"), 10 * (1 + np.exp(-K * 8) + np.exp(-K * 16))),
        (
            Target("x", "peak_over_mic", mics=((2.0, 1.0),), unbound=0.4),
            0.4 * 10 * (1 + np.exp(-K * 8) + np.exp(-K * 16)) / 2,
        ),
        (Target("x", "time_above_mic", to_h=8.0, mics=((2.0, 1.0),), unbound=0.4), np.log(4.0 / 2.0) / K / 8.0),
        (
            Target("x", "auc_over_mic", mics=((0.5, 1.0),)),
            10 / K * sum(np.exp(-K * max(8 - d, 0)) - np.exp(-K * (32 - d)) for d in (0, 8, 16)) / 0.5,
        ),
    ],
    ids=lambda v: v.metric if isinstance(v, Target) else "",
)
def test_metrics_of_a_saw(target: Target, expected: float) -> None:
    assert measure(target, HOURS, saw(), np.array([0.0, 8.0, 16.0])) == pytest.approx([expected], rel=1e-9)


def test_each_mic_has_its_own_metric() -> None:
    target = Target("x", "peak_over_mic", mics=((1.0, 0.5), (4.0, 0.5)))
    one, four = measure_each(target, HOURS, saw(), np.zeros(1))[0]
    assert one == pytest.approx(4 * four)
    with pytest.raises(Refusal, match="distribution"):
        measure(target, HOURS, saw(), np.zeros(1))


@pytest.mark.parametrize(
    ("target", "said"),
    [
        (Target("x", "auc_day", to_h=20.0), "at least 24 h"),
        (Target("x", "auc_interval", from_h=9.0), "two doses"),
        (Target("x", "time_above_mic"), "minimum inhibitory concentration"),
    ],
)
def test_a_metric_without_what_it_needs_is_refused(target: Target, said: str) -> None:
    with pytest.raises(Refusal, match=said):
        measure(target, HOURS, saw(), np.array([0.0, 8.0, 16.0]))
