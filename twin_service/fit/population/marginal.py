"""The marginal -2 ln L itself: by adaptive Gauss-Hermite quadrature and by importance sampling around the modes.

    -2 ln L_i = -2 ln int exp(-l(eta)/2) d eta + ln|Omega| + n_eta ln 2 pi
    quadrature   eta = eta* + C z sqrt 2,  C C' = K^-1, z Gauss-Hermite nodes in each direction
    sampling     eta = eta* + C t, t Student (5 degrees) in blocks; the Monte Carlo error of -2 ln L is returned

One node is Laplace's approximation (with K = H: FOCEI). Pinheiro & Bates 1995, doi:10.1080/10618600.1995.10474663.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

from twin_service.fit.population.modes import Warm, modes
from twin_service.fit.population.prior import prior_terms
from twin_service.fit.population.problem import Outer, PopulationProblem, joint, outer_of

Floats = NDArray[np.float64]
DEGREES = 5.0
LANES = 60_000


class Integral(NamedTuple):
    """-2 ln L of each subject, its Monte Carlo standard error (0 for quadrature), and effective draws of each."""

    each: Floats
    error: float
    effective: Floats
    prior: float

    @property
    def value(self) -> float:
        return float(self.each.sum()) + self.prior


class EffectDraws(NamedTuple):
    """Weighted draws of every subject's effects: eta (M, N, ne), weights (M, N) that sum to 1 over M."""

    eta: Floats
    weight: Floats


def quadrature(problem: PopulationProblem, x: Floats, warm: Warm, nodes: int = 5, *, exact: bool = False) -> Integral:
    """`nodes` in each of the effects' directions; `exact` takes K from the exact Hessian instead of Fisher's."""
    at = outer_of(problem, x)
    eta, state = modes(problem, at, warm, warm.start(x))
    warm.eta, warm.last = eta, None
    K = 0.5 * state.hess if exact else state.H
    C = np.linalg.cholesky(np.linalg.inv(K))
    z1, w1 = np.polynomial.hermite.hermgauss(nodes)
    ne = problem.B.shape[1]
    z = np.stack(np.meshgrid(*[z1] * ne, indexing="ij"), -1).reshape(-1, ne)
    lw = np.stack(np.meshgrid(*[np.log(w1)] * ne, indexing="ij"), -1).reshape(-1, ne).sum(1)
    values = np.stack([joint(problem, at, eta + np.sqrt(2.0) * (C @ point), problem.everyone) for point in z])
    terms = -0.5 * values + (z * z).sum(1)[:, None] + lw[:, None]
    top = terms.max(0)
    log_sum = top + np.log(np.exp(terms - top).sum(0))
    each = -2.0 * (log_sum + 0.5 * ne * np.log(2.0) - 0.5 * np.linalg.slogdet(K)[1]) + _constant(at, ne)
    prior = 0.0 if problem.prior is None else prior_terms(problem.prior, problem.space, x)[0]
    return Integral(each, 0.0, np.full(problem.size, np.inf), prior)


def sampled(
    problem: PopulationProblem, x: Floats, warm: Warm, rng: np.random.Generator, draws: int = 1000
) -> tuple[Integral, EffectDraws]:
    """Importance sampling with `draws` for each subject, half of them the mirror images of the others."""
    at = outer_of(problem, x)
    eta, state = modes(problem, at, warm, warm.start(x))
    warm.eta, warm.last = eta, None
    ne, n, half = problem.B.shape[1], problem.size, max(1, draws // 2)
    C = np.linalg.cholesky(np.linalg.inv(state.H))
    normal = rng.standard_normal((half, n, ne))
    scale = np.sqrt(DEGREES / rng.chisquare(DEGREES, (half, n, 1)))
    t = np.concatenate([normal * scale, -normal * scale])
    points = eta + np.einsum("nij,mnj->mni", C, t)
    joint_values = _in_blocks(problem, at, points)
    lq = _student(t, ne) - np.log(np.abs(np.einsum("nii->ni", C))).sum(1)
    log_ratio = -0.5 * joint_values - lq
    top = log_ratio.max(0)
    u = np.exp(log_ratio - top)
    mean = u.mean(0)
    each = -2.0 * (top + np.log(mean)) + _constant(at, ne)
    # mirror images are not independent: the error is taken over pairs
    pairs = 0.5 * (u[:half] + u[half:])
    error = 2.0 * float(np.sqrt((pairs.var(0) / mean**2 / half).sum()))
    weight = u / u.sum(0)
    prior = 0.0 if problem.prior is None else prior_terms(problem.prior, problem.space, x)[0]
    return Integral(each, error, 1.0 / (weight**2).sum(0), prior), EffectDraws(points, weight)


def _in_blocks(problem: PopulationProblem, at: Outer, points: Floats) -> Floats:
    m, n, ne = points.shape
    per = max(1, LANES // n)
    parts = []
    for k in range(0, m, per):
        some = points[k : k + per]
        who = np.tile(problem.everyone, len(some))
        parts.append(joint(problem, at, some.reshape(-1, ne), who).reshape(len(some), n))
    return np.concatenate(parts)


def _student(t: Floats, ne: int) -> Floats:
    """ln density of a spherical Student t with DEGREES, (...,)."""
    q = (t * t).sum(-1)
    constant = gammaln(0.5 * (DEGREES + ne)) - gammaln(0.5 * DEGREES) - 0.5 * ne * np.log(DEGREES * np.pi)
    return np.asarray(constant - 0.5 * (DEGREES + ne) * np.log1p(q / DEGREES))


def _constant(at: Outer, ne: int) -> float:
    """ln|Omega| + n_eta ln 2 pi"""
    return float(2.0 * np.log(np.diag(at.L)).sum() + ne * np.log(2.0 * np.pi))
