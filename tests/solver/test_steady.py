from __future__ import annotations

import numpy as np
import pytest

from tests.solver.systems import one_compartment, saturable
from twin_service.outcome import Verdict
from twin_service.solver.intake import admit
from twin_service.solver.ladder import find_steady
from twin_service.solver.schedule import Dose, Schedule
from twin_service.solver.simulate import Tolerances, simulate

P = [1.2, 5.0, 50.0, 0.7, 0.0, 2.0]


def test_bolus_at_steady_state_has_its_closed_form() -> None:
    k, tau = 0.1, 12.0
    schedule = Schedule((Dose(0.0, "iv", 100.0, 0.0, tau),))
    found = simulate(one_compartment(), [P], schedule, [0.0, 0.0, 6.0], after_dose=[False, True, False])
    peak = 2.0 / (1 - np.exp(-k * tau))
    assert np.allclose(found.outputs[0, :, 0], [0.0, peak, peak * np.exp(-0.6)], rtol=1e-7)


@pytest.mark.parametrize("duration", [1.0, 12.0, 30.0])
def test_infusions_at_steady_state_have_their_closed_form(duration: float) -> None:
    """Superposed infusions of all past; with a duration of one interval this is a constant infusion."""
    k, tau, V, rate = 0.1, 12.0, 50.0, 100.0 / duration
    schedule = Schedule((Dose(0.0, "iv", 100.0, duration, tau),))
    found = simulate(one_compartment(), [P], schedule, [0.0, 5.0], after_dose=[True, False]).outputs[0, :, 0]
    ages = tau * np.arange(400)

    def one(age: np.ndarray) -> np.ndarray:
        during = np.minimum(np.maximum(age, 0.0), duration)
        return rate / k * (1 - np.exp(-k * during)) * np.exp(-k * np.maximum(age - duration, 0.0)) * (age > 0)

    # After the dose at 0 no more come: at 5 h the ages are 5, 17, 29, ...
    assert found[0] == pytest.approx(one(ages[1:]).sum() / V, rel=1e-7)
    assert found[1] == pytest.approx(one(5.0 + ages).sum() / V, rel=1e-7)


@pytest.mark.parametrize("amount", [30.0, 90.0, 125.0])
def test_pulsing_and_root_finding_agree_with_a_long_run(amount: float) -> None:
    """Near saturation (144 mg per 12 h) the approach is slow: many pulses, few Newton steps."""
    system = saturable(area=False)
    p = [[1.0, 50.0, 12.0, 2.0, 1.0, 0.0, 3.0, 0.0]]
    run = admit(
        system, p, Schedule((Dose(0.0, "oral", amount, 0.0, 12.0),)), [1.0], start_h=0.0, state=None, after_dose=None
    )
    tolerances = Tolerances(1e-8)
    root = find_steady(system, run, tolerances, deadline=None)
    pulse = find_steady(system, run, tolerances, deadline=None, method="pulse")
    assert root.converged.all() and pulse.converged.all()
    assert np.allclose(root.states, pulse.states, rtol=3e-6)
    doses = Schedule(tuple(Dose(12.0 * k, "oral", amount) for k in range(600)))
    long_run = simulate(system, p, doses, [12.0 * 600], tolerances=tolerances)
    assert np.allclose(root.states, long_run.final, rtol=3e-6)


def test_more_than_can_be_eliminated_has_no_steady_state() -> None:
    found = simulate(
        saturable(),
        [[1.0, 50.0, 12.0, 2.0, 1.0, 0.0, 3.0, 0.0]],
        Schedule((Dose(3.0, "oral", 160.0, 0.0, 12.0),)),
        [4.0],
    )
    assert found.outcomes[0].verdict is Verdict.NO_STEADY_STATE
    assert "t = 3 h" in found.outcomes[0].detail
    assert np.isnan(found.outputs).all()


def test_areas_start_anew_and_others_are_added_where_asked() -> None:
    system, p = saturable(), [[1.0, 50.0, 12.0, 2.0, 1.0, 0.0, 3.0, 0.0]]
    state = [[0.0, 20.0, 7.0]]
    replaced, added = (
        simulate(
            system,
            p,
            Schedule((Dose(0.0, "iv", 60.0, 0.0, 12.0, adds),)),
            [0.0],
            state=state,
            after_dose=[True],
            keep_states=True,
        )
        for adds in (False, True)
    )
    assert replaced.states is not None and added.states is not None
    assert replaced.states[0, 0, 2] == 0.0
    assert added.states[0, 0] == pytest.approx(replaced.states[0, 0] + state[0], rel=1e-12)


def test_many_patients_at_once() -> None:
    rng = np.random.default_rng(0)
    p = np.array(P) * np.exp(0.3 * rng.standard_normal((40, 6)))
    found = simulate(one_compartment(), p, Schedule((Dose(0.0, "iv", 100.0, 0.0, 24.0),)), [24.0])
    k = p[:, 1] / p[:, 2]
    assert np.allclose(found.outputs[:, 0, 0], 100.0 / p[:, 2] / (np.exp(24 * k) - 1), rtol=1e-6)
