"""Two-stage and predictive designs against the sources' own tables, and simulation of how they run."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from twin_service.outcome import Refusal
from twin_service.trial.interim.single_arm import (
    conduct,
    futility_boundary,
    predictive_probability,
    simon_designs,
    two_stage,
)


@pytest.mark.parametrize(
    ("p0", "p1", "optimal", "minimax", "expected", "early"),
    [
        (0.05, 0.25, (0, 9, 2, 17), (0, 12, 2, 16), (12.0, 13.8), (0.63, 0.54)),
        (0.10, 0.30, (1, 10, 5, 29), (1, 15, 5, 25), (15.0, 19.5), (0.74, 0.55)),
    ],
)
def test_published_designs(p0: float, p1: float, optimal: tuple, minimax: tuple, expected: tuple, early: tuple) -> None:
    """Simon 1989, table 1 (alpha 5 %, power 80 %)."""
    found = simon_designs(p0, p1, n_max=35)
    for design, wanted, patients, stop in zip(found, (optimal, minimax), expected, early, strict=True):
        assert (design.r1, design.n1, design.r, design.n) == wanted
        assert design.expected_patients == pytest.approx(patients, abs=0.06)
        assert design.stop_early == pytest.approx(stop, abs=0.006)
        assert design.alpha <= 0.05 and design.power >= 0.8


def test_a_design_does_what_it_says() -> None:
    """40,000 simulated trials of 3/13, 12/43."""
    design = two_stage(3, 13, 12, 43, p0=0.2, p1=0.4)
    rng = np.random.default_rng(1)
    for p, wanted in ((0.2, design.alpha), (0.4, design.power)):
        first = rng.binomial(13, p, 40_000)
        total = first + rng.binomial(30, p, 40_000)
        assert np.mean((first > 3) & (total > 12)) == pytest.approx(wanted, abs=0.01)
        if p == 0.2:
            assert np.mean(np.where(first <= 3, 13, 43)) == pytest.approx(design.expected_patients, abs=0.4)
            assert np.mean(first <= 3) == pytest.approx(design.stop_early, abs=0.01)


def test_a_two_stage_design_is_a_conduct() -> None:
    design = two_stage(1, 10, 5, 29, p0=0.1, p1=0.3)
    null, hoped = (conduct([10], [1], 6, 29, rate=p) for p in (0.1, 0.3))
    assert (null.success, null.stop_early, null.expected_patients) == pytest.approx(
        (design.alpha, design.stop_early, design.expected_patients)
    )
    assert hoped.success == pytest.approx(design.power)


def test_published_predictive_probability() -> None:
    """Lee & Liu 2008: 16 of 23 responded, 40 planned, prior beta(0.6, 0.4), p0 = 0.6, threshold 0.9: PP = 0.5656."""
    found = predictive_probability(16, 23, 40, p0=0.6, threshold=0.9, prior=(0.6, 0.4))
    assert found == pytest.approx(0.5656, abs=5e-5)


def test_published_predictive_design() -> None:
    """Lee & Liu 2008, table 2: p0 = 0.2, p1 = 0.4, 36 patients, looks from the 10th on, stop below 0.001."""
    looks = list(range(10, 37))
    found = futility_boundary(looks[:-1], p0=0.2, patients=36, threshold=0.9, stop_below=0.001, prior=(0.2, 0.8))
    first = {0: 10, 1: 17, 2: 21, 3: 24, 4: 27, 5: 29, 6: 31, 7: 33, 8: 34, 9: 35}
    assert {bound: looks[found.index(bound)] for bound in sorted(set(found))} == first
    null, hoped = (conduct(looks[:-1], found, 11, 36, rate=p) for p in (0.2, 0.4))
    assert (null.success, hoped.success) == pytest.approx((0.088, 0.906), abs=1e-3)
    assert (null.stop_early, null.expected_patients) == pytest.approx((0.86, 27.67), abs=0.01)


def test_predictive_probability_at_the_end_is_certain() -> None:
    assert predictive_probability(9, 10, 10, p0=0.5) == 1.0
    assert predictive_probability(2, 10, 10, p0=0.5) == 0.0


def test_predictive_probability_rises_with_responses() -> None:
    found = [predictive_probability(x, 15, 30, p0=0.3) for x in range(16)]
    assert np.all(np.diff(found) >= -1e-12)  # sums of up to 16 rounded terms
    (bound,) = futility_boundary([15], p0=0.3, patients=30, stop_below=0.2)
    assert found[bound] < 0.2 <= found[bound + 1]


def test_predictive_probability_is_what_simulated_futures_show() -> None:
    rng = np.random.default_rng(2)
    rate = rng.beta(0.5 + 8, 0.5 + 12, 40_000)
    y = rng.binomial(15, rate)
    after = rng.beta(0.5 + 8 + np.arange(16)[:, None], 0.5 + 27 - np.arange(16)[:, None], (16, 20_000))
    good = np.mean(after > 0.3, axis=1) > 0.9
    wanted = predictive_probability(8, 20, 35, p0=0.3)
    assert np.mean(good[y]) == pytest.approx(wanted, abs=0.012)


def test_all_designs_of_the_reference(reference_dir: Path) -> None:
    """Exhaustive search checked against clinfun's ph2simon; the three quickest of nine."""
    cases = json.loads((reference_dir / "trials" / "interim" / "simon_two_stage.json").read_text())["cases"]
    for case in sorted(cases, key=lambda c: c["optimal"]["n"])[:3]:
        found = simon_designs(
            case["p0"], case["p1"], alpha=case["alpha"], power=1 - case["beta"], n_max=case["optimal"]["n"] + 3
        )
        for design, key in zip(found, ("optimal", "minimax"), strict=True):
            assert (design.r1, design.n1, design.r, design.n) == tuple(case[key][k] for k in ("r1", "n1", "r", "n"))
            assert design.expected_patients == pytest.approx(case[key]["EN0"])


@pytest.mark.parametrize(
    "ask",
    [
        lambda: simon_designs(0.3, 0.2),
        lambda: simon_designs(0.2, 0.3, n_max=20),
        lambda: two_stage(3, 2, 5, 10, p0=0.1, p1=0.3),
        lambda: predictive_probability(5, 4, 10, p0=0.3),
        lambda: predictive_probability(1, 4, 10, p0=0.0),
        lambda: conduct([10, 5], [1, 2], 3, 20, rate=0.2),
        lambda: conduct([10], [1, 2], 3, 20, rate=0.2),
    ],
)
def test_impossible_questions_are_refused(ask) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(Refusal):
        ask()
