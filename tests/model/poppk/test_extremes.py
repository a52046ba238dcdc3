"""Patients far out in the tails of the marrow's sensitivity: counts fall to nothing and come back, never below zero."""

from __future__ import annotations

import numpy as np
import pytest

from twin_service.record.person import ModelChoice
from twin_service.solver.schedule import Dose, Schedule
from twin_service.solver.simulate import simulate
from twin_service.twin.assemble import build


@pytest.mark.parametrize("sensitivity_sd", [0.0, 3.0, 4.25, 6.0])
def test_neutrophils_stay_counts_however_sensitive_the_patient(sensitivity_sd: float) -> None:
    model = build(ModelChoice(poppk="docetaxel_neutropenia"))
    eta = np.zeros((1, len(model.effects)))
    j = next(i for i, e in enumerate(model.effects) if "SLOPE" in e.name)
    eta[0, j] = sensitivity_sd * np.sqrt(model.omega[j, j])
    way = model.routes[0]
    doses = tuple(Dose(504.0 * k, way.input, 180.0 * way.units_per_mg, 1.0) for k in range(2))
    run = simulate(model.system, model.members({}, eta), Schedule(doses), np.linspace(0.0, 6000.0, 601))
    assert run.ok
    cells = run.outputs[0, :, model.system.output_index[model.observables["neutrophils"].output]]
    assert np.min(cells) > -1e-9 and np.max(cells) < 60.0
    assert cells[-1] > 1.0, "the marrow recovers"
