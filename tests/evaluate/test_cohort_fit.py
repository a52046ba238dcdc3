from __future__ import annotations

import numpy as np

from twin_service.evaluate.cohort_fit import fit_individuals
from twin_service.evaluate.estimation import simulated_cohort
from twin_service.model.compose import compose
from twin_service.model.poppk import build_poppk


def test_processes_give_the_same_fits_in_the_same_order() -> None:
    model = compose("vancomycin_goti", {"d": build_poppk("vancomycin_goti")})
    subjects = simulated_cohort(model, 12, np.random.default_rng(1))
    one, two = fit_individuals(model, subjects), fit_individuals(model, subjects, workers=2)
    assert [f.id for f in two] == [s.id for s in subjects]
    for a, b in zip(one, two, strict=True):
        np.testing.assert_array_equal(a.eta, b.eta)
        np.testing.assert_array_equal(a.covariance, b.covariance)
