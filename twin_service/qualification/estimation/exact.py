"""The service's estimators against the exact posterior: how far the believed mean is from the true one.

    distance = max over effects of |mean - exact mean| / exact standard deviation

exact: importance sampling with its effective sample size, tempering where that is small (`kalman.posterior`). A
patient whose reference itself is not trustworthy is counted and left out of the distances.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from twin_service.fit.individual import Estimator, assimilate, prior_of
from twin_service.fit.process_pool import shared_out
from twin_service.fit.subject import TableSubject, observed, predictor
from twin_service.kalman.belief import Belief
from twin_service.kalman.posterior import reference_posterior
from twin_service.model.structure import PatientModel

FloatArray = NDArray[np.float64]
MEMBERS: Final = 4096
TRUSTED: Final = 200.0  # effective members: the reference mean is then known to 0.07 standard deviations
LARGE: Final = 0.5  # omega^2 from which on a model counts as of large variance


@dataclass(frozen=True)
class Distance:
    """One patient: |difference of means| in exact standard deviations and in omega, (nx,) each; members behind it."""

    model: str
    subject: str
    in_sd: FloatArray
    in_omega: FloatArray
    effective: float


def exact_belief(
    model: PatientModel, subject: TableSubject, *, seed: int = 1, count: int = MEMBERS
) -> tuple[Belief, float]:
    """Mean and covariance of the exact posterior, and the effective number of members."""
    found = reference_posterior(
        prior_of(model),
        predictor(model, subject),
        observed(model, subject),
        rng=np.random.default_rng(seed),
        count=count,
    )
    return found.belief, found.effective


def distance(
    model: PatientModel, subject: TableSubject, estimator: Estimator = "auto", *, count: int = MEMBERS
) -> Distance:
    """How far `estimator` ends from the exact posterior after all readings of `subject`."""
    exact, effective = exact_belief(model, subject, count=count)
    mean = assimilate(model, subject, prior_of(model), estimator).belief.mean
    away = np.abs(mean - exact.mean)
    return Distance(
        model.id, subject.id, away / np.sqrt(np.diag(exact.covariance)), away / np.sqrt(np.diag(model.omega)), effective
    )


def distances(
    patients: Sequence[tuple[PatientModel, TableSubject]],
    estimator: Estimator = "auto",
    *,
    count: int = MEMBERS,
    workers: int = 0,
    say: Callable[[str], None] = lambda line: None,
) -> list[Distance]:
    """`distance` of every patient, on all cores."""

    def one(k: int) -> Distance:
        return distance(*patients[k], estimator, count=count)

    return shared_out(one, len(patients), workers=workers or os.cpu_count() or 1, say=say)


def has_large_variance(model: PatientModel) -> bool:
    """Whether some effect of `model` varies by omega^2 of at least `LARGE`."""
    return bool(np.max(np.diag(model.omega), initial=0.0) >= LARGE)


def large_variance_figures(found: Iterable[Distance]) -> dict[str, float]:
    """Worst and usual distance over the patients whose reference can be trusted."""
    rows = list(found)
    trusted = [d for d in rows if d.effective >= TRUSTED]
    worst = np.array([np.max(d.in_sd) for d in trusted])
    figures: dict[str, Any] = {
        "patients": len(rows),
        "trusted": len(trusted),
        "worst_sd": worst.max() if len(worst) else np.nan,
        "p95_sd": np.quantile(worst, 0.95) if len(worst) else np.nan,
        "median_sd": np.median(worst) if len(worst) else np.nan,
    }
    return {f"estimation.large_variance_{k}": float(v) for k, v in figures.items()}
