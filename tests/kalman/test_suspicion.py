from __future__ import annotations

import numpy as np
import pytest

from twin_service.kalman.errors import Noise
from twin_service.kalman.suspicion import explanations

LAW = Noise("normal", 0.5, 0.15)
MEMBERS = 20.0 * np.exp(0.25 * np.random.default_rng(0).standard_normal(400))


@pytest.mark.parametrize(
    ("reading", "story"),
    [
        (20_000.0, "recorded a thousandfold too high"),
        (0.02, "recorded a thousandfold too low"),
        (205.0, "recorded tenfold too high"),
    ],
)
def test_a_wrong_unit_is_named_first(reading: float, story: str) -> None:
    found = explanations(reading, LAW, MEMBERS)
    assert found[0].story == story
    assert found[0].odds > 1e3


@pytest.mark.parametrize("reading", [12.0, 20.0, 33.0])
def test_an_ordinary_reading_needs_no_explanation(reading: float) -> None:
    assert explanations(reading, LAW, MEMBERS, stories={"last dose missed": 0.6 * MEMBERS}) == ()


def test_a_missed_dose_explains_a_low_reading() -> None:
    stories = {"last dose missed": 0.15 * MEMBERS, "drawn one hour later": 0.9 * MEMBERS}
    found = explanations(3.0, LAW, MEMBERS, stories=stories, unit_factors={})
    assert [e.story for e in found] == ["last dose missed"]


def test_odds_by_hand() -> None:
    """One member, additive noise: the odds are a ratio of two normal densities."""
    law = Noise("normal", 1.0)
    (found,) = explanations(6.0, law, np.array([0.0]), stories={"other": np.array([6.0])}, unit_factors={})
    assert found.odds == pytest.approx(0.01 * np.exp(18.0), rel=1e-12)
    (unit,) = explanations(60.0, law, np.array([6.0]), unit_factors={"ten": 10.0}, likely=0.0)
    assert unit.odds == pytest.approx(0.01 * np.exp(min(0.5 * 54.0**2 - np.log(10.0), 700.0)), rel=1e-9)


def test_log_law_and_members_that_predict_nothing() -> None:
    law = Noise("log", 0.0, 0.3)
    members = np.append(MEMBERS, [0.0, np.nan])
    assert explanations(20.0 * 1e3, law, members)[0].story == "recorded a thousandfold too high"
    assert explanations(-1.0, law, members) == ()


def test_a_reading_that_is_no_number_is_refused() -> None:
    with pytest.raises(ValueError, match="not finite"):
        explanations(float("nan"), LAW, MEMBERS)
