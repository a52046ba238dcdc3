"""The twin is a fold over its timeline: prior, then for each instant with measurements forecast, look, update.

The forecast made before looking is kept for every measurement. An anchor (the belief after each instant) is kept
too: a late or corrected event returns to the last anchor whose past is unchanged and folds on from there, which gives
bit for bit what folding from the beginning gives, because an update depends on nothing but the belief and the course.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from twin_service.kalman.belief import Belief
from twin_service.kalman.shape import Shape
from twin_service.model.domain import dose_doubt
from twin_service.model.structure import PatientModel
from twin_service.outcome import Verdict
from twin_service.record.events import DoseGiven
from twin_service.record.person import Person
from twin_service.record.snapshot import Snapshot
from twin_service.record.timeline import Timeline
from twin_service.scenario.regimen import route_for
from twin_service.solver.simulate import Deadline
from twin_service.twin.categories import RECIST, kind_of, observable_of, read_as
from twin_service.twin.course import Course, Sample
from twin_service.twin.estimate import Estimated, update
from twin_service.twin.footing import FittedFooting, FootingDesign, footing_at, next_design
from twin_service.twin.forecast import NOT_USED, Forecast, ForecastBand, is_impossible, surprise_told
from twin_service.twin.observe import standard_draws
from twin_service.twin.propagate import Footing, columns, propagate
from twin_service.twin.reading import is_modelled, read_course
from twin_service.twin.scans import scans_before
from twin_service.twin.suspect import suspicions

FloatArray = NDArray[np.float64]

SCORE_MAX = 1e9


class Anchor(NamedTuple):
    """The belief after all measurements up to `time_h`; `prefix` names the course it summarizes.

    design  of the footing from which later members start, where the course is long enough for one
    """

    time_h: float
    prefix: str
    belief: Belief
    design: FootingDesign | None = None


class _Earlier:
    """The forecasts made so far, with what each instant asks of them, so that no instant reads them all again.

    ignored  ids of readings that were impossible
    seen     how many measurements of each analyte were assimilated
    """

    def __init__(self) -> None:
        self.forecasts: list[Forecast] = []
        self.ignored: frozenset[str] = frozenset()
        self.seen: Counter[str] = Counter()

    @classmethod
    def of(cls, forecasts: Iterable[Forecast]) -> _Earlier:
        made = cls()
        made.take(forecasts)
        return made

    def take(self, forecasts: Iterable[Forecast]) -> None:
        for f in forecasts:
            self.forecasts.append(f)
            if f.estimator == NOT_USED:
                self.ignored |= {f.sample.event_id}
            if f.outcome.ok or f.outcome.verdict is Verdict.SURPRISING:
                self.seen[f.sample.analyte] += 1


@dataclass(frozen=True)
class Folded:
    """A patient's twin as of one timeline; its last `pending` instants with measurements are not folded yet."""

    person: Person
    model: PatientModel
    course: Course
    timeline_digest: str
    belief: Belief
    anchors: tuple[Anchor, ...]
    forecasts: tuple[Forecast, ...]
    warnings: tuple[str, ...]
    pending: int = 0

    def footing_for(self, outputs: Iterable[str] | None = None) -> FittedFooting | None:
        """Where members of the present belief may start instead of at hour 0, when asked for `outputs` (None: any)."""
        found = footing_at(self.model, self.course, self.anchors[-1].design) if self.anchors else None
        if found is None or not found.doubtful:
            return found
        return None if outputs is None or found.doubtful & set(outputs) else found

    @property
    def state_digest(self) -> str:
        """SHA-256 of what is believed and of which model and timeline: equal twins have equal digests."""
        h = hashlib.sha256(f"{self.model.digest}{self.timeline_digest}".encode())
        h.update(np.ascontiguousarray(self.belief.mean).tobytes())
        h.update(np.ascontiguousarray(self.belief.chol).tobytes())
        for part in self.belief.shape or ():
            h.update(np.ascontiguousarray(part).tobytes())
        return h.hexdigest()


def prior_belief(model: PatientModel) -> Belief:
    """N(0, omega) over the model's effects."""
    return Belief.of(np.zeros(len(model.effects)), model.omega, tuple(e.name for e in model.effects))


def fold(
    model: PatientModel,
    person: Person,
    timeline: Timeline,
    *,
    previous: Folded | None = None,
    anchors: tuple[Anchor, ...] = (),
    deadline: Deadline | None = None,
) -> Folded:
    """The twin of `timeline`. `previous` or stored `anchors` only save work; they never change the result.

    Past its deadline it ends with the instants folded so far and says how many are pending: folding the same timeline
    again with this as `previous` goes on from there.
    """
    course = read_course(model, person, timeline)
    kept_forecasts = previous.forecasts if previous is not None and previous.model.digest == model.digest else ()
    kept_anchors = _still_true(course, previous.anchors if previous is not None else anchors)
    belief = kept_anchors[-1].belief if kept_anchors else prior_belief(model)
    design = kept_anchors[-1].design if kept_anchors else None
    done_h = kept_anchors[-1].time_h if kept_anchors else -np.inf
    forecasts = _kept(course, kept_forecasts, done_h)
    if len(forecasts) < sum(s.time_h <= done_h for s in course.samples):
        kept_anchors, belief, design, done_h, forecasts = (), prior_belief(model), None, -np.inf, ()
    draws = standard_draws(str(person.name), len(model.effects))
    remaining = course.samples[course.samples_until(done_h) :]
    clock_h = max(done_h, 0.0)
    new_anchors, earlier = list(kept_anchors), _Earlier.of(forecasts)
    instants = list(_instants(remaining))
    pending = len(instants)
    for time_h, samples in instants:
        stood = belief.drifted(_drift(model), time_h - clock_h)
        footing = footing_at(model, course, design, deadline)
        told, looked = _look(
            model,
            course,
            samples,
            stood,
            estimator=person.estimator,
            draws=draws,
            footing=footing,
            earlier=earlier,
            deadline=deadline,
        )
        onward = next_design(model, course, looked, design, time_h=time_h, deadline=deadline)
        if deadline is not None and deadline.expired:
            break  # what was computed for this instant may have been cut off
        clock_h, belief, design, pending = time_h, looked, onward, pending - 1
        earlier.take(told)
        new_anchors.append(Anchor(time_h, course.prefix_digest(time_h), belief, design))
    return Folded(
        person,
        model,
        course,
        timeline.digest,
        belief,
        tuple(new_anchors),
        tuple(earlier.forecasts),
        tuple(_warnings(model, course, timeline, earlier.forecasts)),
        pending,
    )


def _look(
    model: PatientModel,
    course: Course,
    samples: list[Sample],
    belief: Belief,
    *,
    estimator: str,
    draws: FloatArray,
    footing: FittedFooting | None,
    earlier: _Earlier,
    deadline: Deadline | None,
) -> tuple[list[Forecast], Belief]:
    """One instant: what was expected of its measurements, and the belief after them."""
    bands = _bands(model, course, samples, belief, draws, deadline=deadline, footing=footing)
    # one run for each instant: a shared run would let the last bits depend on which events had arrived
    priors = _bands(model, course, samples, prior_belief(model), draws, deadline=deadline)
    ignored = earlier.ignored | {
        s.event_id
        for s, b, p in zip(samples, bands, priors, strict=True)
        if kind_of(model, s.analyte) == "reading" and is_impossible(s, b, p)
    }
    estimated = update(
        model,
        course,
        samples,
        belief,
        prior=prior_belief(model),
        estimator=estimator,
        ignored=ignored,
        deadline=deadline,
        footing=footing,
    )
    told = [
        replace(
            f, explanations=suspicions(model, course, f.sample, belief, draws=draws, footing=footing, deadline=deadline)
        )
        if f.surprising
        else f
        for f in _forecasts(samples, priors, bands, estimated, earlier, ignored)
    ]
    return told, estimated.belief


def to_snapshot(model: PatientModel, course: Course, anchor: Anchor) -> Snapshot:
    """The stored form of an anchor."""
    kept = Snapshot(
        _microseconds(course, anchor.time_h), anchor.prefix, model.digest, anchor.belief.mean, anchor.belief.chol
    )
    if anchor.belief.shape is not None:
        points, weights = anchor.belief.shape
        kept = replace(kept, shape_points=points, shape_weights=weights)
    if anchor.design is None:
        return kept
    d = anchor.design
    return replace(kept, footing_us=_microseconds(course, d.time_h), footing_mean=d.mean, footing_chol=d.chol)


def from_snapshot(model: PatientModel, course: Course, kept: Snapshot) -> Anchor:
    """The anchor that was stored."""
    shape = Shape(kept.shape_points, kept.shape_weights) if kept.shape_weights.size else None
    belief = Belief(kept.mean, kept.chol, tuple(e.name for e in model.effects), shape)
    design = FootingDesign(course.hours(kept.footing_us), kept.footing_mean, kept.footing_chol)
    has_design = kept.footing_mean.size > 0
    return Anchor(course.hours(kept.time_us), kept.prefix_digest, belief, design if has_design else None)


def _microseconds(course: Course, time_h: float) -> int:
    return course.start_us + round(time_h * 3.6e9)


def _still_true(course: Course, anchors: tuple[Anchor, ...]) -> tuple[Anchor, ...]:
    """The leading anchors whose past is exactly the past of `course`."""
    instants = {t for t, _ in _instants(course.samples)}
    kept: list[Anchor] = []
    for anchor in anchors:
        if anchor.time_h not in instants or course.prefix_digest(anchor.time_h) != anchor.prefix:
            break
        kept.append(anchor)
    return tuple(kept)


def _kept(course: Course, forecasts: tuple[Forecast, ...], until_h: float) -> tuple[Forecast, ...]:
    known = {f.sample: f for f in forecasts}
    return tuple(known[s] for s in course.samples if s.time_h <= until_h and s in known)


def _instants(samples: tuple[Sample, ...] | list[Sample]) -> Iterator[tuple[float, list[Sample]]]:
    """Measurements by instant: simultaneous labs are one stacked update."""
    for time_h, group in groupby(samples, key=lambda s: s.time_h):
        yield time_h, list(group)


def _drift(model: PatientModel) -> FloatArray:
    return np.array([e.drift_per_h for e in model.effects], dtype=np.float64)


def _bands(
    model: PatientModel,
    course: Course,
    samples: list[Sample],
    belief: Belief,
    draws: FloatArray,
    *,
    deadline: Deadline | None,
    footing: Footing | None = None,
) -> list[ForecastBand]:
    """Predictive bands of `samples`, assay noise included, from members drawn from `belief`."""
    eta = belief.members(draws[:, : len(belief.mean)])
    run = propagate(
        model,
        course,
        eta,
        [s.time_h for s in samples],
        after_dose=[s.after_dose for s in samples],
        footing=footing,
        deadline=deadline,
    )
    column = columns(model, [s.analyte for s in samples])
    judged = any(s.analyte == RECIST for s in samples)
    scans = scans_before(model, course, samples[0].time_h, eta, deadline=deadline) if judged else None
    bands: list[ForecastBand] = []
    for j, sample in enumerate(samples):
        noisy = read_as(model, sample.analyte, run.outputs[:, j, column[j]], draws[:, -1], scans=scans)
        good = noisy[np.isfinite(noisy)]
        if len(good) < 0.5 * len(noisy):
            bands.append(ForecastBand(np.nan, np.nan, np.nan, np.nan, np.nan))
            continue
        q = np.quantile(good, (0.05, 0.5, 0.95))
        bands.append(ForecastBand(float(good.mean()), float(good.std(ddof=1)), float(q[0]), float(q[1]), float(q[2])))
    return bands


def _forecasts(
    samples: list[Sample],
    priors: list[ForecastBand],
    bands: list[ForecastBand],
    estimated: Estimated,
    earlier: _Earlier,
    ignored: frozenset[str],
) -> list[Forecast]:
    return [
        Forecast(
            s,
            priors[j],
            band,
            earlier.seen[s.analyte],
            min((s.value - band.mean) / band.sd, SCORE_MAX) ** 2 if s.event_id in ignored else estimated.nis[j],
            estimated.surprising[j],
            estimated.weights[j],
            NOT_USED if s.event_id in ignored else estimated.estimator,
            estimated.outcome,
        )
        for j, (s, band) in enumerate(zip(samples, bands, strict=True))
    ]


def _warnings(model: PatientModel, course: Course, timeline: Timeline, forecasts: list[Forecast]) -> list[str]:
    known = {c.name: c.default for c in model.covariates if c.default is not None}
    found = list(dict.fromkeys(w for row in course.covariates for w in model.warnings({**known, **row})))
    given = [e.payload for e in timeline.effective if isinstance(e.payload, DoseGiven)]
    doubts = [dose_doubt(route_for(model, g.drug, g.route), g.amount_mg) for g in given if is_modelled(model, g)]
    found += dict.fromkeys(d for d in doubts if d)
    if course.unused:
        found.append(f"{len(course.unused)} measurements are kept but not used: no part of {model.id} predicts them")
    if timeline.waiting:
        found.append(f"{len(timeline.waiting)} corrections wait for the event they correct")
    failed = [f for f in forecasts if not f.outcome.ok and f.outcome.verdict is not Verdict.SURPRISING]
    if failed:
        found.append(f"{len(failed)} measurements could not be assimilated: {failed[0].outcome}")
    return found + [surprise_told(f, observable_of(model, f.sample.analyte).unit) for f in forecasts if f.surprising]


def without_future(folded: Folded, time_h: float) -> Folded:
    """`folded` as it was believed at `time_h`: an as-of view."""
    anchors = tuple(a for a in folded.anchors if a.time_h <= time_h)
    belief = anchors[-1].belief if anchors else prior_belief(folded.model)
    return replace(
        folded,
        anchors=anchors,
        belief=belief,
        forecasts=tuple(f for f in folded.forecasts if f.sample.time_h <= time_h),
    )
