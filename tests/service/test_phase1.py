"""Phase1Service on a real server: a first dose, a trial that survives a restart, a comparison, a selection."""

from __future__ import annotations

from pathlib import Path

import grpc
import numpy as np
import pytest

from tests.house.source import ROOT
from tests.service.conftest import Client, refused, rid, server_settings
from twin_service.service.server import Server
from twin_service.store.verify import verify
from twin_service.v1 import cohort_pb2, phase1_pb2

PARENT = "tenants/acme"
FOLDER = ROOT / "clients" / "tutorials" / "first_cohort"
PLAN = (FOLDER / "escalation.toml").read_text()
Event = phase1_pb2.EscalationEvent


def told(call, status: str) -> str:  # type: ignore[no-untyped-def]
    """The message of a refusal with this status."""
    found = refused(call)
    assert found.code == grpc.StatusCode[status]
    return found.message


def opened(client: Client, trial: str, plan: str = PLAN) -> phase1_pb2.OpenEscalationResponse:
    request = phase1_pb2.OpenEscalationRequest(parent=PARENT, escalation_id=trial, plan=plan, request_id=rid())
    return client.phase1.OpenEscalation(request, timeout=60)


def recorded(
    client: Client, trial: str, *events: Event, request_id: str = ""
) -> phase1_pb2.RecordEscalationEventsResponse:
    request = phase1_pb2.RecordEscalationEventsRequest(
        name=f"{PARENT}/escalations/{trial}", events=events, request_id=request_id or rid()
    )
    return client.phase1.RecordEscalationEvents(request, timeout=60)


def decided(client: Client, trial: str, **more: object) -> phase1_pb2.DecideEscalationResponse:
    request = phase1_pb2.DecideEscalationRequest(name=f"{PARENT}/escalations/{trial}", **more)
    return client.phase1.DecideEscalation(request, timeout=60)


COHORT = (
    Event(kind="dosed", id="c1", day=0, dose=10, patients=["p1", "p2", "p3"]),
    *(Event(kind="observed", id=f"o{k}", day=28, patient=f"p{k}") for k in (1, 2, 3)),
)


def test_a_first_dose(client: Client) -> None:
    request = phase1_pb2.ProposeFirstDoseRequest(parent=PARENT, plan=(FOLDER / "antibody.toml").read_text(), seed=1)
    found = client.phase1.ProposeFirstDose(request, timeout=60)
    assert found.limiting == "MABEL: receptor occupancy"
    assert {round(r.dose_mg_per_kg, 4) for r in found.routes} >= {1.6216, 0.0011}
    assert len(found.ladder[0].exceeds) == len(found.caps) and "<html" in found.report_html
    assert found.basis.answer_id


def test_a_plan_with_mistakes_names_them_all(client: Client) -> None:
    plan = '[drug]\nnmae = "x"\n[target]\nkd = "1 nmol/L"\n'
    request = phase1_pb2.ProposeFirstDoseRequest(parent=PARENT, plan=plan)
    said = told(lambda: client.phase1.ProposeFirstDose(request, timeout=60), "INVALID_ARGUMENT")
    assert "did you mean 'name'" in said and "target's concentration" in said


def test_a_trial_is_kept_and_decided(client: Client) -> None:
    first = opened(client, "k-one")
    assert first.name == f"{PARENT}/escalations/k-one" and first.decision.next_dose == 10
    assert recorded(client, "k-one", *COHORT).decision.next_dose == 20
    late = Event(kind="observed", id="late", day=60, patient="p1", toxic=True)
    after = recorded(client, "k-one", late)
    assert after.decision.doses[0].toxicities == 1 and after.decision.late
    fixed = Event(kind="corrected", id="k", day=61, of="late", reason="another patient")
    undone = recorded(client, "k-one", fixed)
    assert undone.decision.doses[0].toxicities == 0 and undone.decision.revision == 6
    then = decided(client, "k-one", as_of_revision=4)
    assert then.decision.next_dose == 20 and then.unit == "mg" and not then.report_html
    assert decided(client, "k-one", report=True).report_html.startswith("<!doctype html>")


def test_the_same_request_is_applied_once(client: Client) -> None:
    opened(client, "k-twice")
    again = rid()
    one = recorded(client, "k-twice", *COHORT, request_id=again)
    assert recorded(client, "k-twice", *COHORT, request_id=again) == one
    assert decided(client, "k-twice").decision.revision == 4


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (Event(kind="dosed", id="x", day=1, dose=25, patients=["q"]), "not a planned dose"),
        (Event(kind="observed", id="x", day=1, patient="nobody", toxic=True), "never dosed"),
        (Event(kind="observd", id="x", day=1), "is unknown; known"),
        (Event(kind="observed", id="x", day=1, patient="p1", dose=3), "no meaning"),
    ],
)
def test_nonsense_is_refused_and_not_kept(client: Client, event: Event, words: str) -> None:
    trial = f"k-bad-{abs(hash(words)) % 10_000}"
    opened(client, trial)
    said = told(lambda: recorded(client, trial, *COHORT, event), "INVALID_ARGUMENT")
    assert words in said
    assert decided(client, trial).decision.revision == 0


def test_what_does_not_exist_or_exists_already(client: Client) -> None:
    told(lambda: decided(client, "k-none"), "NOT_FOUND")
    opened(client, "k-once")
    told(lambda: opened(client, "k-once"), "ALREADY_EXISTS")
    told(lambda: decided(client, "k-once", as_of_revision=9), "INVALID_ARGUMENT")
    broken = PLAN.replace("mean = [-1.1, 0.1]", "mean = [3.0, 0.1]")
    said = told(lambda: opened(client, "k-unsafe", broken), "INVALID_ARGUMENT")
    assert "the design's own limit" in said


def test_designs_are_compared_by_an_operation(client: Client) -> None:
    plan = PLAN[: PLAN.index('[[design]]\nkind = "crm"')] + PLAN[PLAN.index('[[design]]\nkind = "3+3"') :]
    request = phase1_pb2.CompareDesignsRequest(parent=PARENT, plan=plan, trials=50, seed=1, request_id=rid())
    operation = client.phase1.CompareDesigns(request, timeout=60).operation
    done = client.cohort.WaitOperation(cohort_pb2.WaitOperationRequest(name=operation.name), timeout=120).operation
    assert done.done and not done.error_code
    asked = phase1_pb2.GetDesignComparisonRequest(operation=operation.name)
    found = client.phase1.GetDesignComparison(asked, timeout=60)
    assert {r.design for r in found.ranked} == {"BLRM", "3 + 3"} and len(found.rows) == 8
    assert all(sum(r.selection) == pytest.approx(1) for r in found.rows)


def test_responders_are_named_only_when_markers_prove_themselves(client: Client) -> None:
    rng = np.random.default_rng(1)
    for effect in (0.0, 2.0):
        x = rng.standard_normal((120, 2))
        y = rng.random(120) < 1 / (1 + np.exp(-effect * x[:, 0]))
        request = phase1_pb2.SelectRespondersRequest(parent=PARENT, seed=1)
        for k in range(120):
            row = request.rows.add(subject=f"s{k}", markers={"a": x[k, 0], "b": x[k, 1]})
            if k < 110:
                row.responded = bool(y[k])
        found = client.phase1.SelectResponders(request, timeout=60)
        assert found.useful == (effect > 0)
        assert len(found.patients) == (10 if effect else 0)
    assert found.patients[0].reasons[0].startswith(("a lowers", "a raises"))
    del request.rows[0].markers["b"]
    said = told(lambda: client.phase1.SelectResponders(request, timeout=60), "INVALID_ARGUMENT")
    assert "s0 has no b" in said


def test_a_trial_survives_a_restart_and_its_rows_are_verified(tmp_path: Path) -> None:
    settings = server_settings(tmp_path)
    for k in range(2):
        server = Server(settings)
        server.start()
        client = Client(server.port)
        if k == 0:
            opened(client, "k")
            recorded(client, "k", *COHORT)
        assert decided(client, "k").decision.next_dose == 20
        client.channel.close()
        server.stop(0)
    assert verify(settings) == []
