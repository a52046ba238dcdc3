"""A batch is not lost for one event: what can be taken is taken at once, and each receipt says why not."""

from __future__ import annotations

import grpc

from tests.service.conftest import Client, dose, event, level, quantity, refused, rid
from twin_service.v1 import event_pb2, twin_pb2

POSSIBLE = twin_pb2.ACCEPTANCE_POSSIBLE
TAKEN, HELD, REFUSED = twin_pb2.EVENT_STATE_TAKEN, twin_pb2.EVENT_STATE_HELD, twin_pb2.EVENT_STATE_REFUSED


def other_drug(id: str, hour: float, drug: str = "warfarin") -> event_pb2.Event:
    return event(id, hour, dose={"drug": drug, "amount": quantity(5, "mg"), "route": "oral"})


def strange_lab(id: str, hour: float) -> event_pb2.Event:
    return event(id, hour, lab={"loinc": "99999-9", "value": quantity(3.0, "furlong")})


def test_what_can_be_taken_is_taken_and_every_receipt_says_what_became_of_it(client: Client) -> None:
    name = client.new_twin()
    wrong = event("w", 3, lab={"analyte": "phenobarbital", "value": quantity(5, "h")})
    by_mouth = event("o", 4, dose={"drug": "phenobarbital", "amount": quantity(5, "mg"), "route": "rectal"})
    batch = [dose("d1", 0), wrong, other_drug("c", 1), strange_lab("s", 2), by_mouth, level("l1", 5, 17.0)]
    done = client.record(name, *batch, acceptance=POSSIBLE)
    assert [r.state for r in done.receipts] == [TAKEN, REFUSED, TAKEN, TAKEN, HELD, TAKEN]
    assert [r.not_modelled for r in done.receipts] == [False, False, True, True, False, False]
    assert (done.receipts[1].faults[0].field, done.receipts[1].faults[0].reason) == ("lab.value.unit", "BAD_UNIT")
    assert done.receipts[4].faults[0].reason == "NO_SUCH_ROUTE" and done.receipts[4].faults[0].release
    assert done.timeline_revision == 4 and [r.timeline_revision for r in done.receipts] == [1, 0, 2, 3, 0, 4]
    basis = client.get(name, 4).basis
    assert list(basis.not_modelled) == ["dose of warfarin, 1 recorded", "measurement of loinc:99999-9, 1 recorded"]
    assert list(basis.used_event_ids) == ["l1"]


def test_what_no_model_uses_changes_no_belief(client: Client) -> None:
    """Oracle: the same record without it, whose belief must have the same moments."""
    with_it, without = client.new_twin(), client.new_twin()
    known = [dose("d1", 0), level("l1", 5, 17.0)]
    client.record(with_it, *known, other_drug("c", 1), strange_lab("s", 2), acceptance=POSSIBLE)
    client.record(without, *known)
    a, b = client.get(with_it, 4).belief, client.get(without, 2).belief
    assert [e.mean for e in a.effects] == [e.mean for e in b.effects]
    assert list(a.covariance) == list(b.covariance)


def test_the_default_is_all_or_none_and_every_fault_is_told(client: Client) -> None:
    name = client.new_twin()
    wrong = event("w", 3, dose={"drug": "phenobarbital", "amount": quantity(5, "h"), "route": "rectal"})
    found = refused(lambda: client.record(name, dose("d1", 0), wrong, other_drug("c", 1), strange_lab("s", 2)))
    assert found.code is grpc.StatusCode.INVALID_ARGUMENT
    assert found.fields == [
        "events[1].dose.amount.unit",
        "events[1].dose.route",
        "events[2].dose.drug",
        "events[3].lab.loinc",
    ]
    assert client.get(name).twin.meta.timeline_revision == 0


def test_a_thousand_faults_fit_into_the_trailer(client: Client) -> None:
    name = client.new_twin()
    wrong = [event(f"w{i}", 3, lab={"analyte": "phenobarbital", "value": quantity(5, "h")}) for i in range(1000)]
    found = refused(lambda: client.record(name, *wrong))
    assert found.code is grpc.StatusCode.INVALID_ARGUMENT and found.fields[0] == "events[0].lab.value.unit"
    assert "and 999 more" in found.message


def test_the_same_dose_under_another_id_is_asked_about_and_taken_once_confirmed(client: Client) -> None:
    name = client.new_twin()
    client.record(name, dose("d1", 0), level("l1", 2, 17.0))
    again = [dose("ehr/d1", 0.1), level("ehr/l1", 2.1, 17.0), dose("d2", 12)]
    done = client.record(name, *again, acceptance=POSSIBLE)
    assert [r.state for r in done.receipts] == [HELD, HELD, TAKEN]
    assert {r.faults[0].reason for r in done.receipts[:2]} == {"LIKELY_DUPLICATE"}
    again[0].confirm = True
    done = client.record(name, *again, acceptance=POSSIBLE)
    assert [(r.state, r.duplicate) for r in done.receipts] == [(TAKEN, False), (HELD, False), (TAKEN, True)]


def test_all_or_none_never_counts_twice_silently(client: Client) -> None:
    name = client.new_twin()
    done = client.record(name, dose("d1", 0), dose("d1-again", 0), dose("d2", 12))
    assert [(r.state, r.duplicate_of) for r in done.receipts] == [(TAKEN, ""), (HELD, "d1"), (TAKEN, "")]
    assert client.record(name, dose("d1", 0)).receipts[0].duplicate


def test_an_id_that_says_two_things_loses_only_itself(client: Client) -> None:
    name = client.new_twin()
    client.record(name, dose("d1", 0, 25.0))
    done = client.record(name, dose("d1", 0, 30.0), dose("d2", 12), acceptance=POSSIBLE)
    assert [r.state for r in done.receipts] == [REFUSED, TAKEN]
    assert done.receipts[0].faults[0].reason == "EVENT_ID_REUSED" and done.timeline_revision == 2


def test_a_retry_gets_the_same_receipts(client: Client) -> None:
    name, key = client.new_twin(), rid()
    batch = [dose("d1", 0), strange_lab("s", 2), event("w", 3, lab={"analyte": "nothing", "value": quantity(5, "h")})]
    first = client.record(name, *batch, acceptance=POSSIBLE, request_id=key)
    assert client.record(name, *batch, acceptance=POSSIBLE, request_id=key) == first
