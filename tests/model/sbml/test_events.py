"""Events at the number at which they happen, in the order SBML gives them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("libsbml", reason="python-libsbml is the extra `sbml`")

from tests.model.sbml import writing as w
from twin_service.model.sbml import SbmlTable, load, simulate_sbml
from twin_service.outcome import Refusal


def ran(tmp_path: Path, fill: Callable[[Any], None], end: float = 4.0, steps: int = 8) -> SbmlTable:
    return simulate_sbml(load(w.write(tmp_path / "small.xml", fill)), 0.0, end, steps)


def test_a_trigger_on_time_is_seen_at_its_own_time(tmp_path: Path) -> None:
    def fill(m: Any) -> None:
        w.parameter(m, "at", 0.0)
        w.parameter(m, "after", 0.0)
        w.event(m, "time >= 2", {"at": "1"})
        w.event(m, "time > 2", {"after": "1"})

    table = ran(tmp_path, fill)
    np.testing.assert_array_equal(table["at"], table["time"] >= 2)
    np.testing.assert_array_equal(table["after"], table["time"] > 2)


def test_a_bouncing_ball_lands_where_mechanics_says(tmp_path: Path) -> None:
    """h = 1 - g t^2/2 until sqrt(2/g); each bounce halves the speed."""

    def fill(m: Any) -> None:
        w.parameter(m, "h", 1.0)
        w.parameter(m, "v", 0.0)
        w.parameter(m, "landed", 0.0)
        w.rate(m, "h", "v")
        w.rate(m, "v", "-2")
        w.event(m, "h < 0", {"v": "-v / 2", "landed": "time", "h": "0"})

    table = ran(tmp_path, fill, end=2.5, steps=5)
    assert table["landed"][2] == pytest.approx(1.0, abs=1e-9)
    assert table["landed"][4] == pytest.approx(2.0, abs=1e-8)
    assert table["h"][3] == pytest.approx(0.5 - 0.25, abs=1e-8)


def test_a_delay_waits_and_takes_old_or_new_values(tmp_path: Path) -> None:
    def fill(m: Any) -> None:
        for name in ("x", "old", "new"):
            w.parameter(m, name, 0.0)
        w.rate(m, "x", "1")
        w.event(m, "x > 1", {"old": "x"}, delay="1.5")
        w.event(m, "x > 1", {"new": "x"}, delay="1.5", at_trigger=False)

    table = ran(tmp_path, fill)
    assert table["old"][4] == table["new"][4] == 0.0
    assert table["old"][-1] == pytest.approx(1.0) and table["new"][-1] == pytest.approx(2.5)


def test_an_event_that_does_not_persist_is_withdrawn(tmp_path: Path) -> None:
    def fill(m: Any) -> None:
        w.parameter(m, "kept", 0.0)
        w.parameter(m, "dropped", 0.0)
        w.event(m, "time > 1 && time < 2", {"kept": "1"}, delay="1.5")
        w.event(m, "time > 1 && time < 2", {"dropped": "1"}, delay="1.5", persistent=False)

    table = ran(tmp_path, fill)
    assert table["kept"][-1] == 1.0 and table["dropped"][-1] == 0.0


def test_priority_decides_and_one_event_disables_another(tmp_path: Path) -> None:
    def fill(m: Any) -> None:
        w.parameter(m, "x", 0.0)
        w.parameter(m, "low", 0.0)
        w.event(m, "time > 1 && x < 1", {"low": "1"}, priority="1", persistent=False)
        w.event(m, "time > 1", {"x": "2"}, priority="5")

    table = ran(tmp_path, fill)
    assert table["x"][-1] == 2.0 and table["low"][-1] == 0.0


def test_only_a_trigger_declared_false_fires_at_the_start(tmp_path: Path) -> None:
    def fill(m: Any) -> None:
        w.parameter(m, "yes", 0.0)
        w.parameter(m, "no", 0.0)
        w.event(m, "time >= 0", {"yes": "1"}, initial=False)
        w.event(m, "time >= 0", {"no": "1"}, initial=True)

    table = ran(tmp_path, fill)
    assert table["yes"].tolist() == [1.0] * 9 and not table["no"].any()


def test_a_concentration_set_with_its_volume_uses_the_volume_before(tmp_path: Path) -> None:
    def fill(m: Any) -> None:
        w.compartment(m, "V", 2.0, constant=False)
        w.species(m, "S", 1.0)
        w.event(m, "time >= 1", {"V": "8", "S": "4"})

    assert ran(tmp_path, fill)["S"][-1] == pytest.approx(4.0 * 2.0 / 8.0)


def test_ties_are_drawn_the_same_way_each_time_and_evenly(tmp_path: Path) -> None:
    def fill(m: Any) -> None:
        for name in ("last", "a", "b"):
            w.parameter(m, name, 0.0)
        for name in ("a", "b"):
            w.event(m, "time - last >= 0.01", {"last": "time", name: f"{name} + 1"}, priority="1", persistent=False)

    first, second = (ran(tmp_path, fill, end=2.0) for _ in range(2))
    np.testing.assert_array_equal(first.values, second.values)
    assert first["a"][-1] + first["b"][-1] == pytest.approx(200, abs=1)
    assert 70 < first["a"][-1] < 130


def test_a_piecewise_rate_switches_where_it_should(tmp_path: Path) -> None:
    def fill(m: Any) -> None:
        w.parameter(m, "x", 0.0)
        w.rate(m, "x", "piecewise(1, time < 1.3, 0)")

    table = ran(tmp_path, fill)
    np.testing.assert_allclose(table["x"], np.minimum(table["time"], 1.3), atol=1e-9)


def test_events_that_trigger_each_other_for_ever_end_in_a_refusal(tmp_path: Path) -> None:
    def fill(m: Any) -> None:
        w.parameter(m, "x", 0.0)
        w.event(m, "time > 1 && x < 1", {"x": "2"})
        w.event(m, "time > 1 && x > 1", {"x": "0"})

    with pytest.raises(Refusal, match="without end"):
        ran(tmp_path, fill)
