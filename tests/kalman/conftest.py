"""A linear Gaussian problem and its closed-form answer, shared by the oracles of this room."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pytest

from twin_service.kalman.belief import Belief
from twin_service.kalman.errors import Noise, ObservedReadings


class Problem(NamedTuple):
    prior: Belief
    A: np.ndarray
    observed: ObservedReadings
    mean: np.ndarray
    covariance: np.ndarray

    def predict(self, eta: np.ndarray) -> np.ndarray:
        return eta @ self.A.T


def linear_problem(nx: int, ny: int, seed: int) -> Problem:
    """Conditioning of a Gaussian, by the textbook formula with explicit inverses."""
    rng = np.random.default_rng(seed)
    root = rng.standard_normal((nx, nx))
    m, P = rng.standard_normal(nx), root @ root.T + 0.1 * np.eye(nx)
    A, sd = rng.standard_normal((ny, nx)), rng.uniform(0.2, 2.0, ny)
    y = rng.standard_normal(ny)
    S = A @ P @ A.T + np.diag(sd**2)
    gain = P @ A.T @ np.linalg.inv(S)
    observed = ObservedReadings.create(y, [Noise(additive=s) for s in sd])
    return Problem(Belief.of(m, P), A, observed, m + gain @ (y - A @ m), P - gain @ S @ gain.T)


@pytest.fixture(name="linear_problem")
def _linear_problem() -> Callable[[int, int, int], Problem]:
    return linear_problem
