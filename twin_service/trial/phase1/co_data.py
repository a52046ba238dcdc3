"""What earlier trials say about a new one: the meta-analytic predictive prior of the logistic model, by quadrature.

    (a_h, b_h) ~ N(mu, diag(tau^2)),   h = earlier trials and the new one;   mu ~ N(m, diag(s^2)),  log tau ~ N(., .)

For fixed tau the likelihood of an earlier trial in mu is its likelihood in (a, b) blurred by a Gaussian; their product
with the prior of mu, blurred again, is the prior of the new trial. tau is summed over Gauss-Hermite nodes. Nothing is
sampled. Neuenschwander, Roychoudhury & Schmidli 2016, doi:10.1080/19466315.2016.1174149
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_expit

from twin_service.trial.adjust.ancova import refuse
from twin_service.trial.phase1.dose_toxicity import DoseOutcomes, LogisticPrior, Surface, surface

FloatArray = NDArray[np.float64]
NODES_A, NODES_B, NODES_TAU, REACH = 321, 241, 5, 6.0


@dataclass(frozen=True)
class Exchangeable:
    """How alike trials are.

    mean, sd        of the normal prior of mu: log-odds at the reference dose, log slope
    tau_median, tau_spread   log-normal prior of the between-trial SD of each: median, SD of the logarithm (0: known)
    """

    reference: float
    mean: tuple[float, float]
    sd: tuple[float, float]
    tau_median: tuple[float, float]
    tau_spread: tuple[float, float] = (0.0, 0.0)


def map_prior(
    hyper: Exchangeable,
    trials: Sequence[DoseOutcomes],
    *,
    vague: LogisticPrior | None = None,
    vague_weight: float = 0.0,
) -> Surface:
    """Prior of a new trial's (a, b) given what happened in `trials`; with `vague`, mixed with that prior (robust MAP).

    Raises Refusal for spreads that are not positive, or finer than the grid can carry.
    """
    if min(*hyper.sd, *hyper.tau_median) <= 0 or min(hyper.tau_spread) < 0:
        raise refuse("hyper", "standard deviations must be positive")
    if not 0 <= vague_weight < 1 or (vague_weight > 0 and vague is None):
        raise refuse("vague_weight", "expected a share from 0 to below 1, and a vague prior when it is positive")
    wide = [float(np.hypot(hyper.sd[k], t[-1])) for k, t in enumerate(_tau_nodes(hyper))]
    a = hyper.mean[0] + np.linspace(-REACH, REACH, NODES_A) * wide[0]
    b = hyper.mean[1] + np.linspace(-REACH, REACH, NODES_B) * wide[1]
    density = _predictive(hyper, trials, a, b)
    if vague is not None and vague_weight > 0:
        density = (1 - vague_weight) * density + vague_weight * _normal_density(vague, a, b)
    with np.errstate(divide="ignore"):
        return Surface(hyper.reference, a, np.zeros(len(b)), 1.0, np.exp(b), np.maximum(np.log(density), -700.0))


def _predictive(hyper: Exchangeable, trials: Sequence[DoseOutcomes], a: FloatArray, b: FloatArray) -> FloatArray:
    """Density of the new trial's (a, b) on the grid, summing to one."""
    grid = Surface(hyper.reference, a, np.zeros(len(b)), 1.0, np.exp(b), np.zeros((len(a), len(b))))
    likelihoods = [_likelihood(grid, t) for t in trials]
    prior = np.exp(-(((a - hyper.mean[0]) / hyper.sd[0]) ** 2)[:, None] / 2) * np.exp(
        -(((b - hyper.mean[1]) / hyper.sd[1]) ** 2)[None, :] / 2
    )
    (tau_a, tau_b), total = _tau_nodes(hyper), np.zeros((len(a), len(b)))
    for ta, wa in zip(tau_a, _tau_weights(len(tau_a)), strict=True):
        blur_a = _blur(a, float(ta))
        for tb, wb in zip(tau_b, _tau_weights(len(tau_b)), strict=True):
            blur_b = _blur(b, float(tb))
            of_mu = prior.copy()
            for likelihood in likelihoods:
                of_mu *= blur_a @ likelihood @ blur_b.T
            total += wa * wb * (blur_a.T @ of_mu @ blur_b)
    return np.asarray(total / total.sum())


def _likelihood(grid: Surface, given: DoseOutcomes) -> FloatArray:
    total = np.zeros_like(grid.log_prior)
    for d, n, y in zip(given.doses, given.patients, given.toxicities, strict=True):
        odds = grid.log_odds(float(d))
        total += y * log_expit(odds) + (n - y) * log_expit(-odds)
    return np.asarray(np.exp(total - total.max()))


def _tau_nodes(hyper: Exchangeable) -> tuple[FloatArray, FloatArray]:
    x = np.polynomial.hermite_e.hermegauss(NODES_TAU)[0]

    def nodes(k: int) -> FloatArray:
        spread = hyper.tau_spread[k]
        return np.asarray(hyper.tau_median[k] * np.exp(spread * x) if spread else np.array([hyper.tau_median[k]]))

    return nodes(0), nodes(1)


def _tau_weights(count: int) -> FloatArray:
    w = np.polynomial.hermite_e.hermegauss(count)[1]
    return np.asarray(w / w.sum())


def _blur(x: FloatArray, tau: float) -> FloatArray:
    """Gaussian kernel from place (column) to place (row); the rule of even nodes needs tau above half a step."""
    if tau < 0.6 * (x[1] - x[0]):
        raise refuse(
            "tau_median", f"a between-trial SD of {tau:.3g} is finer than the grid; use {x[1] - x[0]:.2g} or more"
        )
    kernel = np.exp(-(((x[:, None] - x[None, :]) / tau) ** 2) / 2)
    return np.asarray(kernel * (x[1] - x[0]) / (tau * np.sqrt(2 * np.pi)))


def _normal_density(prior: LogisticPrior, a: FloatArray, b: FloatArray) -> FloatArray:
    surface(prior, 3, 3)  # refuses what is not a covariance
    precision = np.linalg.inv(np.asarray(prior.cov))
    da, db = (a - prior.mean[0])[:, None], (b - prior.mean[1])[None, :]
    density = np.exp(-(precision[0, 0] * da**2 + 2 * precision[0, 1] * da * db + precision[1, 1] * db**2) / 2)
    return np.asarray(density / density.sum())
