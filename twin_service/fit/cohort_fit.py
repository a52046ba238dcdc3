"""Individual fits of many subjects in one call, shared out over processes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from twin_service.fit.individual import Estimator, IndividualFit, fit_individual
from twin_service.fit.process_pool import shared_out
from twin_service.fit.subject import TableSubject
from twin_service.model.structure import PatientModel


def fit_individuals(
    model: PatientModel,
    subjects: Sequence[TableSubject],
    estimator: Estimator = "laplace",
    *,
    workers: int = 1,
    say: Callable[[str], None] = lambda line: None,
) -> list[IndividualFit]:
    """`fit_individual` of every subject, in their order; the same numbers whatever `workers` is."""
    return shared_out(lambda k: fit_individual(model, subjects[k], estimator), len(subjects), workers=workers, say=say)
