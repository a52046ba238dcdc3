"""mu(beta) of every subject and its derivative, generated from the handles' expressions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twin_service.fit.population.handles import Handles
from twin_service.solver.derivative import gradients
from twin_service.solver.evaluate import array_function
from twin_service.solver.expression import symbols_of

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class GeneratedTypical:
    """`slopes[k]` is (handle, beta) of the k-th derivative that `function` returns after the handles' mu."""

    function: Callable[..., Sequence[Any]]
    shape: tuple[int, int, int]
    slopes: tuple[tuple[int, int], ...]
    covariates: tuple[Floats, ...]

    @classmethod
    def create(cls, made: Handles, covariates: Sequence[Mapping[str, float]]) -> GeneratedTypical:
        """`covariates`: values of each subject."""
        betas = [b.name for b in made.betas]
        roots = [h.mu for h in made.handles]
        found, slopes, every = gradients(roots, betas), [], list(roots)
        for i, g in enumerate(found):
            for j, name in enumerate(betas):
                if name in g:
                    slopes.append((i, j))
                    every.append(g[name])
        used = sorted(symbols_of(every) - set(betas))
        columns = tuple(np.array([c[name] for c in covariates]) for name in used)
        function = array_function(every, [*betas, *used])
        return cls(function, (len(covariates), len(roots), len(betas)), tuple(slopes), columns)

    def __call__(self, beta: Floats) -> tuple[Floats, Floats]:
        n, p, nb = self.shape
        found = self.function(*beta, *self.covariates)
        mu, A = np.empty((n, p)), np.zeros((n, p, nb))
        for i in range(p):
            mu[:, i] = found[i]
        for (i, j), value in zip(self.slopes, found[p:], strict=True):
            A[:, i, j] = value
        return mu, A
