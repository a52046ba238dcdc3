"""Ward stories: what a ward sends, with its mess, and what must come out. Each runs over gRPC against a real server.

The table is `ward_stories.toml`. An event is a line: `hour id kind ...`, see `_EVENTS`. What must come out: the state
of each receipt; that the answer equals (`same_as`) or differs from (`unlike`) the one for another record, which is the
oracle for whatever has no closed form; a level within bounds; words that must stand in the answer; advice or none.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, Literal, cast

from pydantic import BaseModel, ConfigDict

from twin_client import ClientError, TwinClient, events, quantity
from twin_service.library.files import parse_toml
from twin_service.v1 import common_pb2, event_pb2, simulation_pb2, twin_pb2

ZERO: Final = datetime(2024, 3, 4, tzinfo=UTC)
MEMBERS: Final = 2048
NAME_LENGTH: Final = 50
SAME: Final = 0.02  # members are drawn by the twin's name: medians of two names differ by some thousandths
SAME_BELIEF: Final = 1e-3
UNLIKE: Final = 0.03
FOLDER: Final = Path(__file__).parent


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Patient(_Table):
    """Who it is: `model` as population model, or `drugs` and `effects`; characteristics as `value unit`."""

    poppk: str = ""
    drugs: list[str] = []
    effects: list[str] = []
    covariates: dict[str, str] = {}


class Asked(_Table):
    """A recommendation: amounts in mg, intervals in h, `target` = output metric low high unit."""

    drug: str
    route: str
    amounts: list[float]
    intervals: list[float]
    duration_h: float = 0.0
    target: str
    start_h: float
    horizon_h: float = 48.0
    daily_mg: float = 0.0


class Story(_Table):
    """One story; what is not said is not checked."""

    id: str
    patient: str
    covariates: dict[str, str] = {}
    without: list[str] = []
    events: list[str] = []
    states: list[str] = []
    output: str = ""
    hour: float = 0.0
    same_as: list[str] | None = None
    unlike: list[str] | None = None
    level: list[float] = []
    told: list[str] = []
    ask: Asked | None = None
    recommended: str = ""
    refused: str = ""


class StoryBook(_Table):
    patients: dict[str, Patient]
    story: list[Story]


@dataclass(frozen=True)
class StoryVerdict:
    """`faults` empty: all came out as the table says."""

    id: str
    faults: tuple[str, ...]


def load_stories(path: Path = FOLDER / "ward_stories.toml") -> StoryBook:
    """The table; a key it does not know is an error."""
    return StoryBook.model_validate(parse_toml(path))


def tell(client: TwinClient, book: StoryBook, story: Story) -> StoryVerdict:
    """Send the story, ask what it asks, and compare."""
    return StoryVerdict(story.id, tuple(_faults(client, book, story)))


def run(client: TwinClient, say: Callable[[str], None]) -> dict[str, float]:
    """Figures `answers.stories` and `answers.stories_pass`."""
    book = load_stories()
    found = [tell(client, book, s) for s in book.story]
    for v in found:
        for fault in v.faults:
            say(f"{v.id}: {fault}")
    return {"answers.stories": float(len(found)), "answers.stories_pass": sum(not v.faults for v in found) / len(found)}


def _faults(client: TwinClient, book: StoryBook, story: Story) -> Iterator[str]:
    try:
        name = _created(client, book.patients[story.patient], story)
        done = _recorded(client, name, story.events)
        yield from _states(story, done)
        yield from _compared(client, book, story, name)
        yield from _advised(client, story, name)
    except ClientError as error:
        if not story.refused or story.refused not in f"{error.reason} {error}":
            yield f"refused: {error.reason}: {error}"[:300]
    else:
        if story.refused:
            yield f"answered, where {story.refused} was to be refused"


def _created(client: TwinClient, who: Patient, story: Story, *, clean: str = "") -> str:
    # members are drawn by the name: the same story gives the same numbers
    name = "-".join(re.findall("[a-z0-9]+", story.id.lower()))[:NAME_LENGTH].strip("-") + (f"-{clean}" if clean else "")
    said = {k: v for k, v in (who.covariates | story.covariates).items() if k not in story.without}
    client.create_twin(
        name,
        drugs=who.drugs,
        poppk=who.poppk,
        effects=who.effects,
        epoch=ZERO,
        covariates={k: _quantity(v) for k, v in said.items()},
    )
    return name


def _quantity(text: str) -> common_pb2.Quantity:
    value, unit = text.split(" ", 1)
    return quantity(float(value), unit)


def _recorded(client: TwinClient, name: str, lines: Sequence[str]) -> twin_pb2.RecordEventsResponse:
    if not lines:
        return twin_pb2.RecordEventsResponse()
    return client.record(name, [event_of(line) for line in lines], possible=True)


def _states(story: Story, done: twin_pb2.RecordEventsResponse) -> Iterator[str]:
    if not story.states:
        return
    found = [
        " ".join([twin_pb2.EventState.Name(r.state)[12:].lower(), *sorted({f.reason for f in r.faults})])
        + (" again" if r.duplicate else "")
        for r in done.receipts
    ]
    if found != story.states:
        yield f"receipts are {found}, expected {story.states}: {[f.message for r in done.receipts for f in r.faults]}"


def _compared(client: TwinClient, book: StoryBook, story: Story, name: str) -> Iterator[str]:
    if not story.output:
        return
    answer = _answer(client, story, name)
    median = answer.what_ifs[0].bands.series[0].median[-1]
    words = _words(answer)
    yield from (f"not told: {w!r} in {words[-900:]!r}" for w in story.told if story.ask is None and w not in words)
    if story.level and not story.level[0] <= median <= story.level[1]:
        yield f"{story.output} {median:.4g}, expected {story.level[0]:g} to {story.level[1]:g}"
    for other, alike in ((story.same_as, True), (story.unlike, False)):
        if other is None:
            continue
        clean = _created(client, book.patients[story.patient], story, clean="same" if alike else "unlike")
        _recorded(client, clean, other)
        there = _answer(client, story, clean).what_ifs[0].bands.series[0].median[-1]
        apart = abs(median / there - 1.0)
        if alike and apart > SAME:
            yield f"{story.output} {median:.5g}, but {there:.5g} for the record it must equal"
        if alike and _beliefs_apart(client, name, clean) > SAME_BELIEF:
            yield "the belief is not that of the record it must equal"
        if not alike and apart < UNLIKE:
            yield f"{story.output} {median:.5g} as for a record from which it must differ"


def _beliefs_apart(client: TwinClient, one: str, other: str) -> float:
    """Largest difference of the means, in standard deviations."""
    a, b = (
        client.twin(n, min_revision=client.twin(n).twin.meta.timeline_revision).belief.effects for n in (one, other)
    )
    return max((abs(x.mean - y.mean) / max(y.sd, 1e-9) for x, y in zip(a, b, strict=True)), default=0.0)


def _answer(client: TwinClient, story: Story, name: str) -> simulation_pb2.SimulateResponse:
    """Nothing more given: the level at the story's hour, an hour after the start of the forecast."""
    return client.simulate(
        name,
        [simulation_pb2.Regimen(name="nothing")],
        horizon_h=1.0,
        start=ZERO + timedelta(hours=story.hour - 1.0),
        outputs=[story.output],
        members=MEMBERS,
        min_revision=len(story.events) and client.twin(name).twin.meta.timeline_revision,
    )


def _words(answer: simulation_pb2.SimulateResponse | simulation_pb2.RecommendResponse) -> str:
    b = answer.basis
    more = [answer.message] if isinstance(answer, simulation_pb2.RecommendResponse) else []
    return " | ".join([*more, *b.assumptions, *b.warnings, *b.not_modelled])


def _advised(client: TwinClient, story: Story, name: str) -> Iterator[str]:
    ask = story.ask
    if ask is None:
        return
    output, metric, low, high, unit = ask.target.split(" ")
    option = simulation_pb2.Dispensable(
        drug=ask.drug,
        route=ask.route,
        amounts=[quantity(a, "mg") for a in ask.amounts],
        intervals=[quantity(i, "h") for i in ask.intervals],
        durations=[quantity(ask.duration_h, "h")] if ask.duration_h else [],
        max_daily=quantity(ask.daily_mg, "mg") if ask.daily_mg else None,
    )
    auc = metric.startswith("auc")
    target = simulation_pb2.Target(
        output=output,
        metric=f"METRIC_{metric.upper()}",
        low=quantity(float(low), unit),
        high=quantity(float(high), unit),
        window_start=None if auc else quantity(24.0, "h"),
    )
    answer = client.recommend(
        name,
        [option],
        [target],
        horizon_h=ask.horizon_h,
        start=ZERO + timedelta(hours=ask.start_h),
        min_revision=client.twin(name).twin.meta.timeline_revision,
    )
    words = _words(answer)
    yield from (f"not told: {w!r} in {words[-900:]!r}" for w in story.told if w not in words)
    wanted = story.recommended
    if wanted and (
        answer.recommended != "" if wanted == "none" else wanted != "some" and wanted not in answer.recommended
    ):
        yield f"recommended {answer.recommended or 'none'!r}, expected {wanted!r}: {answer.message}"
    if wanted == "some" and not answer.recommended:
        yield f"nothing recommended: {answer.message}"


def event_of(line: str) -> event_pb2.Event:
    """`hour id dose drug mg unit route [h]`, `... lab analyte value unit`, `... covariate name value unit`,
    `... dialysis modality h [mL/min]`, `... retract id`, `... correct id hour dose ...`; `!` at the end confirms."""
    words = line.split()
    confirm = words[-1] == "!"
    hour, id, kind, *rest = words[:-1] if confirm else words
    made = _EVENTS[kind](id, ZERO + timedelta(hours=float(hour)), rest)
    made.confirm = confirm
    return made


def _dose(id: str, when: datetime, w: list[str]) -> event_pb2.Event:
    amount, over = quantity(float(w[1]), w[2]), float(w[4]) if len(w) > 4 else 0.0
    return events.dose(id, when, w[0], amount, route=w[3], duration_h=over)


def _lab(id: str, when: datetime, w: list[str]) -> event_pb2.Event:
    low = w[1].startswith("<")
    how = event_pb2.CENSORING_BELOW if low else event_pb2.CENSORING_NONE
    return events.lab(id, when, w[0], quantity(float(w[1].lstrip("<")), w[2]), censoring=how)


def _covariate(id: str, when: datetime, w: list[str]) -> event_pb2.Event:
    return events.covariate(id, when, w[0], quantity(float(w[1]), w[2]))


def _dialysis(id: str, when: datetime, w: list[str]) -> event_pb2.Event:
    extra = float(w[2]) if len(w) > 2 else 0.0
    filtered = w[0] == "hemofiltration"
    how = cast(Literal["hemodialysis", "hemofiltration", "peritoneal"], w[0])
    return events.dialysis(
        id, when, how, float(w[1]), effluent_l_h=extra if filtered else 0.0, clearance_ml_min=0.0 if filtered else extra
    )


def _retraction(id: str, when: datetime, w: list[str]) -> event_pb2.Event:
    return events.retraction(id, when, w[0], "entered in error")


def _correction(id: str, when: datetime, w: list[str]) -> event_pb2.Event:
    return events.correction(id, when, w[0], event_of(f"{w[1]} right {' '.join(w[2:])}"))


_EVENTS: Final = {
    "dose": _dose,
    "lab": _lab,
    "covariate": _covariate,
    "dialysis": _dialysis,
    "retract": _retraction,
    "correct": _correction,
}
