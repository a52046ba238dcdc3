"""Slips of factor and unit, doses beyond what is given, duplicates: what a ward writes and what must come of it."""

from __future__ import annotations

import pytest

from twin_service import units
from twin_service.library.files import FOLDER, files_in, parse_toml
from twin_service.model.plausibility import Standing, judge_event, judge_events, likely_slips, load_ranges
from twin_service.model.plausibility.slips import DOSE_SLIPS
from twin_service.record.events import (
    MICROSECONDS_PER_HOUR,
    Censoring,
    Correction,
    CovariateMeasured,
    DoseGiven,
    Event,
    LabMeasured,
)


def dose(drug: str, mg: float, route: str = "iv", *, name: str = "d1", hour: float = 0.0) -> Event:
    return Event(name, int(hour * MICROSECONDS_PER_HOUR), DoseGiven(drug, mg, route))


def lab(
    analyte: str, value: float, *, name: str = "l1", hour: float = 0.0, censoring: Censoring = Censoring.NONE
) -> Event:
    unit = units.analytes()[analyte].unit
    return Event(name, int(hour * MICROSECONDS_PER_HOUR), LabMeasured(analyte, value, unit, value, unit, censoring))


def weight(kg: float) -> Event:
    return Event("w1", 0, CovariateMeasured("weight_kg", kg, "kg", kg, "kg"))


@pytest.mark.parametrize(
    ("event", "person", "standing", "says"),
    [
        (dose("vancomycin", 1000), {}, Standing.USUAL, ""),
        (dose("vancomycin", 100_000), {}, Standing.HELD, "beyond all"),
        (dose("vancomycin", 10_000), {"weight_kg": 70.0}, Standing.HELD, "tenfold too much: 1e+03 was meant"),
        (dose("digoxin", 0.25, "oral"), {}, Standing.USUAL, ""),
        (dose("digoxin", 250, "oral"), {}, Standing.HELD, "mg written for ug: 0.25 was meant"),
        (dose("digoxin", 2.5, "oral"), {}, Standing.UNUSUAL, "outside the usual"),
        (dose("vancomycin", 1000), {"weight_kg": 3.0}, Standing.HELD, "more than 360 mg"),
        (dose("vancomycin", 45), {"weight_kg": 3.0}, Standing.USUAL, ""),
        (dose("vancomycin", 5000), {"weight_kg": 200.0}, Standing.UNUSUAL, "to 3000 mg"),
        (dose("midazolam", 0.001, "oral"), {}, Standing.UNUSUAL, "ug written for mg"),
        (dose("a_comedication", 5, "oral"), {}, Standing.USUAL, ""),
        (lab("vancomycin", 15.0), {}, Standing.USUAL, ""),
        (lab("vancomycin", 150.0), {}, Standing.UNUSUAL, "outside the usual 0.5 to 100"),
        (lab("vancomycin", 5000.0), {}, Standing.HELD, "beyond all"),
        (lab("vancomycin", 0.0), {}, Standing.HELD, "below the limit"),
        (lab("vancomycin", 2.0, censoring=Censoring.BELOW), {}, Standing.USUAL, ""),
        (lab("potassium", 4.0), {}, Standing.USUAL, ""),
        (lab("potassium", 14.0), {}, Standing.UNUSUAL, "outside the usual"),
        (lab("creatinine", 6.0), {}, Standing.UNUSUAL, "umol/L"),
        (weight(70), {"weight_kg": 71.0}, Standing.USUAL, ""),
        (weight(154), {"weight_kg": 70.0}, Standing.UNUSUAL, "lb written for kg: 69.9 was meant"),
        (weight(3500), {"weight_kg": 3.5}, Standing.HELD, "g written for kg: 3.5 was meant"),
    ],
)
def test_an_event_stands_as_a_pharmacist_would_say(
    event: Event, person: dict[str, float], standing: Standing, says: str
) -> None:
    found = judge_event(event, (), person)
    assert found.standing is standing, found
    assert says in "; ".join(found.reasons)
    assert (found.reasons == ()) == (standing is Standing.USUAL)


@pytest.mark.parametrize(
    ("first", "second", "is_double"),
    [
        (dose("vancomycin", 1000), dose("vancomycin", 1000, name="d2", hour=0.2), True),
        (dose("vancomycin", 1000), dose("vancomycin", 1000, name="d2", hour=12), False),
        (dose("vancomycin", 1000), dose("vancomycin", 500, name="d2", hour=0.2), False),
        (dose("vancomycin", 1000), dose("vancomycin", 1000, name="d1"), False),
        (lab("vancomycin", 15.2), lab("vancomycin", 15.2, name="l2"), True),
        (lab("vancomycin", 15.2), lab("vancomycin", 14.0, name="l2"), False),
        (lab("vancomycin", 15.2), lab("creatinine", 15.2, name="l2"), False),
    ],
)
def test_the_same_under_another_id_is_asked_about(first: Event, second: Event, is_double: bool) -> None:
    found = judge_event(second, (first,))
    assert found.duplicate_of == (first.id if is_double else "")
    assert found.is_held == is_double


def test_a_dose_far_from_the_persons_own_is_doubted_though_others_take_it() -> None:
    own = [dose("phenobarbital", 10, "oral", name=f"d{k}", hour=24 * k) for k in range(3)]
    found = judge_event(dose("phenobarbital", 100, "oral", name="x", hour=72), own)
    assert found.standing is Standing.UNUSUAL
    assert found.slips[0].name == "tenfold too much"
    assert found.slips[0].meant == pytest.approx(10.0)


def test_a_days_sum_is_warned_about() -> None:
    own = [dose("vancomycin", 2000, name=f"d{k}", hour=5 * k) for k in range(3)]
    assert "8000 mg within 24 h" in judge_event(dose("vancomycin", 2000, name="x", hour=16), own).reasons[0]


def test_a_correction_is_judged_by_what_it_says_and_not_beside_what_it_replaces() -> None:
    wrong = dose("digoxin", 250, "oral")
    right = Event("c1", 1, Correction("d1", DoseGiven("digoxin", 0.25, "oral"), 0))
    assert judge_event(right, (wrong,)).standing is Standing.USUAL
    again = Event("c2", 1, Correction("d1", DoseGiven("digoxin", 250, "oral"), 0))
    assert judge_event(again, (wrong,)).is_held


def test_a_chart_tells_what_is_unusual_and_learns_the_weight() -> None:
    chart = [weight(3.0), dose("vancomycin", 45, hour=1), dose("vancomycin", 450, name="d2", hour=13)]
    found = judge_events(chart)
    assert list(found) == ["d2"]
    assert found["d2"].is_held


def test_odds_follow_bayes() -> None:
    """One candidate by hand: density at the meant value times its rate, over the density as written."""
    (slip,) = [s for s in likely_slips(100.0, (1.0, 10.0), DOSE_SLIPS) if s.factor == 10.0]
    import math

    from scipy.stats import norm

    center, sd = 0.5 * math.log(10.0), math.log(10.0) / 3.92
    x = math.log(100.0) - center
    written = 0.999 * norm.pdf(x, 0, sd) + 1e-3 * norm.pdf(x, 0, sd + math.log(10.0) / 2)
    assert slip.odds == pytest.approx(1e-3 * norm.pdf(x - math.log(10.0), 0, sd) / written)


def test_a_usual_value_is_no_slip_and_nothing_is_said_of_zero() -> None:
    assert likely_slips(5.0, (1.0, 10.0), DOSE_SLIPS) == ()
    assert likely_slips(0.0, (1.0, 10.0), DOSE_SLIPS) == ()


def test_every_drug_and_population_model_has_a_dose_range() -> None:
    drugs = {*files_in(FOLDER / "drugs"), *files_in(FOLDER / "antibodies")}
    drugs |= {str(parse_toml(p)["drug"]) for p in files_in(FOLDER / "poppk").values()}
    # what only a body makes is never given
    without = {d for d in drugs if not any(k[0] == d for k in load_ranges().doses)}
    assert without == {"hydroxyitraconazole", "norverapamil"}


def test_ranges_are_ordered_and_usual_lies_within_possible() -> None:
    ranges = load_ranges()
    for drug, route in ranges.doses:
        for kg in (None, 3.0, 70.0, 200.0):
            span = ranges.dose(drug, route, kg)
            assert span is not None
            assert span.least <= span.low < span.high < span.most, (drug, route, kg)
    for a in units.analytes().values():
        if a.usual is not None:
            assert a.low <= a.usual[0] < a.usual[1] <= a.high, a.id
