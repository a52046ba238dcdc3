"""Single-arm trials with a yes-or-no response: Simon's two stages, and whether to go on at an interim look.

    stop after n1 if responses <= r1;  in the end the drug is worth more study if responses > r of n

    predictive probability   PP = sum_y P(Y = y | x, n) 1[P(p > p0 | x + y, N) > theta],  Y ~ beta-binomial

All probabilities are exact. Simon 1989, doi:10.1016/0197-2456(89)90015-9; Lee & Liu 2008, doi:10.1177/1740774508089279
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta, betabinom, binom

from twin_service.outcome import Refusal, RefusalCode
from twin_service.trial.adjust.ancova import refuse

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class TwoStage:
    """r1/n1 and r/n, with what happens when the response rate is p0: expected patients, chance to stop early, type I
    error; and the power at p1."""

    r1: int
    n1: int
    r: int
    n: int
    expected_patients: float
    stop_early: float
    alpha: float
    power: float


class SimonDesigns(NamedTuple):
    """`optimal`: fewest expected patients under p0. `minimax`: fewest patients at most."""

    optimal: TwoStage
    minimax: TwoStage


class SingleArmConduct(NamedTuple):
    """At one true rate: probability of success in the end, of stopping early, and expected patients."""

    success: float
    stop_early: float
    expected_patients: float


def two_stage(r1: int, n1: int, r: int, n: int, *, p0: float, p1: float) -> TwoStage:
    """The design r1/n1, r/n with its exact properties."""
    if not (0 <= r1 < n1 < n and r1 <= r < n):
        raise refuse("n1", "expected 0 <= r1 < n1 < n and r1 <= r < n")
    stop = float(binom.cdf(r1, n1, p0))
    return TwoStage(
        r1, n1, r, n, n1 + (1 - stop) * (n - n1), stop, _success(r1, n1, r, n - n1, p0), _success(r1, n1, r, n - n1, p1)
    )


def simon_designs(p0: float, p1: float, *, alpha: float = 0.05, power: float = 0.8, n_max: int = 100) -> SimonDesigns:
    """Search of all designs of at most `n_max` patients.

    Raises Refusal when none of them has the power.
    """
    if not 0 < p0 < p1 < 1 or not 0 < alpha < 1 or not 0 < power < 1:
        raise refuse("p0", "expected 0 < p0 < p1 < 1, and alpha and power between 0 and 1")
    optimal: TwoStage | None = None
    minimax: TwoStage | None = None
    for n in range(2, n_max + 1):
        found = _best_of_size(n, p0, p1, alpha, power)
        if found is None:
            continue
        minimax = found if minimax is None else minimax
        if optimal is None or found.expected_patients < optimal.expected_patients:
            optimal = found
    if optimal is None or minimax is None:
        raise Refusal(
            RefusalCode.PRECONDITION,
            f"no design of at most {n_max} patients has power {power:g}",
            field="n_max",
            reason="NO_DESIGN",
        )
    return SimonDesigns(optimal, minimax)


def predictive_probability(
    responses: int,
    treated: int,
    patients: int,
    *,
    p0: float,
    threshold: float = 0.9,
    prior: tuple[float, float] = (0.5, 0.5),
) -> float:
    """Probability that after `patients` P(p > p0) will exceed `threshold`, given `responses` of `treated` so far."""
    if not (0 <= responses <= treated <= patients) or min(prior) <= 0 or not 0 < p0 < 1:
        raise refuse("responses", "expected 0 <= responses <= treated <= patients, 0 < p0 < 1 and a positive prior")
    a, b = prior[0] + responses, prior[1] + treated - responses
    left = patients - treated
    y = np.arange(left + 1)
    good = beta.sf(p0, a + y, b + left - y) > threshold
    return float(betabinom.pmf(y, left, a, b)[good].sum())


def futility_boundary(
    looks: Sequence[int],
    *,
    p0: float,
    patients: int,
    threshold: float = 0.9,
    stop_below: float = 0.05,
    prior: tuple[float, float] = (0.5, 0.5),
) -> tuple[int, ...]:
    """Largest number of responses at each look at which the predictive probability is below `stop_below`; -1: none."""
    found = []
    for n in looks:
        chances = (
            predictive_probability(x, n, patients, p0=p0, threshold=threshold, prior=prior) for x in range(n + 1)
        )
        found.append(next((x - 1 for x, chance in enumerate(chances) if chance >= stop_below), n))
    return tuple(found)


def conduct(
    looks: Sequence[int], boundary: Sequence[int], needed: int, patients: int, *, rate: float
) -> SingleArmConduct:
    """What a trial does at true response `rate`: it stops at look k with at most boundary[k] responses, and succeeds
    with at least `needed` of `patients`. Exact, by recursion over the responses of those still in the trial."""
    if len(looks) != len(boundary) or any(np.diff([0, *looks, patients]) < 0):
        raise refuse("looks", "expected one boundary a look, and looks in order up to the last patient")
    going = np.zeros(patients + 1)
    going[0], stopped, expected, before = 1.0, 0.0, 0.0, 0
    for n, bound in zip(looks, boundary, strict=True):
        going = _grown(going, n - before, rate)
        leaving = float(going[: bound + 1].sum())
        going[: bound + 1] = 0.0
        stopped, expected, before = stopped + leaving, expected + leaving * n, n
    going = _grown(going, patients - before, rate)
    return SingleArmConduct(float(going[needed:].sum()), stopped, expected + float(going.sum()) * patients)


def _grown(going: FloatArray, more: int, rate: float) -> FloatArray:
    return np.asarray(np.convolve(going, binom.pmf(np.arange(more + 1), more, rate))[: len(going)])


def _success(r1: int, n1: int, r: int, n2: int, p: float) -> float:
    x = np.arange(r1 + 1, n1 + 1)
    return float(binom.pmf(x, n1, p) @ binom.sf(r - x, n2, p))


def _from_top(n1: int, n2: int, r: NDArray[np.intp], p: float) -> FloatArray:
    """Row k: probability of k or more responses in stage one and more than r (columns) in all."""
    x = np.arange(n1 + 1)[:, None]
    joint = binom.sf(r[None, :] - x, n2, p) * binom.pmf(x, n1, p)
    return np.asarray(np.cumsum(joint[::-1], axis=0)[::-1])


def _best_of_size(n: int, p0: float, p1: float, alpha: float, power: float) -> TwoStage | None:
    """Fewest expected patients among designs of n patients; both error rates for all r at once, for each r1 and n1."""
    best: tuple[float, int, int, int] | None = None
    r = np.arange(n)
    # A single stage with more responses needed has less power than any two-stage design may lose.
    r = r[(binom.sf(r, n, p1) >= power)]
    if not len(r):
        return None
    for n1 in range(1, n):
        null, hoped = (_from_top(n1, n - n1, r, p) for p in (p0, p1))
        for r1 in range(n1):
            stop = float(binom.cdf(r1, n1, p0))
            size = n1 + (1 - stop) * (n - n1)
            if best is not None and size >= best[0]:
                continue
            fits = np.flatnonzero((null[r1 + 1] <= alpha) & (hoped[r1 + 1] >= power) & (r >= r1))
            if len(fits):
                best = (size, r1, n1, int(r[fits[0]]))
    return None if best is None else two_stage(best[1], best[2], best[3], n, p0=p0, p1=p1)
