"""FO: the model linearized at eta = 0, with the exact gradient.

    O_i = ln|V| + r' V^-1 r,   r = y - f,   V = G Omega G' + diag v,   G = g' B, all at eta = 0
    dO/df = -2 V^-1 r,   U = dO/dV = V^-1 - V^-1 r r' V^-1

Beal & Sheiner 1982. Only normal residuals without censoring have an FO objective.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from twin_service.fit.population.likelihood import NormalLaw
from twin_service.fit.population.prior import prior_terms
from twin_service.fit.population.problem import PopulationProblem, frozen_variance, outer_of
from twin_service.outcome import Refusal, RefusalCode

Floats = NDArray[np.float64]


def first_order(problem: PopulationProblem, x: Floats) -> tuple[Floats, Floats, tuple[float, Floats]]:
    """Objective (N,) and gradient (N, len x) of each subject, and the prior's part."""
    check_first_order(problem)
    at = outer_of(problem, x)
    f, g, h = problem.predict(at.mu, problem.everyone, 2)
    assert g is not None and h is not None
    seen, space = problem.readings.seen, problem.space
    noise = frozen_variance(problem, at, problem.predict(at.mu, problem.everyone, 0))
    G = np.einsum("npk,pe->nke", g, problem.B) * seen[:, :, None]
    # padding: unit variance and no residual, so that it adds nothing
    v = np.where(seen > 0.0, noise.v, 1.0)
    V = G @ (at.L @ at.L.T) @ G.transpose(0, 2, 1)
    V[:, np.arange(V.shape[1]), np.arange(V.shape[1])] += v
    Vi, r = np.linalg.inv(V), (problem.readings.y - f) * seen
    a = np.einsum("nij,nj->ni", Vi, r)
    each = np.linalg.slogdet(V)[1] + (r * a).sum(1)
    U = Vi - a[:, :, None] * a[:, None, :]
    own = np.einsum("nkk->nk", U) * seen
    UG = U @ G @ (at.L @ at.L.T)
    # d G[k, e] / d phi_q = sum_p h[q, p, k] B[p, e]
    through = 2.0 * np.einsum("nke,pe,nqpk->nq", UG, problem.B, h * seen[:, None, None, :])
    Gphi = -2.0 * np.einsum("nk,npk->np", a, g) + through + np.einsum("nk,npk->np", own * noise.v1, g)
    Gb = np.einsum("np,npb->nb", Gphi, at.A)
    Go = space.pulled(2.0 * G.transpose(0, 2, 1) @ U @ G @ at.L, at.L)
    Gs = np.einsum("nk,snk->ns", own, noise.vs)
    prior = (0.0, np.zeros(len(x))) if problem.prior is None else prior_terms(problem.prior, space, x)
    return each, np.concatenate([Gb, Go, Gs], 1), prior


def check_first_order(problem: PopulationProblem) -> None:
    """Refuses what FO and FOCE cannot say."""
    if not all(isinstance(law, NormalLaw) for law in problem.readings.laws) or problem.readings.censored.any():
        raise Refusal(
            RefusalCode.UNSUPPORTED,
            "FO and FOCE are for normal residuals without censored readings; use FOCEI, Laplace, IMP or SAEM",
            field="method",
            reason="METHOD_UNFIT",
        )
