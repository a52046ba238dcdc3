"""Recording: once per request, once per event, any order, corrected and withdrawn, in streams, dry."""

from __future__ import annotations

import itertools
import random

import grpc
import pytest

from tests.service.conftest import COURSE, EPOCH_S, Client, dose, event, level, quantity, refused, rid
from twin_service.v1 import event_pb2, twin_pb2


def correction(id: str, hour: float, target: str, mg_l: float, at_hour: float) -> event_pb2.Event:
    return event(
        id,
        hour,
        correction={
            "target_event_id": target,
            "replacement": {"lab": {"analyte": "phenobarbital", "value": quantity(mg_l, "mg/L")}},
            "replacement_time": {"seconds": EPOCH_S + int(3600 * at_hour)},
        },
    )


HISTORY = (
    *COURSE,
    level("wrong", 50, 1.0),
    correction("c1", 60, "wrong", 14.0, 48),
    level("never", 55, 30.0),
    event("r1", 61, retraction={"target_event_id": "never", "reason": "wrong patient"}),
    event("w2", 36, covariate={"name": "weight_kg", "value": quantity(1.45, "kg")}),
)


def test_a_request_applies_once(client: Client) -> None:
    name = client.new_twin()
    request = twin_pb2.RecordEventsRequest(name=name, events=COURSE, request_id=rid())
    first = client.twins.RecordEvents(request)
    assert [r.timeline_revision for r in first.receipts] == [1, 2, 3, 4]
    assert client.twins.RecordEvents(request) == first
    other = twin_pb2.RecordEventsRequest(name=name, events=COURSE[:1], request_id=request.request_id)
    found = refused(lambda: client.twins.RecordEvents(other))
    assert (found.code, found.reason, found.fields) == (
        grpc.StatusCode.ALREADY_EXISTS,
        "REQUEST_ID_REUSED",
        ["request_id"],
    )
    again = client.record(name, *COURSE)
    assert all(r.duplicate for r in again.receipts) and again.timeline_revision == 4


def test_any_order_with_duplicates_ends_in_the_same_state(client: Client) -> None:
    """The digest holds model, timeline and belief, bit for bit."""
    digests, counts = set(), set()
    shuffle = random.Random(7)
    for _ in range(6):
        # One name for all would be one twin; the belief's draws depend on the name, the digest of the belief does not.
        name = client.new_twin()
        events = [*HISTORY, *shuffle.sample(HISTORY, 4)]
        shuffle.shuffle(events)
        while events:
            size = shuffle.randint(1, 4)
            batch, events = events[:size], events[size:]
            client.record(name, *batch)
            if shuffle.random() < 0.5:
                client.get(name)
        found = client.get(name, len(HISTORY))
        digests.add(found.basis.belief_digest)
        counts.add(found.twin.meta.timeline_revision)
    assert len(digests) == 1 and counts == {len(HISTORY)}


def test_every_order_of_three_events_ends_in_the_same_state(client: Client) -> None:
    three = (COURSE[0], level("a", 2, 17.0), correction("ca", 3, "a", 16.0, 2))
    digests = set()
    for order in itertools.permutations(three):
        name = client.new_twin()
        for one in order:
            client.record(name, one)
        digests.add(client.get(name, 3).basis.belief_digest)
    assert len(digests) == 1


def test_corrections_and_retractions_have_their_own_calls(client: Client) -> None:
    name = client.known_twin()
    corrected = twin_pb2.CorrectEventRequest(
        name=name,
        event_id="c",
        time={"seconds": EPOCH_S + 200_000},
        request_id=rid(),
        source="lis",
        correction=correction("c", 1, "l2", 12.0, 29).correction,
    )
    assert client.twins.CorrectEvent(corrected).timeline_revision == 5
    assert client.twins.CorrectEvent(corrected).receipt.timeline_revision == 5
    withdrawn = twin_pb2.RetractEventRequest(
        name=name,
        event_id="r",
        time={"seconds": EPOCH_S + 200_001},
        request_id=rid(),
        retraction={"target_event_id": "l1", "reason": "entered in error"},
    )
    assert client.twins.RetractEvent(withdrawn).timeline_revision == 6
    found = client.get(name, 6)
    assert list(found.basis.used_event_ids) == ["l2"]
    (kept,) = client.twins.ListForecasts(twin_pb2.ListForecastsRequest(name=name)).forecasts
    assert (kept.observed, kept.time.seconds) == (12.0, EPOCH_S + 29 * 3600)
    listed = {e.event.id: e for e in client.twins.ListEvents(twin_pb2.ListEventsRequest(name=name)).events}
    assert not listed["l1"].in_force and not listed["l2"].in_force and listed["d1"].in_force and listed["c"].in_force
    corrected.request_id, corrected.correction.target_event_id = rid(), "l1"
    assert refused(lambda: client.twins.CorrectEvent(corrected)).fields == ["event_id"]
    corrected.correction.replacement.lab.value.unit = "m"
    corrected.request_id = rid()
    assert refused(lambda: client.twins.CorrectEvent(corrected)).fields == ["correction.replacement.lab.value.unit"]


def test_a_correction_may_come_before_its_target(client: Client) -> None:
    name = client.new_twin()
    client.record(name, COURSE[0], correction("c1", 60, "l1", 17.3, 2))
    waiting = client.get(name, 2)
    assert any("wait" in w for w in waiting.basis.warnings)
    client.record(name, level("l1", 2, 99.0))
    assert not any("wait" in w for w in client.get(name, 3).basis.warnings)
    (kept,) = client.twins.ListForecasts(twin_pb2.ListForecastsRequest(name=name)).forecasts
    assert kept.observed == 17.3


def test_a_stream_acknowledges_each_batch_and_ends_at_a_bad_one(client: Client) -> None:
    name = client.new_twin()

    def batches() -> object:
        for one in (COURSE[0], COURSE[1]):
            yield twin_pb2.StreamEventsRequest(batch={"name": name, "events": [one], "request_id": rid()})
        yield twin_pb2.StreamEventsRequest(batch={"name": name, "events": [level("x", 1, -5.0)], "request_id": rid()})
        yield twin_pb2.StreamEventsRequest(batch={"name": name, "events": [COURSE[2]], "request_id": rid()})

    stream = client.twins.StreamEvents(batches(), timeout=60)
    acknowledged = [next(stream), next(stream)]
    assert [a.result.timeline_revision for a in acknowledged] == [1, 2]
    found = refused(lambda: next(stream))
    assert (found.code, found.fields) == (grpc.StatusCode.INVALID_ARGUMENT, ["batch.events[0].lab.value.value"])
    assert found.metadata["batch_number"] == "2"
    assert client.get(name).twin.meta.timeline_revision == 2


def test_a_dry_run_checks_everything_and_writes_nothing(client: Client) -> None:
    name = client.new_twin()
    request = twin_pb2.RecordEventsRequest(name=name, events=COURSE, request_id=rid(), validate_only=True)
    dry = client.twins.RecordEvents(request)
    assert dry.timeline_revision == 4 and dry.receipts[1].canonical_value.value == 17.3
    assert client.get(name).twin.meta.timeline_revision == 0
    bad = twin_pb2.RecordEventsRequest(name=name, events=[level("x", 1, -1.0)], request_id=rid(), validate_only=True)
    assert refused(lambda: client.twins.RecordEvents(bad)).reason == "IMPLAUSIBLE"
    request.validate_only = False
    assert client.twins.RecordEvents(request).timeline_revision == 4


def test_what_the_model_does_not_use_is_recorded_and_said(client: Client) -> None:
    name = client.new_twin()
    crp = event("crp", 1, lab={"loinc": "1988-5", "value": quantity(12, "mg/L")})
    receipt = client.record(name, crp).receipts[0]
    assert "no part of this twin's model predicts it" in receipt.notes[0]
    found = client.get(name, 1)
    assert list(found.basis.unused_event_ids) == ["crp"] and any("not used" in w for w in found.basis.warnings)
    shown = client.twins.GetTrajectory(twin_pb2.GetTrajectoryRequest(name=name)).observations
    assert [o.event_id for o in shown] == ["crp"] and not shown[0].HasField("forecast")


def test_events_are_listed_in_clinical_order_in_pages_and_spans(client: Client) -> None:
    name = client.new_twin()
    client.record(name, *reversed(COURSE))
    asked = twin_pb2.ListEventsRequest(name=name, page_size=3)
    first = client.twins.ListEvents(asked)
    asked.page_token = first.next_page_token
    second = client.twins.ListEvents(asked)
    assert [e.event.id for e in (*first.events, *second.events)] == ["d1", "l1", "d2", "l2"]
    assert not second.next_page_token and first.timeline_revision == 4
    assert [e.timeline_revision for e in first.events] == [4, 3, 2]
    span = twin_pb2.ListEventsRequest(
        name=name, start_time={"seconds": EPOCH_S + 7200}, end_time={"seconds": EPOCH_S + 43200}
    )
    assert [e.event.id for e in client.twins.ListEvents(span).events] == ["l1"]
    assert first.events[0].event == COURSE[0]
    assert first.events[1].event == level("l1", 2, 17.3) or first.events[1].event.lab.value.value == 17.3


def test_a_level_below_quantification_is_kept_as_such(client: Client) -> None:
    name = client.new_twin()
    low = event(
        "low",
        300,
        lab={"analyte": "phenobarbital", "value": quantity(1, "mg/L"), "censoring": event_pb2.CENSORING_BELOW},
    )
    client.record(name, dose("d", 0), low)
    client.get(name, 2)
    (kept,) = client.twins.ListForecasts(twin_pb2.ListForecastsRequest(name=name)).forecasts
    assert kept.censoring == event_pb2.CENSORING_BELOW


@pytest.mark.parametrize("revision", [1, 3])
def test_as_of_sees_the_record_as_it_was(client: Client, twin: str, revision: int) -> None:
    early = client.twins.GetTrajectory(twin_pb2.GetTrajectoryRequest(name=twin, as_of_revision=revision, members=32))
    assert early.basis.belief_revision == revision
    assert len(early.observations) == revision // 2
