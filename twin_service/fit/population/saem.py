"""SAEM, and Monte Carlo EM by importance sampling: one M-step for both.

    E   draws of eta given the data: Metropolis chains (SAEM) or weighted draws around the modes (IMP)
    M   beta: least squares of mean phi where effects add to it, Newton steps on the expected score otherwise
        Omega: mean of eta eta' within its pattern      residual log SDs: Newton steps on the expected score
    SAEM averages the statistics with gain 1, then 1/k (Kuhn & Lavielle 2005, doi:10.1016/j.csda.2004.07.033)

The spread may fall by at most 5 % an iteration during the first half of the exploration (simulated annealing).
The objective of the result is evaluated by importance sampling.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from twin_service.fit.population.likelihood import terms_of
from twin_service.fit.population.marginal import EffectDraws, sampled
from twin_service.fit.population.modes import Warm
from twin_service.fit.population.problem import Outer, PopulationProblem, joint, outer_of
from twin_service.outcome import OK, Outcome, Verdict
from twin_service.solver.tolerances import Deadline

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class StochasticOptions:
    """explore: iterations with gain 1; settle: with gain 1/k; chains of every subject; sweeps per iteration."""

    explore: int = 300
    settle: int = 200
    chains: int = 3
    seed: int = 1
    draws: int = 300
    deadline: Deadline = field(default_factory=Deadline)


class Sampled(NamedTuple):
    """x, the path of x by iteration, and the verdict."""

    x: Floats
    path: Floats
    outcome: Outcome


class _Statistics(NamedTuple):
    """Averages over draws: phi less its fixed part (N, ne), eta eta' summed (ne, ne), scores and informations."""

    eta: Floats
    square: Floats
    score_s: Floats
    info_s: Floats
    score_b: Floats
    info_b: Floats


def saem(problem: PopulationProblem, start: Floats, options: StochasticOptions = StochasticOptions()) -> Sampled:
    """Estimates by stochastic approximation; `path` is for the picture of convergence."""
    rng, x = np.random.default_rng(options.seed), np.array(start, float)
    who = np.tile(problem.everyone, options.chains)
    eta = np.zeros((len(who), problem.B.shape[1]))
    width, kept = np.full(problem.B.shape[1], 0.6), None
    path: list[Floats] = []
    total = options.explore + options.settle
    for it in range(total):
        if options.deadline.expired:
            return Sampled(x, np.array(path), Outcome(Verdict.CANCELLED, f"after {it} of {total} iterations"))
        at = outer_of(problem, x)
        eta, width = _sweeps(problem, at, (eta, who), width, rng)
        gain = 1.0 if it < options.explore else 1.0 / (it - options.explore + 1.0)
        new = _statistics(problem, at, eta, who, np.full(len(who), 1.0 / options.chains))
        kept = new if kept is None else _Statistics(*(a + gain * (b - a) for a, b in zip(kept, new, strict=True)))
        moved = _maximized(problem, at, kept, annealed=it < options.explore // 2)
        # the draws keep their individual parameters while the typical ones move under them
        shift = _shift(problem, at, outer_of(problem, moved))
        eta, kept = eta - shift[who], kept._replace(eta=kept.eta - shift)
        x = moved
        path.append(x)
    return Sampled(x, np.array(path), OK)


def importance_em(
    problem: PopulationProblem, start: Floats, options: StochasticOptions = StochasticOptions()
) -> Sampled:
    """EM whose expectation is by importance sampling; the last half of the iterations is averaged."""
    rng, x, warm = np.random.default_rng(options.seed), np.array(start, float), Warm.cold(problem)
    path: list[Floats] = []
    total = max(10, (options.explore + options.settle) // 10)
    for it in range(total):
        if options.deadline.expired:
            return Sampled(x, np.array(path), Outcome(Verdict.CANCELLED, f"after {it} of {total} iterations"))
        warm.eta, warm.last = np.zeros_like(warm.eta) if it < 3 else warm.eta, None
        _, cloud = sampled(problem, x, warm, rng, options.draws)
        at = outer_of(problem, x)
        x = _maximized(problem, at, _of_cloud(problem, at, cloud), annealed=False)
        path.append(x)
    return Sampled(np.mean(path[total // 2 :], axis=0), np.array(path), OK)


def _of_cloud(problem: PopulationProblem, at: Outer, cloud: EffectDraws) -> _Statistics:
    m, n, ne = cloud.eta.shape
    return _statistics(problem, at, cloud.eta.reshape(-1, ne), np.tile(problem.everyone, m), cloud.weight.ravel())


def _sweeps(
    problem: PopulationProblem, at: Outer, now: tuple[Floats, NDArray[np.intp]], width: Floats, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Two proposals from the prior, one walk in all effects, one in each; widths aim at 40 % accepted."""
    eta, who = now
    value = joint(problem, at, eta, who)
    ne, width, sd = eta.shape[1], width.copy(), np.sqrt((at.L**2).sum(1))
    kernels: list[int] = [-2, -2, -1, *range(ne)]
    for kernel in kernels:
        z = rng.standard_normal(eta.shape)
        if kernel == -2:
            new = z @ at.L.T
        elif kernel == -1:
            new = eta + z * sd * width / np.sqrt(ne)
        else:
            new = eta.copy()
            new[:, kernel] += z[:, kernel] * sd[kernel] * width[kernel]
        ln = joint(problem, at, new, who)
        odds = 0.5 * (value - ln)
        if kernel == -2:  # proposed from the prior: its density cancels
            odds = odds - 0.5 * _quadratic(eta, at.P) + 0.5 * _quadratic(new, at.P)
        ok = np.log(rng.random(len(value))) < odds
        eta[ok], value[ok] = new[ok], ln[ok]
        if kernel >= 0:
            width[kernel] *= 1.0 + 0.4 * (ok.mean() - 0.4)
    return eta, width


def _quadratic(eta: Floats, P: Floats) -> Floats:
    return np.asarray(np.einsum("ni,ij,nj->n", eta, P, eta))


def _statistics(
    problem: PopulationProblem, at: Outer, eta: Floats, who: NDArray[np.intp], weight: Floats
) -> _Statistics:
    """`weight` sums to 1 over the draws of each subject."""
    n, ne = problem.size, eta.shape[1]
    mean = np.zeros((n, ne))
    np.add.at(mean, who, weight[:, None] * eta)
    square = np.einsum("n,ni,nj->ij", weight, eta, eta)
    lonely = _lonely(problem, at)
    order = 1 if lonely.any() else 0
    predicted = problem.predict(at.mu[who] + eta @ problem.B.T, who, order)
    t = terms_of(problem.readings.rows(who), predicted.f, at.s)
    score_s = np.einsum("snk,n->s", t.ds, weight)
    # E[d_s d_t] / 2 under a normal law: the information of log standard deviations, 2 for each reading of one size
    ideal = problem.readings.rows(who)
    ideal = type(ideal)(predicted.f, ideal.seen, ideal.law, np.zeros_like(ideal.censored), ideal.laws)
    Y = terms_of(ideal, predicted.f, at.s).ds
    info_s = np.einsum("snk,tnk,n->st", Y, Y, weight)
    nb = at.A.shape[2]
    score_b, info_b = np.zeros(nb), np.zeros((nb, nb))
    if order:
        assert predicted.g is not None
        A = at.A[who] * lonely
        dphi = np.einsum("npk,nk->np", predicted.g, t.df)
        J = (predicted.g * t.c[:, None]) @ predicted.g.transpose(0, 2, 1)
        score_b = np.einsum("n,np,npb->b", weight, dphi, A)
        info_b = 2.0 * np.einsum("n,npb,npq,nqc->bc", weight, A, J, A)
    return _Statistics(mean, square, score_s, info_s, score_b, info_b)


def _lonely(problem: PopulationProblem, at: Outer) -> NDArray[np.bool_]:
    """Free entries of beta that no effect follows: their scores are needed."""
    followed = np.abs(problem.B).sum(1) > 0.0
    reached = np.einsum("npb,p->b", np.abs(at.A), followed.astype(float)) > 0.0
    free = np.array([n not in problem.space.fixed for n in problem.space.beta])
    return np.asarray(~reached & free)


def _maximized(problem: PopulationProblem, at: Outer, k: _Statistics, *, annealed: bool) -> Floats:
    space, n = problem.space, problem.size
    beta_span = space.spans[0]
    fixed = np.array([name in space.fixed for name in space.names])
    AB = np.einsum("pe,npb->neb", problem.B, at.A)
    lhs = np.einsum("neb,ef,nfc->bc", AB, at.P, AB)
    move = np.linalg.pinv(lhs, rcond=1e-10) @ np.einsum("neb,ef,nf->b", AB, at.P, k.eta)
    lonely = _lonely(problem, at)
    if lonely.any():
        part = np.ix_(lonely, lonely)
        move[lonely] = -np.linalg.solve(k.info_b[part] + 1e-8 * np.eye(int(lonely.sum())), k.score_b[lonely])
    move = np.clip(np.where(fixed[beta_span], 0.0, move), -1.0, 1.0)
    shift = AB @ move
    # E (eta - shift)(eta - shift)'
    cross = np.einsum("ni,nj->ij", k.eta, shift)
    omega = (k.square - cross - cross.T + np.einsum("ni,nj->ij", shift, shift)) / n
    if annealed:
        old = at.L @ at.L.T
        least = 0.95 * np.diag(old)
        raised = np.maximum(np.diag(omega), least)
        factor = np.sqrt(raised / np.maximum(np.diag(omega), 1e-300))
        omega = omega * np.outer(factor, factor)
    s = at.s.copy()
    if len(s):
        s = s - np.clip(np.linalg.solve(k.info_s + 1e-9 * np.eye(len(s)), k.score_s), -0.5, 0.5)
        if annealed:
            s = np.maximum(s, at.s + 0.5 * np.log(0.95))
    new = space.joined(at.beta + move, omega, s)
    return np.where(fixed, at.x, new)


def _shift(problem: PopulationProblem, old: Outer, new: Outer) -> Floats:
    """How far eta must go for phi to stay while mu moves, (N, ne)."""
    return np.asarray((new.mu - old.mu) @ np.linalg.pinv(problem.B.T))
