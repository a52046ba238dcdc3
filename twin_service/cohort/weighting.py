"""From plausible patients to a virtual population: maximum-entropy weights, or accept and reject.

Weights: w_i proportional to exp(lambda . f_i), f the indicators of quantile bins of each target with its first two
moments (and, if wanted, cross products), lambda from the convex dual with a small ridge. Selection: accept patient i
with probability beta f_target(x_i) / f_plausible(x_i), f_plausible from the volume of the ball to its k-th neighbor,
beta chosen to make the Kolmogorov-Smirnov distances small.

Allen 2016, doi:10.1002/psp4.12063; Jaynes 1957, doi:10.1103/PhysRev.106.620.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize, minimize_scalar
from scipy.spatial import cKDTree
from scipy.special import gammaln, logsumexp, ndtr, ndtri

from twin_service.cohort.plausible import PlausiblePatients
from twin_service.outcome import Outcome, Refusal, RefusalCode, Verdict

Floats = NDArray[np.float64]
# deciles, with the outer ones split: a tail left to the plausible cloud keeps the cloud's spread
QUANTILES = (0.025, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.975)
RIDGE = 1e-3
ESS_MIN = 100.0
BIN_MEMBERS_MIN = 5
NEIGHBORS = 5
COLLINEAR = 0.999
# no single patient in a far tail may carry a moment; a normal law keeps all but 1e-6 of its variance inside
MOMENT_LIMIT = 5.0


@dataclass(frozen=True)
class MeasureTarget:
    """What a measure looks like in real patients: mean and SD, on the measure's scale (logarithmic if it is `log`)."""

    measure: str
    mean: float
    sd: float


@dataclass(frozen=True)
class VirtualPopulation:
    """Plausible patients with weights (N,) that sum to 1; Kolmogorov-Smirnov distance to each target.

    method      "max_entropy" or "accept_reject"
    ess         1 / sum of squared weights
    correlation weighted correlation of the measures (k, k)
    """

    cloud: PlausiblePatients
    weights: Floats
    targets: tuple[MeasureTarget, ...]
    ks: tuple[float, ...]
    ess: float
    correlation: Floats
    method: str
    outcome: Outcome


def max_entropy(
    cloud: PlausiblePatients, targets: Sequence[MeasureTarget], *, correlation: Floats | None = None
) -> VirtualPopulation:
    """The least informative weights that match each target's quantile bins (and `correlation` (k, k) if given).

    Raises Refusal for collinear measures: they make weights explode behind a perfect-looking fit.
    """
    x = _columns(cloud, targets)
    _refuse_collinear(cloud, x)
    features, wanted, thin = _features(x, targets, correlation)

    def dual(lam: Floats) -> tuple[float, Floats]:
        a = features @ lam
        top = logsumexp(a)
        w = np.exp(a - top)
        value = top - lam @ wanted + 0.5 * RIDGE * lam @ lam
        return float(value), w @ features - wanted + RIDGE * lam

    found = minimize(dual, np.zeros(features.shape[1]), jac=True, method="L-BFGS-B", options={"maxiter": 2000})
    a = features @ found.x
    weights = np.exp(a - logsumexp(a))
    note = f"{thin} bins hold fewer than {BIN_MEMBERS_MIN} plausible patients" if thin else ""
    return _population(cloud, weights, targets, "max_entropy", note)


def accept_reject(
    cloud: PlausiblePatients,
    targets: Sequence[MeasureTarget],
    rng: np.random.Generator,
    *,
    correlation: Floats | None = None,
) -> VirtualPopulation:
    """Unweighted patients whose joint distribution follows a multivariate normal of the targets."""
    x = _columns(cloud, targets)
    _refuse_collinear(cloud, x)
    mean, sd = np.array([t.mean for t in targets]), np.array([t.sd for t in targets])
    z = (x - mean) / sd
    r = np.eye(len(targets)) if correlation is None else correlation
    root = np.linalg.cholesky(r)
    white = np.linalg.solve(root, z.T).T
    log_target = -0.5 * np.sum(white**2, axis=1)
    log_ratio = log_target - _log_density(z)
    u = np.log(rng.random(len(z)))

    def accepted(log_beta: float) -> NDArray[np.bool_]:
        return np.asarray(u < log_beta + log_ratio)

    def misfit(log_beta: float) -> float:
        keep = accepted(log_beta)
        if keep.sum() < 2 * BIN_MEMBERS_MIN:
            return float(len(targets))
        even = np.full(int(keep.sum()), 1.0 / keep.sum())
        # a little reward for yield breaks ties on the flat side
        return float(np.sum(_ks(x[keep], even, targets)) - 1e-3 * np.log(keep.sum()))

    least, middle = (float(q) for q in np.quantile(-log_ratio, (0.0, 0.5)))
    grid = np.linspace(least, middle, 25)
    start = grid[int(np.argmin([misfit(b) for b in grid]))]
    width = grid[1] - grid[0]
    best = minimize_scalar(misfit, bounds=(start - width, start + width), method="bounded").x
    best = best if misfit(best) <= misfit(start) else start
    keep = accepted(best)
    weights = keep / max(1, keep.sum())
    return _population(cloud, weights, targets, "accept_reject", "")


def sample(population: VirtualPopulation, count: int, rng: np.random.Generator) -> Floats:
    """Effects (count, nx) of patients drawn by weight (systematic resampling)."""
    edges = np.cumsum(population.weights)
    picks = np.searchsorted(edges, (rng.random() + np.arange(count)) / count * edges[-1])
    return np.asarray(population.cloud.eta[np.minimum(picks, len(edges) - 1)])


def _columns(cloud: PlausiblePatients, targets: Sequence[MeasureTarget]) -> Floats:
    names = [m.name for m in cloud.measures]
    unknown = [t.measure for t in targets if t.measure not in names]
    if unknown or not len(targets):
        raise _refuse(f"targets {', '.join(unknown) or '(none)'} match no measure; measures: {', '.join(names)}")
    if len(cloud.eta) < 2 * len(QUANTILES):
        raise _refuse(f"only {len(cloud.eta)} plausible patients; draw more before weighting")
    return cloud.scaled[:, [names.index(t.measure) for t in targets]]


def _refuse_collinear(cloud: PlausiblePatients, x: Floats) -> None:
    if x.shape[1] > 1:
        r: Floats = np.asarray(np.corrcoef(x.T))
        i, j = np.unravel_index(np.argmax(np.abs(r - np.eye(len(r)))), r.shape)
        if abs(r[i, j]) > COLLINEAR:
            raise _refuse(f"targets {i} and {j} are the same quantity (correlation {r[i, j]:.4f}); drop one of them")


def _features(x: Floats, targets: Sequence[MeasureTarget], correlation: Floats | None) -> tuple[Floats, Floats, int]:
    """Indicator features (N, m), wanted means (m,), and how many bins hold too few patients."""
    inner = ndtri(np.array(QUANTILES))
    shares = np.diff([0.0, *QUANTILES, 1.0])
    columns: list[Floats] = []
    wanted: list[float] = []
    thin = 0
    z = (x - [t.mean for t in targets]) / [t.sd for t in targets]
    for j in range(len(targets)):
        where = np.searchsorted(inner, z[:, j])
        for b, share in enumerate(shares):
            hit = (where == b).astype(np.float64)
            thin += int(hit.sum() < BIN_MEMBERS_MIN)
            columns.append(hit)
            wanted.append(float(share))
        # bins say nothing of where in a bin its members lie: the stated mean and SD are matched themselves
        bounded = np.clip(z[:, j], -MOMENT_LIMIT, MOMENT_LIMIT)
        columns += [bounded, bounded**2]
        wanted += [0.0, 1.0]
    if correlation is not None:
        for i in range(len(targets)):
            for j in range(i):
                columns.append(np.clip(z[:, i], -3, 3) * np.clip(z[:, j], -3, 3))
                wanted.append(float(correlation[i, j]))
    return np.column_stack(columns), np.array(wanted), thin


def _log_density(z: Floats) -> Floats:
    """ln of the k-nearest-neighbor density of points z (N, d)."""
    d = z.shape[1]
    distance = cKDTree(z).query(z, k=NEIGHBORS + 1)[0][:, -1]
    ball = 0.5 * d * np.log(np.pi) - gammaln(0.5 * d + 1)
    return np.asarray(np.log(NEIGHBORS / len(z)) - ball - d * np.log(np.maximum(distance, 1e-12)))


def _ks(x: Floats, weights: Floats, targets: Sequence[MeasureTarget]) -> tuple[float, ...]:
    result = []
    for j, t in enumerate(targets):
        order = np.argsort(x[:, j])
        f = np.cumsum(weights[order])
        g = ndtr((x[order, j] - t.mean) / t.sd)
        result.append(float(max(np.max(np.abs(f - g)), np.max(np.abs(f - weights[order] - g)))))
    return tuple(result)


def _population(
    cloud: PlausiblePatients, weights: Floats, targets: Sequence[MeasureTarget], method: str, note: str
) -> VirtualPopulation:
    x = _columns(cloud, targets)
    ess = float(1.0 / np.sum(weights**2))
    mean = weights @ x
    cov = (weights[:, None] * (x - mean)).T @ (x - mean)
    scale = np.sqrt(np.maximum(np.diag(cov), 1e-300))
    few = f"effective sample size {ess:.0f} is below {ESS_MIN:.0f}" if ess < ESS_MIN else ""
    said = "; ".join(s for s in (few, note) if s)
    outcome = Outcome(Verdict.NOT_CONVERGED, said) if said else Outcome()
    correlation = cov / np.outer(scale, scale)
    distances = _ks(x, weights, targets)
    return VirtualPopulation(cloud, weights, tuple(targets), distances, ess, correlation, method, outcome)


def _refuse(message: str) -> Refusal:
    return Refusal(RefusalCode.PRECONDITION, message, field="targets", reason="VIRTUAL_POPULATION")
