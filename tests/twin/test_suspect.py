"""A surprising reading comes with what would explain it; the record itself is never changed."""

from __future__ import annotations

import numpy as np
import pytest

from tests.twin.one_compartment import CL, V, at, one_compartment, person, weight
from twin_service.record.events import Correction, DoseGiven, Event, LabMeasured
from twin_service.record.timeline import Timeline
from twin_service.twin.fold import Folded, fold

MG = 100.0


def dose(k: int) -> Event:
    return Event(f"d{k}", at(12.0 * k), DoseGiven("drugx", MG, "iv"))


def level(name: str, hour: float, value: float, *, after_dose: bool = False) -> Event:
    return Event(name, at(hour), LabMeasured("drugx", value, "mg/L", value, "mg/L", after_dose=after_dose))


def expected(hour: float, *, doses: tuple[int, ...] = (1,) * 10) -> float:
    """Typical level just before anything that happens at `hour`; `doses[k]` doses at 12 k hours."""
    k = CL / V
    return float(sum(n * MG / V * np.exp(-k * (hour - 12.0 * j)) for j, n in enumerate(doses) if 12.0 * j < hour))


def ordinary() -> list[Event]:
    levels = [level("l1", 6.0, expected(6.0)), level("l2", 30.0, expected(30.0))]
    return [weight(), *(dose(k) for k in range(4)), *levels]


def twin(*last: Event) -> Folded:
    """Four doses and two ordinary levels, then `last`."""
    known = ordinary()
    return fold(one_compartment(), person(), Timeline.of([*known, *last]))


def stories(folded: Folded) -> tuple[str, ...]:
    return tuple(e.story for e in folded.forecasts[-1].explanations)


@pytest.mark.parametrize(
    ("factor", "story"),
    [
        (1e3, "recorded a thousandfold too high"),
        (1e-3, "recorded a thousandfold too low"),
        (10.0, "recorded tenfold too high"),
        (0.1, "recorded tenfold too low"),
    ],
)
def test_a_wrong_unit_is_the_first_explanation(factor: float, story: str) -> None:
    found = twin(level("l3", 42.0, factor * expected(42.0)))
    assert found.forecasts[-1].surprising
    assert stories(found)[0] == story
    assert found.forecasts[-1].explanations[0].odds > 1e3


def test_a_missed_dose_is_explained_by_the_missed_dose() -> None:
    found = twin(level("l3", 40.0, expected(40.0, doses=(1, 1, 1, 0))))
    assert "the last dose before it was not given" in stories(found)


def test_a_trough_drawn_after_the_dose_is_explained_by_it() -> None:
    found = twin(level("l3", 36.0, expected(36.0) + MG / V))
    assert "drawn after the dose, not before it" in stories(found)


def test_an_ordinary_reading_needs_no_explanation() -> None:
    found = twin(level("l3", 42.0, 1.05 * expected(42.0)))
    assert not found.forecasts[-1].surprising
    assert all(f.explanations == () for f in found.forecasts)


def test_explanations_come_in_any_order_of_arrival_and_leave_with_the_correction() -> None:
    wrong = level("l3", 42.0, 1e3 * expected(42.0))
    later = level("l4", 44.0, expected(44.0))
    known = ordinary()
    model, someone = one_compartment(), person()
    at_once = fold(model, someone, Timeline.of([*known, wrong, later]))
    step = fold(model, someone, Timeline.of([*known, later]))
    late = fold(model, someone, Timeline.of([*known, later, wrong]), previous=step)
    assert late.forecasts == at_once.forecasts
    right = Correction("l3", LabMeasured("drugx", expected(42.0), "mg/L", expected(42.0), "mg/L"), at(42.0))
    cured = fold(model, someone, Timeline.of([*known, wrong, later, Event("c", at(50.0), right)]), previous=at_once)
    assert all(f.explanations == () for f in cured.forecasts)


def impossible(value: float) -> Folded:
    events = [weight(), dose(0), level("a", 4.0, 3.3), level("b", 8.0, value), level("c", 12.0, 1.6)]
    return fold(one_compartment(), person(), Timeline.of(events))


@pytest.mark.parametrize("value", [5000.0, 0.0], ids=["far above all", "nothing where there must be something"])
def test_an_impossible_reading_is_told_and_moves_nothing(value: float) -> None:
    events = [weight(), dose(0), level("a", 4.0, 3.3), level("c", 12.0, 1.6)]
    clean, found = fold(one_compartment(), person(), Timeline.of(events)), impossible(value)
    assert found.belief.mean == pytest.approx(clean.belief.mean, abs=1e-12)
    assert found.belief.chol == pytest.approx(clean.belief.chol, abs=1e-12)
    told = next(f for f in found.forecasts if f.sample.event_id == "b")
    assert told.surprising and told.weight == 0.0 and "not used" in told.estimator
    assert any(f"drugx {value:g} mg/L" in w and "it was not used" in w for w in found.warnings)
    assert not any("could not be assimilated" in w for w in found.warnings)


def test_a_surprise_stands_in_every_answer() -> None:
    found = impossible(40.0)
    (told,) = [w for w in found.warnings if "was not expected" in w]
    assert "it counts with weight" in told or "not used" in told


def test_a_late_event_folds_to_the_same_bits_around_an_impossible_reading() -> None:
    events = [weight(), dose(0), level("a", 4.0, 3.3), level("b", 8.0, 5000.0), level("c", 12.0, 1.6)]
    model, whole = one_compartment(), Timeline.of(events)
    early = fold(model, person(), Timeline.of(events[:4]))
    assert fold(model, person(), whole, previous=early).state_digest == fold(model, person(), whole).state_digest
