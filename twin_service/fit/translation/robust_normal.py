"""A multivariate Student distribution fitted to rows with holes, and what it says of a hole.

    x_i | w_i ~ N(mu, Sigma / w_i),   w_i ~ Gamma(nu/2, nu/2)

Fitted by expectation-maximization over missing values and weights (Liu & Rubin 1995, Statistica Sinica 5:19), with an
inverse-Wishart prior of `strength` rows around a matrix of equal correlations. Given the observed part o of a new row,
a missing component is Student with nu + |o| degrees of freedom (Ding 2016, Am Stat 70:293):

    m = mu_h + g (x_o - mu_o),  g = Sigma_ho Sigma_oo^-1
    s^2 = (nu + d) / (nu + |o|) * (Sigma_hh - g Sigma_oh),  d = (x_o - mu_o)' Sigma_oo^-1 (x_o - mu_o)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

Floats = NDArray[np.float64]
Pattern = tuple[NDArray[np.bool_], NDArray[np.intp]]

ITERATIONS: Final = 200
TOLERANCE: Final = 1e-6
NEAR_TOLERANCE: Final = 1e-4  # from a start that differs by a row; a thousandth of any scale here
DEGREES: Final = (3.0, 4.0, 6.0, 10.0, 30.0)


class Student(NamedTuple):
    """A location-scale Student distribution of one number."""

    location: float
    scale: float
    degrees: float


@dataclass(frozen=True)
class RobustNormal:
    """Location (p,), scatter (p, p) and degrees of freedom of rows of p numbers."""

    location: Floats
    scatter: Floats
    degrees: float

    def given(self, row: Floats, wanted: int) -> tuple[Student, Floats]:
        """Component `wanted` given the finite others of `row` (p,); also each component's weight g (p,)."""
        seen = np.isfinite(row)
        seen[wanted] = False
        weights = np.zeros(len(row))
        inner = self.scatter[np.ix_(seen, seen)]
        across = self.scatter[seen, wanted]
        apart = row[seen] - self.location[seen]
        gain = np.linalg.solve(inner, across)
        weights[seen] = gain
        degrees = self.degrees + seen.sum()
        spread = (self.degrees + apart @ np.linalg.solve(inner, apart)) / degrees
        variance = spread * (self.scatter[wanted, wanted] - gain @ across)
        return Student(float(self.location[wanted] + gain @ apart), float(np.sqrt(variance)), float(degrees)), weights

    def log_likelihood(self, rows: Floats) -> float:
        """Sum over rows of the log density of what is observed in each."""
        return float(sum(np.sum(_density(self, rows[at], seen)) for seen, at in _patterns(rows)))


def fit_robust_normal(rows: Floats, *, strength: float = 2.0, start: RobustNormal | None = None) -> RobustNormal:
    """Location and scatter of `rows` (n, p; NaN: not measured); degrees by likelihood, or those of a near `start`."""
    kept = rows[np.isfinite(rows).any(axis=1)]
    if start is not None:
        return _fit(kept, strength, start.degrees, start)
    return max((_fit(kept, strength, nu) for nu in DEGREES), key=lambda m: m.log_likelihood(kept))


def _fit(rows: Floats, strength: float, degrees: float, start: RobustNormal | None = None) -> RobustNormal:
    spread = np.nanstd(rows, axis=0)
    prior = np.outer(spread, spread) * (0.3 * np.eye(len(spread)) + 0.7)
    model = start or RobustNormal(np.nanmean(rows, axis=0), prior, degrees)
    patterns = _patterns(rows)
    for _ in range(ITERATIONS):
        after = _step(model, rows, patterns, strength * prior, strength)
        moved = float(np.max(np.abs(after.scatter - model.scatter))) + float(
            np.max(np.abs(after.location - model.location))
        )
        model = after
        if moved < (NEAR_TOLERANCE if start is not None else TOLERANCE):
            break
    return model


def _step(model: RobustNormal, rows: Floats, patterns: list[Pattern], prior: Floats, strength: float) -> RobustNormal:
    n, p = rows.shape
    filled, weights, left = np.empty((n, p)), np.empty(n), np.zeros((p, p))
    for seen, at in patterns:
        inner = model.scatter[np.ix_(seen, seen)]
        gain = np.linalg.solve(inner, model.scatter[np.ix_(seen, ~seen)])
        apart = rows[np.ix_(at, seen)] - model.location[seen]
        distance = np.einsum("ij,ij->i", apart, np.linalg.solve(inner, apart.T).T)
        weights[at] = (model.degrees + seen.sum()) / (model.degrees + distance)
        filled[np.ix_(at, seen)] = rows[np.ix_(at, seen)]
        filled[np.ix_(at, ~seen)] = model.location[~seen] + apart @ gain
        rest = model.scatter[np.ix_(~seen, ~seen)] - model.scatter[np.ix_(~seen, seen)] @ gain
        left[np.ix_(~seen, ~seen)] += len(at) * rest
    location = weights @ filled / weights.sum()
    apart = filled - location
    scatter = (left + (weights[:, None] * apart).T @ apart + prior) / (n + strength)
    return RobustNormal(location, (scatter + scatter.T) / 2, model.degrees)


def _patterns(rows: Floats) -> list[Pattern]:
    """Rows grouped by which of their components are observed."""
    seen = np.isfinite(rows)
    kinds, which = np.unique(seen, axis=0, return_inverse=True)
    return [(kind, np.flatnonzero(which.ravel() == k)) for k, kind in enumerate(kinds)]


def _density(model: RobustNormal, rows: Floats, seen: NDArray[np.bool_]) -> Floats:
    inner = model.scatter[np.ix_(seen, seen)]
    apart = rows[:, seen] - model.location[seen]
    distance = np.einsum("ij,ij->i", apart, np.linalg.solve(inner, apart.T).T)
    k, nu = int(seen.sum()), model.degrees
    constant = gammaln((nu + k) / 2) - gammaln(nu / 2) - k / 2 * np.log(nu * np.pi) - np.linalg.slogdet(inner)[1] / 2
    found: Floats = constant - (nu + k) / 2 * np.log1p(distance / nu)
    return found
