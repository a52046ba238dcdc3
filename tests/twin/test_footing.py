"""Long courses: runs split at marks, states remembered there, and footings that are only used where they are good."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.twin.one_compartment import at, dose, level, one_compartment, person, weight
from twin_service.model.structure import PatientModel
from twin_service.record.events import CovariateMeasured, DoseGiven, Event, LabMeasured
from twin_service.record.person import ModelChoice
from twin_service.record.snapshot import from_bytes, to_bytes
from twin_service.record.timeline import Timeline
from twin_service.solver.expression import symbol
from twin_service.solver.functions import sin
from twin_service.solver.simulate import simulate
from twin_service.twin import footing, propagate
from twin_service.twin.assemble import build
from twin_service.twin.fold import Folded, fold, from_snapshot, to_snapshot
from twin_service.twin.footing import FootingDesign, footing_at
from twin_service.twin.propagate import columns
from twin_service.twin.reading import read_course
from twin_service.twin.simulate import start_from
from twin_service.twin.trajectory import trajectory

MODEL = one_compartment()


@pytest.fixture(autouse=True)
def nothing_remembered() -> None:
    propagate._STATES.clear()
    footing._FOOTINGS.clear()


def treated(
    model: PatientModel,
    drug: str,
    route: str,
    mg: float,
    *,
    doses: int,
    tau: float,
    analyte: str,
    every: int,
    covariates: dict[str, tuple[float, str]],
    seed: int = 3,
) -> list[Event]:
    """Doses every `tau` hours, and after every few of them a level that one drawn patient would show."""
    rng = np.random.default_rng(seed)
    events = [Event(n, at(0.0), CovariateMeasured(n, v, u, v, u)) for n, (v, u) in covariates.items()]
    events += [dose(mg, tau * i + 1.0, f"d{i}", drug, route) for i in range(doses)]
    times = [tau * (i + 1) - 0.2 for i in range(every, doses - 1, every)]
    truth = 0.7 * np.linalg.cholesky(model.omega) @ rng.standard_normal(len(model.effects))
    course = read_course(model, person(), Timeline.of(events))
    y = propagate.propagate(model, course, truth[None], times).outputs[0][:, columns(model, [analyte])[0]]
    unit = model.observables[analyte].unit
    noise = np.exp(0.1 * rng.standard_normal(len(y)))
    return events + [
        Event(f"l{i}", at(t), LabMeasured(analyte, float(v), unit, float(v), unit))
        for i, (t, v) in enumerate(zip(times, y * noise, strict=True))
    ]


def voriconazole() -> tuple[PatientModel, list[Event]]:
    model = build(ModelChoice(poppk="voriconazole_friberg"))
    asked = {
        c.name: ({"weight_kg": 75.0}.get(c.name, 0.5 * (c.low + c.high)), c.unit)
        for c in model.covariates
        if c.default is None
    }
    return model, treated(
        model, "voriconazole", "oral", 200.0, doses=150, tau=12.0, analyte="voriconazole", every=6, covariates=asked
    )


def spread(belief_chol: np.ndarray) -> np.ndarray:
    return np.sqrt(np.sum(belief_chol**2, axis=1))


def test_a_run_split_at_marks_is_the_run_in_one_go() -> None:
    """Infusions that overlap a mark, changes of weight between marks: linear, so equal to rounding."""
    events = [weight(), *(weight(70.0 + i, 50.0 * i + 7.0, f"w{i}") for i in range(1, 9))]
    events += [Event(f"i{i}", at(6.0 * i), DoseGiven("drugx", 50.0, "iv", duration_h=9.0)) for i in range(90)]
    course = read_course(MODEL, person(), Timeline.of(events))
    assert len(course.marks) == 3
    eta = np.linspace(-0.5, 0.5, 5)[:, None]
    times = [539.0, 600.0]
    split = propagate.propagate(MODEL, course, eta, times)
    whole = simulate(MODEL.system, course.parameters(MODEL, eta, 600.0), course.schedule(600.0), times)
    assert np.allclose(split.outputs, whole.outputs, rtol=1e-10)
    assert np.allclose(split.final, whole.final, rtol=1e-10)


def test_what_is_remembered_moves_no_bit() -> None:
    model, events = voriconazole()
    course = read_course(model, person(), Timeline.of(events))
    eta = 0.3 * np.random.default_rng(5).standard_normal((6, len(model.effects)))
    early, late = ([m for m in course.marks][k] + 5.0 for k in (1, 3))
    fresh = propagate.propagate(model, course, eta, [late]).outputs
    propagate._STATES.clear()
    propagate.propagate(model, course, eta, [early])
    assert np.array_equal(propagate.propagate(model, course, eta, [late]).outputs, fresh)


def test_a_late_dose_is_not_hidden_by_what_is_remembered() -> None:
    events = [weight(), *(dose(100.0, 12.0 * i, f"d{i}") for i in range(80))]
    eta = np.zeros((2, 1))
    before = propagate.propagate(MODEL, read_course(MODEL, person(), Timeline.of(events)), eta, [970.0]).outputs
    told = Timeline.of([*events, dose(5000.0, 935.5, "late")])
    after = propagate.propagate(MODEL, read_course(MODEL, person(), told), eta, [970.0]).outputs
    # 5000 mg in 20 L, 34.5 h at 2/20 per hour
    assert after[0, 0, 0] - before[0, 0, 0] == pytest.approx(250.0 * np.exp(-3.45), rel=1e-9)


@pytest.fixture(scope="module")
def both() -> tuple[Folded, Folded]:
    """The same nonlinear patient with footings, and solved from hour 0 throughout."""
    model, events = voriconazole()
    with_footing = fold(model, person(), Timeline.of(events))
    kept, footing.HAPPENINGS = footing.HAPPENINGS, 10**9
    try:
        exact = fold(model, person(), Timeline.of(events))
    finally:
        footing.HAPPENINGS = kept
    return with_footing, exact


def test_a_fold_on_footings_believes_what_the_exact_fold_believes(both: tuple[Folded, Folded]) -> None:
    found, exact = both
    assert exact.footing_for() is None and found.footing_for() is not None
    sd = spread(exact.belief.chol)
    assert np.all(np.abs(found.belief.mean - exact.belief.mean) < 0.005 * sd)
    assert spread(found.belief.chol) == pytest.approx(sd, rel=0.005)
    for f, e in zip(found.forecasts, exact.forecasts, strict=True):
        assert f.band == pytest.approx(e.band, rel=2e-3)


def test_futures_start_on_the_footing_too(both: tuple[Folded, Folded]) -> None:
    found, exact = both
    a, b = (start_from(x, 1810.0, 64, outputs=["voriconazole"]) for x in both)
    assert np.allclose(a.states, b.states, rtol=2e-3, atol=1e-6 * np.abs(b.states).max())
    assert np.array_equal(a.baseline, b.baseline)
    p, q = (trajectory(x, [1790.0, 1800.0]).series[0].quantiles for x in (found, exact))
    assert np.allclose(p, q, rtol=2e-3)


def test_going_on_from_a_stored_anchor_gives_the_bits_of_the_whole_fold(both: tuple[Folded, Folded]) -> None:
    found, _ = both
    model, events = voriconazole()
    at_anchor = found.anchors[len(found.anchors) * 3 // 4]
    assert at_anchor.design is not None
    stored = from_snapshot(model, found.course, from_bytes(to_bytes(to_snapshot(model, found.course, at_anchor))))
    assert stored.time_h == at_anchor.time_h and stored.design is not None
    assert stored.design.time_h == at_anchor.design.time_h
    propagate._STATES.clear()
    footing._FOOTINGS.clear()
    resumed = fold(model, person(), Timeline.of(events), previous=replace(found, anchors=(stored,)))
    assert resumed.state_digest == found.state_digest
    assert [f.band for f in resumed.forecasts] == [f.band for f in found.forecasts]


def test_a_footing_that_cannot_describe_the_members_is_not_used() -> None:
    """Twenty oscillations of the effect over its spread, and a state that forgets nothing: no parabola does that."""
    law, eta = MODEL.system, symbol(MODEL.effects[0].name)
    slow = tuple(replace(s, rate=0.02 * s.rate * (1.0 + 0.9 * sin(60.0 * eta))) for s in law.states)
    model = replace(MODEL, system=replace(law, states=slow))
    course = read_course(model, person(), Timeline.of([weight(), *(dose(1.0, 12.0 * i, f"d{i}") for i in range(120))]))
    wide = FootingDesign(1400.0, np.zeros(1), np.array([[0.3]]))
    assert footing_at(model, course, wide) is None
    gentle = replace(MODEL, system=replace(law, states=tuple(replace(s, rate=0.02 * s.rate) for s in law.states)))
    assert footing_at(gentle, course, wide) is not None


def test_the_work_of_a_level_does_not_grow_with_the_course(monkeypatch: pytest.MonkeyPatch) -> None:
    """Doses handed to the solver, times members, for the last level of 139: a third of one run of the whole course."""
    work: list[int] = []

    def counting(system, parameters, schedule, times, **how):  # type: ignore[no-untyped-def]
        work.append(len(parameters) * len(schedule.doses))
        return simulate(system, parameters, schedule, times, **how)

    monkeypatch.setattr(propagate, "simulate", counting)
    events = treated(
        MODEL,
        "drugx",
        "iv",
        100.0,
        doses=700,
        tau=12.0,
        analyte="drugx",
        every=5,
        covariates={"weight_kg": (70.0, "kg")},
    )
    levels = [e for e in events if e.id.startswith("l")]
    whole = [e for e in events if not e.id.startswith("l")]
    known = fold(MODEL, person(), Timeline.of([*whole, *levels[:-1]]))
    work.clear()
    fold(MODEL, person(), Timeline.of([*whole, *levels]), previous=known)
    assert 0 < sum(work) < 256 * 700 / 3


def test_many_levels_after_few_doses_cost_no_more_either(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sensor: the hours handed to the solver, times members, for the last of 300 levels in 100 h after one dose."""
    work: list[float] = []

    def counting(system, parameters, schedule, times, **how):  # type: ignore[no-untyped-def]
        work.append(len(parameters) * (float(times[-1]) - float(how["start_h"])))
        return simulate(system, parameters, schedule, times, **how)

    monkeypatch.setattr(propagate, "simulate", counting)
    rng = np.random.default_rng(4)
    times = np.linspace(1.0, 100.0, 300)
    seen = [
        level(5.0 * np.exp(-0.01 * t) * float(np.exp(0.1 * rng.standard_normal())), float(t), f"l{k}")
        for k, t in enumerate(times)
    ]
    slow = replace(
        MODEL, system=replace(MODEL.system, states=tuple(replace(s, rate=0.1 * s.rate) for s in MODEL.system.states))
    )
    known = fold(slow, person(), Timeline.of([weight(), dose(100.0, 0.0, "d"), *seen[:-1]]))
    work.clear()
    last = fold(slow, person(), Timeline.of([weight(), dose(100.0, 0.0, "d"), *seen]), previous=known)
    assert last.footing_for() is not None
    assert 0 < sum(work) < 256 * 100.0 / 2


@pytest.mark.parametrize("later", [0, 40])
def test_any_number_of_doses_at_one_instant(later: int) -> None:
    """A hundred doses of 1 mg at once, alone or before a long course, against one of 100 mg."""
    rest = [dose(1.0, 12.0 * (i + 1), f"e{i}") for i in range(later)] + [level(2.0, 12.0 * later + 5.0, "l")]
    many = [dose(1.0, 1.0, f"d{i}") for i in range(100)]
    who = weight(70.0, 0.0, "w")
    found = fold(MODEL, person(), Timeline.of([who, *many, *rest]))
    once = fold(MODEL, person(), Timeline.of([who, dose(100.0, 1.0, "d"), *rest]))
    assert not found.pending
    assert found.belief.mean == pytest.approx(once.belief.mean, abs=1e-3)
