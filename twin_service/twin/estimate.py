"""Which estimator looks at a measurement, and what it made of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from twin_service.kalman.belief import Belief
from twin_service.kalman.ensemble import Ensemble, ensemble_update
from twin_service.kalman.errors import ABOVE, BELOW, SEEN, Noise, ObservedReadings
from twin_service.kalman.report import UpdateReport
from twin_service.kalman.walk import Walk
from twin_service.model.structure import ErrorLaw, PatientModel
from twin_service.outcome import Outcome, Verdict
from twin_service.record.events import Censoring
from twin_service.solver.simulate import Deadline
from twin_service.twin.categories import DAY_H, RECIST, condition, draws_of, kind_of, log_likelihood
from twin_service.twin.course import Course, Sample
from twin_service.twin.observe import seed_of
from twin_service.twin.policy import LAPLACE_SAMPLES_MAX, Seen, arrive, is_usable
from twin_service.twin.propagate import Footing, columns, propagate
from twin_service.twin.scans import scans_before

FloatArray = NDArray[np.float64]
Predict = Callable[[FloatArray], FloatArray]

ENSEMBLE_MEMBERS = 200


@dataclass(frozen=True)
class Estimated:
    """The belief after an instant's measurements, with one score for each of them."""

    belief: Belief
    nis: tuple[float, ...]
    surprising: tuple[bool, ...]
    weights: tuple[float, ...]
    estimator: str
    outcome: Outcome


def predictor(
    model: PatientModel,
    course: Course,
    samples: list[Sample],
    deadline: Deadline | None = None,
    *,
    footing: Footing | None = None,
) -> Predict:
    """eta (N, nx) -> predicted measurements (N, ny), all members as one batch."""
    column = columns(model, [s.analyte for s in samples])
    times = [s.time_h for s in samples]
    after = [s.after_dose for s in samples]

    def predict(eta: FloatArray) -> FloatArray:
        run = propagate(model, course, eta, times, after_dose=after, footing=footing, deadline=deadline)
        return run.outputs[:, np.arange(len(times)), column]

    return predict


def update(
    model: PatientModel,
    course: Course,
    samples: list[Sample],
    belief: Belief,
    *,
    prior: Belief,
    estimator: str = "auto",
    ignored: frozenset[str] = frozenset(),
    deadline: Deadline | None = None,
    footing: Footing | None = None,
) -> Estimated:
    """The belief after all `samples` of one instant, stacked. A failure keeps the belief it was given.

    `ignored`: ids of impossible readings, of this instant or before; they get a score and move nothing.

    The sigma-point filter always looks first, because its innovation is the score of the forecast. Where the policy
    asks for it, the belief is then re-anchored by a fit of everything measured so far (see `policy`).
    """
    kept = [s for s in samples if s.event_id not in ignored]
    readings = [s for s in kept if kind_of(model, s.analyte) == "reading"]
    found = _by_readings(
        model,
        course,
        readings,
        belief,
        prior=prior,
        estimator=estimator,
        ignored=ignored,
        deadline=deadline,
        footing=footing,
    )
    if len(readings) < len(kept):
        found = _with_categories(model, course, kept, found, deadline)
    return found if len(kept) == len(samples) else _with_ignored(samples, found, ignored)


def _with_ignored(samples: list[Sample], found: Estimated, ignored: frozenset[str]) -> Estimated:
    """`found` with a row for each ignored reading: surprising beyond any score, of no weight."""
    told = iter(zip(found.nis, found.surprising, found.weights, strict=True))
    rows = [(float("inf"), True, 0.0) if s.event_id in ignored else next(told) for s in samples]
    nis, surprising, weights = zip(*rows, strict=True)
    said = Outcome(Verdict.SURPRISING, "an impossible reading was not used")
    return replace(
        found, nis=nis, surprising=surprising, weights=weights, outcome=said if found.outcome.ok else found.outcome
    )


def _by_readings(
    model: PatientModel,
    course: Course,
    samples: list[Sample],
    belief: Belief,
    *,
    prior: Belief,
    estimator: str,
    ignored: frozenset[str],
    deadline: Deadline | None,
    footing: Footing | None,
) -> Estimated:
    """The belief after readings of a scale; no readings leave it as it is."""
    if not samples:
        return Estimated(belief, (), (), (), "weights", Outcome())
    predict, readings = predictor(model, course, samples, deadline, footing=footing), observed(model, samples)
    if estimator == "ensemble":
        return _by_ensemble(predict, readings, belief, seed_of(course.prefix_digest(samples[0].time_h)))
    # more than a fit may take cannot all be fitted, and are not looked through
    count = course.samples_until(samples[0].time_h)
    asked = count <= LAPLACE_SAMPLES_MAX + len(ignored)
    seen = [s for s in course.samples[:count] if s.event_id not in ignored] if asked else []
    past = [s for s in seen if kind_of(model, s.analyte) == "reading"]
    fits = asked and len(past) == len(seen) <= LAPLACE_SAMPLES_MAX
    drift = np.array([e.drift_per_h for e in model.effects])

    def everything() -> Seen:
        walk = Walk(drift, np.array([s.time_h for s in past]), 0.0) if drift.any() else None
        return Seen(predictor(model, course, past, deadline), observed(model, past), walk=walk)

    # a fit of the readings alone would forget what grades, counts and survival have taught
    found = arrive(belief, Seen(predict, readings), everything if fits else None, prior=prior, estimator=estimator)
    return _estimated(found.belief, found.report, found.estimator, found.outcome)


def _with_categories(
    model: PatientModel, course: Course, samples: list[Sample], first: Estimated, deadline: Deadline | None
) -> Estimated:
    """`first`, what readings taught, followed by the grades, counts and survival of the same instant."""
    others = [s for s in samples if kind_of(model, s.analyte) != "reading"]
    eta = draws_of(first.belief, course.prefix_digest(samples[0].time_h))
    now = predictor(model, course, others, deadline)(eta)
    earlier = [s._replace(time_h=max(s.time_h - DAY_H, 0.0), after_dose=False) for s in others]
    before = predictor(model, course, earlier, deadline)(eta)
    judged = any(s.analyte == RECIST for s in others)
    scans = scans_before(model, course, samples[0].time_h, eta, deadline=deadline) if judged else None
    found = condition(
        first.belief,
        eta,
        [
            log_likelihood(model, s.analyte, s.value, now=now[:, j], before=before[:, j], scans=scans)
            for j, s in enumerate(others)
        ],
    )
    scored = dict(zip([s.event_id for s in others], found.scores, strict=True))
    told = iter(zip(first.nis, first.surprising, first.weights, strict=True))
    rows = [(scored[s.event_id], False, 1.0) if s.event_id in scored else next(told) for s in samples]
    outcome = found.outcome if first.outcome.ok else first.outcome
    nis, surprising, weights = zip(*rows, strict=True)
    return Estimated(found.belief, nis, surprising, weights, f"{first.estimator}, members weighted", outcome)


def _by_ensemble(predict: Predict, readings: ObservedReadings, belief: Belief, seed: int) -> Estimated:
    """The square-root ensemble filter on members drawn from `belief`; the seed is the course's own digest, so the same
    course gives the same members on any machine."""
    rng = np.random.default_rng(seed)
    found = ensemble_update(Ensemble.of(belief, ENSEMBLE_MEMBERS, rng), predict, readings, rng=rng)
    kept = found.ensemble.belief if is_usable(found.report.outcome) else belief
    return _estimated(kept, found.report, found.report.estimator, found.report.outcome)


def _estimated(belief: Belief, report: UpdateReport, estimator: str, outcome: Outcome) -> Estimated:
    return Estimated(
        belief,
        tuple(map(float, report.nis)),
        tuple(map(bool, report.surprising)),
        tuple(map(float, report.weight)),
        estimator,
        outcome,
    )


def observed(model: PatientModel, samples: list[Sample]) -> ObservedReadings:
    """`samples` as the estimators read them: values, assay laws and detection limits."""
    flag = {Censoring.NONE: SEEN, Censoring.BELOW: BELOW, Censoring.ABOVE: ABOVE}
    return ObservedReadings.create(
        [s.value for s in samples],
        [noise_of(model.observables[s.analyte].error) for s in samples],
        censoring=[flag[s.censoring] for s in samples],
    )


def noise_of(law: ErrorLaw) -> Noise:
    """The assay's law as the estimators take it."""
    assert law.kind != "poisson", "counts are weighed, not filtered"
    return Noise(law.kind, law.additive, law.proportional, law.power)
