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


class TwoStageNumbers(NamedTuple):
    """Stop after n1 patients with at most r1 responses; fail with at most r of n."""

    r1: int
    n1: int
    r: int
    n: int


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
    laws = _binomial(n_max + 1, p0), _binomial(n_max + 1, p1)
    for n in range(2, n_max + 1):
        numbers = _best_of_size(n, laws, alpha, power)
        if numbers is None:
            continue
        found = two_stage(*numbers, p0=p0, p1=p1)
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


class _Binomial(NamedTuple):
    """Row n: pmf and cdf at k, sf at k - 1 (more than k - 1 responses), for all n up to a limit."""

    pmf: FloatArray
    cdf: FloatArray
    at_least: FloatArray


def _binomial(n_max: int, p: float) -> _Binomial:
    n, k = np.arange(n_max + 1)[:, None], np.arange(n_max + 1)[None, :]
    return _Binomial(binom.pmf(k, n, p), binom.cdf(k, n, p), binom.sf(k - 1, n, p))


def _from_top(n1: int, n2: int, r: NDArray[np.intp], law: _Binomial) -> FloatArray:
    """Row k: probability of k or more responses in stage one and more than r (columns) in all."""
    wanted = r[None, :] + 1 - np.arange(n1 + 1)[:, None]
    joint = law.at_least[n2, np.clip(wanted, 0, n2 + 1)] * law.pmf[n1, : n1 + 1, None]
    return np.asarray(np.cumsum(joint[::-1], axis=0)[::-1])


def _best_of_size(n: int, laws: tuple[_Binomial, _Binomial], alpha: float, power: float) -> TwoStageNumbers | None:
    """Fewest expected patients among designs of n patients; both error rates for all r1 and r at once, for each n1."""
    best: tuple[float, TwoStageNumbers] | None = None
    null_law, hoped_law = laws
    # A single stage with more responses needed has less power than any two-stage design may lose.
    r = np.flatnonzero(hoped_law.at_least[n, 1 : n + 1] >= power)
    if not len(r):
        return None
    for n1 in range(1, n):
        null, hoped = (_from_top(n1, n - n1, r, law)[1:] for law in laws)
        fits = (null <= alpha) & (hoped >= power) & (r >= np.arange(n1)[:, None])
        possible = np.flatnonzero(fits.any(axis=1))
        if not len(possible):
            continue
        size = n1 + (1 - null_law.cdf[n1, possible]) * (n - n1)
        k = int(np.argmin(size))
        if best is None or size[k] < best[0]:
            r1 = int(possible[k])
            best = (float(size[k]), TwoStageNumbers(r1, n1, int(r[np.argmax(fits[r1])]), n))
    return None if best is None else best[1]
