"""Dialysis: the study's clearance at its flow, a closed form in one compartment, mass balance in a body."""

from __future__ import annotations

import numpy as np
import pytest

from twin_service.model.compose import compose
from twin_service.model.dialysis import (
    Hemodialysis,
    Hemofiltration,
    Peritoneal,
    Session,
    dialysis_covariate,
    load_dialysis,
    session_clearance,
    with_dialysis,
)
from twin_service.model.pbpk.body import build_body
from twin_service.model.poppk import build_poppk
from twin_service.outcome import Refusal
from twin_service.solver.schedule import Dose, Schedule
from twin_service.solver.simulate import simulate


def test_the_study_is_given_back_at_its_own_flow() -> None:
    assert session_clearance("vancomycin", Hemodialysis()).clearance_l_h == pytest.approx(120.0 * 0.06)
    at = session_clearance("vancomycin", Hemodialysis(blood_flow_ml_min=417.0))
    assert at.clearance_l_h == pytest.approx(7.2)
    assert "Pollard 1994" in at.origin


def test_clearance_rises_with_blood_flow_and_stays_below_it() -> None:
    flows = [100.0, 200.0, 300.0, 400.0, 600.0]
    found = [session_clearance("gentamicin", Hemodialysis(blood_flow_ml_min=q)).clearance_l_h for q in flows]
    assert found == sorted(found)
    assert all(k < q * 0.67 * 0.06 for k, q in zip(found, flows, strict=True))


def test_hemofiltration_is_sieving_times_effluent_and_a_stated_clearance_goes_first() -> None:
    assert session_clearance("meropenem", Hemofiltration(4.4)).clearance_l_h == pytest.approx(3.52)
    assert session_clearance("meropenem", Hemofiltration(4.4, clearance_ml_min=50.0)).clearance_l_h == pytest.approx(3)
    assert session_clearance("anything", Peritoneal(8.0)).clearance_l_h == pytest.approx(0.48)


@pytest.mark.parametrize("session", [Hemodialysis(), Hemofiltration(2.0), Peritoneal(0.0)])
def test_what_is_not_known_is_refused_with_the_remedy(session: Session) -> None:
    with pytest.raises(Refusal, match="state the session's clearance"):
        session_clearance("digoxin", session)


def test_the_drugs_that_wards_dialyze_are_there() -> None:
    drugs = {row.drug for row in load_dialysis().hemodialysis}
    assert {"vancomycin", "gentamicin", "amikacin", "meropenem", "levetiracetam"} <= drugs


def test_a_session_in_one_compartment_is_the_closed_form() -> None:
    """C falls by exp(-(CL + K)/V t) during the session and by exp(-CL/V t) outside."""
    model = compose("m", {"d": with_dialysis(build_poppk("vancomycin_buelga"), "vancomycin")})
    name = dialysis_covariate("vancomycin")
    person = {"weight_kg": 70.0, "age_y": 60.0, "sex_female": 0.0, "creatinine_umol_l": 600.0}
    rows = np.stack([model.values({**person, name: k}) for k in (0.0, 7.2, 0.0)])[None]
    entry = next(r for r in model.routes if r.route == "iv")
    schedule = Schedule((Dose(0.0, entry.input, 1000.0),), (10.0, 14.0))
    solution = simulate(model.system, rows, schedule, [10.0, 14.0, 20.0])
    c = solution.outputs[0, :, model.system.output_index["d.central"]]
    volume = 0.98 * 70.0
    endogenous = np.log(c[1] / c[2]) / 6.0
    assert c[0] == pytest.approx(1000.0 / volume * np.exp(-10.0 * endogenous), rel=1e-6)
    assert np.log(c[0] / c[1]) / 4.0 - endogenous == pytest.approx(7.2 / volume, rel=1e-6)


def test_a_body_without_sessions_is_unchanged_and_with_one_clears_faster_than_it_rebounds() -> None:
    plain = compose("p", {"body": build_body(["vancomycin"], routes=("iv",))})
    model = compose("p", {"body": with_dialysis(build_body(["vancomycin"], routes=("iv",)), "vancomycin")})
    entry, person = plain.routes[0], {"age_y": 60.0, "egfr_ml_min": 5.0}
    doses, times = (Dose(0.0, entry.input, 1000.0 * entry.units_per_mg, 1.0),), [12.0, 16.0, 18.0]
    level = [m.system.output_index["body.vancomycin_level"] for m in (plain, model)]
    rows = np.stack([model.values({**person, dialysis_covariate("vancomycin"): k}) for k in (0.0, 7.2, 0.0)])[None]
    same = simulate(model.system, rows[:, 0], Schedule(doses), times).outputs[0, :, level[1]]
    before = simulate(plain.system, plain.values(person), Schedule(doses), times).outputs[0, :, level[0]]
    np.testing.assert_allclose(same, before, rtol=1e-7)
    cleaned = simulate(model.system, rows, Schedule(doses, (12.0, 16.0)), times).outputs[0, :, level[1]]
    assert cleaned[1] < 0.8 * before[1]
    assert cleaned[1] < cleaned[2] < before[2]


def test_a_block_without_the_drug_is_refused() -> None:
    with pytest.raises(Refusal, match="no blood that holds"):
        with_dialysis(build_body(["midazolam"], routes=("iv",)), "vancomycin")
