"""Borrowing for endpoints that are means or log rates: meta-analytic priors as normal mixtures, power and commensurate.

    y_j ~ N(theta_j, s_j^2),  theta_j ~ N(mu, tau^2),  mu ~ N(0, s_mu^2),  tau ~ half-normal

Given tau everything is normal, so the prior of a new theta is a mixture over a grid of tau, exact but for the grid. Log
rates (Poisson, exponential) enter by quadrature of their likelihood. Power prior: history's likelihood to the power a.
Commensurate: theta_new ~ N(theta_old, 1/tau), tau ~ Gamma. Schmidli 2014, doi:10.1111/biom.12242; Ibrahim & Chen 2000,
doi:10.1214/ss/1009212673; Hobbs 2011, doi:10.1111/j.1541-0420.2011.01564.x
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from scipy.special import logsumexp
from scipy.stats import gamma, norm

from twin_service.trial.adjust.ancova import refuse

FloatArray = NDArray[np.float64]
GRID = 400


@dataclass(frozen=True)
class NormalMixture:
    """sum_k w_k N(m_k, s_k^2); arrays (k,)."""

    weights: FloatArray
    means: FloatArray
    sds: FloatArray

    @classmethod
    def create(cls, components: Sequence[tuple[float, float, float]]) -> NormalMixture:
        """From (weight, mean, sd). Raises Refusal unless weights sum to 1 and SDs are positive."""
        w, m, s = (np.array(v, dtype=np.float64) for v in zip(*components, strict=True))
        if abs(w.sum() - 1) > 1e-6 or np.any(w < 0) or np.any(s <= 0):
            raise refuse("components", "expected weights that sum to 1 and positive SDs")
        return cls(w / w.sum(), m, s)

    @property
    def mean(self) -> float:
        return float(self.weights @ self.means)

    @property
    def sd(self) -> float:
        return float(np.sqrt(self.weights @ (self.sds**2 + self.means**2) - self.mean**2))

    def cdf(self, x: ArrayLike) -> FloatArray:
        return np.asarray(norm.cdf(np.asarray(x)[..., None], self.means, self.sds) @ self.weights)

    def quantile(self, share: float) -> float:
        reach = 12 * float(self.sds.max()) + float(np.ptp(self.means))
        return float(brentq(lambda x: float(self.cdf(x)) - share, self.mean - reach, self.mean + reach, xtol=1e-12))

    def updated(self, mean: float, se: float) -> NormalMixture:
        """The posterior after an estimate `mean` with standard error `se`."""
        v = 1 / (1 / self.sds**2 + 1 / se**2)
        m = v * (self.means / self.sds**2 + mean / se**2)
        log_w = np.log(np.maximum(self.weights, 1e-300)) + norm.logpdf(mean, self.means, np.hypot(self.sds, se))
        return NormalMixture(np.exp(log_w - logsumexp(log_w)), m, np.sqrt(v))

    def robust(self, weight: float, mean: float, sd: float) -> NormalMixture:
        """With a vague component N(mean, sd^2) of `weight`."""
        if not 0 <= weight <= 1 or not sd > 0:
            raise refuse("weight", "expected a weight between 0 and 1 and a positive SD")
        return NormalMixture(
            np.append(self.weights * (1 - weight), weight), np.append(self.means, mean), np.append(self.sds, sd)
        )

    def patients_by_information(self, sigma: float) -> float:
        """ELIR: sigma^2 E[-(log prior)''], finite for every normal mixture. Neuenschwander 2020,
        doi:10.1111/biom.13252"""
        reach = 10 * self.sds
        x = np.concatenate([np.linspace(m - r, m + r, 4001) for m, r in zip(self.means, reach, strict=True)])
        x = np.unique(x)
        u = (x[:, None] - self.means) / self.sds
        log_d = np.log(self.weights) - 0.5 * u**2 - np.log(self.sds) - 0.5 * np.log(2 * np.pi)
        total = logsumexp(log_d, axis=1)
        share = np.exp(log_d - total[:, None])
        slope = np.sum(share * (-u / self.sds), axis=1)
        second = np.sum(share * (u**2 - 1) / self.sds**2, axis=1) - slope**2
        return float(sigma**2 * np.trapezoid(np.exp(total) * -second, x))


class MeanHistory(NamedTuple):
    """prior of a new theta, and mean of tau."""

    prior: NormalMixture
    tau: float


def normal_map(means: ArrayLike, errors: ArrayLike, *, tau_scale: float, mean_scale: float) -> MeanHistory:
    """The predictive distribution of a new group's mean. Raises Refusal for errors or scales that are not positive."""
    y, s = np.asarray(means, dtype=np.float64), np.asarray(errors, dtype=np.float64)
    if y.shape != s.shape or not len(y) or np.any(s <= 0) or not (tau_scale > 0 and mean_scale > 0):
        raise refuse("history", "expected one positive standard error a group, and positive scales")
    tau = (np.arange(GRID) + 0.5) / GRID * 5 * tau_scale
    v = s[None, :] ** 2 + tau[:, None] ** 2
    precision = 1 / mean_scale**2 + np.sum(1 / v, axis=1)
    mu = np.sum(y / v, axis=1) / precision
    log_post = -0.5 * (tau / tau_scale) ** 2 - 0.5 * np.sum(np.log(v), axis=1) - 0.5 * np.log(precision)
    log_post += 0.5 * (mu**2 * precision - np.sum(y**2 / v, axis=1))
    w = np.exp(log_post - logsumexp(log_post))
    keep = w > 1e-9
    mixture = NormalMixture(w[keep] / w[keep].sum(), mu[keep], np.sqrt(1 / precision[keep] + tau[keep] ** 2))
    return MeanHistory(mixture, float(w @ tau))


def rate_map(events: ArrayLike, exposure: ArrayLike, *, tau_scale: float, mean_scale: float = 2.0) -> MeanHistory:
    """The same for log rates of Poisson counts or exponential times; log likelihoods as normal in log rate, which is
    close from about five events a group on. Raises Refusal for a group without an event."""
    d, t = np.asarray(events, dtype=np.float64), np.asarray(exposure, dtype=np.float64)
    if np.any(d < 1) or np.any(t <= 0):
        raise refuse("history", "each group needs an event and exposure; join groups that have none")
    center = float(np.log(d.sum() / t.sum()))
    found = normal_map(np.log(d / t) - center, 1 / np.sqrt(d), tau_scale=tau_scale, mean_scale=mean_scale)
    p = found.prior
    return MeanHistory(NormalMixture(p.weights, p.means + center, p.sds), found.tau)


class Rates(NamedTuple):
    """Events and exposure of the treated, the trial's controls and the controls from outside."""

    treated: tuple[float, float]
    control: tuple[float, float]
    outside: tuple[float, float]


class HazardRatio(NamedTuple):
    median: float
    mean: float
    sd: float
    low: float
    high: float
    effective_events: float


def power_prior_ratio(rates: Rates, power: float) -> HazardRatio:
    """Exponential times, history to the power `power`: control rate (d0 + a d_ext)/(t0 + a t_ext); error of log HR."""
    if not 0 <= power <= 1:
        raise refuse("power", f"{power:g}; expected between 0 and 1")
    (d1, t1), (d0, t0), (de, te) = rates
    events, exposure = d0 + power * de, t0 + power * te
    log_hr = float(np.log((d1 / t1) / (events / exposure)))
    se = float(np.sqrt(1 / d1 + 1 / events))
    hr = float(np.exp(log_hr))
    mean = float(np.exp(log_hr + se**2 / 2))
    sd = mean * float(np.sqrt(np.expm1(se**2)))
    return HazardRatio(hr, mean, sd, float(np.exp(log_hr - 1.96 * se)), float(np.exp(log_hr + 1.96 * se)), events)


def commensurate_ratio(rates: Rates, *, shape: float = 0.001, rate: float = 0.001) -> HazardRatio:
    """Exponential times; log control rate ~ N(log outside rate, 1/tau), tau ~ Gamma(shape, rate); by quadrature."""
    (d1, t1), (d0, t0), (de, te) = rates
    se_old = 1 / np.sqrt(de)
    old = np.log(de / te)
    a = np.linspace(np.log(d0 / t0) - 8 / np.sqrt(d0), np.log(d0 / t0) + 8 / np.sqrt(d0), 2001)
    log_like = d0 * a - t0 * np.exp(a)
    # tau on a logarithmic grid: its prior has most of its mass near 0 and a long tail.
    log_tau = np.linspace(np.log(1e-4), np.log(1e5), 600)
    tau = np.exp(log_tau)
    log_prior = gamma.logpdf(tau, shape, scale=1 / rate) + log_tau
    joint = log_prior[:, None] + norm.logpdf(a[None, :], old, np.sqrt(1 / tau + se_old**2)[:, None])
    log_post = log_like + logsumexp(joint, axis=0)
    w = np.exp(log_post - logsumexp(log_post))
    mean = float(w @ a)
    variance = float(w @ (a - mean) ** 2)
    # log treated rate: gamma likelihood, flat prior on its logarithm.
    b = np.linspace(np.log(d1 / t1) - 8 / np.sqrt(d1), np.log(d1 / t1) + 8 / np.sqrt(d1), 2001)
    v = np.exp(d1 * b - t1 * np.exp(b) - (d1 * np.log(d1 / t1) - d1))
    v /= v.sum()
    grid = np.linspace(b[0] - a[-1], b[-1] - a[0], 4001)
    cdf_a = np.cumsum(w)
    cdf = np.array([v @ (1 - np.interp(b - g, a, cdf_a, left=0.0, right=1.0)) for g in grid])
    low, middle, high = (float(np.exp(np.interp(q, cdf, grid))) for q in (0.025, 0.5, 0.975))
    first = float((v @ np.exp(b)) * (w @ np.exp(-a)))
    second = float((v @ np.exp(2 * b)) * (w @ np.exp(-2 * a)))
    return HazardRatio(middle, first, float(np.sqrt(second - first**2)), low, high, 1 / variance)


def normal_success(
    treated: NormalMixture,
    control: NormalMixture,
    *,
    patients: tuple[int, int],
    sigma: float,
    truth: tuple[float, float],
    rules: Sequence[tuple[float, float]],
) -> float:
    """Chance that P(theta_1 - theta_0 > margin) exceeds its threshold for every rule (margin, threshold), exactly for
    single-component priors and by Gauss-Hermite quadrature over both sample means otherwise."""
    z, wz = np.polynomial.hermite_e.hermegauss(120)
    wz = wz / wz.sum()
    se = sigma / np.sqrt(patients[0]), sigma / np.sqrt(patients[1])
    total = 0.0
    for z0, w0 in zip(z, wz, strict=True):
        c = control.updated(truth[1] + se[1] * float(z0), se[1])
        total += float(w0) * _beyond(treated, c, se[0], truth[0], rules)
    return total


def _beyond(
    treated: NormalMixture, control: NormalMixture, se: float, truth: float, rules: Sequence[tuple[float, float]]
) -> float:
    """Chance that the treated mean is high enough, given the control posterior: the rules hold above one point."""

    def holds(y: float) -> float:
        t = treated.updated(y, se)
        gaps = [
            float(
                np.sum(
                    np.outer(t.weights, control.weights)
                    * norm.sf((margin - np.subtract.outer(t.means, control.means)) / np.hypot.outer(t.sds, control.sds))
                )
            )
            - threshold
            for margin, threshold in rules
        ]
        return min(gaps)

    low, high = truth - 12 * se, truth + 12 * se
    if holds(low) > 0:
        return 1.0
    if holds(high) < 0:
        return 0.0
    return float(norm.sf((float(brentq(holds, low, high, xtol=1e-6 * se)) - truth) / se))
