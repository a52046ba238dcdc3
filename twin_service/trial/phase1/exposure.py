"""Escalation in exposure in place of dose: each patient's twin-predicted AUC (or C_max) is the covariate.

    logit p_i = a + exp(b) log(x_i / x_ref),   x_i = exposure predicted for patient i before he is dosed

The design recommends an exposure, that of a typical patient at one of the planned doses; each patient is then given the
highest planned dose whose predicted exposure is at most `slack` times it. Two patients of one cohort can so be given
different doses. Overdose control is that of the dose design, with exposures for doses.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, log_expit

from twin_service.trial.adjust.ancova import refuse
from twin_service.trial.phase1.designs import Blrm, BlrmNodes, OverdoseControl
from twin_service.trial.phase1.dose_toxicity import (
    DoseOutcomes,
    DoseRisk,
    LogisticPrior,
    Surface,
    logistic_risk,
    surface,
)

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
SLACK = 1.2
HERMITE = 15


@dataclass(frozen=True)
class ExposurePlan:
    """Planned doses with the typical patient's exposure at each (k,); prior of the logistic model in exposure."""

    doses: tuple[float, ...]
    typical: tuple[float, ...]
    prior: LogisticPrior
    control: OverdoseControl = OverdoseControl()

    @classmethod
    def create(
        cls, doses: Sequence[float], typical: Sequence[float], prior: LogisticPrior, control: OverdoseControl
    ) -> ExposurePlan:
        """Raises Refusal unless doses and exposures rise together."""
        d, x = np.asarray(doses, dtype=np.float64), np.asarray(typical, dtype=np.float64)
        if d.shape != x.shape or len(d) < 2 or np.any(np.diff(d) <= 0) or np.any(np.diff(x) <= 0) or x[0] <= 0:
            raise refuse("typical", "expected one positive exposure a dose, rising with the doses")
        Blrm(tuple(map(float, x)), prior, control)  # refuses steps that can never be taken
        return cls(tuple(map(float, d)), tuple(map(float, x)), prior, control)

    def dose_for(self, exposure_limit: float, per_dose: FloatArray) -> IntArray:
        """Place of the dose for patients whose predicted exposure at each dose is `per_dose` (n, k)."""
        allowed = per_dose <= exposure_limit * SLACK
        return np.asarray(np.maximum(allowed.sum(axis=1) - 1, 0), dtype=np.int64)


def exposure_risk(plan: ExposurePlan, exposures: Sequence[float], toxic: Sequence[int]) -> tuple[DoseRisk, ...]:
    """Posterior risk at the typical exposure of each dose, from patients one by one."""
    given = DoseOutcomes.create(exposures, [1] * len(exposures), toxic)
    return logistic_risk(plan.prior, given, plan.typical, cuts=plan.control.cuts)


class ExposureVariability(NamedTuple):
    """Coefficients of variation of exposure at one dose: what the twin predicts before dosing, and the rest."""

    predicted: float
    unexplained: float


class Truth(NamedTuple):
    """log-odds of toxicity at x_ref, slope, x_ref."""

    log_odds: float
    slope: float
    reference: float

    def risk(self, exposure: FloatArray) -> FloatArray:
        return np.asarray(expit(self.log_odds + self.slope * np.log(exposure / self.reference)))


def population_risks(truth: Truth, typical: Sequence[float], cv: float) -> FloatArray:
    """Average risk at each dose over a log-normal exposure, (k,)."""
    z, w = np.polynomial.hermite_e.hermegauss(HERMITE)
    sigma = np.sqrt(np.log1p(cv**2))
    x = np.asarray(typical)[:, None] * np.exp(sigma * z)
    return np.asarray(truth.risk(x) @ (w / w.sum()))


class Conducted(NamedTuple):
    """Per trial: patients, of them overdosed (true risk of that patient above the upper cut), toxicities, declared
    dose from 0 (-1: none)."""

    patients: FloatArray
    overdosed: FloatArray
    toxicities: FloatArray
    selected: IntArray


def conduct(
    plan: ExposurePlan,
    truth: Truth,
    vary: ExposureVariability,
    size: tuple[int, int, int],
    rng: np.random.Generator,
    *,
    by_exposure: bool,
) -> Conducted:
    """`size` = (trials, cohorts, patients a cohort), by exposure or, for comparison, by dose alone."""
    trials, cohorts, per = size
    # By dose alone, a patient's exposure is taken to be the typical one.
    grid = surface(plan.prior, 41, 31, 6.0)
    nodes = BlrmNodes.of(grid, plan.typical, plan.control.cuts)
    typical, doses = np.asarray(plan.typical), np.arange(len(plan.doses))
    s_known, s_rest = (np.sqrt(np.log1p(v**2)) for v in vary)
    log_weight = np.tile(nodes.log_prior, (trials, 1))
    level, top, alive = np.zeros(trials, dtype=np.int64), np.zeros(trials, dtype=np.int64), np.ones(trials, dtype=bool)
    given = np.zeros((trials, len(doses)))
    n, over, tox = np.zeros((3, trials))
    for _ in range(cohorts):
        known = np.exp(s_known * rng.standard_normal((trials, per)))
        rest = np.exp(s_rest * rng.standard_normal((trials, per)))
        chance = rng.random((trials, per))
        for i in range(per):
            per_dose = typical * known[:, [i]]
            place = level
            if by_exposure:
                place = np.maximum((per_dose <= typical[level][:, None] * SLACK).sum(axis=1) - 1, 0)
            predicted = typical[place] * known[:, i]
            risk = truth.risk(predicted * rest[:, i])
            toxic = chance[:, i] < risk
            x = predicted if by_exposure else typical[place]
            _learn(log_weight, grid, x, toxic, alive)
            n += alive
            over += alive & (risk > plan.control.cuts[1])
            tox += alive & toxic
            given[np.arange(trials), place] += alive
        hit, above = _shares(nodes, log_weight)
        ceiling = np.maximum(typical[top] * plan.control.step_max, typical[0])[:, None]
        allowed = (above <= plan.control.overdose_max) & (typical <= ceiling * (1 + 1e-9))
        alive &= allowed.any(axis=1)
        level = np.where(alive, np.argmax(np.where(allowed, hit, -1.0), axis=1), level)
        top = np.maximum(top, level)
    hit, above = _shares(nodes, log_weight)
    allowed = (above <= plan.control.overdose_max) & (given > 0)
    selected = np.where(alive & allowed.any(axis=1), np.argmax(np.where(allowed, hit, -1.0), axis=1), -1)
    return Conducted(n, over, tox, selected.astype(np.int64))


def _learn(
    log_weight: FloatArray, grid: Surface, x: FloatArray, toxic: NDArray[np.bool_], alive: NDArray[np.bool_]
) -> None:
    """One patient of each trial enters the posterior, in place."""
    zero = (grid.start + grid.rest * grid.z[:, None]).ravel()
    slope = np.broadcast_to(grid.slope, (len(grid.z), len(grid.slope))).ravel()
    odds = zero + slope * np.log(x / grid.reference)[:, None]
    log_weight += np.where(alive[:, None], log_expit(np.where(toxic[:, None], odds, -odds)), 0.0)


def _shares(nodes: BlrmNodes, log_weight: FloatArray) -> tuple[FloatArray, FloatArray]:
    weight = np.exp(log_weight - log_weight.max(axis=1, keepdims=True))
    found = (weight / weight.sum(axis=1, keepdims=True)) @ nodes.below
    return found[:, 1::2] - found[:, 0::2], 1 - found[:, 1::2]
