"""What a design does on average: simulated trials with arrivals, windows, dropouts and backfill.

Cohorts open as patients arrive (Poisson), are decided on when the last patient's window ends, and are filled again
where a patient dropped out. With `Backfill`, those who arrive while a cohort is being watched are given the highest
dose below it that has not shown itself too toxic; their outcomes count from the decision after next.
With `rolling`, each patient is treated on arrival and decisions weigh partial follow-up (TITE); when more than half of
those at the dose are still pending, arrivals wait (Yuan, Lin, Li, Nie & Warren 2018,
doi:10.1158/1078-0432.CCR-18-0246; effective sample size: Lin & Yuan 2020, doi:10.1093/biostatistics/kxz007).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from twin_service.trial.adjust.ancova import refuse
from twin_service.trial.phase1.designs import Boin, Crm, EscalationDesign

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Progress = Callable[[float], None]


@dataclass(frozen=True)
class Backfill:
    """At most `per_dose` patients in all at a dose below the current one, while its toxicity rate is at most
    `rate_max`."""

    per_dose: int = 12
    rate_max: float = 0.33


@dataclass(frozen=True)
class EscalationConduct:
    """How the trial is run.

    cohort, cohorts     patients a cohort; cohorts at most
    start               first dose, from 0
    per_week            patients who arrive a week
    window_days         days a patient is watched for dose-limiting toxicity
    dropout             share of patients who leave before the window ends and are replaced
    """

    cohort: int = 3
    cohorts: int = 12
    start: int = 0
    per_week: float = 1.0
    window_days: float = 28.0
    dropout: float = 0.0
    backfill: Backfill | None = None

    @classmethod
    def create(cls, **values: float | int | Backfill | None) -> EscalationConduct:
        """Raises Refusal for what no trial can do."""
        made = cls(**values)  # type: ignore[arg-type]
        if made.cohort < 1 or made.cohorts < 1 or made.start < 0:
            raise refuse("conduct", "expected a cohort of at least one, at least one cohort and a first dose from 0")
        if not (made.per_week > 0 and made.window_days >= 0 and 0 <= made.dropout < 1):
            raise refuse("conduct", "expected arrivals above 0, a window of at least 0 days and a dropout below 1")
        return made


class SimulatedEscalations(NamedTuple):
    """Per trial: declared dose (B,) from 0, -1 none; patients and toxicities by dose (B, k); days from first patient
    to the last decision (B,)."""

    selected: IntArray
    patients: FloatArray
    toxicities: FloatArray
    days: FloatArray


@dataclass(frozen=True)
class Characteristics:
    """Averages over the trials. selection[0] is "none". `se` of each is the Monte Carlo standard error.

    overdosed      share of patients given a dose whose risk is above `upper`
    above, below   probability that the declared dose's risk is above `upper`, or that it is below `lower`
    days           5 %, 50 % and 95 % quantile of the duration
    """

    trials: int
    selection: FloatArray
    selection_se: FloatArray
    patients: FloatArray
    patients_se: FloatArray
    toxicities: float
    overdosed: float
    overdosed_se: float
    right: float
    above: float
    total: float
    days: tuple[float, float, float]


def simulate(
    design: EscalationDesign, risks: Sequence[float], conduct: EscalationConduct, trials: int, rng: np.random.Generator
) -> SimulatedEscalations:
    """`trials` trials when the true risks are `risks` (k,)."""
    p = _risks(risks, design, conduct)
    n, y, late = np.zeros((3, trials, len(p)))
    late_y, days = np.zeros_like(late), np.zeros(trials)
    at, alive = np.full(trials, conduct.start, dtype=np.int64), np.arange(trials)
    last = at.copy()
    for _ in range(conduct.cohorts):
        days[alive] += _cohort_days(conduct, len(alive), rng)
        here = at[alive]
        n[alive, here] += conduct.cohort
        y[alive, here] += rng.binomial(conduct.cohort, p[here])
        filled = _backfill(conduct, (n[alive] + late[alive], y[alive], here), rng)
        n[alive], y[alive] = n[alive] + late[alive], y[alive] + late_y[alive]
        late[alive], late_y[alive] = filled, rng.binomial(filled.astype(np.int64), p)
        last[alive] = here
        following = _by_state(design.next_level, n[alive], y[alive], here)
        at[alive] = np.maximum(following, 0)
        alive = alive[following >= 0]
        if not len(alive):
            break
    n, y = n + late, y + late_y
    return SimulatedEscalations(_by_state(design.select, n, y, last), n, y, days)


def simulate_rolling(
    design: Boin | Crm, risks: Sequence[float], conduct: EscalationConduct, trials: int, rng: np.random.Generator
) -> SimulatedEscalations:
    """The same with a decision at each arrival from partial follow-up; toxicity times are uniform in the window."""
    p = _risks(risks, design, conduct)
    size, window = conduct.cohort * conduct.cohorts, max(conduct.window_days, 1e-9)
    rows = np.arange(trials)
    level, toxic = np.zeros((trials, size), dtype=np.int64), np.zeros((trials, size), dtype=bool)
    entry, onset = np.full((trials, size), np.inf), np.full((trials, size), np.inf)
    now, at, alive = np.zeros(trials), np.full(trials, conduct.start, dtype=np.int64), np.ones(trials, dtype=bool)
    for i in range(size):
        now = now + np.where(alive, rng.exponential(7 / conduct.per_week, trials), 0.0)
        if i:
            now = np.where(alive, _until_half_is_known((level, entry, onset), at, now, window), now)
            following = _decide_partly(design, (level[:, :i], entry[:, :i], onset[:, :i]), (at, now, window))
            alive &= following >= 0
            at = np.where(alive, np.maximum(following, 0), at)
        hit = rng.random(trials) < p[at]
        level[:, i], toxic[:, i] = at, hit & alive
        entry[:, i] = np.where(alive, now, np.inf)
        onset[:, i] = np.where(hit & alive, now + window * rng.random(trials), np.inf)
        if not alive.any():
            break
    treated = np.isfinite(entry)
    n, y = np.zeros((trials, len(p))), np.zeros((trials, len(p)))
    np.add.at(n, (rows[:, None].repeat(size, 1)[treated], level[treated]), 1.0)
    np.add.at(y, (rows[:, None].repeat(size, 1)[toxic], level[toxic]), 1.0)
    end = np.where(treated, entry + window, 0.0).max(axis=1)
    selected = np.where(alive, _by_state(design.select, n, y, at), -1)
    return SimulatedEscalations(selected.astype(np.int64), n, y, np.where(alive, end, now))


def characteristics(
    found: SimulatedEscalations, risks: Sequence[float], target: float, *, interval: tuple[float, float] | None = None
) -> Characteristics:
    """The averages. A dose is right when its risk is nearest to `target`; `interval` defaults to 0.6 and 1.4 targets
    rounded up to what clinics call overdosing, (0.16, 0.33), when the target lies in it."""
    p, trials = np.asarray(risks, dtype=np.float64), len(found.selected)
    upper = (interval or (0.16, 0.33))[1]
    chosen = np.bincount(found.selected + 1, minlength=len(p) + 1) / trials
    treated = found.patients.sum(axis=1)
    over = found.patients[:, p > upper].sum(axis=1) / np.maximum(treated, 1)
    right = int(np.argmin(np.abs(p - target)))
    q = np.quantile(found.days, [0.05, 0.5, 0.95])
    return Characteristics(
        trials,
        chosen,
        np.sqrt(chosen * (1 - chosen) / trials),
        found.patients.mean(axis=0),
        found.patients.std(axis=0) / np.sqrt(trials),
        float(found.toxicities.sum(axis=1).mean()),
        float(over.mean()),
        float(over.std() / np.sqrt(trials)),
        float(chosen[right + 1]),
        float(chosen[1:][p > upper].sum()),
        float(treated.mean()),
        (float(q[0]), float(q[1]), float(q[2])),
    )


def _risks(risks: Sequence[float], design: EscalationDesign, conduct: EscalationConduct) -> FloatArray:
    p = np.asarray(risks, dtype=np.float64)
    if p.shape != (design.levels,) or not np.all((p >= 0) & (p <= 1)):
        raise refuse("risks", f"expected {design.levels} probabilities, one a dose")
    if conduct.start >= design.levels:
        raise refuse("conduct.start", f"dose {conduct.start + 1} is not among the {design.levels} planned")
    return p


def _cohort_days(conduct: EscalationConduct, trials: int, rng: np.random.Generator) -> FloatArray:
    """Until the cohort's last evaluable patient has been watched: arrivals of all, with those who are replaced."""
    more = rng.negative_binomial(conduct.cohort, 1 - conduct.dropout, trials) if conduct.dropout else 0
    return np.asarray(rng.gamma(conduct.cohort + more, 7 / conduct.per_week, trials) + conduct.window_days)


def _backfill(
    conduct: EscalationConduct, state: tuple[FloatArray, FloatArray, IntArray], rng: np.random.Generator
) -> FloatArray:
    """Patients put at lower doses while the cohort is watched, (B, k)."""
    n, y, here = state
    filled = np.zeros_like(n)
    rule = conduct.backfill
    if rule is None:
        return filled
    arriving = rng.poisson(conduct.per_week * conduct.window_days / 7, len(here))
    for j in range(n.shape[1] - 1):
        # The highest open dose takes all; lower ones take what it cannot.
        level = here - 1 - j
        rows = np.flatnonzero(level >= 0)
        at = level[rows]
        is_open = y[rows, at] <= rule.rate_max * n[rows, at]
        room = np.where(is_open, np.maximum(rule.per_dose - n[rows, at], 0), 0)
        taken = np.minimum(arriving[rows], room)
        filled[rows, at] += taken
        arriving[rows] = arriving[rows] - taken.astype(np.int64)
    return filled


def _by_state(
    decide: Callable[[FloatArray, FloatArray, IntArray], IntArray], n: FloatArray, y: FloatArray, at: IntArray
) -> IntArray:
    """Many trials are in the same state: each state is decided once."""
    state, where = np.unique(np.column_stack([n, y, at]), axis=0, return_inverse=True)
    k = n.shape[1]
    return decide(state[:, :k], state[:, k : 2 * k], state[:, -1].astype(np.int64))[where.ravel()]


def _until_half_is_known(
    seen: tuple[IntArray, FloatArray, FloatArray], at: IntArray, now: FloatArray, window: float
) -> FloatArray:
    """The time at which at most half of the patients at the dose are pending: now, or when enough windows end."""
    level, entry, onset = seen
    here = (level == at[:, None]) & np.isfinite(entry)
    known = np.where(here, np.minimum(entry + window, onset), np.inf)
    order = np.sort(known, axis=1)
    need = (here.sum(axis=1) + 1) // 2
    ready = np.where(need > 0, order[np.arange(len(at)), np.maximum(need - 1, 0)], now)
    return np.maximum(now, np.where(np.isfinite(ready), ready, now))


def _decide_partly(
    design: Boin | Crm, seen: tuple[IntArray, FloatArray, FloatArray], when: tuple[IntArray, FloatArray, float]
) -> IntArray:
    (level, entry, onset), (at, now, window) = seen, when
    treated = np.isfinite(entry)
    toxic = onset <= now[:, None]
    followed = np.where(toxic, 1.0, np.clip((now[:, None] - np.where(treated, entry, 0.0)) / window, 0, 1))
    weight = np.where(treated, followed, 0.0)
    rows = np.broadcast_to(np.arange(len(at))[:, None], level.shape)
    n, y = np.zeros((len(at), design.levels)), np.zeros((len(at), design.levels))
    np.add.at(n, (rows, level), weight)
    np.add.at(y, (rows, level), toxic & treated)
    if isinstance(design, Boin):
        return design.next_level(n, y, at)
    return design.next_level_partial((level, toxic & treated, weight), at)
