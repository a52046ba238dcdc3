"""The oracle of `twin bench answers` agrees with the engine, and a decision with the oracle."""

from __future__ import annotations

import numpy as np
import pytest

from twin_service.qualification.bench.answer_cases import decisions, levels_at, model
from twin_service.qualification.bench.answers import judge, oracle
from twin_service.solver.schedule import Dose, Schedule
from twin_service.solver.simulate import simulate


@pytest.mark.parametrize("two", [False, True])
def test_the_closed_form_is_the_engines_course(two: bool) -> None:
    d = next(d for d in decisions() if d.two is two)
    eta, times = np.array([[0.3, -0.2]]), np.array([0.5, 5.0, 13.0, 30.0])
    doses = tuple(Dose(t, "x.iv", mg, over) for t, mg, over in d.doses)
    m = model(d.cl, two)
    run = simulate(m.system, m.members({}, eta), Schedule(doses), times)
    assert levels_at(d, eta, d.doses, times)[0] == pytest.approx(run.outputs[0, :, 0], rel=1e-5)


def test_a_decision_costs_less_than_two_hundredths() -> None:
    d = next(d for d in decisions() if d.kind == "two levels")
    assert judge(d).regret <= 0.02
    worth = oracle(d)
    assert worth["nothing now"].attained == 0.0 and max(w.utility for w in worth.values()) > 0.5
