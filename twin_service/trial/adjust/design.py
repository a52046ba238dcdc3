"""Arms, covariates and classes as columns, coded so that an arm's coefficient is its least-squares mean.

One column an arm (and visit), no intercept; covariates centered at their mean over what was read; each class but the
first as a 0/1 column less 1/k. The coefficient of an arm is then its mean at average covariates with equal weight for
every class: what SAS calls LSMEANS, and a difference of two of them is the contrast.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twin_service.trial.adjust.ancova import refuse

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class VisitDesign:
    """columns (n, p) of one visit, `names` (p,), the arms first."""

    columns: FloatArray
    names: tuple[str, ...]
    arms: int


def design_of(
    arm: NDArray[np.intp],
    arms: int,
    covariates: Mapping[str, FloatArray],
    classes: Mapping[str, Sequence[object]],
    *,
    weights: FloatArray | None = None,
) -> VisitDesign:
    """`weights` (n,) of the covariates' means: readings of each subject. Raises Refusal for one that is constant."""
    n = len(arm)
    columns = [(arm == a).astype(float) for a in range(arms)]
    names = [f"arm {a}" for a in range(arms)]
    for name, values in covariates.items():
        if not np.all(np.isfinite(values)):
            raise refuse("covariates", f"{name} is missing in {int(np.sum(~np.isfinite(values)))} of {n} subjects")
        if np.ptp(values) == 0:
            raise refuse("covariates", f"{name} is the same for every subject; leave it out")
        columns.append(values - np.average(values, weights=weights))
        names.append(name)
    for name, labels in classes.items():
        text = np.array([str(v) for v in labels], dtype=object)
        levels = sorted(set(text))
        if len(levels) < 2:
            raise refuse("factors", f"{name} has one class only; leave it out")
        for level in levels[1:]:
            columns.append((text == level).astype(float) - 1 / len(levels))
            names.append(f"{name}: {level}")
    X = np.column_stack(columns)
    scale = np.linalg.norm(X, axis=0)
    if np.any(scale == 0):
        raise refuse("arms", f"{names[int(np.argmin(scale))]} has no subject with a value")
    if n <= X.shape[1]:
        raise refuse("covariates", f"{n} subjects cannot carry {X.shape[1]} coefficients; drop covariates")
    if np.linalg.matrix_rank(X / scale) < X.shape[1]:
        raise refuse("covariates", f"linearly dependent: {_dependent(X / scale, names)}; drop one of them")
    return VisitDesign(X, tuple(names), arms)


def _dependent(X: FloatArray, names: Sequence[str]) -> str:
    """The first column that those before it explain, with the ones that do."""
    for k in range(1, X.shape[1]):
        beta, *_ = np.linalg.lstsq(X[:, :k], X[:, k], rcond=None)
        if np.linalg.norm(X[:, :k] @ beta - X[:, k]) < 1e-8:
            with_it = [names[int(j)] for j in np.flatnonzero(np.abs(beta) > 1e-8)][:6]
            return f"{names[k]} follows from {', '.join(with_it)}"
    return "the covariates"
