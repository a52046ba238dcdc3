"""Recommendations where the right answer is known: exposure over MIC, loading dose, infusion length, drug, limits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.stats import norm

from tests.twin.one_compartment import CL, OMEGA2, PROPORTIONAL, V, dose, level, one_compartment, person, weight
from twin_service.model.structure import Endpoint
from twin_service.outcome import Outcome, Refusal
from twin_service.record.person import ModelChoice
from twin_service.record.timeline import Timeline
from twin_service.scenario.endpoints import Reached
from twin_service.scenario.regimen import PlannedDoses, Regimen
from twin_service.scenario.target import Target
from twin_service.twin.alternative import alternative
from twin_service.twin.fold import Folded, fold
from twin_service.twin.recommend import (
    Constraint,
    Dispensable,
    Limit,
    Preferences,
    RankedCandidate,
    Ranking,
    recommend,
    serious_harm,
)
from twin_service.twin.simulate import what_if

MEMBERS = 1024
THEO = (Target("theophylline", "peak", low=5.0),)


@pytest.fixture(scope="module")
def fresh() -> Folded:
    return fold(one_compartment(), person(), Timeline.of([weight()]))


def dosed(found: Ranking) -> list[RankedCandidate]:
    """The candidates that give something."""
    return [r for r in found.ranked if r.what_if.regimen.doses]


def infusion_above(cl: float, *, mg: float, over_h: float, mic: float) -> float:
    """Hours of one infusion above `mic`: up 1 - exp(-kt), down exponential."""
    k, rate = cl / V, mg / over_h
    top = rate / cl * (1 - np.exp(-k * over_h))
    return 0.0 if top <= mic else over_h + np.log(top / mic) / k + np.log(1 - mic * cl / rate) / k


@pytest.mark.parametrize("over_h", [0.5, 3.0])
def test_the_probability_of_time_above_mic_of_an_infusion(fresh: Folded, over_h: float) -> None:
    """Time above MIC falls with clearance, so P(T>MIC >= 12 h of 24) is the probability of a clearance below one; and
    what moves all levels by m between occasions moves the MIC by 1/m (Gauss and Hermite's mean over it)."""
    mg, mic = 100.0, 1.0
    plan = Regimen("x", (PlannedDoses("drugx", "iv", mg, 24.0, 1, over_h),))
    target = Target("drugx", "time_above_mic", low=0.5, mics=((mic, 1.0),))
    (w,) = what_if(fresh, [plan], start_h=0.0, horizon_h=24.0, targets=[target], members=MEMBERS)

    def met(m: float) -> float:
        limit = brentq(lambda e: infusion_above(CL * np.exp(e), mg=mg, over_h=over_h, mic=mic / m) - 12.0, -3.0, 3.0)
        return float(norm.cdf(limit / np.sqrt(OMEGA2)))

    z, weight = np.polynomial.hermite_e.hermegauss(9)
    within = np.sqrt(PROPORTIONAL**2 - 0.05**2)
    wanted = sum(k * met(1.0 + within * x) for x, k in zip(z, weight, strict=True)) / weight.sum()
    assert w.targets[0].probability == pytest.approx(wanted, abs=0.005)
    assert w.targets[0].q50 == pytest.approx(infusion_above(CL, mg=mg, over_h=over_h, mic=mic) / 24.0, abs=5e-3)


def test_a_distribution_of_mics_gives_the_mean_of_its_attainments(fresh: Folded) -> None:
    """AUC24/MIC of a steady infusion is 24 R/(CL MIC): lognormal in eta."""
    plan = Regimen("x", (PlannedDoses("drugx", "iv", 24.0 * 30, 720.0, 1, 720.0),))
    mics = ((0.5, 0.7), (2.0, 0.2), (8.0, 0.1))
    target = Target("drugx", "auc_over_mic", low=125.0, mics=mics)
    other = replace(target, metric="time_above_mic", low=0.0, from_h=600.0, name="always")
    (w,) = what_if(fresh, [plan], start_h=0.0, horizon_h=720.0, targets=[target, other], members=MEMBERS)
    found = w.targets[0]
    each = [norm.cdf(np.log(24.0 / (CL * m * 125.0)) / np.sqrt(OMEGA2)) for m, _ in mics]
    assert [p for _, _, p in found.by_mic] == pytest.approx(each, abs=0.01)
    assert found.probability == pytest.approx(sum(p * s for p, (_, s) in zip(each, mics, strict=True)), abs=0.01)
    assert w.joint_probability == pytest.approx(found.probability), "one isolate for both targets"


def test_a_longer_infusion_serves_time_and_a_shorter_one_the_peak(fresh: Folded) -> None:
    option = [Dispensable("drugx", "iv", (100.0,), (8.0,), durations_h=(0.5, 4.0))]
    time = Target("drugx", "time_above_mic", low=0.999, from_h=32.0, mics=((4.0, 1.0),))
    peak = Target("drugx", "peak_over_mic", low=2.2, from_h=32.0, mics=((4.0, 1.0),))
    best = [
        recommend(fresh, option, [t], start_h=0.0, horizon_h=48.0, members=256).ranked[0].what_if.regimen.doses[0]
        for t in (time, peak)
    ]
    assert [b.duration_h for b in best] == [4.0, 0.5]


def test_a_loading_dose_is_chosen_when_the_target_is_early(fresh: Folded) -> None:
    """The loading dose that starts at steady state: dose / (1 - exp(-k tau))."""
    tau, mg = 8.0, 60.0
    right = mg / (1 - np.exp(-CL / V * tau))
    option = [Dispensable("drugx", "iv", (mg,), (tau,), loading_mg=(0.0, right, 3 * right))]
    steady = right / V * np.exp(-CL / V * tau)
    target = Target("drugx", "trough", 0.75 * steady, 1.35 * steady, to_h=tau)
    ranked = recommend(fresh, option, [target], start_h=0.0, horizon_h=24.0, members=256).ranked
    assert ranked[0].what_if.regimen.doses[0].loading_mg == right
    assert f"loading {right:g} mg" in ranked[0].what_if.regimen.name


def test_limits_bound_probabilities_and_are_reported(fresh: Folded) -> None:
    """P(AUC in range) at least, P(trough above) at most; AUC of one dose to infinity is dose/CL."""
    option = [Dispensable("drugx", "iv", (50.0, 100.0, 200.0), (24.0,))]
    auc = Target("drugx", "auc", 35.0, 65.0, name="AUC")
    low = Target("drugx", "trough", low=0.75, name="trough above 0.75")
    found = recommend(
        fresh, option, [auc], start_h=0.0, horizon_h=24.0, members=512, limits=[Limit(auc, 0.5), Limit(low, high=0.4)]
    )
    assert found.recommended is not None and found.recommended.what_if.regimen.doses[0].amount_mg == 100.0
    by_mg = {r.what_if.regimen.doses[0].amount_mg: r for r in dosed(found)}
    assert "AUC" in by_mg[50.0].reason and "< 50%" in by_mg[50.0].reason and not by_mg[50.0].admissible
    assert "trough above 0.75" in by_mg[200.0].reason and "> 40%" in by_mg[200.0].reason
    p = found.recommended.limits[1].probability
    assert p == pytest.approx(norm.cdf(np.log(np.log(100.0 / V / 0.75) * V / (24.0 * CL)) / np.sqrt(OMEGA2)), abs=0.01)


def reached(name: str, p: float, *, harmful: bool = True, serious: bool = True, grade: int = 0) -> Reached:
    return Reached(Endpoint(name, "x", "1", "above", 1.0, name, harmful, grade=grade, serious=serious), p)


def test_harm_is_the_likeliest_serious_endpoint_by_name() -> None:
    mild, severe = reached("grade2", 1.0, serious=False, grade=2), reached("grade4", 0.3, grade=4)
    benefit = reached("response", 0.9, harmful=False)
    assert serious_harm([mild, severe, benefit]) is severe
    assert serious_harm([mild, benefit]) is None
    unknown = reached("broken", float("nan"))
    assert serious_harm([severe, unknown]) is unknown, "what could not be computed is not passed over"


def test_a_constraint_on_a_benefit_is_a_constraint(fresh: Folded) -> None:
    """It was once read as 0 % because the endpoint was not harmful."""
    good = Endpoint("reached_1", "x.plasma", "mg/L", "above", 1.0, "above 1 mg/L", harmful=False)
    twin = replace(fresh, model=replace(fresh.model, endpoints=(*fresh.model.endpoints, good)))
    found = recommend(
        twin,
        [Dispensable("drugx", "iv", (100.0,), (24.0,))],
        [Target("drugx", "peak", low=1.0)],
        start_h=0.0,
        horizon_h=24.0,
        members=16,
        constraints=[Constraint("reached_1", 0.5)],
    )
    assert found.recommended is None and "reached_1 100% > 50%" in dosed(found)[0].reason


def test_each_drug_has_its_own_targets() -> None:
    """Two drugs in one twin: what one should reach says nothing of the other."""
    twin = library_twin(ModelChoice(drugs=("midazolam", "theophylline")))
    options = [
        Dispensable("theophylline", "iv", (400.0,), (24.0,), (0.5,), targets=THEO),
        Dispensable("midazolam", "iv", (5.0,), (24.0,), targets=(Target("midazolam", "peak", low=50.0),)),
    ]
    found = recommend(twin, options, [], start_h=0.0, horizon_h=24.0, members=32)
    assert [r.what_if.regimen.doses[0].drug for r in dosed(found)] == ["theophylline", "midazolam"]
    assert dosed(found)[0].benefit > 0.9 and dosed(found)[1].benefit < 0.1
    with pytest.raises(Refusal, match="at least one target"):
        recommend(twin, [Dispensable("midazolam", "iv", (5.0,), (24.0,))], [], start_h=0.0, horizon_h=24.0)


def library_twin(choice: ModelChoice) -> Folded:
    return alternative(replace(person(), model=choice), Timeline.of([weight()]), choice)


def test_a_drug_of_another_model_is_weighed_beside_the_twins_own(fresh: Folded) -> None:
    """The patient's weight goes along; his level of the first drug does not."""
    events = [weight(70.0), dose(100.0, 0.0, "d"), level(3.0, 2.0, "l")]
    own = fold(one_compartment(), person(), Timeline.of(events))
    other = alternative(person(), Timeline.of(events), ModelChoice(drugs=("theophylline",)))
    assert not other.course.doses and not other.course.samples and other.model.id == "theophylline"
    assert other.course.covariates[0]["weight_kg"] == 70.0
    options = [
        Dispensable("drugx", "iv", (100.0,), (12.0,), targets=(Target("drugx", "peak", low=50.0),)),
        Dispensable("theophylline", "iv", (400.0,), (12.0,), (0.5,), targets=THEO),
    ]
    found = recommend(
        own,
        options,
        [],
        start_h=24.0,
        horizon_h=24.0,
        members=32,
        carriers={1: other},
        constraints=[Constraint("toxic_level", 0.9)],
    )
    by_model = {r.model_id: r for r in dosed(found)}
    assert by_model["theophylline"].reason == "excluded: toxic_level is not known to theophylline"
    assert by_model["one"].benefit == 0.0 and by_model["theophylline"].benefit > 0.9
    assert all(r.what_if.outcome == Outcome() for r in found.ranked)


def test_nothing_is_recommended_below_the_floor_and_the_answer_says_what_would_help(fresh: Folded) -> None:
    option = [Dispensable("drugx", "iv", (5.0, 10.0), (24.0,))]
    found = recommend(fresh, option, [Target("drugx", "peak", 4.0, 6.0)], start_h=0.0, horizon_h=24.0, members=64)
    assert found.recommended is None and "too low" in found.message and "larger" in found.message
    some = recommend(
        fresh, option, [Target("drugx", "peak", 4.0, 6.0)], start_h=0.0, horizon_h=24.0, preferences=Preferences(0.0)
    )
    assert some.recommended is not None, "a site may have no floor"


def test_giving_nothing_wins_while_enough_is_there() -> None:
    """300 mg an hour ago: 15 mg/L, and tomorrow still 15 exp(-2.4) = 1.4."""
    twin = fold(one_compartment(), person(), Timeline.of([weight(), dose(300.0, 0.0, "d")]))
    option = [Dispensable("drugx", "iv", (100.0, 200.0), (12.0,))]
    found = recommend(twin, option, [Target("drugx", "average", 3.0, 8.0)], start_h=1.0, horizon_h=12.0, members=128)
    assert found.recommended is not None and found.recommended.what_if.regimen.name == "nothing now"


def test_a_difference_of_two_members_does_not_pay_for_harm(fresh: Folded) -> None:
    """Both doses reach the target in nearly all; the larger one passes the toxic level of 12 mg/L in all."""
    option = [Dispensable("drugx", "iv", (300.0, 160.0), (24.0,))]
    found = recommend(fresh, option, [Target("drugx", "auc", low=30.0)], start_h=0.0, horizon_h=24.0, members=128)
    first, second = dosed(found)
    assert first.what_if.regimen.doses[0].amount_mg == 160.0 and second.benefit >= first.benefit
    assert second.utility == pytest.approx(second.benefit - 0.5, abs=0.01), "serious and ungraded costs 0.5"
    assert second.harm is not None and second.harm.baseline == 0.0
    assert not second.efficient or second.benefit > first.benefit


def test_ties_go_to_the_lighter_regimen(fresh: Folded) -> None:
    option = [Dispensable("drugx", "iv", (100.0,), (6.0, 12.0, 24.0))]
    found = recommend(fresh, option, [Target("drugx", "peak", low=1.0)], start_h=0.0, horizon_h=24.0, members=64)
    assert found.recommended is not None and found.recommended.what_if.regimen.doses[0].interval_h == 24.0
    assert found.recommended.tie and "not told apart" in found.message


def test_the_largest_doses_bind(fresh: Folded) -> None:
    option = Dispensable("drugx", "iv", (100.0, 400.0), (8.0, 24.0), most_single_mg=200.0, most_daily_mg=250.0)
    found = recommend(fresh, [option], [Target("drugx", "peak", low=15.0)], start_h=0.0, horizon_h=24.0, members=32)
    why = {(r.what_if.regimen.doses[0].amount_mg, r.what_if.regimen.doses[0].interval_h): r for r in dosed(found)}
    assert "single dose of 400" in why[400.0, 24.0].reason and "300 mg in the first day" in why[100.0, 8.0].reason
    assert why[100.0, 24.0].admissible and found.recommended is None


def test_a_level_is_worth_drawing_while_the_clearance_is_unknown() -> None:
    """Clearance decides which of two doses is right: unknown, a level tells; known, it tells nothing."""
    wide = one_compartment()
    wide = replace(wide, omega=np.array([[0.5]]))
    option = [Dispensable("drugx", "iv", (40.0, 80.0, 160.0), (12.0,))]
    target = [Target("drugx", "auc_day", 45.0, 75.0)]
    unknown = fold(wide, person(), Timeline.of([weight()]))
    found = recommend(unknown, option, target, start_h=0.0, horizon_h=48.0, members=256)
    assert found.draw and found.draw[0].gain > 0.05 and 0.0 < found.draw[0].time_h <= 12.0
    known = replace(unknown, belief=replace(unknown.belief, chol=np.array([[0.02]])))
    assert not recommend(known, option, target, start_h=0.0, horizon_h=48.0, members=256).draw
