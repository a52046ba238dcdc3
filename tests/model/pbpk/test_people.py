"""People like a named one: spreads as published, what is said stays said, every body closes."""

from __future__ import annotations

import numpy as np
import pytest

from twin_service.model.pbpk.library import load_library
from twin_service.model.pbpk.people import draw_people
from twin_service.model.pbpk.physiology import create_body

HUMAN = load_library().species["human"]


def drawn(person: dict[str, float], count: int = 400) -> dict[str, np.ndarray]:
    people = draw_people(HUMAN, person, count, np.random.default_rng(3))
    return {k: np.array([p[k] for p in people]) for k in people[0]}


@pytest.mark.parametrize("person", [{"age_y": 30.0}, {"age_y": 6.0, "sex_female": 1.0}, {"age_y": 80.0}])
def test_spreads_are_the_files(person: dict[str, float]) -> None:
    d = drawn(person)
    for name in ("height_cm", "hematocrit", "albumin_g_l", "aag_g_l"):
        assert np.std(np.log(d[name])) == pytest.approx(HUMAN.variability[name], rel=0.12), name
    # 15 % about height, 4 % of height squared: 17 % in all, and half correlated
    assert np.std(np.log(d["weight_kg"])) == pytest.approx(0.17, abs=0.02)
    assert 0.35 < np.corrcoef(np.log(d["height_cm"]), np.log(d["weight_kg"]))[0, 1] < 0.6
    assert np.median(d["weight_kg"]) == pytest.approx(create_body(HUMAN, person).weight_kg, rel=0.04)


def test_what_is_said_stays_and_unknown_is_drawn() -> None:
    d = drawn({"age_y": 50.0, "weight_kg": 82.0, "albumin_g_l": 0.0, "creatinine_umol_l": 150.0}, 50)
    assert set(d["weight_kg"]) == {82.0} and set(d["creatinine_umol_l"]) == {150.0}
    assert len(set(d["albumin_g_l"])) == 50 and "egfr_ml_min" not in d


@pytest.mark.parametrize(
    "person", [{"age_y": 0.0, "gestational_age_wk": 28.0}, {"age_y": 0.1}, {"age_y": 94.0, "child_pugh": 2.0}]
)
def test_every_body_drawn_closes(person: dict[str, float]) -> None:
    for p in draw_people(HUMAN, person, 60, np.random.default_rng(4)):
        body = create_body(HUMAN, p)
        assert sum(body.volume.values()) + body.arterial_l + body.venous_l == pytest.approx(body.weight_kg, rel=1e-12)
        assert min(body.volume.values()) > 0.0


def test_the_same_seed_draws_the_same_people() -> None:
    one, two = (draw_people(HUMAN, {"age_y": 40.0}, 5, np.random.default_rng(1)) for _ in range(2))
    assert one == two
