"""The restricted likelihood of repeated measurements, its slope and its curvature, for all patients at once.

    -2 l = sum log|V_i| + r' V^-1 r + log|X' V^-1 X| + (N - p) log 2 pi,    V_i = sigma at the visits of patient i

With W = V^-1 (zero where a patient was not read), u = W r, C = (X'WX)^-1 and P = W - W X C X' W:

    d(-2l)/d sigma_ab            = tr(P E_ab) - u' E_ab u
    d2(-2l)/d sigma_ab d sigma_cd = -tr(P E_ab P E_cd) + 2 u' E_ab P E_cd u

Patients read at the same visits share W, so the sums run over patterns. Harville 1977,
doi:10.1080/01621459.1977.10480998
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Repeated:
    """y (n, m) and X (n, m, p), zero where not read; `seen` (G, m) patterns, `pattern` (n,) which one each patient has.

    weights enter as sqrt(w) times the rows of y and X; log_weight is the sum of log w over what was read.
    """

    y: FloatArray
    X: FloatArray
    seen: NDArray[np.bool_]
    pattern: NDArray[np.intp]
    count: FloatArray
    log_weight: float
    restricted: bool

    @property
    def n_read(self) -> int:
        return int(self.count @ self.seen.sum(axis=1))


class LikelihoodState(NamedTuple):
    """The likelihood at one sigma: W (G, m, m), WX (n, m, p), u = W r (n, m), r, beta (p,), C (p, p), deviance."""

    W: FloatArray
    WX: FloatArray
    u: FloatArray
    r: FloatArray
    beta: FloatArray
    C: FloatArray
    deviance: float


def repeated(y: FloatArray, X: FloatArray, weights: FloatArray | None = None, restricted: bool = True) -> Repeated:
    """`y` (n, m) with NaN where not read and `X` (n, m, p), made ready for the likelihood."""
    read = np.isfinite(y)
    keep = read.any(axis=1)
    y, X, read = y[keep], X[keep], read[keep]
    root = np.ones_like(y) if weights is None else np.sqrt(np.where(read, weights[keep], 1.0))
    kinds, which, count = np.unique(read, axis=0, return_inverse=True, return_counts=True)
    order = np.argsort(which.ravel(), kind="stable")
    y0 = np.where(read, y, 0.0)[order] * root[order]
    X0 = np.where(read[:, :, None], X, 0.0)[order] * root[order][:, :, None]
    log_weight = float(2 * np.log(root[read]).sum())
    return Repeated(y0, X0, kinds, which.ravel()[order], count.astype(float), log_weight, restricted)


def precision(data: Repeated, sigma: FloatArray) -> tuple[FloatArray, float] | None:
    """W of each pattern and the summed log-determinants; None when sigma is not positive definite."""
    both = data.seen[:, :, None] & data.seen[:, None, :]
    V = np.where(both, sigma, np.eye(len(sigma)))
    try:
        L = np.linalg.cholesky(V)
    except np.linalg.LinAlgError:
        return None
    logdet = 2 * np.log(np.diagonal(L, axis1=1, axis2=2)).sum(axis=1)
    half = np.linalg.inv(L)
    return np.where(both, half.swapaxes(1, 2) @ half, 0.0), float(data.count @ logdet)


def evaluate(data: Repeated, sigma: FloatArray) -> LikelihoodState | None:
    """None when sigma or X'WX is not positive definite."""
    found = precision(data, sigma)
    if found is None:
        return None
    W, logdet = found
    n, m, p = data.X.shape
    WX = np.empty_like(data.X)
    Wy = np.empty_like(data.y)
    for g, (start, stop) in enumerate(_spans(data)):
        # Visits by (patients x coefficients): one product a pattern.
        block = data.X[start:stop].transpose(1, 0, 2).reshape(m, -1)
        WX[start:stop] = (W[g] @ block).reshape(m, stop - start, p).transpose(1, 0, 2)
        Wy[start:stop] = data.y[start:stop] @ W[g]
    flat = WX.reshape(n * m, p)
    XWX = flat.T @ data.X.reshape(n * m, p)
    try:
        half = np.linalg.inv(np.linalg.cholesky((XWX + XWX.T) / 2))
    except np.linalg.LinAlgError:
        return None
    C = half.T @ half
    beta = C @ (flat.T @ data.y.ravel())
    r = np.where(data.seen[data.pattern], data.y - data.X @ beta, 0.0)
    u = Wy - WX @ beta
    deviance = logdet + float(np.sum(r * u)) - data.log_weight
    if data.restricted:
        deviance += -2 * float(np.log(np.diag(half)).sum()) + (data.n_read - p) * float(np.log(2 * np.pi))
    else:
        deviance += data.n_read * float(np.log(2 * np.pi))
    return LikelihoodState(W, WX, u, r, beta, C, deviance)


def slope(data: Repeated, at: LikelihoodState) -> FloatArray:
    """d(-2l)/d sigma (m, m), each entry on its own."""
    total = np.einsum("g,gab->ab", data.count, at.W) - at.u.T @ at.u
    if data.restricted:
        total -= projections(data, at).sum(axis=0)
    return np.asarray(total)


def projections(data: Repeated, at: LikelihoodState) -> FloatArray:
    """W X C X' W summed within each pattern (G, m, m)."""
    n, m, p = at.WX.shape
    WXC = (at.WX.reshape(-1, p) @ at.C).reshape(n, m, p)
    out = np.empty((len(data.seen), m, m))
    for g, (start, stop) in enumerate(_spans(data)):
        a = at.WX[start:stop].transpose(1, 0, 2).reshape(m, -1)
        out[g] = a @ WXC[start:stop].transpose(1, 0, 2).reshape(m, -1).T
    return out


def expected_information(data: Repeated, at: LikelihoodState, J: FloatArray) -> FloatArray:
    """Expected curvature of -2 log-likelihood in theta, (q, q): sum tr(W J_a W J_b); without REML's correction."""
    m = J.shape[1]
    K = _outer(at.W * data.count[:, None, None], at.W).transpose(0, 2, 1, 3).reshape(m * m, m * m)
    flat = J.reshape(len(J), m * m)
    return np.asarray(flat @ K @ flat.T)


def curvature(data: Repeated, at: LikelihoodState) -> FloatArray:
    """d2(-2l)/d sigma_ab d sigma_cd (m, m, m, m), exact; to be used with symmetric directions."""
    n, m, p = at.WX.shape
    uu = np.stack([at.u[a:b].T @ at.u[a:b] for a, b in _spans(data)])
    H = (_outer(2 * uu - data.count[:, None, None] * at.W, at.W)).transpose(0, 2, 3, 1)
    D = (at.u.T @ at.WX.reshape(n, m * p)).reshape(m, m, p)
    H = H - 2 * ((D @ at.C).reshape(m * m, p) @ D.reshape(m * m, p).T).reshape(m, m, m, m).transpose(0, 1, 3, 2)
    if data.restricted:
        Q = projections(data, at)
        both = _outer(Q, at.W)
        H = H + both.transpose(0, 2, 3, 1) + both.transpose(2, 0, 1, 3)
        A = information_slopes(at)
        CA = at.C @ A
        H = H - (CA.reshape(m * m, -1) @ CA.swapaxes(2, 3).reshape(m * m, -1).T).reshape(m, m, m, m)
    return np.asarray(H)


def _outer(A: FloatArray, B: FloatArray) -> FloatArray:
    """sum_g A[g, a, d] B[g, b, c] as (a, d, b, c), for symmetric A and B."""
    m = A.shape[1]
    return np.asarray((A.reshape(len(A), -1).T @ B.reshape(len(B), -1)).reshape(m, m, m, m))


def information_slopes(at: LikelihoodState) -> FloatArray:
    """X' W E_ab W X of each entry (m, m, p, p): minus the slope of X'WX."""
    n, m, p = at.WX.shape
    flat = at.WX.reshape(n, m * p)
    return np.asarray((flat.T @ flat).reshape(m, p, m, p).transpose(0, 2, 1, 3))


def _spans(data: Repeated) -> list[tuple[int, int]]:
    ends = np.cumsum(data.count).astype(int)
    return list(zip([0, *ends[:-1].tolist()], ends.tolist(), strict=True))
