"""A timeline read through a model: what was given, what held, what was measured, in the model's own units and hours.

The course is a pure function of the timeline, so any order of arrival gives the same course. `prefix_digest` names
all of it that can influence a prediction up to a time; a snapshot is continued only when that digest still holds.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from twin_service.model.structure import PatientModel
from twin_service.record.events import MICROSECONDS_PER_HOUR, Censoring
from twin_service.solver.schedule import Dose, Schedule

MARK_EVERY = 32
"""Happenings (doses, changes, measured instants) from mark to mark; a run may start at one, for a new first step."""


class Sample(NamedTuple):
    """One measurement the model predicts: hours from the start of the course, value in the observable's unit."""

    event_id: str
    time_h: float
    analyte: str
    value: float
    censoring: Censoring
    after_dose: bool


@dataclass(frozen=True)
class Course:
    """start_us       clinical time of hour 0
    doses          in the unit of their input, by time
    change_times_h when a covariate changes; `covariates[k]` holds from change k-1 to change k
    samples        in clinical order
    unused         ids of measurements this model does not predict
    """

    start_us: int
    doses: tuple[Dose, ...]
    change_times_h: tuple[float, ...]
    covariates: tuple[Mapping[str, float], ...]
    samples: tuple[Sample, ...]
    unused: tuple[str, ...]

    def hours(self, time_us: int) -> float:
        return (time_us - self.start_us) / MICROSECONDS_PER_HOUR

    @cached_property
    def marks(self) -> tuple[float, ...]:
        """Hours at which every run of this course may be split: the times of every 32nd happening."""
        return tuple(dict.fromkeys(t for t in self._happenings[MARK_EVERY::MARK_EVERY] if t > 0.0))

    def mark_digest(self, count: int) -> str:
        """Names the first `count` marks and all that moves a member up to the last of them: the state of a member at
        a mark is the state of a run split at these."""
        times = self._chained_marks[count]
        return hashlib.sha256(f"{self.history_digest(self.marks[count - 1])}{times}".encode()).hexdigest()

    def samples_until(self, time_h: float) -> int:
        """How many samples were drawn up to and including `time_h`."""
        return bisect_right(self._sample_times, time_h)

    def marks_until(self, time_h: float) -> int:
        """How many marks lie at or before `time_h`."""
        return bisect_right(self.marks, time_h)

    def happened_before(self, time_h: float) -> int:
        """How many doses, changes and measured instants come before `time_h`."""
        return bisect_left(self._happenings, time_h)

    def happenings(self, until_h: float) -> list[float]:
        """Hours of the doses, changes and measured instants up to `until_h`."""
        first, last = bisect_left(self._happenings, 0.0), bisect_right(self._happenings, until_h)
        return list(dict.fromkeys(self._happenings[first:last]))

    def schedule(
        self, until_h: float = np.inf, since_h: float = -np.inf, prompt: frozenset[str] = frozenset()
    ) -> Schedule:
        """What was done before `until_h`; nothing later can reach an earlier prediction.

        Of what was over by `since_h`, doses into `prompt` inputs (which enter at once, for the time recorded) and
        changes that no dose needs are left out: a run that starts there has them in its state.
        """
        plain = self._plain and self._inputs <= prompt
        first = bisect_left(self._dose_times, since_h - self._longest_h) if plain else 0
        doses = tuple(
            d
            for d in self._ordered[first : bisect_right(self._dose_times, until_h)]
            if d.time_h + d.duration_h >= since_h or d.input not in prompt or d.steady_interval_h > 0.0
        )
        return Schedule(doses, self.change_times_h[self._first_change(doses, since_h) : self._changes_by(until_h)])

    def parameters(
        self,
        model: PatientModel,
        eta: NDArray[np.float64],
        until_h: float = np.inf,
        *,
        since_h: float = -np.inf,
        prompt: frozenset[str] = frozenset(),
    ) -> NDArray[np.float64]:
        """Parameter rows (N, K, np) of members `eta` (N, nx) over the covariate segments of the same `schedule`."""
        first = self._first_change(self.schedule(until_h, since_h, prompt).doses, since_h)
        segments = self.covariates[first : 1 + self._changes_by(until_h)]
        typical = np.stack([_typical(_Asked(model, tuple(sorted(c.items())))) for c in segments])
        rows = np.repeat(typical[None], len(eta), axis=0)
        rows[:, :, model.effect_columns] = eta[:, None, :]
        return rows

    def prefix_digest(self, until_h: float) -> str:
        """SHA-256 of all doses, covariates and samples up to and including `until_h`."""
        seen = self._chained_samples[self.samples_until(until_h)]
        return hashlib.sha256(f"{self.history_digest(until_h)}{seen}".encode()).hexdigest()

    def history_digest(self, until_h: float) -> str:
        """SHA-256 of all doses and covariates up to and including `until_h`: all that moves a member."""
        doses = self._chained_doses[bisect_right(self._dose_times, until_h)]
        changes = self._chained_changes[self._changes_by(until_h)]
        return hashlib.sha256(f"{self.start_us}{doses}{changes}".encode()).hexdigest()

    def _changes_by(self, until_h: float) -> int:
        return bisect_right(self.change_times_h, until_h)

    def _first_change(self, doses: tuple[Dose, ...], since_h: float) -> int:
        """The first change that a run from `since_h` needs: a dose takes the covariates of its own time."""
        return bisect_left(self.change_times_h, min([since_h, *(d.time_h for d in doses)]))

    @cached_property
    def _dose_times(self) -> tuple[float, ...]:
        return tuple(d.time_h for d in self._ordered)

    @cached_property
    def _sample_times(self) -> tuple[float, ...]:
        return tuple(s.time_h for s in self.samples)

    @cached_property
    def _ordered(self) -> tuple[Dose, ...]:
        return tuple(sorted(self.doses, key=lambda d: d.time_h))

    @cached_property
    def _plain(self) -> bool:
        return not any(d.steady_interval_h > 0.0 for d in self.doses)

    @cached_property
    def _inputs(self) -> frozenset[str]:
        return frozenset(d.input for d in self.doses)

    @cached_property
    def _longest_h(self) -> float:
        return max((d.duration_h for d in self.doses), default=0.0)

    @cached_property
    def _happenings(self) -> list[float]:
        return sorted([*self._dose_times, *self.change_times_h, *dict.fromkeys(self._sample_times)])

    @cached_property
    def _chained_doses(self) -> tuple[str, ...]:
        return _chained(self._ordered)

    @cached_property
    def _chained_changes(self) -> tuple[str, ...]:
        rows = [sorted(c.items()) for c in self.covariates]
        return _chained([(0.0, rows[0]), *zip(self.change_times_h, rows[1:], strict=True)])[1:]

    @cached_property
    def _chained_marks(self) -> tuple[str, ...]:
        return _chained(self.marks)

    @cached_property
    def _chained_samples(self) -> tuple[str, ...]:
        return _chained(self.samples)


def _chained(items: Iterable[object]) -> tuple[str, ...]:
    """One digest for each count of leading items, each made from the one before: all prefixes cost one pass."""
    h, found = hashlib.sha256(), [""]
    for item in items:
        h.update(f"{item!r}\n".encode())
        found.append(h.hexdigest())
    return tuple(found)


class _Asked:
    """A model and the characteristics of one person, equal where their content is."""

    __slots__ = ("covariates", "key", "model")

    def __init__(self, model: PatientModel, covariates: tuple[tuple[str, float], ...]) -> None:
        self.model, self.covariates, self.key = model, covariates, (model.digest, covariates)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Asked) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)


@lru_cache(maxsize=512)
def _typical(asked: _Asked) -> NDArray[np.float64]:
    """The typical person's parameters: building a whole body takes half a millisecond, and an update asks ten times."""
    found = asked.model.values(dict(asked.covariates))
    found.flags.writeable = False
    return found
