"""Grades, counts and survival teach as much as Bayes' rule says, by quadrature, and are forecast as what they are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import norm, poisson

from tests.twin.one_compartment import at, person
from twin_service.model.compose import compose
from twin_service.model.structure import Block, Effect, ErrorLaw, Observable, PatientModel
from twin_service.outcome import Refusal
from twin_service.record.events import Event, LabMeasured
from twin_service.record.timeline import Timeline
from twin_service.solver.expression import symbol
from twin_service.solver.functions import exp
from twin_service.solver.system import Output, Parameter, SystemState
from twin_service.twin.categories import kind_of
from twin_service.twin.fold import Folded, fold
from twin_service.twin.reading import read_course
from twin_service.twin.scans import scans_before

OMEGA2, SIGMA, RATE = 0.25, 0.15, 0.002
ETA = np.linspace(-4.0, 4.0, 8001)


def model() -> PatientModel:
    """neutrophils = exp(eta), read with a log error; seizures ~ Poisson(3 exp(eta)); hazard 0.002 exp(eta) per hour."""
    eta, total = symbol("eta"), symbol("H")
    block = Block(
        id="patient",
        version="1",
        states=(SystemState("H", "1", RATE * exp(eta)),),
        parameters=(Parameter("eta", "1", 0.0),),
        outputs=(
            Output("level", "10*9/L", exp(eta)),
            Output("seizures", "1", 3.0 * exp(eta)),
            Output("survival", "1", exp(-total)),
        ),
        effects=(Effect("eta", OMEGA2),),
        observables=(
            Observable("neutrophils", "level", "10*9/L", ErrorLaw(proportional=SIGMA, kind="log")),
            Observable("seizures", "seizures", "1", ErrorLaw(kind="poisson")),
        ),
    )
    return compose("patient", {"x": block})


def seen(analyte: str, value: float, hours: float = 100.0) -> Event:
    return Event(f"{analyte}{hours}", at(hours), LabMeasured(analyte, value, "1", value, "1"))


def folded(*events: Event) -> Folded:
    return fold(model(), replace(person(), estimator="unscented"), Timeline.of(events))


def exact(likelihood: np.ndarray) -> tuple[float, float]:
    p = likelihood * norm.pdf(ETA, 0.0, np.sqrt(OMEGA2))
    p /= p.sum()
    mean = float(p @ ETA)
    return mean, float(np.sqrt(p @ (ETA - mean) ** 2))


def grade_three(eta: np.ndarray) -> np.ndarray:
    """0.5 <= neutrophils < 1.0 (CTCAE v5 grade 3) as read by the assay."""
    return norm.cdf((np.log(1.0) - eta) / SIGMA) - norm.cdf((np.log(0.5) - eta) / SIGMA)


def survival(eta: np.ndarray, hours: float) -> np.ndarray:
    return np.exp(-RATE * np.exp(eta) * hours)


@pytest.mark.parametrize(
    ("event", "likelihood"),
    [
        (seen("neutrophils_grade", 3), grade_three(ETA)),
        (seen("seizures", 7), poisson.pmf(7, 3.0 * np.exp(ETA))),
        (seen("vital_status", 1, 500.0), survival(ETA, 500.0)),
        (seen("vital_status", 0, 500.0), survival(ETA, 476.0) - survival(ETA, 500.0)),
    ],
    ids=["grade", "count", "alive", "dead"],
)
def test_the_belief_has_the_moments_of_the_exact_posterior(event: Event, likelihood: np.ndarray) -> None:
    """1,024 Sobol members: the mean to 3 % of the prior sd, the sd to 3 %."""
    mean, sd = exact(likelihood)
    twin = folded(event)
    assert twin.belief.mean[0] == pytest.approx(mean, abs=0.03 * np.sqrt(OMEGA2))
    assert twin.belief.chol[0, 0] == pytest.approx(sd, rel=0.03)
    assert twin.forecasts[0].estimator == "weights, members weighted" and twin.forecasts[0].weight == 1.0


def test_a_grade_is_forecast_as_a_grade() -> None:
    band = folded(seen("neutrophils_grade", 3)).forecasts[0].band
    assert {band.q05, band.q50, band.q95} <= {0.0, 1.0, 2.0, 3.0, 4.0}
    expected = sum(
        float(np.sum(norm.pdf(ETA, 0.0, np.sqrt(OMEGA2)) * norm.cdf((np.log(edge) - ETA) / SIGMA)) * (ETA[1] - ETA[0]))
        for edge in (2.0, 1.5, 1.0, 0.5)
    )
    assert band.mean == pytest.approx(expected, abs=0.05)


def test_a_reading_and_a_grade_of_one_instant_both_count() -> None:
    reading = Event("r", at(100.0), LabMeasured("neutrophils", 0.8, "10*9/L", 0.8, "10*9/L"))
    both = folded(reading, seen("neutrophils_grade", 3))
    mean, _ = exact(norm.pdf((np.log(0.8) - ETA) / SIGMA) * grade_three(ETA))
    assert both.belief.mean[0] == pytest.approx(mean, abs=0.03)
    assert [f.sample.analyte for f in both.forecasts] == ["neutrophils_grade", "neutrophils"]


def test_what_no_member_can_produce_keeps_the_belief_and_says_so() -> None:
    """Dead at hour 0: nobody had time to die."""
    twin = folded(seen("vital_status", 0, 0.0))
    assert twin.belief.mean[0] == 0.0 and not twin.forecasts[0].outcome.ok


def test_an_order_of_arrival_decides_nothing() -> None:
    events = [seen("neutrophils_grade", 2, 50.0), seen("seizures", 5, 80.0), seen("vital_status", 1, 300.0)]
    assert folded(*events).state_digest == folded(*events[::-1]).state_digest


def test_a_category_the_model_cannot_know_is_unused() -> None:
    assert kind_of(model(), "platelets_grade") == "" and kind_of(model(), "fatigue_grade") == ""
    assert folded(seen("platelets_grade", 1)).course.unused == ("platelets_grade100.0",)


SHRINK = 1.0e-3


def tumor_model() -> PatientModel:
    """sum of diameters = 60 mm exp(-0.001 exp(eta) t), read with a log error: it shrinks in everyone."""
    eta, size = symbol("eta"), symbol("S")
    block = Block(
        id="tumor",
        version="1",
        states=(SystemState("S", "1", -SHRINK * exp(eta)),),
        parameters=(Parameter("eta", "1", 0.0),),
        outputs=(Output("sld", "mm", 60.0 * exp(size)),),
        effects=(Effect("eta", OMEGA2),),
        observables=(Observable("tumor_sld", "sld", "mm", ErrorLaw(proportional=SIGMA, kind="log")),),
    )
    return compose("tumor", {"x": block})


def sld(eta: np.ndarray, hours: float) -> np.ndarray:
    return 60.0 * np.exp(-SHRINK * np.exp(eta) * hours)


def between(low: np.ndarray | float, high: np.ndarray | float, f: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore"):
        a, b = ((np.log(x) - np.log(f)) / SIGMA for x in (low, high))
    return np.maximum(norm.cdf(b) - norm.cdf(a), 0.0)


def edges(nadir: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    grown = np.maximum(1.2 * nadir, nadir + 5.0)
    return np.minimum(42.0, grown), grown


def judged_by_hand(category: int, f: np.ndarray, nadir: np.ndarray) -> np.ndarray:
    shrunk, grown = edges(nadir)
    bounds = [(0.0, 1.0), (1.0, shrunk), (shrunk, grown), (grown, np.inf)][category]
    return between(*bounds, f)


@pytest.mark.parametrize("category", [1, 2], ids=["PR", "SD"])
def test_a_response_alone_teaches_what_its_limits_say(category: int) -> None:
    """No sum was recorded: the member's own 60 mm before treatment is the baseline."""
    twin = fold(tumor_model(), person(), Timeline.of([seen("recist_response", category, 400.0)]))
    mean, sd = exact(judged_by_hand(category, sld(ETA, 400.0), np.full_like(ETA, 60.0)))
    assert twin.belief.mean[0] == pytest.approx(mean, abs=0.03 * np.sqrt(OMEGA2))
    assert twin.belief.chol[0, 0] == pytest.approx(sd, rel=0.05)
    assert twin.forecasts[0].band.q05 in (1.0, 2.0) and twin.forecasts[0].outcome.ok


def test_a_second_response_is_judged_against_the_least_sum_so_far() -> None:
    twin = fold(
        tumor_model(), person(), Timeline.of([seen("recist_response", 1, 500.0), seen("recist_response", 3, 900.0)])
    )
    least = np.minimum(60.0, sld(ETA, 500.0))
    first = judged_by_hand(1, sld(ETA, 500.0), np.full_like(ETA, 60.0))
    mean, sd = exact(first * judged_by_hand(3, sld(ETA, 900.0), least))
    # a shrinking tumor is called progressive only by the noise of the assay: few members are left, so a wide tolerance
    assert twin.belief.mean[0] == pytest.approx(mean, abs=0.35 * sd)
    assert twin.forecasts[1].nis > 6.0


def test_a_recorded_sum_is_the_baseline_of_everyone() -> None:
    """After a recorded 100 mm, 60 mm and less are a partial response whatever the member had at the start."""
    model = tumor_model()
    eta = np.linspace(-1.0, 1.0, 5)[:, None]
    course = read_course(
        model,
        person(),
        Timeline.of(
            [Event("b", at(0.0), LabMeasured("tumor_sld", 100.0, "mm", 100.0, "mm")), seen("recist_response", 1, 300.0)]
        ),
    )
    scans = scans_before(model, course, 400.0, eta)
    assert np.all(scans.baseline == 100.0)
    assert scans.nadir == pytest.approx(np.minimum(100.0, sld(eta[:, 0], 300.0)), rel=1e-6)


def test_not_evaluable_teaches_nothing_and_a_code_that_is_none_is_refused() -> None:
    before = fold(tumor_model(), person(), Timeline.of([])).belief
    after = fold(tumor_model(), person(), Timeline.of([seen("recist_response", 4)])).belief
    assert after.mean[0] == pytest.approx(before.mean[0], abs=0.02)
    assert after.chol[0, 0] == pytest.approx(before.chol[0, 0], rel=0.03)
    with pytest.raises(Refusal, match="expected 0 CR"):
        fold(tumor_model(), person(), Timeline.of([seen("recist_response", 7)]))
