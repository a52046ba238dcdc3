"""The most probable effects of every subject at once: Newton steps with a halving of its own for each subject.

The exact Hessian is used where it is positive, Fisher's information otherwise; only subjects that are not done are
evaluated again. A costly model (differential equations) is searched with first derivatives, the second-order part of
the Hessian being kept from the last outer point.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from twin_service.fit.population.problem import Curvature, LikelihoodPoint, Outer, PopulationProblem, Who, point

Floats = NDArray[np.float64]
ITERATIONS, HALVINGS = 60, 25
STEP_SD = 3.0
"""Longest inner step in units of the prior's standard deviation."""


@dataclass
class Warm:
    """What one search of outer parameters carries from point to point: the modes and how they move with x."""

    eta: Floats
    curve: Curvature
    last: tuple[Floats, Floats] | None = None
    tolerance: float = 1e-8
    evaluations: int = 0
    seconds: dict[str, float] = field(default_factory=dict)

    @classmethod
    def cold(cls, problem: PopulationProblem) -> Warm:
        n, (p, ne) = problem.size, problem.B.shape
        return cls(np.zeros((n, ne)), Curvature(np.zeros((n, p, p))))

    def start(self, x: Floats) -> Floats:
        """Where to search from: the modes moved to first order with the outer parameters."""
        if self.last is None:
            return self.eta
        x0, slope = self.last
        move = slope @ (x - x0)
        return self.eta + move if np.abs(move).max(initial=0.0) < 1.0 else self.eta


def modes(
    problem: PopulationProblem, at: Outer, warm: Warm, eta: Floats, *, frozen: Floats | None = None, full: bool = True
) -> tuple[Floats, LikelihoodPoint]:
    """Modes (N, ne) from `eta`, and the evaluation there (with second derivatives if `full`)."""
    everyone, eta = problem.everyone, eta.copy()
    order = 1 if problem.predict.costly else 2
    state = point(problem, at, eta, everyone, warm.curve, order=order, frozen=frozen)
    warm.evaluations += problem.size
    active = everyone
    for _ in range(ITERATIONS if problem.B.shape[1] else 0):
        active, step, fall = _newton(at, state, active, warm.tolerance)
        if not len(active):
            break
        active = _halve(problem, at, warm, (eta, state), (active, step, fall), frozen)
        if not len(active):
            break
    if order == 1 and full:
        state = point(problem, at, eta, everyone, warm.curve, order=2, frozen=frozen)
    return eta, state


def _newton(at: Outer, state: LikelihoodPoint, active: Who, tolerance: float) -> tuple[Who, Floats, Floats]:
    """Subjects whose joint objective should still fall, their steps and the expected falls."""
    hess, grad = state.hess[active], state.grad[active]
    usable = np.isfinite(hess).all((1, 2)) & np.isfinite(grad).all(1) & np.isfinite(state.total[active])
    active, hess, grad = active[usable], hess[usable], grad[usable]
    if not len(active):
        return active, grad, grad
    least = np.linalg.eigvalsh(hess)[:, 0]
    poor = least <= 1e-3 * np.trace(at.P) / len(at.P)
    if poor.any():
        hess = np.where(poor[:, None, None], 2.0 * state.H[active], hess)
    step = -np.linalg.solve(hess, grad[..., None])[..., 0]
    fall = -(grad * step).sum(1)
    go = fall >= tolerance
    return active[go], step[go], fall[go]


def _halve(
    problem: PopulationProblem,
    at: Outer,
    warm: Warm,
    now: tuple[Floats, LikelihoodPoint],
    plan: tuple[Who, Floats, Floats],
    frozen: Floats | None,
) -> Who:
    """Move each subject along its step until its objective falls; `now` is updated in place. Returns who moved."""
    (eta, state), (active, step, fall) = now, plan
    length = np.sqrt(np.einsum("ni,ij,nj->n", step, at.P, step))
    a = np.minimum(1.0, STEP_SD / np.maximum(length, 1e-12))
    todo, moved = np.arange(len(active)), []
    order = 1 if problem.predict.costly else 2
    for _ in range(HALVINGS):
        who = active[todo]
        trial = eta[who] + a[todo, None] * step[todo]
        new = point(problem, at, trial, who, warm.curve, order=order, frozen=frozen)
        warm.evaluations += len(who)
        good = new.total <= state.total[who] - 1e-4 * (a * fall)[todo] + 1e-9 * (1.0 + np.abs(state.total[who]))
        _take(state, new, who, good)
        eta[who[good]] = trial[good]
        moved.append(who[good])
        todo = todo[~good]
        if not len(todo):
            break
        a[todo] *= 0.4
    return np.concatenate(moved)


def _take(state: LikelihoodPoint, new: LikelihoodPoint, who: Who, good: NDArray[np.bool_]) -> None:
    mine = who[good]
    for into, value in zip(state[:-1], new[:-1], strict=True):
        if into is not None and value is not None:
            into[mine] = value[good]
    for into, value in zip(state.t[:5], new.t[:5], strict=True):
        into[mine] = value[good]
    for into, value in zip(state.t[5:], new.t[5:], strict=True):
        into[:, mine] = value[:, good]


def recheck(problem: PopulationProblem, at: Outer, warm: Warm, *, frozen: Floats | None = None) -> int:
    """Search every mode again from 0 and from 1.5 SD along each axis; better ones are kept, their number returned."""
    eta, state = modes(problem, at, warm, warm.eta, frozen=frozen, full=False)
    best, found = state.total.copy(), np.zeros(problem.size, bool)
    for e in np.vstack([np.zeros((1, len(at.P))), 1.5 * at.L.T, -1.5 * at.L.T]):
        other, t = modes(problem, at, warm, np.tile(e, (problem.size, 1)), frozen=frozen, full=False)
        win = t.total < best - 1e-4
        eta[win], best[win] = other[win], t.total[win]
        found |= win
    warm.eta, warm.last = eta, None
    return int(found.sum())
