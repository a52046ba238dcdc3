"""Sessions in a timeline: what they take, that planned ones count, that what nobody knows is refused."""

from __future__ import annotations

import numpy as np
import pytest

from twin_service.outcome import Refusal
from twin_service.record.events import DialysisDone, DoseGiven, Event, from_json, to_json
from twin_service.record.person import ModelChoice, Person, TwinName
from twin_service.record.timeline import Timeline
from twin_service.scenario.regimen import Regimen
from twin_service.twin.assemble import build
from twin_service.twin.evidence import basis_of
from twin_service.twin.fold import Folded, fold
from twin_service.twin.simulate import what_if
from twin_service.twin.trajectory import trajectory

H = 3_600_000_000
BODY = {"weight_kg": 70.0, "age_y": 60.0, "sex_female": 0.0}
POPULATION = ModelChoice(poppk="vancomycin_goti")
DOSE = Event("d", 0, DoseGiven("vancomycin", 1500.0, "iv", 2.0))


def session(at_h: float, hours: float = 4.0, **more: float) -> Event:
    return Event(f"h{at_h:g}", round(at_h * H), DialysisDone("hemodialysis", hours, **more))  # type: ignore[arg-type]


def twin(*events: Event, model: ModelChoice = POPULATION, **covariates: float) -> Folded:
    known = BODY | (covariates or {"creatinine_umol_l": 600.0})
    person = Person(TwinName.parse("tenants/t/patients/p/twin"), model, 0, covariates=known)
    return fold(build(model), person, Timeline.of([DOSE, *events]))


def levels(folded: Folded, *hours: float) -> np.ndarray:
    return np.asarray(trajectory(folded, hours).series[0].mean)


def test_a_session_takes_the_drug_while_it_lasts_and_not_before() -> None:
    plain, dialyzed = levels(twin(), 30.0, 34.0, 60.0), levels(twin(session(30.0)), 30.0, 34.0, 60.0)
    assert dialyzed[0] == pytest.approx(plain[0], rel=1e-6)
    assert dialyzed[1] < 0.75 * plain[1] and dialyzed[2] < 0.9 * plain[2]


def test_two_sessions_at_once_add_up_and_are_one_of_twice_the_clearance() -> None:
    half = [Event(f"x{k}", 30 * H, DialysisDone("peritoneal", 4.0, clearance_ml_min=30.0)) for k in range(2)]
    whole = Event("x", 30 * H, DialysisDone("peritoneal", 4.0, clearance_ml_min=60.0))
    assert levels(twin(*half), 34.0)[0] == pytest.approx(levels(twin(whole), 34.0)[0], rel=1e-9)


def test_an_anuric_body_keeps_the_drug_until_dialysis_and_rebounds_after_it() -> None:
    folded = twin(session(30.0), model=ModelChoice(drugs=("vancomycin",)), egfr_ml_min=0.0)
    before, end, later, last = levels(folded, 29.0, 34.0, 50.0, 90.0)
    assert end < 0.6 * before and end < later < before
    assert last == pytest.approx(later, rel=1e-3), "nothing leaves where neither kidney nor dialyzer works"


def test_a_planned_session_counts_in_what_comes_and_one_that_runs_ends() -> None:
    def at_96(*events: Event, start_h: float) -> float:
        (found,) = what_if(twin(*events), [Regimen("none")], start_h=start_h, horizon_h=96.0 - start_h)
        return float(found.bands.series[0].mean[-1])

    assert at_96(session(80.0), start_h=48.0) < 0.8 * at_96(start_h=48.0)
    assert at_96(session(30.0), start_h=32.0) == pytest.approx(at_96(session(30.0), start_h=40.0), rel=0.02)


def test_what_is_assumed_is_said_and_what_nobody_knows_refused() -> None:
    assert any("dialysis clears 7.2 L/h of vancomycin" in a for a in basis_of(twin(session(30.0))).assumptions)
    with pytest.raises(Refusal, match="state the session"):
        twin(Event("p", 30 * H, DialysisDone("peritoneal", 4.0)))


def test_a_session_is_kept_as_it_was_said() -> None:
    event = session(30.0, blood_flow_ml_min=300.0)
    assert from_json(to_json(event)) == event
