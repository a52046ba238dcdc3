from __future__ import annotations

import numpy as np

from twin_service.fit.cohort_fit import fit_individuals
from twin_service.qualification.estimation.calibration import TRIALS, simulated
from twin_service.twin.assemble import build


def test_processes_give_the_same_fits_in_the_same_order() -> None:
    model = build(TRIALS["poppk"].model)
    subjects = simulated(TRIALS["poppk"], model, 12, np.random.default_rng(1))
    one, two = fit_individuals(model, subjects), fit_individuals(model, subjects, workers=2)
    assert [f.id for f in two] == [s.id for s in subjects]
    for a, b in zip(one, two, strict=True):
        np.testing.assert_array_equal(a.eta, b.eta)
        np.testing.assert_array_equal(a.covariance, b.covariance)
