"""What the twin expects of each next level of real patients: the members' curves before it is seen, and what it was."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri
from scipy.stats import qmc

from twin_service.fit.forecast import beliefs_before
from twin_service.fit.individual import prior_of
from twin_service.fit.process_pool import shared_out
from twin_service.fit.subject import TableSubject, predictor_after
from twin_service.model.structure import ErrorLaw, PatientModel
from twin_service.qualification.estimation.real_sets import RealSet, load
from twin_service.scenario.occasion import lasting

FloatArray = NDArray[np.float64]
MEMBERS = 512
PERSISTENCE: Final = (1.0, 0.97, 0.93, 0.87, 0.8, 0.7)


class NextLevel(NamedTuple):
    """One level of a patient with a history, and the `value` that came.

    members   (R, N) of his curve at its time, one row for each persistence of his effects since his last level
    """

    subject: str
    analyte: str
    value: float
    members: FloatArray
    law: ErrorLaw


def next_levels(
    chosen: RealSet, reference: Path, *, say: Callable[[str], None] = lambda line: None
) -> list[NextLevel] | None:
    """All levels of the set that follow another one, automatic estimator; None where its file is absent."""
    found = load(chosen, reference)
    if found is None:
        return None
    model, subjects = found

    def one(k: int) -> list[NextLevel]:
        return _of(model, subjects[k])

    each = shared_out(one, len(subjects), workers=os.cpu_count() or 1, say=lambda s: say(f"{chosen.name}: {s}"))
    return [level for levels in each for level in levels]


def _of(model: PatientModel, subject: TableSubject) -> list[NextLevel]:
    found: list[NextLevel] = []
    history, last_h, prior = 0, 0.0, prior_of(model)
    for pick, belief in beliefs_before(model, subject, "auto"):
        now = subject.rows(pick)
        if history:
            nx = len(belief.mean)
            sobol = qmc.Sobol(2 * nx, scramble=True, rng=np.random.default_rng(1))
            z = ndtri(np.clip(sobol.random(MEMBERS), 1e-12, 1.0 - 1e-12))
            eta, fresh = belief.members(z[:, :nx]), prior.members(z[:, nx:])
            predict = predictor_after(model, now, last_h)
            curves = np.stack([predict(eta, lasting(eta, fresh, rho)) for rho in PERSISTENCE])
            found += [
                NextLevel(subject.id, a, float(y), curves[:, :, j], model.observables[a].error)
                for j, (a, y) in enumerate(zip(now.analytes, now.values, strict=True))
                if not now.censoring[j] and np.all(np.isfinite(curves[:, :, j]))
            ]
        history, last_h = history + len(pick), float(now.times_h[-1])
    return found
