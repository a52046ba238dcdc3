"""What is unlikely to be what was meant waits until someone confirms it: durable, listed, and not counted."""

from __future__ import annotations

from pathlib import Path

import grpc
import pytest

from tests.service.conftest import (
    COURSE,
    Client,
    dose,
    event,
    level,
    quantity,
    refused,
    rid,
    server_settings,
    simulate_request,
)
from twin_service.service.server import Server
from twin_service.store.adopt import migrate
from twin_service.store.verify import verify
from twin_service.v1 import event_pb2, twin_pb2

TAKEN, HELD = twin_pb2.EVENT_STATE_TAKEN, twin_pb2.EVENT_STATE_HELD
ALL, POSSIBLE = twin_pb2.ACCEPTANCE_ALL, twin_pb2.ACCEPTANCE_POSSIBLE


def digoxin(id: str, amount: float, unit: str = "mg") -> event_pb2.Event:
    return event(id, 0, dose={"drug": "digoxin", "amount": quantity(amount, unit), "route": "oral"})


def held(client: Client, name: str) -> list[twin_pb2.HeldEvent]:
    return list(client.twins.ListHeldEvents(twin_pb2.ListHeldEventsRequest(name=name)).events)


def withdraw(client: Client, name: str, id: str, **more: str) -> twin_pb2.WithdrawHeldEventResponse:
    request = twin_pb2.WithdrawHeldEventRequest(name=name, event_id=id, request_id=more.get("request_id", rid()))
    return client.twins.WithdrawHeldEvent(request)  # type: ignore[no-any-return]


def states(done: twin_pb2.RecordEventsResponse) -> list[int]:
    return [r.state for r in done.receipts]


@pytest.mark.parametrize("acceptance", [ALL, POSSIBLE])
def test_digoxin_250_mg_is_held_with_the_likely_slip(client: Client, acceptance: twin_pb2.Acceptance) -> None:
    name = client.new_twin(model={"drugs": ["digoxin"]})
    done = client.record(name, digoxin("d1", 250.0), acceptance=acceptance)
    receipt = done.receipts[0]
    assert receipt.state == HELD and done.timeline_revision == 0
    assert receipt.faults[0].reason == "IMPLAUSIBLE_DOSE" and "confirm" in receipt.faults[0].release
    assert receipt.slips[0].name == "mg written for ug" and receipt.slips[0].meant == pytest.approx(0.25)
    assert receipt.slips[0].odds > 10.0
    assert [h.event.id for h in held(client, name)] == ["d1"]
    assert held(client, name)[0].event.dose.amount.value == 250.0


def test_vancomycin_100_g_is_held_and_said_in_every_answer(client: Client) -> None:
    weight = event_pb2.Covariate(name="weight_kg", value=quantity(70, "kg"))
    name = client.new_twin(model={"drugs": ["vancomycin"]}, covariates=[weight])
    gram = event("v2", 12, dose={"drug": "vancomycin", "amount": quantity(1, "g"), "route": "iv"})
    slip = event("v1", 0, dose={"drug": "vancomycin", "amount": quantity(100, "g"), "route": "iv"})
    assert states(client.record(name, slip, gram)) == [HELD, TAKEN]
    said = " ".join(client.get(name, 1).basis.warnings)
    assert "held until confirmed, not counted: dose v1" in said and "100000 mg" in said


def test_a_held_dose_moves_nothing_until_it_is_confirmed(client: Client) -> None:
    """Oracle: twins of the same record without the dose, and with it from the start."""
    name, without, with_it = client.new_twin(), client.known_twin(), client.new_twin()
    slip = dose("d3", 20, 250.0)
    assert states(client.record(name, *COURSE, slip)) == [TAKEN] * 4 + [HELD]
    means = [e.mean for e in client.get(name, 4).belief.effects]
    assert means == [e.mean for e in client.get(without, 4).belief.effects]
    slip.confirm = True
    done = client.record(name, slip)
    assert states(done) == [TAKEN] and done.receipts[0].warnings and done.timeline_revision == 5
    client.record(with_it, *COURSE, slip)
    assert [e.mean for e in client.get(name, 5).belief.effects] == [
        e.mean for e in client.get(with_it, 5).belief.effects
    ]
    assert held(client, name) == []
    again = client.record(name, slip)
    assert again.receipts[0].duplicate and again.timeline_revision == 5


def test_an_unusual_event_is_taken_and_named_wherever_it_counts(client: Client) -> None:
    name = client.new_twin()
    done = client.record(name, *COURSE, dose("d3", 40, 35.0))
    receipt = done.receipts[4]
    assert receipt.state == TAKEN and any("outside the usual" in w for w in receipt.warnings)
    answer = client.simulation.Simulate(simulate_request(name, min_revision=5))
    trajectory = client.twins.GetTrajectory(twin_pb2.GetTrajectoryRequest(name=name, min_revision=5))
    for basis in (answer.basis, trajectory.basis, client.get(name).basis):
        assert any(w.startswith("counted, though unusual: d3") for w in basis.warnings)


def test_the_same_under_another_id_is_held_and_counted_once(client: Client) -> None:
    name = client.known_twin()
    done = client.record(name, dose("ehr/d1", 0.1), level("ehr/l1", 2.2, 17.3), dose("d9", 48, 3.5))
    assert states(done) == [HELD, HELD, TAKEN]
    assert [r.duplicate_of for r in done.receipts] == ["d1", "l1", ""]
    assert {r.faults[0].reason for r in done.receipts[:2]} == {"LIKELY_DUPLICATE"}
    assert len(client.get(name, 5).basis.used_event_ids) == 2


def test_impossible_readings_do_not_move_the_belief(client: Client) -> None:
    name, without = client.new_twin(), client.known_twin()
    done = client.record(name, *COURSE, level("big", 40, 5000.0), level("zero", 44, 0.0))
    assert states(done) == [TAKEN] * 4 + [HELD, HELD]
    assert {r.faults[0].reason for r in done.receipts[4:]} == {"IMPLAUSIBLE_VALUE"}
    a, b = client.get(name, 4).belief, client.get(without, 4).belief
    assert [e.mean for e in a.effects] == [e.mean for e in b.effects] and list(a.covariance) == list(b.covariance)


def test_a_correction_of_a_held_event_takes_both_into_the_record(client: Client) -> None:
    name, plain = client.new_twin(), client.known_twin()
    client.record(name, COURSE[0], dose("d2", 12, 350.0), COURSE[1], COURSE[3])
    right = event("c1", 13, correction={"target_event_id": "d2", "replacement": {"dose": COURSE[2].dose}})
    right.correction.replacement_time.CopyFrom(COURSE[2].time)
    done = client.record(name, right)
    assert states(done) == [TAKEN] and done.timeline_revision == 5 and held(client, name) == []
    assert [e.mean for e in client.get(name, 5).belief.effects] == [e.mean for e in client.get(plain).belief.effects]


def test_a_retraction_of_a_held_event_withdraws_it(client: Client) -> None:
    name = client.known_twin()
    client.record(name, dose("d3", 20, 250.0))
    client.record(name, event("r1", 21, retraction={"target_event_id": "d3"}))
    assert held(client, name) == []
    basis = client.get(name, 6).basis
    assert not any("d3" in w or "wait" in w for w in basis.warnings)


def test_what_is_withdrawn_stays_so_until_it_is_confirmed(client: Client) -> None:
    name, key = client.known_twin(), rid()
    slip = dose("d3", 20, 250.0)
    client.record(name, slip)
    assert withdraw(client, name, "d3", request_id=key) == withdraw(client, name, "d3", request_id=key)
    done = client.record(name, slip)
    assert states(done) == [HELD] and done.receipts[0].faults[0].reason == "WITHDRAWN"
    assert held(client, name) == [] and not any("d3" in w for w in client.get(name).basis.warnings)
    slip.confirm = True
    assert states(client.record(name, slip)) == [TAKEN]
    assert refused(lambda: withdraw(client, name, "d3")).code is grpc.StatusCode.FAILED_PRECONDITION
    assert refused(lambda: withdraw(client, name, "nothing")).code is grpc.StatusCode.NOT_FOUND


def test_a_held_event_sent_again_with_what_was_meant_is_taken(client: Client) -> None:
    name = client.known_twin()
    client.record(name, dose("d3", 24, 350.0))
    done = client.record(name, dose("d3", 24, 3.5))
    assert states(done) == [TAKEN] and held(client, name) == []


def test_pages_and_a_dry_run(client: Client) -> None:
    name = client.known_twin()
    slips = [dose(f"s{i}", 100 + 12 * i, 900.0 + i) for i in range(5)]
    assert states(client.record(name, *slips, validate_only=True)) == [HELD] * 5
    assert held(client, name) == []
    client.record(name, *slips)
    first = client.twins.ListHeldEvents(twin_pb2.ListHeldEventsRequest(name=name, page_size=3))
    rest = client.twins.ListHeldEvents(
        twin_pb2.ListHeldEventsRequest(name=name, page_size=3, page_token=first.next_page_token)
    )
    assert [h.event.id for h in (*first.events, *rest.events)] == [f"s{i}" for i in range(5)]
    assert not rest.next_page_token


def test_held_events_outlive_the_server_and_are_erased_with_the_twin(tmp_path: Path) -> None:
    settings = server_settings(tmp_path)
    migrate(settings)
    server = Server(settings)
    server.start()
    name = Client(server.port).new_twin()
    Client(server.port).record(name, *COURSE, dose("d3", 20, 250.0))
    server.stop()
    assert verify(settings) == []
    server = Server(settings)
    server.start()
    client = Client(server.port)
    assert [h.event.id for h in held(client, name)] == ["d3"]
    client.twins.DeleteTwin(twin_pb2.DeleteTwinRequest(name=name, request_id=rid()))
    server.stop()
    assert b'"d3"' not in (tmp_path / "twin.db").read_bytes()


def test_an_event_of_long_ago_leaves_the_default_trajectory_alone(client: Client) -> None:
    name = client.new_twin()
    genotype = event("g", 0, genotype={"gene": "CYP2C9", "diplotype": "*1/*1", "phenotype": "normal", "activity": 1.0})
    genotype.time.seconds -= 60 * 365 * 86_400
    client.record(name, genotype, *COURSE)
    found = client.twins.GetTrajectory(twin_pb2.GetTrajectoryRequest(name=name, min_revision=5, members=64))
    assert len(found.bands.times_h) > 100 and len(found.observations) == 2
    genotype.time.seconds = -2_208_988_800  # 1900-01-01
    genotype.id = "g2"
    assert refused(lambda: client.record(name, genotype)).code is grpc.StatusCode.INVALID_ARGUMENT
