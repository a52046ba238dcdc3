"""What-ifs against closed forms, and recommendations that keep their promises."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from tests.twin.one_compartment import CL, OMEGA2, V, dose, level, one_compartment, person, weight
from twin_service.outcome import Refusal
from twin_service.record.timeline import Timeline
from twin_service.scenario.regimen import PlannedDoses, Regimen
from twin_service.scenario.target import Target
from twin_service.twin.fold import Folded, fold
from twin_service.twin.judging import Preferences
from twin_service.twin.recommend import Constraint, Dispensable, recommend
from twin_service.twin.simulate import what_if
from twin_service.twin.trajectory import trajectory


@pytest.fixture(scope="module")
def untouched() -> Folded:
    """A patient with one dose and no level: the belief is the prior."""
    return fold(one_compartment(), person(), Timeline.of([weight(), dose(100.0, 0.0, "d")]))


def test_bands_of_the_prior_are_the_lognormal_quantiles(untouched: Folded) -> None:
    """C(10) = 100/V exp(-CL/V exp(eta) 10): monotone in eta, so its quantiles are the quantiles of eta mapped."""
    bands = trajectory(untouched, [0.0, 10.0], members=1024)
    eta = np.sqrt(OMEGA2) * norm.ppf([0.95, 0.75, 0.5, 0.25, 0.05])
    exact = 100.0 / V * np.exp(-CL / V * np.exp(eta) * 10.0)
    assert bands.series[0].quantiles[:, 1] == pytest.approx(exact, rel=0.01)


def test_target_attainment_is_the_prior_probability(untouched: Folded) -> None:
    """P(C(10) >= 1) from now on without further doses, in closed form."""
    w = what_if(
        untouched,
        [Regimen("stop")],
        start_h=5.0,
        horizon_h=5.0,
        members=1024,
        targets=[Target("drugx", "final", low=1.0)],
    )[0]
    eta_limit = np.log(np.log(100.0 / V / 1.0) * V / (CL * 10.0))
    assert w.targets[0].probability == pytest.approx(norm.cdf(eta_limit / np.sqrt(OMEGA2)), abs=0.01)
    assert w.outcome.ok


def test_a_future_continues_its_history_exactly(untouched: Folded) -> None:
    w = what_if(untouched, [Regimen("stop")], start_h=4.0, horizon_h=6.0, members=64)[0]
    past = trajectory(untouched, w.bands.times_h + 4.0, members=64)
    assert w.bands.series[0].mean == pytest.approx(past.series[0].mean, rel=1e-5)


def test_doubling_the_dose_doubles_what_it_adds(untouched: Folded) -> None:
    """Superposition: the system is linear."""
    plans = [Regimen(str(mg), (PlannedDoses("drugx", "iv", mg, 8.0, 3),)) for mg in (0.0, 100.0, 200.0)]
    none, one, two = (
        w.bands.series[0].mean for w in what_if(untouched, plans, start_h=10.0, horizon_h=24.0, members=64, step_h=0.5)
    )
    assert two - none == pytest.approx(2.0 * (one - none), rel=1e-5, abs=1e-9)


def test_an_endpoint_is_reached_by_the_share_that_crosses_it(untouched: Folded) -> None:
    plans = [
        Regimen("low", (PlannedDoses("drugx", "iv", 100.0, 24.0, 1),)),
        Regimen("high", (PlannedDoses("drugx", "iv", 400.0, 24.0, 1),)),
    ]
    low, high = what_if(untouched, plans, start_h=50.0, horizon_h=24.0, members=64)
    assert (low.endpoints[0].probability, high.endpoints[0].probability) == (0.0, 1.0)


@pytest.fixture(scope="module")
def slow_clearer() -> Folded:
    """A patient whose levels say that clearance is well below typical."""
    cl = CL * np.exp(-0.5)
    events = [weight(), dose(100.0, 0.0, "d")]
    events += [level(100.0 / V * np.exp(-cl / V * t), t, f"l{t}") for t in (2.0, 8.0, 24.0)]
    return fold(one_compartment(), person(), Timeline.of(events))


def test_the_recommended_dose_fits_this_patient_not_the_typical_one(untouched: Folded, slow_clearer: Folded) -> None:
    """Average steady concentration is dose/(CL tau): a patient who clears less needs less."""
    options = [Dispensable("drugx", "iv", tuple(np.arange(20.0, 201.0, 10.0)), (12.0,))]
    target = [Target("drugx", "average", 3.5, 4.5, from_h=96.0)]

    # a range this narrow is met by few of a population: the floor would say so, and recommend nothing
    anything = Preferences(floor=0.0)

    def best(folded: Folded) -> float:
        ranking = recommend(folded, options, target, start_h=48.0, horizon_h=120.0, members=64, preferences=anything)
        assert ranking.recommended is not None
        return ranking.recommended.what_if.regimen.doses[0].amount_mg

    assert best(untouched) == pytest.approx(4.0 * CL * 12.0, abs=10.0)
    assert best(slow_clearer) == pytest.approx(4.0 * CL * np.exp(-0.5) * 12.0, abs=10.0)


def test_a_constraint_excludes_and_says_so(untouched: Folded) -> None:
    options = [Dispensable("drugx", "iv", (50.0, 400.0), (12.0,))]
    ranking = recommend(
        untouched,
        options,
        [Target("drugx", "peak", low=10.0)],
        start_h=48.0,
        horizon_h=24.0,
        constraints=[Constraint("toxic_level", 0.05)],
        members=64,
    )
    big = next(r for r in ranking.ranked if "400 mg" in r.what_if.regimen.name)
    assert not big.admissible and "excluded: toxic_level 100% > 5%" in big.reason
    assert ranking.ranked[-1] is big


def test_no_admissible_candidate_means_no_recommendation(untouched: Folded) -> None:
    options = [Dispensable("drugx", "iv", (400.0,), (12.0,))]
    ranking = recommend(
        untouched,
        options,
        [Target("drugx", "peak", low=10.0)],
        start_h=48.0,
        horizon_h=24.0,
        constraints=[Constraint("toxic_level", 0.0)],
        members=32,
    )
    assert ranking.recommended is None and len(ranking.ranked) == 2
    assert "no candidate is admissible" in ranking.message


@pytest.mark.parametrize("bad", ["start", "horizon", "output", "endpoint", "candidates"])
def test_bad_questions_are_refused_with_the_field(untouched: Folded, bad: str) -> None:
    option = [Dispensable("drugx", "iv", (1.0,) * (600 if bad == "candidates" else 1), (12.0,))]
    target = [Target("nothing" if bad == "output" else "drugx", "peak")]
    with pytest.raises(Refusal) as refused:
        recommend(
            untouched,
            option,
            target,
            start_h=float("nan") if bad == "start" else 1.0,
            horizon_h=-1.0 if bad == "horizon" else 24.0,
            members=8,
            constraints=[Constraint("nothing", 0.1)] if bad == "endpoint" else [],
        )
    assert refused.value.field
