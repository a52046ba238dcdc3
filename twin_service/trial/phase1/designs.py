"""Escalation designs behind one interface: from the counts at each dose to the next dose, and in the end to the MTD.

Each works on many trials at once: patients and toxicities (B, k), the dose now given (B,), both from 0; -1 is "stop"
in `next_level` and "none" in `select`. The live trial asks with B = 1 and the simulator with thousands: the same code
decides in both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline
from scipy.special import expit, log_expit, logit
from scipy.stats import beta

from twin_service.trial.adjust.ancova import refuse
from twin_service.trial.phase1.crm import Skeleton
from twin_service.trial.phase1.dose_toxicity import LogisticPrior, Surface, surface
from twin_service.trial.phase1.escalation_rules import BoinTable, boin_selection, boin_table, three_plus_three_next

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
THETA_NODES, CHUNK = 161, 500


class EscalationDesign(Protocol):
    """What the simulator and the live trial need of a design."""

    @property
    def levels(self) -> int: ...

    def next_level(self, patients: FloatArray, toxicities: FloatArray, current: IntArray) -> IntArray: ...

    def select(self, patients: FloatArray, toxicities: FloatArray, current: IntArray) -> IntArray: ...


@dataclass(frozen=True)
class RuleOfThree:
    """3 + 3 in cohorts of three; with `deescalate` the declared dose must have been given to six."""

    levels: int
    deescalate: bool = False

    def next_level(self, patients: FloatArray, toxicities: FloatArray, current: IntArray) -> IntArray:
        steps = [self._step(n, y, c) for n, y, c in zip(patients, toxicities, current, strict=True)]
        return np.array([level if goes_on and level is not None else -1 for level, goes_on in steps], dtype=np.int64)

    def select(self, patients: FloatArray, toxicities: FloatArray, current: IntArray) -> IntArray:
        steps = [self._step(n, y, c) for n, y, c in zip(patients, toxicities, current, strict=True)]
        return np.array([-1 if level is None else level for level, _ in steps], dtype=np.int64)

    def _step(self, n: FloatArray, y: FloatArray, current: int) -> tuple[int | None, bool]:
        return three_plus_three_next(n, y, int(current), deescalate=self.deescalate)


@dataclass(frozen=True)
class Boin:
    """Bayesian optimal interval design; counts may be fractional (partly followed patients, see `titration`).

    enough    patients at a dose that is to be kept, after which the trial stops and selects; 0: never
    extra     how much below `elimination` the probability that the lowest dose is too toxic already stops; 0: none
    """

    levels: int
    table: BoinTable
    enough: int = 0
    elimination: float = 0.95
    extra: float = 0.0

    @classmethod
    def create(cls, levels: int, target: float, *, patients_max: int = 60, enough: int = 0, extra: float = 0.0) -> Boin:
        """With the source's default interval and elimination at 0.95."""
        return cls(levels, boin_table(target, patients_max), enough, extra=extra)

    def next_level(self, patients: FloatArray, toxicities: FloatArray, current: IntArray) -> IntArray:
        """Escalate at or below lambda_e, de-escalate at or above lambda_d, never into an eliminated dose."""
        rows = np.arange(len(current))
        out = self.eliminated(patients, toxicities)
        n, y = patients[rows, current], toxicities[rows, current]
        rate = y / np.maximum(n, 1e-9)
        up = (rate <= self.table.escalate_below + 1e-12) & (current + 1 < self.levels)
        up &= ~out[rows, np.minimum(current + 1, self.levels - 1)]
        down = ((rate >= self.table.deescalate_above - 1e-12) | out[rows, current]) & (current > 0)
        found = np.where(down, current - 1, np.where(up, current + 1, current))
        stop = self._unsafe(patients, toxicities) | out[:, 0]
        stop |= (self.enough > 0) & (found == current) & (n >= max(self.enough, 1))
        return np.where(stop, -1, found).astype(np.int64)

    def select(self, patients: FloatArray, toxicities: FloatArray, current: IntArray) -> IntArray:
        """Isotonic risk nearest to the target."""
        target, found = self.table.target, []
        for n, y in zip(patients, toxicities, strict=True):
            place = boin_selection(target, n, y, elimination=self.elimination)
            found.append(-1 if place is None else place)
        return np.where(self._unsafe(patients, toxicities), -1, np.array(found, dtype=np.int64)).astype(np.int64)

    def _unsafe(self, patients: FloatArray, toxicities: FloatArray) -> NDArray[np.bool_]:
        """The lowest dose is too toxic by the stricter rule."""
        n, y = patients[:, 0], toxicities[:, 0]
        over = beta.sf(self.table.target, 1 + y, 1 + np.maximum(n - y, 0.0))
        return np.asarray((self.extra > 0) & (n >= 3) & (over > self.elimination - self.extra))

    def eliminated(self, patients: FloatArray, toxicities: FloatArray) -> NDArray[np.bool_]:
        limit = np.array([np.inf, *(np.inf if e is None else e for e in self.table.eliminate_at_least)])
        whole = np.minimum(np.floor(patients + 1e-9).astype(np.intp), len(limit) - 1)
        return np.asarray(np.logical_or.accumulate((toxicities >= limit[whole]) & (patients >= 3), axis=1))


@dataclass(frozen=True)
class Crm:
    """Next dose: risk at the posterior mean nearest to the target, not skipping an untried dose (`skip`), not rising
    while the last cohort's rate is above the target (`coherent`); stop when the lowest dose is too toxic (`safety`:
    posterior probability that its risk exceeds the target; 1: never)."""

    skeleton: Skeleton
    target: float
    skip: bool = False
    coherent: bool = True
    safety: float = 1.0
    _nodes: CrmNodes = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_nodes", CrmNodes.of(self.skeleton))

    @property
    def levels(self) -> int:
        return len(self.skeleton.risks)

    def next_level(self, patients: FloatArray, toxicities: FloatArray, current: IntArray) -> IntArray:
        weight = self._nodes.weight(patients, toxicities)
        rows = np.arange(len(current))
        return self._next(weight, toxicities[rows, current] > self.target * patients[rows, current], current)

    def next_level_partial(self, seen: tuple[IntArray, NDArray[np.bool_], FloatArray], current: IntArray) -> IntArray:
        """From single patients: dose, toxic, share of the window followed (0: not treated yet), each (B, n)."""
        level, toxic, followed = seen
        log_weight = np.tile(self._nodes.log_prior, (len(current), 1))
        for i in range(level.shape[1]):
            p = np.clip(self._nodes.risk[level[:, i]], 1e-300, 1 - 1e-15)
            log_weight += np.log(np.where(toxic[:, [i]], p, 1 - followed[:, [i]] * p))
        here = (level == current[:, None]) & (followed > 0)
        rate_above = (toxic & here).sum(axis=1) > self.target * np.where(here, followed, 0.0).sum(axis=1)
        return self._next(_normalized(log_weight), rate_above, current)

    def select(self, patients: FloatArray, toxicities: FloatArray, current: IntArray) -> IntArray:
        found, too_toxic = self._best(self._nodes.weight(patients, toxicities))
        return np.where(too_toxic, -1, found).astype(np.int64)

    def _next(self, weight: FloatArray, bad: NDArray[np.bool_], current: IntArray) -> IntArray:
        found, too_toxic = self._best(weight)
        if not self.skip:
            found = np.minimum(found, current + 1)
        if self.coherent:
            found = np.where(bad, np.minimum(found, current), found)
        return np.where(too_toxic, -1, found).astype(np.int64)

    def _best(self, weight: FloatArray) -> tuple[IntArray, NDArray[np.bool_]]:
        risk = self.skeleton.risk(weight @ self._nodes.theta).T
        found = np.argmin(np.abs(risk - self.target), axis=1)
        lowest = self._nodes.risk[0] > self.target
        return found.astype(np.int64), np.asarray(weight @ lowest > self.safety)


@dataclass(frozen=True)
class CrmNodes:
    """The quadrature of one skeleton: places (g,), risk (k, g), and logarithms of risk and of its complement."""

    theta: FloatArray
    risk: FloatArray
    log_p: FloatArray
    log_q: FloatArray
    log_prior: FloatArray

    @classmethod
    def of(cls, skeleton: Skeleton) -> CrmNodes:
        x = np.linspace(-6.0, 6.0, THETA_NODES)
        odds = skeleton.log_odds(skeleton.sd * x)
        return cls(skeleton.sd * x, expit(odds), log_expit(odds), log_expit(-odds), -(x**2) / 2)

    def weight(self, patients: FloatArray, toxicities: FloatArray) -> FloatArray:
        """Posterior weight of each node for each trial, (B, g)."""
        return _normalized(toxicities @ self.log_p + (patients - toxicities) @ self.log_q + self.log_prior)


@dataclass(frozen=True)
class OverdoseControl:
    """Escalation with overdose control. cuts: lower and upper end of the target interval.

    overdose_max   highest probability of a risk above the interval that a dose may have
    step_max       largest factor by which the dose may rise over the highest given so far
    enough         patients at a dose that is recommended again, after which the trial ends, when at the same time
    confident      the probability that its risk lies in the target interval is at least this
    """

    cuts: tuple[float, float] = (0.16, 0.33)
    overdose_max: float = 0.25
    step_max: float = 2.0
    enough: int = 6
    confident: float = 0.5

    @classmethod
    def create(cls, **limits: float | int | tuple[float, float]) -> OverdoseControl:
        """Raises Refusal for limits that contradict each other."""
        made = cls(**limits)  # type: ignore[arg-type]
        if not 0 < made.cuts[0] < made.cuts[1] < 1 or not 0 < made.overdose_max < 1 or not made.step_max > 1:
            raise refuse("overdose_control", "expected 0 < lower < upper < 1, 0 < overdose_max < 1 and step_max > 1")
        return made


@dataclass(frozen=True)
class Blrm:
    """Bayesian logistic regression with overdose control, on a coarse grid that the tests hold against the fine one."""

    doses: tuple[float, ...]
    prior: LogisticPrior | Surface
    control: OverdoseControl = OverdoseControl()
    _nodes: BlrmNodes = field(init=False, repr=False)

    def __post_init__(self) -> None:
        d = np.asarray(self.doses, dtype=np.float64)
        if len(d) < 2 or np.any(d <= 0) or np.any(np.diff(d) <= 0):
            raise refuse("doses", "expected two or more doses, rising; put them in order")
        gap = float(np.max(d[1:] / d[:-1]))
        if gap > self.control.step_max * (1 + 1e-9):
            raise refuse(
                "step_max",
                f"neighboring doses differ by a factor of {gap:.3g}, above {self.control.step_max:g}: the "
                "trial could never escalate past it; add a dose between or allow the step",
            )
        grid = self.prior if isinstance(self.prior, Surface) else surface(self.prior, 65, 49, 6.0)
        object.__setattr__(self, "_nodes", BlrmNodes.of(grid, self.doses, self.control.cuts))

    @property
    def levels(self) -> int:
        return len(self.doses)

    def shares(self, patients: FloatArray, toxicities: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Probability that each dose's risk lies in the target interval, and above it, (B, k) each."""
        return self._nodes.shares(patients, toxicities)

    def next_level(self, patients: FloatArray, toxicities: FloatArray, current: IntArray) -> IntArray:
        rows, (hit, over) = np.arange(len(current)), self.shares(patients, toxicities)
        found = self._best(hit, over, patients)
        done = (found == current) & (patients[rows, current] >= self.control.enough)
        done &= hit[rows, current] >= self.control.confident
        return np.where(done, -1, found).astype(np.int64)

    def select(self, patients: FloatArray, toxicities: FloatArray, current: IntArray) -> IntArray:
        """The best dose under overdose control among those given."""
        hit, over = self.shares(patients, toxicities)
        allowed = (over <= self.control.overdose_max) & (patients > 0)
        return _argmax_or_none(hit, allowed)

    def _best(self, hit: FloatArray, over: FloatArray, patients: FloatArray) -> IntArray:
        doses = np.asarray(self.doses)
        highest = np.max(np.where(patients > 0, doses, 0.0), axis=1, keepdims=True)
        ceiling = np.where(highest > 0, highest * self.control.step_max, doses[0])
        return _argmax_or_none(hit, (over <= self.control.overdose_max) & (doses <= ceiling * (1 + 1e-9)))


@dataclass(frozen=True)
class BlrmNodes:
    """The quadrature of one prior at fixed doses: everything a decision needs is linear in the weights (G,)."""

    log_prior: FloatArray
    log_p: FloatArray
    log_q: FloatArray
    below: FloatArray

    @classmethod
    def of(cls, grid: Surface, doses: Sequence[float], cuts: Sequence[float]) -> BlrmNodes:
        """`below` (G, k * 2): weight of each node in the probability that a dose's risk is under each cut."""
        odds = np.stack([grid.log_odds(d).ravel() for d in doses])
        integral = CubicSpline(grid.z, np.eye(len(grid.z))).antiderivative()
        step, columns = grid.z[1] - grid.z[0], []
        for d in doses:
            for cut in cuts:
                zero = grid.start + grid.slope * np.log(d / grid.reference)
                place = np.clip((logit(cut) - zero) / grid.rest, grid.z[0], grid.z[-1])
                columns.append((integral(place).T / step).ravel())
        return cls(grid.log_prior.ravel(), log_expit(odds), log_expit(-odds), np.stack(columns, axis=1))

    def shares(self, patients: FloatArray, toxicities: FloatArray) -> tuple[FloatArray, FloatArray]:
        found = np.empty((len(patients), self.below.shape[1]))
        for k in range(0, len(patients), CHUNK):
            n, y = patients[k : k + CHUNK], toxicities[k : k + CHUNK]
            found[k : k + CHUNK] = _normalized(y @ self.log_p + (n - y) @ self.log_q + self.log_prior) @ self.below
        low, high = found[:, 0::2], found[:, 1::2]
        return high - low, 1 - high


def _normalized(log_weight: FloatArray) -> FloatArray:
    log_weight -= log_weight.max(axis=1, keepdims=True)
    np.exp(log_weight, out=log_weight)
    log_weight /= log_weight.sum(axis=1, keepdims=True)
    return log_weight


def _argmax_or_none(value: FloatArray, allowed: NDArray[np.bool_]) -> IntArray:
    best = np.argmax(np.where(allowed, value, -1.0), axis=1)
    return np.where(allowed.any(axis=1), best, -1).astype(np.int64)
