"""Individual fits of many subjects in one call, shared out over processes.

Models hold closures, which do not pickle: workers are forked and inherit the model; only subject numbers go in and
fits come out. Where the platform cannot fork, one process does all.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor

from twin_service.evaluate.individual import Estimator, IndividualFit, fit_individual
from twin_service.evaluate.subject import Subject
from twin_service.model.structure import PatientModel

_Task = tuple[PatientModel, Sequence[Subject], Estimator]
_INHERITED: list[_Task] = []


def fit_individuals(
    model: PatientModel, subjects: Sequence[Subject], estimator: Estimator = "laplace", *, workers: int = 1
) -> list[IndividualFit]:
    """`fit_individual` of every subject, in their order; the same numbers whatever `workers` is."""
    if workers <= 1 or len(subjects) < 2 or "fork" not in multiprocessing.get_all_start_methods():
        return [fit_individual(model, s, estimator) for s in subjects]
    fit_individual(model, subjects[0], estimator)  # compiled once, inherited by all
    _INHERITED.append((model, subjects, estimator))
    try:
        context = multiprocessing.get_context("fork")
        with ProcessPoolExecutor(workers, mp_context=context) as pool:
            return list(pool.map(_fit, range(len(subjects)), chunksize=max(1, len(subjects) // (8 * workers))))
    finally:
        _INHERITED.pop()


def _fit(number: int) -> IndividualFit:
    model, subjects, estimator = _INHERITED[-1]
    return fit_individual(model, subjects[number], estimator)
