"""A folded twin as bytes for the store, and what is remembered of one after a restart."""

from __future__ import annotations

import json
from typing import Any

from twin_service.kalman.suspicion import Explanation
from twin_service.model.structure import PatientModel
from twin_service.outcome import Outcome, Verdict
from twin_service.record import snapshot as snapshots
from twin_service.record.events import MICROSECONDS_PER_HOUR, Censoring
from twin_service.record.person import Person
from twin_service.record.timeline import Timeline
from twin_service.service.wire.twin import Trouble
from twin_service.store.repository import Assimilated, BeliefAt
from twin_service.twin.course import Sample
from twin_service.twin.fold import Anchor, Folded, from_snapshot, prior_belief, to_snapshot
from twin_service.twin.forecast import Forecast, ForecastBand
from twin_service.twin.reading import read_course
from twin_service.twin.spacing import spaced

DEFECT = "BUG"
"""Reason of a trouble that is the service's own fault."""


def to_store(folded: Folded, revision: int, *, snapshots_kept: int, before: Folded | None = None) -> Assimilated:
    """What is to be kept of `folded`, the fold of the first `revision` events.

    before  the fold it went on from, if all of that is stored: its forecasts that still hold are not sent again
    """
    known = {id(f) for f in before.forecasts} if before is not None else set()
    return Assimilated(
        revision,
        folded.state_digest,
        {f.sample.event_id: forecast_bytes(f) for f in folded.forecasts if id(f) not in known},
        [_snapshot(folded, a) for a in spaced(folded.course, folded.anchors, snapshots_kept)],
    )


def _snapshot(folded: Folded, anchor: Anchor) -> BeliefAt:
    model, course = folded.model, folded.course

    def body() -> bytes:
        return snapshots.to_bytes(to_snapshot(model, course, anchor))

    return BeliefAt(course.start_us + round(anchor.time_h * MICROSECONDS_PER_HOUR), anchor.prefix, body)


def remembered(
    person: Person, model: PatientModel, timeline: Timeline, *, forecasts: dict[str, bytes], anchors: list[bytes]
) -> Folded:
    """What a fold can go on from: only `anchors` and `forecasts` of the result mean anything."""
    course = read_course(model, person, timeline)
    kept: list[Anchor] = []
    for data in anchors:
        s = snapshots.from_bytes(data)
        if s.model_digest == model.digest:
            kept.append(from_snapshot(model, course, s))
    found = [forecast_of(body) for body in forecasts.values()]
    return Folded(person, model, course, timeline.digest, prior_belief(model), tuple(kept), tuple(found), ())


def forecast_bytes(forecast: Forecast) -> bytes:
    """Canonical text: equal forecasts give equal bytes."""
    body: dict[str, Any] = {
        "sample": {**forecast.sample._asdict(), "censoring": forecast.sample.censoring.value},
        "prior": list(forecast.prior),
        "band": list(forecast.band),
        "outcome": [forecast.outcome.verdict.name, forecast.outcome.detail],
    }
    if forecast.explanations:
        body["explanations"] = [[e.story, e.odds] for e in forecast.explanations]
    for name in ("history", "nis", "surprising", "weight", "estimator"):
        body[name] = getattr(forecast, name)
    return json.dumps(body, sort_keys=True, separators=(",", ":"), default=float).encode()


def forecast_of(data: bytes) -> Forecast:
    raw = json.loads(data)
    sample = raw["sample"]
    sample["censoring"] = Censoring(sample["censoring"])
    verdict, detail = raw["outcome"]
    return Forecast(
        Sample(**sample),
        ForecastBand(*raw["prior"]),
        ForecastBand(*raw["band"]),
        raw["history"],
        raw["nis"],
        raw["surprising"],
        raw["weight"],
        raw["estimator"],
        Outcome(Verdict[verdict], detail),
        tuple(Explanation(*e) for e in raw.get("explanations", ())),
    )


def trouble_text(reason: str, message: str, field: str, revision: int) -> str:
    return json.dumps(Trouble(reason, message, field, revision)._asdict(), sort_keys=True)


def is_defect(text: str) -> bool:
    """Whether a twin stands still for a fault of the service, which the version that starts now may not have."""
    trouble = trouble_of(text)
    return trouble is not None and trouble.reason == DEFECT


def trouble_of(text: str) -> Trouble | None:
    """Why a stored twin stands still; None when it does not."""
    return Trouble(**json.loads(text)) if text else None
