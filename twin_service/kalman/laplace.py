"""MAP and Laplace: the mode of the posterior over all readings at once, and the covariance there.

    O(eta) = sum [ ln v + (y - f)^2 / v ]  +  (eta - m)' P^-1 (eta - m)
    cov    = [ P^-1 + sum( g g'/v + dv dv' / (2 v^2) ) ]^-1            g = df/deta, dv = dv/deta

v is evaluated at the individual prediction (interaction), as in NONMEM's FOCEI. Censored readings contribute
-2 ln Phi((limit - f)/sd) (M3, Beal 2001, doi:10.1023/A:1012299115260). The mode is found by Fisher scoring with
Levenberg damping in coordinates in which the prior is standard normal, from several starts where the objective asks for
them (`modes`); the best mode is kept and a second one near it is told. Used with one instant's readings it is the
iterated extended Kalman filter.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import log_ndtr

from twin_service.kalman.belief import Belief, factor
from twin_service.kalman.errors import ABOVE, SEEN, ObservedReadings, usable
from twin_service.kalman.modes import Predict, Valley, objectives, other_starts
from twin_service.kalman.report import GATE, SecondMode, Update, UpdateReport, judge, kept_prior, tail_weight
from twin_service.outcome import OK, Outcome, Verdict

FloatArray = NDArray[np.float64]
Jacobian = Callable[[FloatArray], tuple[FloatArray, FloatArray]]

DIFFERENCE = 1e-4
SETTLED = 1e-7
GAIN = 3e-10  # expected fall of the objective that is not worth another step
NOISE = 1e-2
ITERATIONS = 100
PATIENCE = 24  # steps after which curvature is measured instead of expected
NEAR = 0.6  # prior standard deviations: from here on the curvature is learned from the steps
LOWER = 1e-4  # of the objective: another descent must end this much lower to be preferred
NEAR_BEST = 6.0  # of the objective: a mode with a twentieth of the best one's density
SEPARATE = 2.0  # standard deviations of the best mode's Gaussian
LEAP = 4.0  # prior standard deviations: beyond, exp(eta) makes models that no solver can integrate


class _Point(NamedTuple):
    """The objective and its derivatives in prior-standardized coordinates u, eta = m + L u."""

    u: FloatArray
    objective: float
    gradient: FloatArray
    hessian: FloatArray
    standard: FloatArray


def by_differences(predict: Predict, step: float = DIFFERENCE) -> Jacobian:
    """Central differences of `predict`, all members in one batch: error O(step^2) of the model's curvature."""

    def jacobian(eta: FloatArray) -> tuple[FloatArray, FloatArray]:
        nx = len(eta)
        moves = step * np.eye(nx)
        f = predict(np.vstack([eta, eta + moves, eta - moves]))
        return f[0], (f[1 : nx + 1] - f[nx + 1 :]).T / (2.0 * step)

    return jacobian


def laplace_update(
    prior: Belief,
    predict: Predict | None,
    observed: ObservedReadings,
    *,
    jacobian: Jacobian | None = None,
    start: ArrayLike | None = None,
    gate: float | None = GATE,
    iterations: int = ITERATIONS,
) -> Update:
    """The posterior mode and covariance given all of `observed`.

    predict    eta (N, nx) -> (N, ny); used for differences where no `jacobian` is given
    jacobian   eta (nx,) -> f (ny,), df/deta (ny, nx)
    start      where to begin, (nx,); default the prior mean
    gate       squared standardized residual at the mode beyond which a reading is down-weighted; None: never
    """
    if jacobian is None:
        if predict is None:
            raise ValueError("laplace_update needs predict or jacobian")
        jacobian = by_differences(predict)
    f0, g0 = jacobian(prior.mean)
    chosen = usable(observed, f0)
    if not chosen.keep.any():
        return kept_prior(prior, "laplace", len(observed), OK, warnings=chosen.warnings)
    problem = _Problem(prior, _remembering(jacobian, prior.mean, (f0, g0)), observed.rows(chosen.keep), chosen.keep)
    first = problem.at(np.zeros(len(prior.mean)), np.ones(len(problem.rows)))
    begin = first
    if start is not None:
        shift = np.asarray(start, dtype=np.float64) - prior.mean
        u = np.asarray(np.linalg.solve(prior.chol, shift), dtype=np.float64)
        begin = problem.at(u, np.ones(len(problem.rows)))
        begin = begin or first
    if begin is None:
        return kept_prior(prior, "laplace", len(observed), Outcome(Verdict.NOT_FINITE, "the prior prediction"))
    valleys = _valleys(problem, begin, predict or _one_by_one(jacobian), gate, iterations)
    found = valleys[0].found
    verdict = OK if found.settled else Outcome(Verdict.NOT_CONVERGED, f"{found.iterations} iterations")
    report = _report(problem, found, (f0, g0), verdict, chosen.warnings, gate)
    return Update(_gaussian(prior, found.point), replace(report, second=_second(prior, valleys)))


def _gaussian(prior: Belief, point: _Point) -> Belief:
    lower = factor(np.linalg.inv(point.hessian))
    return Belief(prior.mean + prior.chol @ point.u, prior.chol @ lower.lower, prior.names)


def _one_by_one(jacobian: Jacobian) -> Predict:
    return lambda eta: np.stack([jacobian(e)[0] for e in eta])


class _Descent(NamedTuple):
    """Where a descent ended, and its objective by the law that all descents share."""

    found: _Found
    objective: float


def _valleys(problem: _Problem, begin: _Point, predict: Predict, gate: float | None, iterations: int) -> list[_Descent]:
    """Every mode found, the best first: from `begin`, and from places that lie lower than its mode explains.

    The first descent stays the best unless another ends lower by more than the iteration's own noise.
    """

    def descent(point: _Point) -> _Descent:
        found = _mode_with_tails(problem, point, gate, iterations)
        at = problem.jacobian(problem.prior.mean + problem.prior.chol @ found.point.u)[0]
        return _Descent(found, float(objectives(problem.rows, problem.keep, at[None], found.point.u[None], gate)[0][0]))

    best = descent(begin)
    ends = [best]
    at = best.found.point
    for u in other_starts(
        problem.prior, predict, problem.rows, problem.keep, Valley(at.u, best.objective, at.hessian), gate
    ):
        point = problem.at(u, np.ones(len(problem.rows)))
        if point is not None:
            ends.append(descent(point))
            if ends[-1].objective < best.objective - LOWER or (ends[-1].found.settled and not best.found.settled):
                best = ends[-1]
    rest = sorted((e for e in ends if e is not best), key=lambda e: e.objective)
    return [best, *rest]


def _second(prior: Belief, valleys: list[_Descent]) -> SecondMode | None:
    """The next best mode that is one: settled, near in objective, and not the same place."""
    best = valleys[0]
    for other in valleys[1:]:
        d = other.found.point.u - best.found.point.u
        apart = float(d @ best.found.point.hessian @ d) > SEPARATE**2
        behind = other.objective - best.objective
        if other.found.settled and apart and behind < NEAR_BEST:
            return SecondMode(_gaussian(prior, other.found.point), behind)
    return None


def _remembering(jacobian: Jacobian, where: FloatArray, known: tuple[FloatArray, FloatArray]) -> Jacobian:
    """`jacobian` that does not compute again what is already known at `where`."""

    def look(eta: FloatArray) -> tuple[FloatArray, FloatArray]:
        return known if np.array_equal(eta, where) else jacobian(eta)

    return look


class _Found(NamedTuple):
    point: _Point
    weight: FloatArray
    iterations: int
    settled: bool


class _Problem(NamedTuple):
    prior: Belief
    jacobian: Jacobian
    rows: ObservedReadings
    keep: NDArray[np.bool_]

    def at(self, u: FloatArray, weight: FloatArray) -> _Point | None:
        """Objective, half gradient and half Hessian at `u`; None where any of them is not finite."""
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            point = self._at(u, weight)
        sound = point is not None and np.isfinite(point.objective) and np.all(np.isfinite(point.hessian))
        return point if sound and point is not None and np.all(np.isfinite(point.gradient)) else None

    def _at(self, u: FloatArray, weight: FloatArray) -> _Point | None:
        f, J = self.jacobian(self.prior.mean + self.prior.chol @ u)
        scale = self.rows.scaled(f[self.keep])
        G = (scale.df[:, None] * J[self.keep]) @ self.prior.chol
        dV = (scale.dv[:, None] * J[self.keep]) @ self.prior.chol
        if not (np.all(np.isfinite(scale.f)) and np.all(np.isfinite(G)) and np.all(scale.v > 0.0)):
            return None
        seen = self.rows.censoring == SEEN
        r = self.rows.targets() - scale.f
        v = scale.v
        standard = r / np.sqrt(v)
        objective = np.where(seen, np.log(v) + weight * standard**2, 0.0)
        dr = np.where(seen, -weight * r / v, 0.0)
        dv = np.where(seen, 0.5 / v * (1.0 - weight * standard**2), 0.0)
        rr = np.where(seen, weight / v, 0.0)
        gradient = u + G.T @ dr + dV.T @ dv
        hessian = np.eye(len(u)) + (G * rr[:, None]).T @ G + (dV * np.where(seen, 0.5 / v**2, 0.0)[:, None]).T @ dV
        for j in np.flatnonzero(~seen):
            side = -1.0 if self.rows.censoring[j] == ABOVE else 1.0
            z = side * standard[j]
            slope = side * (-G[j] / np.sqrt(v[j]) - 0.5 * standard[j] / v[j] * dV[j])
            log_tail = float(log_ndtr(z))
            hazard = float(np.exp(-0.5 * z * z - 0.5 * np.log(2.0 * np.pi) - log_tail))
            objective[j] = -2.0 * log_tail
            gradient = gradient - hazard * slope
            hessian = hessian + hazard * (z + hazard) * np.outer(slope, slope)
        return _Point(u, float(objective.sum() + u @ u), gradient, hessian, standard)


def _mode_with_tails(problem: _Problem, begin: _Point, gate: float | None, iterations: int) -> _Found:
    """The mode; readings beyond the gate are re-weighted by the heavy-tailed law until the weights settle."""
    weight = np.ones(len(problem.rows))
    found = _mode(problem, begin, weight, iterations)
    seen = problem.rows.censoring == SEEN
    for _ in range(20 if gate is not None else 0):
        wanted = np.where(seen, tail_weight(found.point.standard**2, gate), 1.0)
        if np.max(np.abs(wanted - weight)) < 1e-4:
            break
        weight = wanted
        again = problem.at(found.point.u, weight)
        assert again is not None, "a point that was finite stays finite under other weights"
        found = _mode(problem, again, weight, iterations)
    return found


def _mode(problem: _Problem, begin: _Point, weight: FloatArray, iterations: int) -> _Found:
    point, damping, correction = begin, 0.0, np.zeros_like(begin.hessian)
    for k in range(1, iterations + 1):
        base = _definite(point.hessian, correction) if k <= PATIENCE else _curvature(problem, point, weight)
        H = base + damping * np.diag(np.diag(base))
        step = -np.linalg.solve(H, point.gradient)
        step /= max(1.0, float(np.max(np.abs(step), initial=0.0)) / LEAP)
        gain = -float(point.gradient @ step)
        if np.max(np.abs(step), initial=0.0) * (1.0 + damping) < SETTLED or gain * (1.0 + damping) < GAIN:
            return _Found(point, weight, k, True)
        expected = 2.0 * (gain - 0.5 * float(step @ base @ step))
        trial = problem.at(point.u + step, weight)
        got = -np.inf if trial is None else point.objective - trial.objective
        if trial is not None and got >= -1e-10 * abs(point.objective):
            # the share of the expected fall that came: far below 1, the quadratic is trusted too far
            ratio = got / max(expected, 1e-300)
            near = np.max(np.abs(step)) < NEAR
            correction = _secant(correction, point, trial) if near else np.zeros_like(correction)
            point = trial
            if ratio > 0.6:
                damping = 0.0 if damping < 1e-3 else damping / 8.0
            elif ratio < 0.25 and expected > GAIN:
                damping = max(3.0 * damping, 0.05)
            continue
        if damping > 1e10 or np.max(np.abs(step)) < 1e-11:
            # no step improves: at the mode as far as the model's own numerical noise lets one see
            return _Found(point, weight, k, bool(np.max(np.abs(point.gradient)) < NOISE))
        damping = max(4.0 * damping, 1e-2)
    return _Found(point, weight, iterations, False)


def _secant(correction: FloatArray, before: _Point, after: _Point) -> FloatArray:
    """What the expected information lacks of the true Hessian, learned from one step.

    Structured secant update, sized before use (Dennis, Gay & Welsch 1981, doi:10.1145/355958.355965): makes the last
    steps superlinear at no further evaluation.
    """
    s, v = after.u - before.u, after.gradient - before.gradient
    lacking = v - after.hessian @ s
    vs = float(v @ s)
    if vs <= 1e-12 * float(s @ s):
        return correction
    sAs = float(s @ correction @ s)
    sized = correction * min(1.0, abs(float(s @ lacking)) / abs(sAs)) if sAs != 0.0 else correction
    r = lacking - sized @ s
    return np.asarray(sized + (np.outer(r, v) + np.outer(v, r)) / vs - float(r @ s) / vs**2 * np.outer(v, v))


def _definite(expected: FloatArray, correction: FloatArray) -> FloatArray:
    """The corrected Hessian where it is safely positive definite, else the expected information."""
    H = expected + correction
    try:
        L = np.linalg.cholesky(H)
    except np.linalg.LinAlgError:
        return expected
    return H if np.min(np.diag(L)) ** 2 > 0.05 else expected


def _curvature(problem: _Problem, point: _Point, weight: FloatArray) -> FloatArray:
    """Half the true Hessian by differences of the gradient, where the expected information leads nowhere.

    Eigenvalues are made positive, so that every step goes down.
    """
    nx = len(point.u)
    H = point.hessian.copy()
    for i in range(nx):
        moved = problem.at(point.u + DIFFERENCE * np.eye(nx)[i], weight)
        if moved is None:
            return point.hessian
        H[i] = (moved.gradient - point.gradient) / DIFFERENCE
    values, vectors = np.linalg.eigh(0.5 * (H + H.T))
    return np.asarray((vectors * np.maximum(np.abs(values), 1e-3)) @ vectors.T)


def _report(
    problem: _Problem,
    found: _Found,
    first: tuple[FloatArray, FloatArray],
    verdict: Outcome,
    warnings: tuple[str, ...],
    gate: float | None,
) -> UpdateReport:
    """Scores against the forecast from the prior (linearized), spread over all readings."""
    keep, rows = problem.keep, problem.rows
    f, J = first
    scale = rows.scaled(f[keep])
    G = (scale.df[:, None] * J[keep]) @ problem.prior.chol
    sd = np.sqrt(np.einsum("ij,ij->i", G, G) + scale.v)
    out = np.full((4, len(keep)), np.nan)
    innovation = rows.targets() - scale.f
    out[:, keep] = scale.f, sd, innovation, (innovation / sd) ** 2
    weight = np.zeros(len(keep))
    weight[keep] = found.weight
    surprising = np.zeros(len(keep), dtype=bool)
    surprising[keep] = found.weight < 1.0
    outcome = judge(surprising, found.point.standard**2, verdict)
    half_log_det = 0.5 * float(np.linalg.slogdet(found.point.hessian)[1])
    n_seen = int(np.sum(rows.censoring == SEEN))
    evidence = -0.5 * found.point.objective - half_log_det - 0.5 * n_seen * np.log(2.0 * np.pi)
    return UpdateReport(
        "laplace",
        out[0],
        out[1],
        out[2],
        out[3],
        weight,
        surprising,
        outcome,
        found.iterations,
        0.0,
        evidence,
        found.point.objective,
        warnings,
    )
