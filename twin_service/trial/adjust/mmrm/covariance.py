"""Covariance between the visits of one patient: structures as functions of unconstrained parameters.

    unstructured        any positive definite matrix (Cholesky factor with log diagonal)
    compound_symmetry   s^2 [(1 - r) I + r 1 1'],  -1/(m - 1) < r < 1
    ar1                 s^2 r^|i-j|
    toeplitz            s^2 c(|i-j|), c from partial autocorrelations (Levinson-Durbin): every positive definite one
    ante_dependence     s^2 prod r_k between i and j
    spatial_exponential s^2 r^d(i,j), d the distance of the visits
    heterogeneous_*     the same correlations with a variance at each visit

Wolfinger 1996 (heterogeneous structures), doi:10.2307/1400366; Gabriel 1962 (ante-dependence)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twin_service.trial.adjust.ancova import refuse
from twin_service.trial.protocol_reader import did_you_mean

FloatArray = NDArray[np.float64]
CORRELATIONS = ("compound_symmetry", "ar1", "toeplitz", "ante_dependence", "spatial_exponential")
STRUCTURES = ("unstructured", *CORRELATIONS, *(f"heterogeneous_{c}" for c in CORRELATIONS))
STEP = 1e-30


@dataclass(frozen=True)
class CovarianceStructure:
    """`name` of STRUCTURES over `visits` visits; `places` (m,) are their coordinates for spatial_exponential."""

    name: str
    visits: int
    places: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if self.name not in STRUCTURES:
            raise refuse("covariance", f"{self.name!r} is unknown{did_you_mean(self.name, STRUCTURES)}")
        if self.name.endswith("spatial_exponential") and len(self.places) != self.visits:
            raise refuse("covariance", "spatial_exponential needs the day of each visit")

    @property
    def heterogeneous(self) -> bool:
        return self.name.startswith("heterogeneous_")

    @property
    def parameters(self) -> int:
        m = self.visits
        if self.name == "unstructured":
            return m * (m + 1) // 2
        return (m if self.heterogeneous else 1) + self._correlations

    @property
    def _correlations(self) -> int:
        many = self.name.endswith(("toeplitz", "ante_dependence"))
        return 0 if self.visits == 1 else self.visits - 1 if many else 1

    def start(self, sigma: FloatArray) -> FloatArray:
        """Parameters near the covariance `sigma` (m, m): its variances, and moderate correlation."""
        if self.name == "unstructured":
            L = np.linalg.cholesky(sigma)
            return np.asarray((L - np.diag(np.diag(L)) + np.diag(np.log(np.diag(L))))[np.tril_indices(self.visits)])
        variances = np.diag(sigma) if self.heterogeneous else [np.diag(sigma).mean()]
        return np.concatenate([np.log(variances), np.full(self._correlations, 0.1)])

    def sigma(self, theta: NDArray[np.generic]) -> NDArray[np.generic]:
        """The covariance (m, m); analytic in `theta`, so that complex steps give exact derivatives."""
        m = self.visits
        if self.name == "unstructured":
            L = np.zeros((m, m), dtype=theta.dtype)
            L[np.tril_indices(m)] = theta
            diagonal = np.diag_indices(m)
            L[diagonal] = np.exp(L[diagonal])
            return np.asarray(L @ L.T)
        count = m if self.heterogeneous else 1
        sd = np.exp(np.broadcast_to(theta[:count], (m,)) / 2)
        return np.asarray(self._correlation(theta[count:]) * np.outer(sd, sd))

    def slopes(self, theta: FloatArray) -> FloatArray:
        """d sigma / d theta (q, m, m): in closed form, or by complex step, which is exact to rounding."""
        if self.name == "unstructured":
            L, i, j, s = self._factor(theta)
            half = np.zeros((len(theta), *L.shape))
            half[np.arange(len(theta)), i] = s[:, None] * L[:, j].T
            return half + half.swapaxes(1, 2)
        steps = np.eye(len(theta)) * STEP * 1j
        return np.stack([np.imag(self.sigma(theta + h)) / STEP for h in steps])

    def bend(self, theta: FloatArray, G: FloatArray) -> FloatArray:
        """sum_ab G_ab d2 sigma_ab / d theta2 (q, q) for a symmetric G; central differences of exact slopes where no
        closed form is used."""
        if self.name == "unstructured":
            L, i, j, s = self._factor(theta)
            found = 2 * np.outer(s, s) * (j[:, None] == j[None, :]) * G[np.ix_(i, i)]
            at = np.flatnonzero(i == j)
            found[at, at] += 2 * np.diag(L) * np.diag(G @ L)
            return np.asarray(found)
        h = 1e-5
        steps = np.eye(len(theta)) * h
        along = [np.einsum("qab,ab->q", self.slopes(theta + s) - self.slopes(theta - s), G) / (2 * h) for s in steps]
        return np.asarray((np.stack(along) + np.stack(along).T) / 2)

    def _factor(self, theta: FloatArray) -> tuple[FloatArray, NDArray[np.intp], NDArray[np.intp], FloatArray]:
        """L, and for each parameter its row, column and the slope of its entry of L."""
        i, j = np.tril_indices(self.visits)
        L = np.zeros((self.visits, self.visits))
        L[i, j] = theta
        np.fill_diagonal(L, np.exp(np.diag(L)))
        return L, i, j, np.where(i == j, L[i, j], 1.0)

    def _correlation(self, raw: NDArray[np.generic]) -> NDArray[np.generic]:
        m, lag = self.visits, np.abs(np.subtract.outer(np.arange(self.visits), np.arange(self.visits)))
        if m == 1:
            return np.ones((1, 1), dtype=raw.dtype)
        if self.name.endswith("compound_symmetry"):
            low = -1 / (m - 1)
            r = low + (1 - low) / (1 + np.exp(-raw[0]))
            return np.asarray(np.where(lag == 0, 1.0, r))
        if self.name.endswith("ar1"):
            return np.asarray(np.tanh(raw[0]) ** lag)
        if self.name.endswith("spatial_exponential"):
            places = np.array(self.places)
            distance = np.abs(places[:, None] - places[None, :])
            # The range is scaled by the mean gap, so that the start is a moderate correlation whatever the unit.
            rate = np.exp(-raw[0]) / np.diff(np.sort(places)).mean()
            return np.asarray(np.exp(-rate * distance))
        partial = np.tanh(raw)
        if self.name.endswith("toeplitz"):
            return np.asarray(_autocorrelations(partial)[lag])
        steps = np.eye(m, dtype=raw.dtype)
        for i in range(m):
            for j in range(i):
                steps[i, j] = steps[j, i] = np.prod(partial[j:i])
        return steps


def _autocorrelations(partial: NDArray[np.generic]) -> NDArray[np.generic]:
    """c_0..c_{m-1} from partial autocorrelations (Durbin 1960)."""
    c = np.ones(len(partial) + 1, dtype=partial.dtype)
    phi = np.zeros(0, dtype=partial.dtype)
    error = 1.0 + 0 * partial[0]
    for k, p in enumerate(partial):
        c[k + 1] = p * error + phi @ c[k:0:-1] if k else p
        phi = np.append(phi - p * phi[::-1], p)
        error = error * (1 - p * p)
    return c
