"""Twins over the wire: created once, read with belief, changed under an etag, erased, listed, watched, remembered."""

from __future__ import annotations

import grpc
import pytest

from tests.service.conftest import (
    COURSE,
    EPOCH_S,
    MODEL,
    Client,
    dose,
    event,
    level,
    quantity,
    refused,
    rid,
    simulate_request,
    spec,
)
from twin_service.v1 import common_pb2, simulation_pb2, twin_pb2


def create_request(patient: str, **more: object) -> twin_pb2.CreateTwinRequest:
    return twin_pb2.CreateTwinRequest(parent="tenants/acme", patient_id=patient, spec=spec(**more), request_id=rid())


def test_a_twin_is_created_with_its_spec(client: Client) -> None:
    request = create_request("create-1", labels={"ward": "nicu"})
    made = client.twins.CreateTwin(request)
    assert made.twin.name == "tenants/acme/patients/create-1/twin"
    assert made.twin.spec == request.spec
    assert (made.twin.meta.etag, made.twin.meta.timeline_revision) == ("s1", 0)
    assert client.twins.CreateTwin(request) == made
    assert refused(lambda: client.twins.CreateTwin(create_request("create-1"))).reason == "TWIN_EXISTS"


def test_the_epoch_is_now_when_none_is_given(client: Client) -> None:
    request = create_request("create-2")
    request.spec.ClearField("epoch_time")
    assert client.twins.CreateTwin(request).twin.spec.epoch_time.seconds > EPOCH_S


def test_a_missing_characteristic_is_told_and_can_be_recorded_later(client: Client) -> None:
    request = create_request("create-3")
    request.spec.ClearField("covariates")
    made = client.twins.CreateTwin(request)
    assert "weight_kg" in made.warnings[0]
    client.record(made.twin.name, *COURSE)
    found = refused(lambda: client.get(made.twin.name, 4))
    assert (found.code, found.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "COVARIATE_MISSING")
    shown = client.get(made.twin.name)
    assert shown.twin.meta.trouble.reason == "COVARIATE_MISSING"
    assert shown.twin.meta.belief_revision == 0 and not shown.belief.effects
    client.record(made.twin.name, event("w", 0, covariate={"name": "weight", "value": quantity(1.4, "kg")}))
    cured = client.get(made.twin.name, 5)
    assert not cured.twin.meta.HasField("trouble") and cured.basis.belief_revision == 5


def test_get_shows_characteristics_belief_and_basis(client: Client, twin: str) -> None:
    found = client.get(twin)
    weight = next(c for c in found.covariates if c.name == "weight_kg")
    assert (weight.value.value, weight.value.unit, weight.used) == (1.4, "kg", True)
    assert [e.title for e in found.belief.effects] == ["CL", "V"]
    # 30 h say little of clearance, and errors are proportional: by quadrature 0.1723 after, 0.1713 before
    assert [round(e.sd / e.prior_sd, 2) for e in found.belief.effects] == pytest.approx([1.01, 0.48], abs=0.01)
    for i, effect in enumerate(found.belief.effects):
        assert 0 < effect.sd
        assert effect.sd == pytest.approx(found.belief.covariance[3 * i] ** 0.5)
    basis = found.basis
    assert (basis.twin, basis.timeline_revision, basis.belief_revision) == (twin, 4, 4)
    assert list(basis.used_event_ids) == ["l1", "l2"]
    assert len(basis.model_digest) == len(basis.timeline_digest) == len(basis.belief_digest) == 64
    assert basis.library_versions[MODEL] and basis.software_version and len(basis.assumptions) >= 2
    assert found.belief.time.seconds == EPOCH_S + 30 * 3600


def test_a_mask_chooses_what_is_read(client: Client, twin: str) -> None:
    found = client.twins.GetTwin(twin_pb2.GetTwinRequest(name=twin, read_mask={"paths": ["twin"]}))
    assert found.twin.name == twin and not found.HasField("belief") and not found.HasField("basis")
    bad = twin_pb2.GetTwinRequest(name=twin, read_mask={"paths": ["twin", "secrets"]})
    assert refused(lambda: client.twins.GetTwin(bad)).fields == ["read_mask.paths[1]"]


def test_an_update_changes_what_is_named_and_folds_anew(client: Client) -> None:
    name = client.known_twin()
    before = client.get(name)
    change = twin_pb2.Twin(
        name=name,
        spec={
            "labels": {"a": "b"},
            "estimator": common_pb2.ESTIMATOR_LAPLACE,
            "covariates": [{"name": "weight_kg", "value": quantity(2.0, "kg")}],
        },
    )
    request = twin_pb2.UpdateTwinRequest(
        twin=change, update_mask={"paths": ["spec.covariates", "spec.labels"]}, etag="s1", request_id=rid()
    )
    done = client.twins.UpdateTwin(request)
    assert done.twin.meta.etag == "s2" and done.twin.spec.labels["a"] == "b"
    assert done.twin.spec.estimator == common_pb2.ESTIMATOR_UNSPECIFIED and done.twin.spec.model.poppk == MODEL
    assert client.twins.UpdateTwin(request) == done
    after = client.get(name, 4)
    assert after.basis.timeline_digest == before.basis.timeline_digest
    assert after.basis.belief_digest != before.basis.belief_digest
    request.request_id = rid()
    found = refused(lambda: client.twins.UpdateTwin(request))
    assert (found.code, found.reason, found.fields) == (grpc.StatusCode.ABORTED, "ETAG_MISMATCH", ["etag"])


@pytest.mark.parametrize(
    ("paths", "field"),
    [([], "update_mask"), (["spec.epoch_time"], "update_mask.paths[0]"), (["meta"], "update_mask.paths[0]")],
)
def test_an_update_of_what_cannot_be_changed_is_refused(
    client: Client, twin: str, paths: list[str], field: str
) -> None:
    request = twin_pb2.UpdateTwinRequest(twin={"name": twin}, update_mask={"paths": paths}, request_id=rid())
    assert refused(lambda: client.twins.UpdateTwin(request)).fields == [field]


def test_an_update_to_an_impossible_model_is_refused_whole(client: Client, twin: str) -> None:
    change = twin_pb2.Twin(name=twin, spec={"model": {"poppk": "nothing"}})
    request = twin_pb2.UpdateTwinRequest(twin=change, update_mask={"paths": ["spec.model"]}, request_id=rid())
    assert refused(lambda: client.twins.UpdateTwin(request)).fields == ["twin.spec.model.poppk"]
    assert client.get(twin).twin.meta.etag == "s1"


def test_the_estimator_is_told(client: Client) -> None:
    for asked, told in (
        (common_pb2.ESTIMATOR_UNSPECIFIED, common_pb2.ESTIMATOR_POLICY),
        (common_pb2.ESTIMATOR_UNSCENTED, common_pb2.ESTIMATOR_UNSCENTED),
        (common_pb2.ESTIMATOR_LAPLACE, common_pb2.ESTIMATOR_LAPLACE),
        (common_pb2.ESTIMATOR_ENSEMBLE, common_pb2.ESTIMATOR_ENSEMBLE),
    ):
        name = client.new_twin(estimator=asked)
        client.record(name, *COURSE)
        basis = client.get(name, 4).basis
        assert basis.estimator == told and "last measurement" in basis.estimator_reason


def test_deleting_erases_and_retires_the_name(client: Client) -> None:
    name = client.known_twin()
    answer = client.twins.GetTrajectory(twin_pb2.GetTrajectoryRequest(name=name)).basis.answer_id
    request = twin_pb2.DeleteTwinRequest(name=name, request_id=rid())
    done = client.twins.DeleteTwin(request)
    assert done.erased_events == 4
    assert client.twins.DeleteTwin(request) == done
    assert refused(lambda: client.get(name)).code is grpc.StatusCode.NOT_FOUND
    kept = twin_pb2.GetAnswerRequest(name=f"tenants/acme/answers/{answer}")
    assert refused(lambda: client.twins.GetAnswer(kept)).reason == "NO_SUCH_ANSWER"
    assert refused(lambda: client.twins.CreateTwin(create_request(name.split("/")[3]))).reason == "TWIN_ERASED"


def test_twins_are_listed_in_pages_of_one_tenant(client: Client) -> None:
    for i in range(5):
        request = create_request(f"x{i}")
        request.parent = "tenants/list"
        client.twins.CreateTwin(request)
    names, token, pages = [], "", 0
    while pages == 0 or token:
        page = client.twins.ListTwins(twin_pb2.ListTwinsRequest(parent="tenants/list", page_size=2, page_token=token))
        names += [t.name for t in page.twins]
        token, pages = page.next_page_token, pages + 1
    assert names == [f"tenants/list/patients/x{i}/twin" for i in range(5)] and pages == 3
    stolen = client.twins.ListTwins(twin_pb2.ListTwinsRequest(parent="tenants/list", page_size=2)).next_page_token
    for bad in (stolen, "nonsense", "AAAA"):
        wrong = twin_pb2.ListTwinsRequest(parent="tenants/acme", page_token=bad)
        assert refused(lambda wrong=wrong: client.twins.ListTwins(wrong)).fields == ["page_token"]


def test_watch_tells_each_change_once_and_resumes(client: Client) -> None:
    name = client.new_twin()
    stream = client.twins.WatchTwin(twin_pb2.WatchTwinRequest(name=name), timeout=60)
    first = next(stream)
    assert (first.timeline_revision, first.belief_revision) == (0, 0)
    client.record(name, *COURSE)
    seen = [first]
    while seen[-1].belief_revision < 4:
        seen.append(next(stream))
    assert len({m.resume_token for m in seen}) == len(seen)
    assert seen[-1].belief_digest == client.get(name, 4).basis.belief_digest
    stream.cancel()
    resumed = client.twins.WatchTwin(
        twin_pb2.WatchTwinRequest(name=name, resume_token=seen[-1].resume_token), timeout=60
    )
    client.record(name, level("l3", 40, 13.0))
    assert next(resumed).timeline_revision == 5
    client.twins.DeleteTwin(twin_pb2.DeleteTwinRequest(name=name, request_id=rid()))
    rest = list(resumed)
    assert rest[-1].deleted


def test_a_watch_ends_at_its_deadline(client: Client, twin: str) -> None:
    stream = client.twins.WatchTwin(twin_pb2.WatchTwinRequest(name=twin), timeout=0.5)
    next(stream)
    assert refused(lambda: next(stream)).code is grpc.StatusCode.DEADLINE_EXCEEDED


def test_answers_are_kept_and_can_be_made_again(client: Client) -> None:
    name = client.known_twin()
    simulate = simulate_request(name)
    recommend = simulation_pb2.RecommendRequest(
        name=name, horizon=quantity(2, "d"), targets=simulate.targets, members=64
    )
    recommend.options.add(drug="phenobarbital", route="iv", amounts=[quantity(3, "mg")], intervals=[quantity(12, "h")])
    trajectory = twin_pb2.GetTrajectoryRequest(name=name, as_of_time={"seconds": EPOCH_S + 3600 * 3})
    asked = [
        ("GetTrajectory", client.twins.GetTrajectory(trajectory)),
        ("Simulate", client.simulation.Simulate(simulate)),
        ("Recommend", client.simulation.Recommend(recommend)),
    ]
    client.record(name, level("late", 20, 5.0))
    client.get(name, 5)
    for method, answer in asked:
        request = twin_pb2.GetAnswerRequest(name=f"tenants/acme/answers/{answer.basis.answer_id}", reproduce=True)
        kept = client.twins.GetAnswer(request)
        assert kept.method.endswith(f"/{method}") and kept.basis.belief_revision == 4 or method == "GetTrajectory"
        assert kept.identical, method
        again = type(answer)()
        assert kept.reproduced.Unpack(again)
    other = twin_pb2.GetAnswerRequest(name=f"tenants/other/answers/{asked[0][1].basis.answer_id}")
    assert refused(lambda: client.twins.GetAnswer(other)).code is grpc.StatusCode.NOT_FOUND


def test_dose_is_listed_with_its_canonical_amount(client: Client) -> None:
    name = client.new_twin()
    given = event(
        "g",
        0,
        dose={"drug": "phenobarbital", "amount": quantity(0.025, "g"), "route": "iv", "duration": quantity(30, "min")},
    )
    receipt = client.record(name, given, dose("d", 5)).receipts[0]
    assert receipt.canonical_value.value == pytest.approx(25.0) and receipt.canonical_value.unit == "mg"
    shown = client.twins.ListEvents(twin_pb2.ListEventsRequest(name=name)).events[0]
    assert shown.event.dose.duration.value == pytest.approx(0.5) and shown.in_force
