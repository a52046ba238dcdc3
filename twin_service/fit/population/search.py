"""The search for the outer parameters: EM passes, then BFGS with exact gradients from the expected information.

Three EM passes (effects from 0, closed-form updates) bring a poor start into the basin; the quasi-Newton ends when the
expected fall of the objective is below `tolerance`^2. Every mode is then searched again from other places. An optimum
at which an effect's spread has vanished is a local one as a rule: the search starts again elsewhere, and if none
better is found the result says so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from twin_service.fit.population.first_order import first_order
from twin_service.fit.population.likelihood import LognormalLaw, NormalLaw
from twin_service.fit.population.marginal import quadrature
from twin_service.fit.population.modes import Warm, modes, recheck
from twin_service.fit.population.objective import FOCEI, Approximation, ObjectiveEvaluation, evaluate, information
from twin_service.fit.population.problem import PopulationProblem, outer_of
from twin_service.outcome import OK, Outcome, Verdict
from twin_service.solver.tolerances import Deadline

Floats = NDArray[np.float64]
Objective = Callable[[Floats], tuple[float, Floats]]
VANISHED = -4.0
"""log omega below which an effect has vanished (0.018)."""


@dataclass(frozen=True)
class SearchOptions:
    """passes of EM first; `tolerance`^2 is the expected fall of the objective at which the search ends.

    starts      places to search from: the given one, then others at random; the best optimum is the answer
    restarts    further places for a start that ends with a vanished spread
    """

    passes: int = 3
    tolerance: float = 1e-3
    iterations: int = 200
    starts: int = 1
    restarts: int = 5
    seed: int = 1
    deadline: Deadline = field(default_factory=Deadline)


class SearchEnd(NamedTuple):
    """Where a search ended."""

    x: Floats
    value: float
    gradient: Floats
    iterations: int
    outcome: Outcome


class Searched(NamedTuple):
    """The optimum, the evaluation there, and what happened on the way."""

    found: SearchEnd
    evaluation: ObjectiveEvaluation
    warm: Warm
    restarts: int
    better_modes: int


def search(
    problem: PopulationProblem, start: Floats, kind: Approximation = FOCEI, options: SearchOptions = SearchOptions()
) -> Searched:
    """The optimum from `start`, with restarts where a spread has vanished."""
    rng, best, tried = np.random.default_rng(options.seed), None, 0
    x0, left = np.asarray(start, float), options.starts
    for tried in range(options.starts + options.restarts):  # noqa: B007
        one = _once(problem, x0, kind, options)
        if best is None or _rank(problem, one) < _rank(problem, best):
            best = one
        left -= one.found.outcome.ok and not _vanished(problem, one.found.x)
        if left <= 0 or options.deadline.expired:
            break
        x0 = _elsewhere(problem, start, rng)
    assert best is not None
    gone = _vanished(problem, best.found.x)
    found = best.found
    if gone:
        detail = f"the spread of {', '.join(gone)} has vanished: remove the effect, or start elsewhere"
        found = found._replace(outcome=Outcome(Verdict.NOT_CONVERGED, detail))
    return best._replace(found=found, restarts=tried)


def fit_once(problem: PopulationProblem, start: Floats, warm: Warm, options: SearchOptions) -> SearchEnd:
    """EM passes and one quasi-Newton search by FOCEI, as the bench times it; modes are not looked at again."""
    return minimize(_objective(problem, warm, FOCEI), em_passes(problem, start, warm, options.passes), options)


def improved(problem: PopulationProblem, start: Floats, kind: Approximation, options: SearchOptions) -> SearchEnd:
    """One search from `start` with cold modes: no restart, no second look at the modes."""
    warm = Warm.cold(problem)
    return minimize(_objective(problem, warm, kind), em_passes(problem, start, warm, options.passes), options)


def _rank(problem: PopulationProblem, one: Searched) -> tuple[bool, bool, float]:
    return bool(_vanished(problem, one.found.x)), not one.found.outcome.ok, one.found.value


def _vanished(problem: PopulationProblem, x: Floats) -> list[str]:
    space = problem.space
    return [space.names[k] for k in space.diagonal if x[k] < VANISHED and space.names[k] not in space.fixed]


def _elsewhere(problem: PopulationProblem, start: Floats, rng: np.random.Generator) -> Floats:
    """Typical values moved at random, every spread and residual large."""
    space, x = problem.space, np.array(start, float)
    for k in space.free:
        if k < len(space.beta):
            x[k] += rng.uniform(-1.0, 1.0) if abs(x[k]) > 0.0 else 0.0
        elif k in space.diagonal:
            x[k] = 0.0
    return x


def _once(problem: PopulationProblem, start: Floats, kind: Approximation, options: SearchOptions) -> Searched:
    warm = Warm.cold(problem)
    x = em_passes(problem, start, warm, options.passes)
    warm.eta, warm.last = np.zeros_like(warm.eta) if options.passes == 0 else warm.eta, None
    objective = _objective(problem, warm, kind)
    found = minimize(objective, x, options)
    better = 0
    if problem.space.effects:
        better = recheck(problem, outer_of(problem, found.x), warm)
        if better:
            found = minimize(objective, found.x, options)
    return Searched(found, evaluate(problem, found.x, warm, kind), warm, 0, better)


class _Free(NamedTuple):
    """The objective of the free entries, and the matrix its search starts from."""

    value: Callable[[Floats], tuple[float, Floats]]
    curvature: Callable[[], Floats]
    free: NDArray[np.intp]


def _objective(problem: PopulationProblem, warm: Warm, kind: Approximation) -> _Free:
    free = problem.space.free
    held: list[ObjectiveEvaluation] = []

    def value(x: Floats) -> tuple[float, Floats]:
        e = evaluate(problem, x, warm, kind)
        held[:] = [e]
        return e.value, e.gradient[free]

    def curvature() -> Floats:
        R = information(problem, held[0])
        if problem.prior is not None:
            R[np.ix_(problem.prior.places, problem.prior.places)] += 2.0 * problem.prior.precision
        return np.asarray(R[np.ix_(free, free)])

    return _Free(value, curvature, free)


def minimize(objective: _Free, start: Floats, options: SearchOptions) -> SearchEnd:
    """BFGS on the free entries, Armijo steps, longest step 1 (entries are logs)."""
    x, free = np.array(start, float), objective.free
    o, g = objective.value(x)
    if not np.isfinite(o) or not np.isfinite(g).all():
        return SearchEnd(
            x, o, g, 0, Outcome(Verdict.NOT_FINITE, "the objective has no value at the start; choose another")
        )
    Q, outcome, it = np.linalg.inv(objective.curvature()), Outcome(Verdict.NOT_CONVERGED, "the limit of steps"), 0
    fresh = True
    for it in range(options.iterations):  # noqa: B007
        if options.deadline.expired:
            outcome = Outcome(Verdict.CANCELLED)
            break
        p = -Q @ g
        fall = float(-g @ p)
        if fall < options.tolerance**2:
            outcome = OK
            break
        tried = _armijo(objective, (x, o), p, fall)
        if tried is None:
            if fresh:
                outcome = OK if fall < 1e-3 else Outcome(Verdict.NOT_CONVERGED, f"no step falls, {fall:.1e} expected")
                break
            Q, fresh = np.linalg.inv(_positive(objective.curvature())), True
            continue
        fresh = False
        xn, on, gn = tried
        s, y = (xn - x)[free], gn - g
        x, o, g = xn, on, gn
        sy = float(s @ y)
        if sy > 1e-10 * np.sqrt((s @ s) * (y @ y)):
            V = np.eye(len(s)) - np.outer(s, y) / sy
            Q = V @ Q @ V.T + np.outer(s, s) / sy
    return SearchEnd(x, o, g, it, outcome)


def _positive(R: Floats) -> Floats:
    values, vectors = np.linalg.eigh(R)
    return np.asarray((vectors * np.maximum(values, 1e-6 * values[-1])) @ vectors.T)


def _armijo(objective: _Free, now: tuple[Floats, float], p: Floats, fall: float) -> tuple[Floats, float, Floats] | None:
    x, o = now
    a = min(1.0, 1.0 / max(float(np.abs(p).max()), 1e-300))
    for _ in range(20):
        xn = x.copy()
        xn[objective.free] += a * p
        on, gn = objective.value(xn)
        if np.isfinite(on) and np.isfinite(gn).all() and on <= o - 1e-4 * a * fall:
            return xn, on, gn
        a *= max(0.1, min(0.5, a * fall / (2.0 * (on - o + a * fall)))) if np.isfinite(on) else 0.2
    return None


def em_passes(problem: PopulationProblem, x: Floats, warm: Warm, passes: int) -> Floats:
    """Closed-form updates at the modes: beta by least squares, Omega, one scale for each law's residual sizes."""
    x, space = np.array(x, float), problem.space
    if not space.effects:
        return x
    for _ in range(passes):
        # from eta = 0: a mode kept from a bad start can be a wrong one
        warm.eta, warm.last = np.zeros((problem.size, space.effects)), None
        at = outer_of(problem, x)
        eta, state = modes(problem, at, warm, warm.eta, full=False)
        if not np.isfinite(state.total).all():
            break
        Hi = np.linalg.inv(state.H)
        AB = np.einsum("pe,npb->neb", problem.B, at.A)
        lhs = np.einsum("neb,ef,nfc->bc", AB, at.P, AB)
        move = np.linalg.pinv(lhs) @ np.einsum("neb,ef,nf->b", AB, at.P, eta)
        fixed = np.array([n in space.fixed for n in space.names])
        move[fixed[: len(space.beta)]] = 0.0
        length = np.abs(move).max(initial=0.0)
        move = move * min(1.0, 2.0 / length) if length > 0.0 else move
        rest = eta - AB @ move
        omega = (rest[:, :, None] * rest[:, None, :] + Hi).mean(0)
        q = np.einsum("npk,npk->nk", state.g, (problem.B @ Hi @ problem.B.T) @ state.g)
        new = space.joined(at.beta + move, omega, _residuals(problem, at.s, (state.f, q)))
        x = np.where(fixed, x, new)
        warm.eta = rest
    return x


def _residuals(problem: PopulationProblem, s: Floats, seen: tuple[Floats, Floats]) -> Floats:
    """log SDs moved by one scale per law, so that the mean of (r^2 + g'Cov g)/v is 1 (normal and lognormal laws)."""
    f, q = seen
    readings, new = problem.readings, s.copy()
    for k, (law, span) in enumerate(zip(readings.laws, readings.spans, strict=True)):
        mine = (readings.law == k) & (readings.seen > 0.0) & (readings.censored == 0)
        if not mine.any() or not law.sizes:
            continue
        with np.errstate(all="ignore"):
            if isinstance(law, NormalLaw):
                ratio = ((readings.y - f) ** 2 + q) / law.variance(f, s[span]).v
            elif isinstance(law, LognormalLaw):
                ratio = ((np.log(readings.y) - np.log(f)) ** 2 + q / f**2) * np.exp(-2.0 * s[span][0])
            else:
                continue
        mean = float(np.mean(ratio[mine]))
        if np.isfinite(mean) and mean > 0.0:
            new[span] += float(np.clip(0.5 * np.log(mean), -2.0, 2.0))
    return new


def search_first_order(
    problem: PopulationProblem, start: Floats, options: SearchOptions = SearchOptions()
) -> SearchEnd:
    """FO by BFGS; the first matrix is the information of FOCEI at the start."""
    warm, free = Warm.cold(problem), problem.space.free

    def value(x: Floats) -> tuple[float, Floats]:
        each, gradients, prior = first_order(problem, x)
        return float(each.sum()) + prior[0], (gradients.sum(0) + prior[1])[free]

    def curvature() -> Floats:
        return np.asarray(information(problem, evaluate(problem, start, warm))[np.ix_(free, free)])

    return minimize(_Free(value, curvature, free), np.asarray(start, float), options)


def search_quadrature(
    problem: PopulationProblem, start: Floats, nodes: int, options: SearchOptions = SearchOptions()
) -> SearchEnd:
    """Adaptive Gauss-Hermite from the FOCEI optimum; its gradient is by central differences of the objective."""
    first = search(problem, start, FOCEI, options)
    warm, free = Warm.cold(problem), problem.space.free
    warm.eta, warm.tolerance = first.warm.eta, 1e-13

    def plain(x: Floats) -> float:
        return quadrature(problem, x, warm, nodes).value

    def value(x: Floats) -> tuple[float, Floats]:
        g = np.zeros(len(free))
        for j, k in enumerate(free):
            step = np.zeros(len(x))
            step[k] = 1e-4
            g[j] = (plain(x + step) - plain(x - step)) / 2e-4
        return plain(x), g

    def curvature() -> Floats:
        return np.asarray(information(problem, evaluate(problem, first.found.x, first.warm))[np.ix_(free, free)])

    return minimize(_Free(value, curvature, free), first.found.x, options)
