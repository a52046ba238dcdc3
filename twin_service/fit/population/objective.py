"""-2 ln L by linearization and by Laplace, with the exact gradient through the inner optimum.

    FOCEI    O_i = l(eta*) + ln|Omega| + ln|H|,       H = P + B' J B,  J = sum c g g'
    FOCE     the same with the noise held at eta = 0
    Laplace  O_i = l(eta*) + ln|Omega| + ln|l_ee/2|,  l_ee = B' (sum d_ff g g' + d_f h) B + 2 P

The mode moves with the parameters: with K the matrix of the determinant, M = B K^-1 B' and w = d ln|K| / d phi,
z = l_ee^-1 B' w carries what the mode's move changes (implicit differentiation). For Laplace w needs third
derivatives; they are central differences of the exact second ones. Where the mode is not quite reached the Newton step
that is left corrects value and gradient to second order. Formulas: Almquist 2015, doi:10.1007/s10928-015-9409-1.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from twin_service.fit.population.likelihood import Terms, terms_of
from twin_service.fit.population.modes import Warm, modes
from twin_service.fit.population.prior import prior_terms
from twin_service.fit.population.problem import (
    Curvature,
    LikelihoodPoint,
    Outer,
    PopulationProblem,
    frozen_variance,
    outer_of,
    point,
)

Floats = NDArray[np.float64]
STEP = 1e-4


@dataclass(frozen=True)
class Approximation:
    """interaction: the noise follows the individual prediction. exact: the exact Hessian (Laplace)."""

    name: str
    interaction: bool = True
    exact: bool = False


FOCEI, FOCE = Approximation("FOCEI"), Approximation("FOCE", interaction=False)
LAPLACE = Approximation("Laplace", exact=True)


class ObjectiveEvaluation(NamedTuple):
    """Objective and gradient of each subject (N,), (N, len x) and what other verbs need at this point."""

    each: Floats
    gradients: Floats
    at: Outer
    eta: Floats
    state: LikelihoodPoint
    K_inverse: Floats
    prior: tuple[float, Floats]

    @property
    def value(self) -> float:
        return float(self.each.sum()) + self.prior[0]

    @property
    def gradient(self) -> Floats:
        return np.asarray(self.gradients.sum(0) + self.prior[1])


class _Frozen(NamedTuple):
    """Variances at eta = 0 and how they move: by s, and by phi there."""

    v: Floats
    vs: Floats
    v_phi: Floats


class _Bent(NamedTuple):
    """ln|K| by phi (N, p), by s (N, S), and by the frozen variances (N, n)."""

    w: Floats
    s: Floats
    v: Floats


def evaluate(
    problem: PopulationProblem, x: Floats, warm: Warm, kind: Approximation = FOCEI, *, keep: bool = True
) -> ObjectiveEvaluation:
    """Objective and exact gradient at x (all entries; fixed ones too). `keep` moves the warm start to here."""
    at = outer_of(problem, x)
    frozen = None if kind.interaction else _freeze(problem, at)
    held = None if frozen is None else frozen.v
    eta, state = modes(problem, at, warm, warm.start(x), frozen=held)
    with np.errstate(all="ignore"):
        return _assembled(problem, (at, eta, state), (warm, kind, frozen, keep))


def _assembled(
    problem: PopulationProblem,
    here: tuple[Outer, Floats, LikelihoodPoint],
    how: tuple[Warm, Approximation, _Frozen | None, bool],
) -> ObjectiveEvaluation:
    (at, eta, state), (warm, kind, frozen, keep) = here, how
    B, Omega = problem.B, at.L @ at.L.T
    K = 0.5 * state.hess if kind.exact else state.H
    Ki: Floats = np.asarray(np.linalg.inv(K), float)
    left = -np.linalg.solve(state.hess, state.grad[..., None])[..., 0]
    shift = left @ B.T
    dphi = state.dphi + np.einsum("npq,nq->np", state.dpp, shift)
    bent = _bent_exactly(problem, here, Ki) if kind.exact else _bent(B, state, Ki)
    each = state.total + 2.0 * np.log(np.diag(at.L)).sum() + np.linalg.slogdet(K)[1]
    each = each + 0.5 * (state.grad * left).sum(1) + (bent.w * shift).sum(1)
    z = np.linalg.solve(state.hess, (bent.w @ B)[..., None])[..., 0]
    moved = eta + left
    Gphi = dphi + bent.w - np.einsum("npq,nq->np", state.dpp, z @ B.T)
    Gb = np.einsum("np,npb->nb", Gphi, at.A)
    away = (z - left) @ B.T
    dps = np.einsum("snk,npk->nps", state.t.dfs, state.g)
    if frozen is None:
        Gs = state.t.ds.sum(2).T + bent.s - np.einsum("nps,np->ns", dps, away)
    else:
        # everything that depends on the noise does so through the variance at eta = 0
        slope = state.t.ds[0] + bent.v - np.einsum("nk,npk,np->nk", state.t.dfs[0], state.g, away)
        Gs = np.einsum("nk,snk->ns", slope, frozen.vs)
        Gb = Gb + np.einsum("np,npb->nb", np.einsum("nk,npk->np", slope, frozen.v_phi), at.A)
        dps = np.einsum("nk,npk,snk->nps", state.t.dfs[0], state.g, frozen.vs)
    ez = moved[:, :, None] * z[:, None, :]
    GP = moved[:, :, None] * moved[:, None, :] - Omega + Ki - ez - ez.transpose(0, 2, 1)
    Go = problem.space.pulled(-2.0 * at.P @ GP @ at.P @ at.L, at.L)
    if keep:
        _remember(problem, (at, moved, state), dps, warm)
    nothing: tuple[float, Floats] = (0.0, np.zeros(len(at.x)))
    prior = nothing if problem.prior is None else prior_terms(problem.prior, problem.space, at.x)
    return ObjectiveEvaluation(each, np.concatenate([Gb, Go, Gs], 1), at, moved, state, Ki, prior)


def _bent(B: Floats, state: LikelihoodPoint, Ki: Floats) -> _Bent:
    assert state.g is not None and state.h is not None
    t, u = state.t, (B @ Ki @ B.T) @ state.g
    q = np.einsum("npk,npk->nk", state.g, u)
    w = np.einsum("npk,nk->np", state.g, t.cf * q) + 2.0 * np.einsum("npqk,npk->nq", state.h, u * t.c[:, None])
    s = np.einsum("snk,nk->ns", t.cs, q)
    return _Bent(w, s, t.cs[0] * q if len(t.cs) else np.zeros_like(q))


def _bent_exactly(problem: PopulationProblem, here: tuple[Outer, Floats, LikelihoodPoint], Ki: Floats) -> _Bent:
    """The same for the exact Hessian: its change along each phi and each s by central differences."""
    at, eta, state = here
    p, scratch = problem.B.shape[0], Curvature(np.zeros_like(state.dpp))
    M, w = problem.B @ Ki @ problem.B.T, np.zeros_like(state.dphi)
    for k in range(p):
        sides = []
        for move in (STEP, -STEP):
            mu = at.mu.copy()
            mu[:, k] += move
            sides.append(point(problem, at._replace(mu=mu), eta, problem.everyone, scratch).dpp)
        w[:, k] = 0.5 * np.einsum("npq,npq->n", M, (sides[0] - sides[1]) / (2.0 * STEP))
    s = np.zeros((problem.size, len(at.s)))
    for k in range(len(at.s)):
        e = np.zeros(len(at.s))
        e[k] = STEP
        up, down = (_dpp(state, terms_of(problem.readings, state.f, at.s + side)) for side in (e, -e))
        s[:, k] = 0.5 * np.einsum("npq,npq->n", M, (up - down) / (2.0 * STEP))
    return _Bent(w, s, np.zeros_like(state.f))


def _dpp(state: LikelihoodPoint, t: Terms) -> Floats:
    assert state.g is not None and state.h is not None
    bend = np.einsum("npqk,nk->npq", state.h, t.df)
    return np.asarray((state.g * t.dff[:, None]) @ state.g.transpose(0, 2, 1) + bend)


def _freeze(problem: PopulationProblem, at: Outer) -> _Frozen:
    typical = problem.predict(at.mu, problem.everyone, 1)
    assert typical.g is not None
    v = frozen_variance(problem, at, typical)
    return _Frozen(v.v, v.vs, typical.g * v.v1[:, None])


def _remember(problem: PopulationProblem, here: tuple[Outer, Floats, LikelihoodPoint], dps: Floats, warm: Warm) -> None:
    """The modes and d eta / d x, for the start of the next inner search."""
    at, eta, state = here
    B = problem.B
    cross = [np.einsum("pe,npq,nqb->neb", B, state.dpp, at.A)]
    D = problem.space.slopes(at.L)
    cross.append(np.einsum("ni,kij->njk", -2.0 * eta, at.P @ D @ at.P))
    cross.append(np.einsum("pe,nps->nes", B, dps))
    slope = -np.linalg.solve(state.hess, np.concatenate(cross, 2))
    if np.isfinite(slope).all():
        warm.last, warm.eta = (at.x.copy(), slope), eta


def information(problem: PopulationProblem, e: ObjectiveEvaluation) -> Floats:
    """Expected Hessian of the objective under linearization (len x, len x): where a quasi-Newton search starts."""
    at, state, space, B = e.at, e.state, problem.space, problem.B
    b, o, s = space.spans
    W = state.J - state.J @ B @ np.linalg.inv(state.H) @ B.T @ state.J
    R = np.zeros((len(at.x),) * 2)
    R[b, b] = 2.0 * np.einsum("npb,npq,nqc->bc", at.A, W, at.A)
    X = np.einsum("nij,kjl->knil", B.T @ W @ B, space.slopes(at.L))
    R[o, o] = np.einsum("anij,bnji->ab", X, X)
    if len(at.s):
        readings = problem.readings
        # a reading equal to its prediction has d_s = (dv/ds)/v, whose square is the expected information
        ideal = replace(readings, y=state.f, censored=np.zeros_like(readings.censored))
        Y = terms_of(ideal, state.f, at.s).ds
        used = np.trace(state.J @ B @ np.linalg.inv(state.H) @ B.T, axis1=1, axis2=2)
        freed = np.maximum(1.0 - used / np.maximum(readings.seen.sum(1), 1.0), 0.1)
        R[s, s] = np.einsum("snk,tnk,n->st", Y, Y, freed)
    return R + 1e-3 * np.eye(len(R))
