"""Sizes are refused before anything is expanded: a slip of the unit costs a message, not a server."""

from __future__ import annotations

import grpc
import pytest

from tests.service.conftest import Client, quantity, refused, simulate_request
from twin_service.v1 import simulation_pb2, twin_pb2

TOO_MUCH = grpc.StatusCode.RESOURCE_EXHAUSTED


@pytest.mark.parametrize(("value", "unit"), [(12, "ms"), (1e-300, "h"), (0.1, "s")])
def test_an_interval_in_the_wrong_unit_is_refused_at_once(client: Client, twin: str, value: float, unit: str) -> None:
    request = simulation_pb2.RecommendRequest(name=twin, horizon=quantity(3, "d"))
    request.targets.extend(simulate_request(twin).targets)
    option = request.options.add(drug="phenobarbital", route="iv")
    option.amounts.add(**quantity(5, "mg"))
    option.intervals.add(**quantity(value, unit))
    found = refused(lambda: client.simulation.Recommend(request, timeout=10))
    assert (found.code, found.fields) == (TOO_MUCH, ["options[0].intervals[0]"]), found.message


def test_a_plan_of_too_many_doses_is_refused(client: Client, twin: str) -> None:
    request = simulate_request(twin)
    for _ in range(3):
        request.what_ifs[0].doses.add().CopyFrom(request.what_ifs[0].doses[0])
        request.what_ifs[0].doses[-1].count = 10_000
    found = refused(lambda: client.simulation.Simulate(request, timeout=10))
    assert (found.code, found.fields) == (TOO_MUCH, ["what_ifs[0].doses"])


def test_members_and_doses_that_do_not_fit_into_memory_are_refused(client: Client, twin: str) -> None:
    request = simulate_request(twin)
    request.members, request.what_ifs[0].doses[0].count = 4096, 10_000
    found = refused(lambda: client.simulation.Simulate(request, timeout=10))
    assert (found.code, found.reason, found.fields) == (TOO_MUCH, "TOO_LARGE", ["members"])


@pytest.mark.parametrize("step_h", [1e-308, 5e-324, 1e-9])
def test_a_step_without_end_is_refused(client: Client, twin: str, step_h: float) -> None:
    request = twin_pb2.GetTrajectoryRequest(name=twin, step_h=step_h)
    found = refused(lambda: client.twins.GetTrajectory(request, timeout=10))
    assert (found.code, found.fields) == (TOO_MUCH, ["step_h"])
