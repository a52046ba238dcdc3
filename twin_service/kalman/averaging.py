"""Several structural models for one patient, weighted by how well each has predicted.

    w_k  ~  prior_k * prod_t p_k(y_t | y_1..t-1)

the predictive likelihoods being the `log_evidence` of each update. Uster 2021, doi:10.1002/cpt.2065.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import logsumexp

FloatArray = NDArray[np.float64]


def averaging_weights(log_evidence: ArrayLike, prior: ArrayLike | None = None) -> FloatArray:
    """Posterior model probabilities (nm,) from summed log predictive likelihoods (nm,).

    A model whose evidence is not finite gets weight 0; refused (ValueError) where none is finite.
    """
    score = np.array(log_evidence, dtype=np.float64)
    score += 0.0 if prior is None else np.log(np.asarray(prior, dtype=np.float64))
    score[~np.isfinite(score)] = -np.inf
    if not np.any(np.isfinite(score)):
        raise ValueError("no model has a finite evidence")
    return np.asarray(np.exp(score - logsumexp(score)))


def averaged_quantiles(
    members: Sequence[FloatArray], weights: ArrayLike, levels: Sequence[float] = (0.05, 0.5, 0.95)
) -> FloatArray:
    """Quantiles (nq, ny) of the mixture of the models' predictive members, each (N_k, ny)."""
    w = np.asarray(weights, dtype=np.float64)
    stacked = np.concatenate(list(members))
    share = np.concatenate([np.full(len(m), wk / len(m)) for m, wk in zip(members, w, strict=True)])
    out = np.empty((len(levels), stacked.shape[1]))
    for j, column in enumerate(stacked.T):
        order = np.argsort(column)
        cumulative = np.cumsum(share[order]) - 0.5 * share[order]
        out[:, j] = np.interp(levels, cumulative, column[order])
    return out
