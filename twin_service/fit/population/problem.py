"""A population problem as the estimators see it, and one evaluation of all subjects at once.

    phi_i = mu_i(beta) + B eta_i,   eta_i ~ N(0, Omega),   f_i = predict(phi_i)
    l_i(eta) = sum d + eta' P eta,  P = Omega^-1           (-2 ln of the joint density without constants)

phi holds the coordinates the structural model depends on (mostly log individual parameters). Only f and its first and
second derivatives with respect to phi are asked of a model; how they are found (closed form or engine) is its matter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from twin_service.fit.population.likelihood import NormalLaw, Readings, Terms, Variance, normal_terms, terms_of
from twin_service.fit.population.parameters import ParameterSpace
from twin_service.fit.population.prior import PopulationPrior

Floats = NDArray[np.float64]
Who = NDArray[np.intp]


class PredictedReadings(NamedTuple):
    """f (N, n), g = df/dphi (N, p, n), h = d2f/dphi2 (N, p, p, n); None where not asked for."""

    f: Floats
    g: Floats | None = None
    h: Floats | None = None


class StructuralModel(Protocol):
    """Predictions of subjects `who` (which may repeat) at phi (len(who), p); `order` of derivatives 0, 1 or 2."""

    @property
    def costly(self) -> bool: ...
    def __call__(self, phi: Floats, who: Who, order: int) -> PredictedReadings: ...


class TypicalModel(Protocol):
    """mu (N, p) and its derivative A (N, p, nb) at beta."""

    def __call__(self, beta: Floats) -> tuple[Floats, Floats]: ...


@dataclass(frozen=True)
class PopulationProblem:
    """Everything an estimator needs. B (p, ne) maps effects to phi; handles name phi."""

    ids: tuple[str, ...]
    readings: Readings
    predict: StructuralModel
    typical: TypicalModel
    B: Floats
    space: ParameterSpace
    handles: tuple[str, ...]
    everyone: Who
    prior: PopulationPrior | None = None

    @property
    def size(self) -> int:
        return len(self.ids)


class Outer(NamedTuple):
    """x taken apart, with what depends on it alone."""

    x: Floats
    beta: Floats
    L: Floats
    P: Floats
    s: Floats
    mu: Floats
    A: Floats


class LikelihoodPoint(NamedTuple):
    """One evaluation of `who`: l (N,) as `total`, its gradient and Hessian in eta, and the pieces they are made of."""

    total: Floats
    grad: Floats
    hess: Floats
    H: Floats
    dphi: Floats
    dpp: Floats
    J: Floats
    f: Floats
    g: Floats
    h: Floats | None
    t: Terms


def outer_of(problem: PopulationProblem, x: Floats) -> Outer:
    beta, _, s = (x[span] for span in problem.space.spans)
    L = problem.space.root(x)
    inverse = np.linalg.inv(L)
    mu, A = problem.typical(beta)
    return Outer(x, beta, L, inverse.T @ inverse, s, mu, A)


@dataclass
class Curvature:
    """sum d_f h of each subject as last evaluated: what a first-order inner search keeps frozen. (N, p, p)"""

    last: Floats
    frozen: Floats | None = None


def point(
    problem: PopulationProblem,
    at: Outer,
    eta: Floats,
    who: Who,
    curve: Curvature,
    *,
    order: int = 2,
    frozen: Floats | None = None,
) -> LikelihoodPoint:
    """Joint objective and derivatives; `frozen` (N, n) variances hold the noise where it is (FOCE)."""
    everyone = who is problem.everyone
    mu = at.mu if everyone else at.mu[who]
    f, g, h = problem.predict(mu + eta @ problem.B.T, who, order)
    readings = problem.readings if everyone else problem.readings.rows(who)
    t = terms_of(readings, f, at.s) if frozen is None else frozen_terms(readings, f, at.s, frozen[who])
    assert g is not None
    dphi = np.einsum("npk,nk->np", g, t.df)
    gt = g.transpose(0, 2, 1)
    dpp = (g * t.dff[:, None]) @ gt
    if h is not None:
        curve.last[who] = np.einsum("npqk,nk->npq", h, t.df)
    dpp = dpp + curve.last[who]
    J = (g * t.c[:, None]) @ gt
    B, P = problem.B, at.P
    with np.errstate(invalid="ignore", over="ignore"):
        total = t.d.sum(1) + np.einsum("ni,ij,nj->n", eta, P, eta)
    total = np.where(np.isfinite(total), total, np.inf)
    return LikelihoodPoint(
        total, dphi @ B + 2.0 * eta @ P, B.T @ dpp @ B + 2.0 * P, B.T @ J @ B + P, dphi, dpp, J, f, g, h, t
    )


def joint(problem: PopulationProblem, at: Outer, eta: Floats, who: Who) -> Floats:
    """l alone (N,), from predictions without derivatives."""
    f = problem.predict(at.mu[who] + eta @ problem.B.T, who, 0).f
    t = terms_of(problem.readings.rows(who), f, at.s)
    with np.errstate(invalid="ignore", over="ignore"):
        total = t.d.sum(1) + np.einsum("ni,ij,nj->n", eta, at.P, eta)
    return np.where(np.isfinite(total), total, np.inf)


def frozen_variance(problem: PopulationProblem, at: Outer, predicted: PredictedReadings) -> Variance:
    """Variances at eta = 0 (N, n) with their derivatives by f and s; refuses laws that have none."""
    f, readings = predicted.f, problem.readings
    v, v1 = np.ones_like(f), np.zeros_like(f)
    vs = np.zeros((readings.sizes, *f.shape))
    for k, (law, span) in enumerate(zip(readings.laws, readings.spans, strict=True)):
        mine = (readings.law == k) & (readings.seen > 0.0)
        assert isinstance(law, NormalLaw), "FOCE without interaction is for normal residuals"
        own = law.variance(f, at.s[span])
        v, v1 = np.where(mine, own.v, v), np.where(mine, own.v1, v1)
        vs[span] = np.where(mine, own.vs, 0.0)
    return Variance(v, v1, np.zeros_like(v), vs, np.zeros_like(vs))


def frozen_terms(readings: Readings, f: Floats, s: Floats, v: Floats) -> Terms:
    """Terms with the variance held at v; their one `s` is v itself, so that the caller may chain it."""
    flat = np.zeros_like(f)
    t = normal_terms(readings.y, readings.censored, f, Variance(v, flat, flat, np.ones((1, *f.shape)), flat[None]))
    return Terms(*(np.where(readings.seen > 0.0, x, 0.0) for x in t))
