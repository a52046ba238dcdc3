"""SimulationService on the wire."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from twin_service.service import averaging, dosing, futures, protocols, recommending
from twin_service.service import call as calls
from twin_service.service.rooms import Rooms, remember
from twin_service.v1 import simulation_pb2, simulation_pb2_grpc


class SimulationServicer(simulation_pb2_grpc.SimulationServiceServicer):
    """Futures of one twin; nothing here is recorded in its timeline."""

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms

    def Simulate(self, request: Any, context: Any) -> simulation_pb2.SimulateResponse:
        row, view = futures.view_for(self._rooms, request)
        response = futures.simulate(self._rooms, request, row, view)
        remember(self._rooms, request, response, (row.tenant, row.patient))
        return response

    def StreamSimulate(self, request: Any, context: Any) -> Iterator[simulation_pb2.StreamSimulateResponse]:
        question = request.simulate
        row, view = futures.view_for(self._rooms, question)
        asked = futures.regimens_of(question.what_ifs, self._rooms.settings)
        whole = simulation_pb2.SimulateResponse(basis=futures.basis(self._rooms, question, row, view, regimens=asked))
        for found in futures.each(self._rooms, question, view):
            whole.what_ifs.append(found)
            if len(whole.what_ifs) < len(question.what_ifs):
                yield simulation_pb2.StreamSimulateResponse(what_if=found)
        with calls.as_method("/twin_service.v1.SimulationService/Simulate"):
            remember(self._rooms, question, whole, (row.tenant, row.patient))
        yield simulation_pb2.StreamSimulateResponse(what_if=whole.what_ifs[-1], basis=whole.basis)

    def Compare(self, request: Any, context: Any) -> simulation_pb2.CompareResponse:
        row, view = futures.view_for(self._rooms, request.simulate)
        response = futures.compare(self._rooms, request, row, view)
        remember(self._rooms, request, response, (row.tenant, row.patient))
        return response

    def Recommend(self, request: Any, context: Any) -> simulation_pb2.RecommendResponse:
        row, view = futures.view_for(self._rooms, request)
        response = recommending.recommend(self._rooms, request, row, view)
        remember(self._rooms, request, response, (row.tenant, row.patient))
        return response

    def SimulateProtocol(self, request: Any, context: Any) -> simulation_pb2.SimulateProtocolResponse:
        row, view = futures.view_for(self._rooms, request.simulate)
        response = protocols.simulate_protocol(self._rooms, request, row, view)
        remember(self._rooms, request, response, (row.tenant, row.patient))
        return response

    def SolveDosing(self, request: Any, context: Any) -> simulation_pb2.SolveDosingResponse:
        row, view = futures.view_for(self._rooms, request)
        response = dosing.solve(self._rooms, request, row, view)
        remember(self._rooms, request, response, (row.tenant, row.patient))
        return response

    def AverageModels(self, request: Any, context: Any) -> simulation_pb2.AverageModelsResponse:
        row, view = futures.view_for(self._rooms, request)
        response = averaging.average_models(self._rooms, request, row, view)
        remember(self._rooms, request, response, (row.tenant, row.patient))
        return response
