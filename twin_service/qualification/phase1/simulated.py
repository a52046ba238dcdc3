"""Claims that only simulation can show: noise is not called useful, and exposure overdoses fewer than dose."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from twin_service.trial.phase1.designs import OverdoseControl
from twin_service.trial.phase1.dose_toxicity import LogisticPrior
from twin_service.trial.phase1.exposure import ExposurePlan, ExposureVariability, Truth, conduct, population_risks
from twin_service.trial.phase1.selection import Candidates, validate

Say = Callable[[str], None]
DOSES = (10.0, 20.0, 40.0, 60.0, 90.0, 120.0)
VARY = ExposureVariability(predicted=0.5, unexplained=0.3)
# log-odds at exposure 60 and slope: the target in the middle, low, high, and a steep curve.
TRUTHS = (Truth(-1.1, 1.8, 60), Truth(-1.1, 1.8, 30), Truth(-1.1, 1.8, 100), Truth(-1.1, 3.0, 60))
TARGET = 0.25


def noise_figures(simulations: int = 1000, patients: int = 120, markers: int = 5, seed: int = 11) -> dict[str, float]:
    """Share of data sets of pure noise in which the markers are declared useful; the same where one marker works (an
    odds ratio of e per SD), to show that the rule can say yes."""
    rng = np.random.default_rng(seed)
    names = [f"m{k}" for k in range(markers)]

    def share(effect: float, times: int) -> float:
        useful = 0
        for _ in range(times):
            x = rng.standard_normal((patients, markers))
            y = (rng.random(patients) < 1 / (1 + np.exp(0.6 - effect * x[:, 0]))).astype(float)
            useful += validate(Candidates.create(names, x, y), rng, bootstraps=0).useful
        return useful / times

    return {
        "phase1.noise_declared_useful": share(0.0, simulations),
        "phase1.noise_simulations": float(simulations),
        "phase1.real_marker_declared_useful": share(1.0, simulations // 10),
    }


def exposure_figures(say: Say, trials: int = 1000, seed: int = 12) -> dict[str, float]:
    """Share of patients overdosed by dose minus that by exposure, and right selections by exposure minus by dose, each
    with its 95 % interval, over four scenarios of variable exposure (CV 50 % predicted by the twin, 30 % not)."""
    prior = LogisticPrior(60, (-1.1, 0.1), ((2.25, 0.0), (0.0, 0.49)))
    plan = ExposurePlan.create(DOSES, DOSES, prior, OverdoseControl())
    cv = float(np.sqrt((1 + VARY.predicted**2) * (1 + VARY.unexplained**2) - 1))
    fewer, better, variance = [], [], np.zeros(2)
    for k, truth in enumerate(TRUTHS):
        right = int(np.argmin(np.abs(population_risks(truth, DOSES, cv) - TARGET)))
        shares, hits = [], []
        for by_exposure in (False, True):
            rng = np.random.default_rng([seed, k])
            found = conduct(plan, truth, VARY, (trials, 10, 3), rng, by_exposure=by_exposure)
            shares.append(found.overdosed / found.patients)
            hits.append((found.selected == right).astype(float))
        # Different patients are met after the first cohort: treated as independent, which is conservative.
        fewer.append(float(shares[0].mean() - shares[1].mean()))
        better.append(float(hits[1].mean() - hits[0].mean()))
        variance += [sum(s.var() for s in shares) / trials, sum(h.var() for h in hits) / trials]
        say(
            f"scenario {k + 1}: overdosed {shares[0].mean():.3f} by dose, {shares[1].mean():.3f} by exposure; "
            f"right {hits[0].mean():.3f}, {hits[1].mean():.3f}"
        )
    half = 1.96 * np.sqrt(variance) / len(TRUTHS)
    a, b = float(np.mean(fewer)), float(np.mean(better))
    return {
        "phase1.exposure_overdosed_fewer": a,
        "phase1.exposure_overdosed_fewer_low": a - float(half[0]),
        "phase1.exposure_overdosed_fewer_high": a + float(half[0]),
        "phase1.exposure_right_more": b,
        "phase1.exposure_right_more_low": b - float(half[1]),
        "phase1.exposure_right_more_high": b + float(half[1]),
    }
