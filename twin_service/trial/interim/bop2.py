"""BOP2: a single-arm trial that stops when the chance to be better than p0 has become too small, bar rising with n.

    stop at n when P(p > p0 | x of n) < lambda (n/N)^gamma,   p ~ Beta(p0, 1 - p0)

lambda and gamma maximize the power at p1 with the type I error at p0 held; both are exact, by recursion.
Zhou, Lee & Yuan 2017, doi:10.1002/sim.7338
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.stats import beta

from twin_service.outcome import Refusal, RefusalCode
from twin_service.trial.adjust.ancova import refuse
from twin_service.trial.interim.single_arm import conduct

LAMBDAS = np.round(np.arange(0.50, 0.995, 0.01), 2)
GAMMAS = np.round(np.arange(0.0, 1.0001, 0.05), 2)


class OptimalBoundary(NamedTuple):
    """Largest responses at which to stop at each look (the last: no success), with exact properties."""

    looks: tuple[int, ...]
    boundary: tuple[int, ...]
    rate: float
    power_of_n: float
    alpha: float
    power: float
    expected_null: float
    expected_alternative: float


def bop2(looks: Sequence[int], *, p0: float, p1: float, alpha: float = 0.1) -> OptimalBoundary:
    """`looks` are patients at each look, the last the whole trial. Raises Refusal when no pair holds `alpha`."""
    n = np.asarray(looks)
    if len(n) < 2 or np.any(np.diff(n) <= 0) or n[0] < 1 or not 0 < p0 < p1 < 1 or not 0 < alpha < 1:
        raise refuse("looks", "expected two or more increasing looks, 0 < p0 < p1 < 1 and 0 < alpha < 1")
    posterior = [beta.sf(p0, p0 + np.arange(k + 1), 1 - p0 + k - np.arange(k + 1)) for k in n]
    known: dict[tuple[int, ...], tuple[float, float]] = {}
    best: tuple[float, float, float, tuple[int, ...]] | None = None
    for rate in LAMBDAS:
        for gamma in GAMMAS:
            bars = rate * (n / n[-1]) ** gamma
            bound = tuple(int(np.sum(q < bar)) - 1 for q, bar in zip(posterior, bars, strict=True))
            if bound not in known:
                known[bound] = _errors(n.tolist(), bound, p0, p1)
            size, power = known[bound]
            if size <= alpha and (best is None or power > best[0] + 1e-12):
                best = (power, float(rate), float(gamma), bound)
    if best is None:
        raise Refusal(RefusalCode.PRECONDITION, f"no boundary holds alpha {alpha:g}", field="alpha", reason="NO_DESIGN")
    power, rate, gamma, bound = best
    null, hoped = (conduct(n[:-1].tolist(), bound[:-1], bound[-1] + 1, int(n[-1]), rate=p) for p in (p0, p1))
    return OptimalBoundary(
        tuple(int(k) for k in n),
        bound,
        rate,
        gamma,
        null.success,
        power,
        null.expected_patients,
        hoped.expected_patients,
    )


def _errors(n: Sequence[int], bound: tuple[int, ...], p0: float, p1: float) -> tuple[float, float]:
    found = [conduct(n[:-1], bound[:-1], bound[-1] + 1, int(n[-1]), rate=p).success for p in (p0, p1)]
    return found[0], found[1]
