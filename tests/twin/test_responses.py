"""Forecasts in categories: grades, RECIST responses, counts and survival, against closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from tests.twin.one_compartment import at, person
from tests.twin.test_categories import OMEGA2, RATE, SIGMA, folded, seen
from twin_service.model.compose import compose
from twin_service.model.structure import Block, Effect, ErrorLaw, Observable
from twin_service.outcome import Refusal
from twin_service.record.events import Event, ImageMeasured
from twin_service.record.timeline import Timeline
from twin_service.scenario.regimen import Regimen
from twin_service.solver.expression import symbol
from twin_service.solver.functions import exp
from twin_service.solver.system import Output, Parameter, SystemState
from twin_service.twin.fold import Folded, fold
from twin_service.twin.responses import Category, CategoryQuestion, known_categories
from twin_service.twin.simulate import what_if

NOTHING = [Regimen("nothing")]
SD = np.sqrt(OMEGA2)


def ask(twin: Folded, *questions: CategoryQuestion, start_h: float = 0.0) -> list[Category]:
    (w,) = what_if(twin, NOTHING, start_h=start_h, horizon_h=1000.0, categories=questions, members=1024)
    return list(w.categories)


def by_label(found: list[Category], *, overall: bool = False, time_h: float | None = None) -> dict[str, float]:
    return {c.label: c.probability for c in found if c.overall is overall and time_h in (None, c.time_h)}


def test_a_grade_is_read_with_noise_and_the_worst_one_truly_reached() -> None:
    """Neutrophils exp(eta), log error: a reading below 0.5 with variance omega^2 + sigma^2, the truth with omega^2."""
    found = ask(folded(), CategoryQuestion("neutrophils_grade", (100.0, 500.0)))
    one, worst = by_label(found, time_h=100.0), by_label(found, overall=True)
    assert sum(one.values()) == pytest.approx(1.0) and sum(worst.values()) == pytest.approx(1.0)
    assert one["4"] == pytest.approx(norm.cdf(np.log(0.5) / np.hypot(SD, SIGMA)), abs=0.01)
    assert worst["4"] == pytest.approx(norm.cdf(np.log(0.5) / SD), abs=0.01)
    assert {c.time_h for c in found if not c.overall} == {100.0, 500.0}


def test_who_lives_now_lives_on_with_the_probability_of_the_time_ahead() -> None:
    """S(t)/S(now) = exp(-rate exp(eta) (t - now)), by quadrature; what is past is past."""
    eta = np.linspace(-4, 4, 4001)
    p = float(np.sum(norm.pdf(eta, 0, SD) * np.exp(-RATE * np.exp(eta) * 300.0)) * (eta[1] - eta[0]))
    for start_h in (0.0, 700.0):
        found = by_label(ask(folded(), CategoryQuestion("vital_status", (300.0,)), start_h=start_h))
        assert found["alive"] == pytest.approx(p, abs=0.005) and found["dead"] == pytest.approx(1 - found["alive"])


def test_counts_are_mixed_over_members() -> None:
    found = by_label(ask(folded(), CategoryQuestion("seizures")))
    eta = np.linspace(-4, 4, 4001)
    p0 = float(np.sum(norm.pdf(eta, 0, SD) * np.exp(-3.0 * np.exp(eta))) * (eta[1] - eta[0]))
    assert found["0"] == pytest.approx(p0, abs=0.005) and sum(found.values()) > 0.99


def test_what_was_seen_moves_the_categories() -> None:
    before = by_label(ask(folded(), CategoryQuestion("neutrophils_grade")), overall=True)
    after = by_label(ask(folded(seen("neutrophils_grade", 4)), CategoryQuestion("neutrophils_grade")), overall=True)
    assert after["4"] > 3 * before["4"]


def tumor(*sums: tuple[float, float]) -> Folded:
    """A tumor of 100 mm that shrinks or grows by exp(rate t), rate ~ N(-0.0005, 0.001^2) per hour; 2 % error."""
    rate, size = symbol("rate"), symbol("S")
    block = Block(
        id="tumor",
        version="1",
        states=(SystemState("S", "1", rate * 0.001 - 0.0005),),
        parameters=(Parameter("rate", "1", 0.0),),
        outputs=(Output("sld", "mm", 100.0 * exp(size)),),
        effects=(Effect("rate", 1.0),),
        observables=(Observable("tumor_sld", "sld", "mm", ErrorLaw(proportional=0.02, kind="log")),),
    )
    scans = [Event(f"s{h}", at(h), ImageMeasured("tumor_sld", mm, "mm", mm, "mm", "CT", "", False)) for h, mm in sums]
    return fold(compose("tumor", {"t": block}), person(), Timeline.of(scans))


def test_a_response_is_judged_against_the_recorded_baseline() -> None:
    """Without later scans: PR when 1000 h of rate bring the sum to 70, PD when to 120 mm, read with 2 % error."""
    found = by_label(ask(tumor(), CategoryQuestion("recist_response", (1000.0,), baseline=100.0)), time_h=1000.0)
    spread = np.hypot(1.0, 0.02)
    assert found["PR"] == pytest.approx(norm.cdf((np.log(0.7) + 0.5) / spread), abs=0.01)
    assert found["PD"] == pytest.approx(norm.sf((np.log(1.2) + 0.5) / spread), abs=0.01)
    assert found["PR"] + found["SD"] + found["PD"] + found["CR"] == pytest.approx(1.0)


def test_the_nadir_among_recorded_scans_makes_progression() -> None:
    """From 100 through 60 mm: 75 mm is a response by the baseline and progression by the nadir."""
    twin = tumor((0.0, 100.0), (1000.0, 60.0))
    early = ask(twin, CategoryQuestion("recist_response", (500.0,)), start_h=1000.0)
    assert by_label(early)["PR"] > 0.95 and by_label(early, overall=True)["PR"] > 0.95
    given = ask(twin, CategoryQuestion("recist_response", (500.0,), baseline=40.0), start_h=1000.0)
    assert by_label(given)["PR"] < 0.05, "the sum that is said to be the baseline is the baseline"


def test_a_response_without_a_baseline_is_refused_by_name() -> None:
    with pytest.raises(Refusal, match="no tumor_sld is recorded") as refused:
        ask(tumor(), CategoryQuestion("recist_response", (1000.0,)))
    assert (refused.value.reason, refused.value.field) == ("RECIST_WITHOUT_BASELINE", "categories[0].baseline")
    with pytest.raises(Refusal, match="add a tumor block"):
        ask(folded(), CategoryQuestion("recist_response", (1000.0,)))


@pytest.mark.parametrize(
    ("question", "field"),
    [
        (CategoryQuestion("fatigue_grade"), "analyte"),
        (CategoryQuestion("neutrophils"), "analyte"),
        (CategoryQuestion("neutrophils_grade", (5000.0,)), "times"),
        (CategoryQuestion("neutrophils_grade", (50.0, 20.0)), "times"),
    ],
)
def test_what_is_no_category_is_refused(question: CategoryQuestion, field: str) -> None:
    with pytest.raises(Refusal) as refused:
        ask(folded(), question)
    assert refused.value.field == f"categories[0].{field}"


def test_the_categories_of_a_model_are_listed() -> None:
    assert known_categories(folded()) == ["neutrophils_grade", "seizures", "vital_status"]
    assert known_categories(tumor()) == ["recist_response"]
