"""Models weighed by their forecasts: the one the data come from wins, evidence is exact, mixtures lie between."""

from __future__ import annotations

import numpy as np
import pytest

from tests.twin.one_compartment import at
from twin_service.outcome import Refusal
from twin_service.record.events import CovariateMeasured, DoseGiven, Event, LabMeasured
from twin_service.record.person import ModelChoice, Person, TwinName
from twin_service.record.timeline import Timeline
from twin_service.scenario.regimen import PlannedDoses, Regimen
from twin_service.scenario.target import Target
from twin_service.solver.schedule import Dose, Schedule
from twin_service.solver.simulate import simulate
from twin_service.twin.assemble import build
from twin_service.twin.averaged import Averaged, average, averaged_what_if

GOTI, THOMSON, BUELGA = (ModelChoice(poppk=f"vancomycin_{n}") for n in ("goti", "thomson", "buelga"))
WHO = {"weight_kg": 70.0, "age_y": 60.0, "sex_female": 0.0, "creatinine_umol_l": 90.0}
TIMES = (2.0, 11.5, 14.0, 23.5, 26.0, 35.5, 47.5)
PLAN = Regimen("more", (PlannedDoses("vancomycin", "iv", 1000.0, 12.0, 4, 1.0),))


def person() -> Person:
    return Person(TwinName.parse("tenants/t/patients/p/twin"), GOTI, 0)


def history(source: ModelChoice | None, *, seed: int = 1, count: int = len(TIMES)) -> list[Event]:
    """1 g every 12 h and levels of the typical patient of `source` with 5 % noise."""
    found = [Event(f"c{n}", at(0.0), CovariateMeasured(n, v, "1", v, "1")) for n, v in WHO.items()]
    found += [Event(f"d{k}", at(12.0 * k), DoseGiven("vancomycin", 1000.0, "iv", 1.0)) for k in range(4)]
    if source is None:
        return found
    model = build(source)
    doses = tuple(Dose(12.0 * k, model.routes[0].input, 1000.0, 1.0) for k in range(4))
    run = simulate(model.system, model.values(WHO)[None], Schedule(doses), TIMES)
    column = model.system.output_index[model.observables["vancomycin"].output]
    noise = np.random.default_rng(seed).normal(1.0, 0.05, len(TIMES))
    levels = run.outputs[0, :, column] * noise
    return found + [
        Event(f"l{k}", at(t), LabMeasured("vancomycin", y, "mg/L", y, "mg/L"))
        for k, (t, y) in enumerate(zip(TIMES, levels.tolist(), strict=True))
        if k < count
    ]


def weights(found: Averaged) -> list[float]:
    return [c.weight for c in found.candidates]


def test_without_readings_the_weights_are_the_prior() -> None:
    record = Timeline.of(history(None))
    assert weights(average(person(), record, [GOTI, THOMSON])) == pytest.approx([0.5, 0.5])
    assert weights(average(person(), record, [GOTI, THOMSON], [3.0, 1.0])) == pytest.approx([0.75, 0.25])


def test_levels_of_a_model_speak_for_it_more_than_those_of_another_do() -> None:
    choices = [THOMSON, BUELGA]
    gaps = []
    for source in choices:
        found = average(person(), Timeline.of(history(source)), choices)
        assert found.readings == len(TIMES)
        assert sum(weights(found)) == pytest.approx(1.0)
        gaps.append(found.candidates[0].log_evidence - found.candidates[1].log_evidence)
    assert gaps[0] > gaps[1] + 0.5


def test_a_model_far_from_the_levels_loses_its_weight() -> None:
    """Levels of an adult without kidney failure, judged by a model told that he is dialyzed."""
    record = [*history(GOTI), Event("h", at(0.0), CovariateMeasured("hemodialysis", 1.0, "1", 1.0, "1"))]
    found = average(person(), Timeline.of(record), [GOTI, THOMSON])
    healthy = average(person(), Timeline.of(history(GOTI)), [GOTI, THOMSON])
    assert weights(found)[0] < weights(healthy)[0]


def test_prior_weights_multiply_the_evidence() -> None:
    record = Timeline.of(history(THOMSON))
    even, odd = average(person(), record, [GOTI, THOMSON]), average(person(), record, [GOTI, THOMSON], [1.0, 9.0])
    ratio = [w[1] / w[0] for w in (weights(even), weights(odd))]
    assert ratio[1] / ratio[0] == pytest.approx(9.0)
    gap = even.candidates[1].log_evidence - even.candidates[0].log_evidence
    assert ratio[0] == pytest.approx(np.exp(gap))


def test_the_order_of_arrival_changes_nothing() -> None:
    record = history(THOMSON)
    found = average(person(), Timeline.of(record), [GOTI, THOMSON, BUELGA])
    again = average(person(), Timeline.of(record[::-1]), [GOTI, THOMSON, BUELGA])
    assert weights(found) == weights(again)


def test_a_model_that_cannot_take_the_record_is_left_out_with_its_reason() -> None:
    record = Timeline.of([e for e in history(THOMSON) if e.id != "cage_y"])
    found = average(person(), record, [GOTI, ModelChoice(drugs=("vancomycin",))])
    assert found.candidates[0].weight == 0.0 and "age_y" in found.candidates[0].left_out
    assert found.candidates[1].weight == 1.0


def test_a_mixture_lies_between_its_models_and_carries_their_targets() -> None:
    found = average(person(), Timeline.of(history(THOMSON, count=1)), [GOTI, THOMSON])
    target = Target("vancomycin", "trough", low=10.0, high=15.0, name="trough")
    question = {"start_h": 48.0, "horizon_h": 48.0, "analytes": ["vancomycin"], "targets": [target], "members": 600}
    (mixed,) = averaged_what_if(found, [PLAN], **question)  # type: ignore[arg-type]
    alone = []
    for c in found.candidates:
        only = Averaged((c.__class__(c.choice, c.folded, 1.0, c.log_evidence, c.rrmse),), found.readings)
        alone.append(averaged_what_if(only, [PLAN], **question)[0])  # type: ignore[arg-type]
    w = weights(found)
    assert min(w) > 0.02, "a mixture of one would show nothing"
    p = [a.targets[0].probability for a in alone]
    assert mixed.targets[0].probability == pytest.approx(w[0] * p[0] + w[1] * p[1], abs=0.04)
    means = [a.bands.series[0].mean for a in alone]
    expected = w[0] * means[0] + w[1] * means[1]
    assert mixed.bands.series[0].mean == pytest.approx(expected, rel=0.08)
    assert mixed.bands.members == 600


@pytest.mark.parametrize(
    ("choices", "prior", "said"),
    [
        ([GOTI], [], "1 models"),
        ([GOTI, GOTI], [], "are the same"),
        ([GOTI, THOMSON], [1.0], "1 prior weights"),
        ([GOTI, THOMSON], [1.0, -1.0], "positive"),
        ([GOTI, THOMSON], [1.0, float("nan")], "positive"),
    ],
)
def test_impossible_questions_are_refused(choices: list[ModelChoice], prior: list[float], said: str) -> None:
    with pytest.raises(Refusal, match=said):
        average(person(), Timeline.of(history(THOMSON)), choices, prior)
