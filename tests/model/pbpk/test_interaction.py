"""Laws of interaction in closed form, and what perpetrators do to victims."""

from __future__ import annotations

import numpy as np
import pytest

from twin_service.model.compose import compose
from twin_service.model.pbpk.body import build_body
from twin_service.model.pbpk.interaction import linear, saturable, turnover
from twin_service.model.pbpk.studies import Treatment, course, series
from twin_service.outcome import Refusal


def test_saturable_rate_is_half_of_vmax_at_km_and_inhibitors_act_as_named() -> None:
    assert saturable(1.0, 10.0, 2.0, cu=2.0) == pytest.approx(5.0)
    assert saturable(1.0, 10.0, 2.0, cu=4.0, competing=1.0) == pytest.approx(5.0)
    assert saturable(1.0, 10.0, 2.0, cu=2.0, blocking=1.0) == pytest.approx(2.5)
    assert linear(0.5, 10.0, cu=2.0, competing=4.0) == pytest.approx(2.0)


def test_turnover_rests_at_one_and_at_the_induced_level() -> None:
    assert turnover(1.0, 0.02) == pytest.approx(0.0)
    assert turnover(4.0, 0.02, synthesis=3.0) == pytest.approx(0.0)
    assert turnover(0.02 / 0.1, 0.02, loss=0.08) == pytest.approx(0.0)
    assert turnover(0.5, 0.02, synthesis=-5.0) == pytest.approx(-0.01)


def area(treatments: list[Treatment], drug: str, window: tuple[float, float]) -> float:
    t = np.linspace(*window, 1500)
    return float(np.trapezoid(series(course(treatments, {"age_y": 30.0}), f"{drug}_level", t), t))


def test_inducer_and_inhibitor_move_a_victim_and_undo_each_other() -> None:
    victim = Treatment("midazolam", "oral", 2.0, 24.0, 1, 240.0)
    rifampicin = Treatment("rifampicin", "oral", 600.0, 24.0, 10)
    ketoconazole = Treatment("ketoconazole", "oral", 400.0, 24.0, 11)
    window = (240.0, 264.0)
    alone = area([victim], "midazolam", window)
    induced = area([victim, rifampicin], "midazolam", window)
    inhibited = area([victim, ketoconazole], "midazolam", window)
    both = area([victim, rifampicin, ketoconazole], "midazolam", window)
    # Backman 1996: 96 % less; Olkkola 1994: 16-fold
    assert induced < 0.2 * alone < alone < 5.0 * alone < inhibited
    assert induced < both < inhibited


def test_an_enzyme_destroyed_recovers_with_its_half_life() -> None:
    block = build_body(["clarithromycin", "midazolam"])
    model = compose("m", {"b": block})
    assert "b__cyp3a4_liver" in model.system.state_index
    run = course(
        [Treatment("clarithromycin", "oral", 500.0, 12.0, 14), Treatment("midazolam", "oral", 2.0, 24.0, 1, 400.0)], {}
    )
    amount = series(run, "cyp3a4_liver", np.array([0.0, 168.0, 288.0, 324.0]))
    assert amount[0] == pytest.approx(1.0)
    assert amount[1] < 0.6
    # kdeg 0.0193/h: of what is missing, half is back after 36 h
    assert (1 - amount[3]) / (1 - amount[2]) == pytest.approx(np.exp(-0.0193 * 36.0), rel=0.03)


def test_a_metabolite_comes_along_and_conserves_mass() -> None:
    names = {r.drug for r in build_body(["itraconazole"]).routes}
    assert names == {"itraconazole", "hydroxyitraconazole"}
    assert {r.drug for r in build_body(["itraconazole"], metabolites=False).routes} == {"itraconazole"}


@pytest.mark.parametrize(("drugs", "kind"), [(["aspirinol"], "unknown"), ([], "empty")])
def test_unknown_or_no_drugs_are_refused(drugs: list[str], kind: str) -> None:
    with pytest.raises(Refusal, match=kind):
        build_body(drugs)


def test_unknown_species_and_form_are_refused() -> None:
    with pytest.raises(Refusal, match="unknown; known: .*human"):
        build_body(["midazolam"], species="unicorn")
    with pytest.raises(Refusal, match="unknown; known: tablet"):
        build_body(["midazolam"], formulations={"midazolam": "patch"})
