"""What happened to a patient, as told by a source: frozen, append-only, in one canonical unit per analyte.

Clinical time is an integer number of microseconds since 1970-01-01T00:00Z, so that order and hashes are exact.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from typing import Any, ClassVar, Literal

MICROSECONDS_PER_HOUR = 3_600_000_000


class Censoring(Enum):
    """How an assay result that is not a number is to be read."""

    NONE = "none"
    BELOW = "below"  # below the limit of quantification, which is the value
    ABOVE = "above"  # above the upper limit of quantification, which is the value


@dataclass(frozen=True)
class DoseGiven:
    """A drug entered the patient: `amount_mg` by `route`, over `duration_h` hours (0: at once).

    `steady_interval_h` > 0: the source says that the patient had been taking this dose at this interval for so long
    that levels no longer change from dose to dose (NONMEM SS=1); what was recorded before it no longer matters.
    `co_medication`: no part of the twin's model took this drug when it was recorded; it is kept, and used only by a
    model that does.
    """

    kind: ClassVar[str] = "dose"
    drug: str
    amount_mg: float
    route: str
    duration_h: float = 0.0
    formulation: str = ""
    steady_interval_h: float = 0.0
    co_medication: bool = False


@dataclass(frozen=True)
class LabMeasured:
    """A laboratory result in the analyte's canonical unit; what the source wrote stands beside it."""

    kind: ClassVar[str] = "lab"
    analyte: str
    value: float
    unit: str
    given_value: float
    given_unit: str
    censoring: Censoring = Censoring.NONE
    after_dose: bool = False
    method: str = ""


@dataclass(frozen=True)
class ImageMeasured:
    """A number read from an image: a tumor diameter sum, an ejection fraction, a volume."""

    kind: ClassVar[str] = "image"
    analyte: str
    value: float
    unit: str
    given_value: float
    given_unit: str
    modality: str = ""
    lesion: str = ""
    simulated: bool = False


@dataclass(frozen=True)
class CovariateMeasured:
    """A patient characteristic that holds from now until measured again."""

    kind: ClassVar[str] = "covariate"
    name: str
    value: float
    unit: str
    given_value: float
    given_unit: str


@dataclass(frozen=True)
class GenotypeFound:
    """A diplotype of one gene; `activity` is its score relative to normal (1 = normal metabolizer)."""

    kind: ClassVar[str] = "genotype"
    gene: str
    diplotype: str
    phenotype: str
    activity: float


@dataclass(frozen=True)
class DialysisDone:
    """Blood was cleaned outside the body (or through the peritoneum) for `duration_h` hours from the event's time.

    A session with a time still to come is planned: answers about the future count it. `clearance_ml_min` > 0: plasma
    clearance of `drug` ("": of every drug) as measured or stated for this session, instead of the library's.
    """

    kind: ClassVar[str] = "dialysis"
    modality: Literal["hemodialysis", "hemofiltration", "peritoneal"]
    duration_h: float
    blood_flow_ml_min: float = 0.0
    effluent_l_h: float = 0.0
    clearance_ml_min: float = 0.0
    drug: str = ""


@dataclass(frozen=True)
class Correction:
    """The event `target` was wrong: `replacement` (and `replacement_time_us`) is what it should have said."""

    kind: ClassVar[str] = "correction"
    target: str
    replacement: Finding
    replacement_time_us: int


@dataclass(frozen=True)
class Retraction:
    """The event `target` never happened (wrong patient, entered in error)."""

    kind: ClassVar[str] = "retraction"
    target: str
    reason: str = ""


Finding = DoseGiven | LabMeasured | ImageMeasured | CovariateMeasured | GenotypeFound | DialysisDone
Payload = Finding | Correction | Retraction
Measured = (LabMeasured, ImageMeasured)

_KINDS: dict[str, type[Any]] = {
    c.kind: c
    for c in (
        DoseGiven,
        LabMeasured,
        ImageMeasured,
        CovariateMeasured,
        GenotypeFound,
        DialysisDone,
        Correction,
        Retraction,
    )
}


@dataclass(frozen=True)
class Event:
    """One recorded event. `id` is chosen by the source and unique within a patient.

    time_us     when it happened (clinical time); for a correction or retraction, when it was issued
    source      who said so: a system name, never a person
    arrival_us  when the service accepted it; decides nothing about the twin's state
    """

    id: str
    time_us: int
    payload: Payload
    source: str = ""
    arrival_us: int = field(default=0, compare=False)

    @property
    def time_h(self) -> float:
        return self.time_us / MICROSECONDS_PER_HOUR

    @cached_property
    def text(self) -> str:
        """Canonical text (`to_json`); a timeline's digest asks for that of every event whenever one is added."""
        said = {"id": self.id, "time_us": self.time_us, "source": self.source, "payload": _plain(self.payload)}
        return json.dumps(said, sort_keys=True, separators=(",", ":"), allow_nan=False)


def to_json(event: Event) -> str:
    """Canonical text of an event without its arrival time: equal events give equal bytes."""
    return event.text


def from_json(text: str, arrival_us: int = 0) -> Event:
    """The event whose canonical text is `text`."""
    raw = json.loads(text)
    return Event(raw["id"], raw["time_us"], _typed(raw["payload"]), raw["source"], arrival_us)


def _plain(payload: Payload) -> dict[str, Any]:
    body = dict(vars(payload))  # flat: only a correction holds another record
    if isinstance(payload, LabMeasured):
        body["censoring"] = payload.censoring.value
    if isinstance(payload, DoseGiven) and not payload.co_medication:
        del body["co_medication"]  # the text of events recorded before the field was there stays as it was
    if isinstance(payload, Correction):
        body["replacement"] = _plain(payload.replacement)
    return {"kind": payload.kind, **body}


def _typed(raw: dict[str, Any]) -> Any:
    body = dict(raw)
    kind = _KINDS[body.pop("kind")]
    if kind is LabMeasured:
        body["censoring"] = Censoring(body["censoring"])
    if kind is Correction:
        body["replacement"] = _typed(body["replacement"])
    return kind(**body)
