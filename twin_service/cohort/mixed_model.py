"""Linear mixed models by exact maximum likelihood: what many short series say about a typical course and its spread.

    y_i = X_i beta + Z_i b_i + e_i,   b_i ~ N(0, sigma^2 L L'),   e_i ~ N(0, sigma^2 I)

For a given relative factor L (lower triangular) the fixed effects and sigma are known in closed form, so only the
q(q+1)/2 entries of L are searched. Each group enters through its cross products alone, so the cost of a step does not
depend on the length of the series.
Bates, Machler, Bolker & Walker 2015, doi:10.18637/jss.v067.i01; Laird & Ware 1982, doi:10.2307/2529876
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.optimize import minimize

from twin_service.outcome import OK, Outcome, Refusal, RefusalCode, Verdict

FloatArray = NDArray[np.float64]


class PatientSeries(NamedTuple):
    """One patient's series: y (n,), X (n, p) of the fixed effects, Z (n, q) of the random ones."""

    y: FloatArray
    X: FloatArray
    Z: FloatArray


@dataclass(frozen=True)
class MixedModel:
    """A fitted model.

    beta, beta_cov     fixed effects (p,) and their covariance (p, p)
    omega              covariance of the random effects (q, q)
    sigma              residual standard deviation
    log_likelihood     at the optimum; restricted when `restricted`
    """

    beta: FloatArray
    beta_cov: FloatArray
    omega: FloatArray
    sigma: float
    log_likelihood: float
    restricted: bool
    groups: int
    observations: int
    outcome: Outcome = OK


class _Products(NamedTuple):
    """Cross products: ZZ (m, q, q), Zx (m, q, p + 1) with y as the last column, xx (p + 1, p + 1) summed."""

    ZZ: FloatArray
    Zx: FloatArray
    xx: FloatArray
    n: int


class _Profile(NamedTuple):
    deviance: float
    beta: FloatArray
    sigma2: float
    XVX: FloatArray


def fit_mixed_model(groups: Sequence[PatientSeries], *, restricted: bool = False) -> MixedModel:
    """The maximum-likelihood fit (restricted: REML).

    Raises Refusal when the fixed effects cannot be told apart, or when there are too few groups for the spread.
    """
    products = _cross_products(groups)
    q, p = products.ZZ.shape[1], products.Zx.shape[2] - 1
    _require_identifiable(products, len(groups), p, q)
    rows, columns = np.tril_indices(q)
    start = np.eye(q)[rows, columns]
    bounds = [(0.0, None) if i == j else (None, None) for i, j in zip(rows, columns, strict=True)]

    def deviance(theta: FloatArray) -> float:
        return _profile(products, _factor(theta, q), restricted).deviance

    # Two starts: a likelihood that is flat near a zero variance can hold a search that began on the other side.
    found = [
        minimize(deviance, start * s, method="L-BFGS-B", bounds=bounds, options={"ftol": 1e-13, "gtol": 1e-7})
        for s in (1.0, 0.2)
    ]
    best = min(found, key=lambda r: float(r.fun))
    L = _factor(best.x, q)
    profile = _profile(products, L, restricted)
    outcome = OK if np.isfinite(profile.deviance) else Outcome(Verdict.NOT_CONVERGED, "the likelihood has no maximum")
    return MixedModel(
        profile.beta,
        np.asarray(profile.sigma2 * np.linalg.inv(profile.XVX)),
        profile.sigma2 * (L @ L.T),
        float(np.sqrt(profile.sigma2)),
        -0.5 * profile.deviance,
        restricted,
        len(groups),
        products.n,
        outcome,
    )


def log_likelihood(groups: Sequence[PatientSeries], *, beta: FloatArray, omega: FloatArray, sigma: float) -> float:
    """log N(y; X beta, Z omega Z' + sigma^2 I) summed over the groups, by definition: the oracle of the profile."""
    total = 0.0
    for y, X, Z in groups:
        V = Z @ omega @ Z.T + sigma**2 * np.eye(len(y))
        r = y - X @ beta
        sign, logdet = np.linalg.slogdet(V)
        assert sign > 0
        total -= 0.5 * (len(y) * np.log(2 * np.pi) + logdet + r @ np.linalg.solve(V, r))
    return float(total)


def _cross_products(groups: Sequence[PatientSeries]) -> _Products:
    if not groups:
        raise _refuse("no series to learn from")
    stacked = [np.column_stack([g.X, g.y]) for g in groups]
    for g in groups:
        if not (np.all(np.isfinite(g.y)) and np.all(np.isfinite(g.X)) and np.all(np.isfinite(g.Z))):
            raise _refuse("a series holds a value that is not finite; leave missing visits out")
    return _Products(
        np.stack([g.Z.T @ g.Z for g in groups]),
        np.stack([g.Z.T @ s for g, s in zip(groups, stacked, strict=True)]),
        np.sum([s.T @ s for s in stacked], axis=0),
        sum(len(g.y) for g in groups),
    )


def _require_identifiable(products: _Products, groups: int, p: int, q: int) -> None:
    if groups <= q or products.n <= p + q:
        raise _refuse(
            f"{groups} series with {products.n} values cannot tell {p} fixed effects and the spread of "
            f"{q} random ones; bring more patients or drop covariates"
        )
    XX = products.xx[:p, :p]
    scale = np.sqrt(np.diag(XX))
    if np.any(scale == 0) or np.linalg.matrix_rank(XX / np.outer(scale, scale), tol=1e-9) < p:
        raise _refuse("the covariates are linearly dependent in these patients; drop one of them")


def _factor(theta: FloatArray, q: int) -> FloatArray:
    L = np.zeros((q, q))
    L[np.tril_indices(q)] = theta
    return L


def _profile(products: _Products, L: FloatArray, restricted: bool) -> _Profile:
    """Deviance at L with beta and sigma at their optimum.

    V^-1 = I - Z L A^-1 L' Z',  A = I + L' Z'Z L,  |V| = |A|    (Woodbury; in units of sigma^2)
    """
    q, p, n = len(L), products.Zx.shape[2] - 1, products.n
    A = np.eye(q) + L.T @ products.ZZ @ L
    LZx = L.T @ products.Zx
    weighted = products.xx - np.einsum("mqa,mqb->ab", LZx, np.linalg.solve(A, LZx))
    XVX, XVy, yVy = weighted[:p, :p], weighted[:p, p], weighted[p, p]
    factor = cho_factor(XVX)
    beta = cho_solve(factor, XVy)
    rss = float(yVy - beta @ XVy)
    free = n - p if restricted else n
    if rss <= 0:
        return _Profile(np.inf, beta, 0.0, XVX)
    logdet = float(np.linalg.slogdet(A)[1].sum())
    deviance = logdet + free * (1.0 + np.log(2.0 * np.pi * rss / free))
    if restricted:
        deviance += 2.0 * float(np.log(np.diag(factor[0])).sum())
    return _Profile(float(deviance), beta, rss / free, XVX)


def _refuse(message: str) -> Refusal:
    return Refusal(RefusalCode.PRECONDITION, message, field="patients", reason="CANNOT_LEARN")
