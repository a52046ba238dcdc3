"""What simulation says of the analyses: type I error, the variance formula, held-out coverage, and their speed."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from twin_service.trial.adjust.ancova import ancova
from twin_service.trial.adjust.design import design_of
from twin_service.trial.adjust.logistic import standardized_risks
from twin_service.trial.adjust.procova import procova, unit_variance
from twin_service.trial.adjust.visit_effects import visit_effects
from twin_service.trial.forecast.features import Baseline
from twin_service.trial.forecast.learned import LEVELS, learn
from twin_service.trial.interim.futility import without_futility
from twin_service.trial.interim.group_sequential import (
    haybittle_peto,
    hwang_shih_decani,
    obrien_fleming,
    pocock,
    shaped_design,
    spending_design,
)
from twin_service.trial.interim.simulate import VirtualTrial, simulate_design
from twin_service.trial.protocol import ForecastMethod
from twin_service.trial.survival.cox import cox

FloatArray = NDArray[np.float64]
NULL_TRIALS, N = 5000, 120
Tell = Callable[[str], None]


def simulated_figures(tell: Tell) -> dict[str, float]:
    """Every figure that needs no data of others. Seeds are fixed."""
    figures = formula() | control_arm() | interim()
    return figures | {f"trials.type1_{name}": share for name, share in type_one(tell).items()}


def type_one(tell: Tell = lambda line: None, trials: int = NULL_TRIALS) -> dict[str, float]:
    """Share of null trials with p < 0.05: 120 patients, a baseline that explains half of the variance."""
    analyses: dict[str, Callable[[NullTrial], float]] = {
        "ancova": lambda t: ancova(t.y, t.w, t.x[:, None]).p,
        "procova": lambda t: procova(t.y, t.w, 0.7 * t.x).adjusted.p,
        "mmrm": lambda t: visit_effects(t.visits, t.w, t.x[:, None]).effects[-1].p,
        "logistic": _logistic_p,
        "cox": _cox_p,
    }
    found = {}
    for name, analysis in analyses.items():
        rng = np.random.default_rng(11)
        hits = sum(analysis(null_trial(rng)) < 0.05 for _ in range(trials))
        found[name] = hits / trials
        tell(f"{name}: {hits} of {trials} null trials are positive")
    return found


class NullTrial(NamedTuple):
    """y (n,), arm w, baseline x; the same patients at three visits; times with events."""

    y: FloatArray
    w: FloatArray
    x: FloatArray
    visits: FloatArray
    time: FloatArray
    event: FloatArray


def null_trial(rng: np.random.Generator) -> NullTrial:
    w = np.asarray(rng.permutation(N) % 2, dtype=np.float64)
    x, e = rng.standard_normal(N), rng.standard_normal((N, 3))
    noise = np.cumsum(e, axis=1) / np.sqrt(np.arange(1, 4))
    visits = 0.7 * x[:, None] + 0.7 * noise
    hazard = 0.1 * np.exp(0.5 * x)
    died, censored = rng.exponential(1 / hazard), rng.uniform(5, 20, N)
    return NullTrial(visits[:, -1], w, x, visits, np.minimum(died, censored), (died <= censored).astype(float))


def _logistic_p(t: NullTrial) -> float:
    design = design_of(t.w.astype(int), 2, {"x": t.x}, {})
    estimate, se = standardized_risks((t.y > 0).astype(float), design).difference(1)
    return float(2 * norm.sf(abs(estimate) / se))


def _cox_p(t: NullTrial) -> float:
    fit = cox(t.time, t.event, np.column_stack([t.w, t.x]))
    return float(2 * norm.sf(abs(fit.beta[0]) / np.sqrt(fit.cov[0, 0])))


def formula(trials: int = 20000) -> dict[str, float]:
    """Simulated variance of PROCOVA's effect over the formula's, equal arms of 200."""
    rng, n, rho = np.random.default_rng(5), 400, 0.6
    found = []
    for _ in range(trials):
        w, f = rng.permutation(n) % 2.0, rng.standard_normal(n)
        y = rho * f + np.sqrt(1 - rho**2) * rng.standard_normal(n)
        found.append(procova(y, w, f).adjusted.estimate)
    said = unit_variance(sd_control=1.0, correlation_control=rho) / n
    return {"trials.procova_formula_ratio": float(np.var(found, ddof=1) / said)}


def control_arm() -> dict[str, float]:
    """Forecasts learned from 600 controls: 1,000 patients, five visits, 500 draws each; bands on 1,000 more."""
    rng = np.random.default_rng(3)

    def people(n: int) -> tuple[Baseline, FloatArray]:
        x = rng.standard_normal((n, 4))
        mean = x @ np.array([1.0, 0.5, -0.5, 0.0]) + 0.5 * x[:, 0] * x[:, 1]
        noise = rng.standard_normal((n, 1)) + rng.standard_normal((n, 5))
        baseline = Baseline(("a", "b", "c", "d"), x, (), np.empty((n, 0), dtype=object))
        return baseline, mean[:, None] * np.arange(1, 6) / 5 + noise

    past, y = people(600)
    start = time.perf_counter()
    model = learn(past, y, ForecastMethod.STACKED, np.random.default_rng(1))
    trial, _ = people(1000)
    draws = model.draws(trial, 500, rng)
    took = time.perf_counter() - start
    assert draws.shape == (500, 1000, 5)
    late, seen = people(1000)
    q = model.forecast(late).quantiles
    inside = (seen >= q[LEVELS.index(0.05)]) & (seen <= q[LEVELS.index(0.95)])
    return {"trials.control_arm_s": took, "trials.forecast_coverage90": float(inside.mean())}


def interim(trials: int = 10_000) -> dict[str, float]:
    """Type I error of every design offered over 10,000 trials of three looks; the worst, in Monte Carlo errors."""
    t = [0.5, 0.75, 1.0]
    designs = {
        "obf_spending": spending_design(t, obrien_fleming),
        "pocock_spending": spending_design(t, pocock),
        "hsd": spending_design(t, hwang_shih_decani(-4)),
        "obf": shaped_design(t, delta=0.0),
        "pocock": shaped_design(t, delta=0.5),
        "haybittle_peto": haybittle_peto(t),
    }
    worst, took = 0.0, 0.0
    for design in designs.values():
        start = time.perf_counter()
        found = simulate_design(
            without_futility(design, 0.0), VirtualTrial(300, 0.0, 1.0), trials, np.random.default_rng(2)
        )
        took = max(took, time.perf_counter() - start)
        worst = max(worst, abs(found.efficacy - 0.025) / found.error)
    return {"trials.interim_10000_s": took, "trials.interim_type1_worst_z": worst}
