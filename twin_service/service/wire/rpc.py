"""The RPCs of the contract by their messages: `rpc(GetTwinRequest, GetTwinResponse)` is TwinService.GetTwin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from google.protobuf import message_factory
from google.protobuf.message import Message

from twin_service.v1 import cohort_pb2, common_pb2, library_pb2, simulation_pb2, trial_pb2, twin_pb2

Q = TypeVar("Q", bound=Message)
R = TypeVar("R", bound=Message)

SERVICES = (
    twin_pb2.DESCRIPTOR.services_by_name["TwinService"],
    simulation_pb2.DESCRIPTOR.services_by_name["SimulationService"],
    cohort_pb2.DESCRIPTOR.services_by_name["CohortService"],
    trial_pb2.DESCRIPTOR.services_by_name["TrialService"],
    library_pb2.DESCRIPTOR.services_by_name["LibraryService"],
)
REQUEST_ID, BASIS = "request_id", "basis"
SERVICE_NAMES = tuple(s.full_name for s in SERVICES)


@dataclass(frozen=True)
class Rpc(Generic[Q, R]):
    """One method: its full name (`/package.Service/Method`), what it takes and gives."""

    method: str
    request: type[Q]
    response: type[R]


def rpc(request: type[Q], response: type[R]) -> Rpc[Q, R]:
    """The method that takes and gives these messages. Raises LookupError for none of the contract."""
    for service in SERVICES:
        for method in service.methods:
            if (method.input_type.name, method.output_type.name) == (request.__name__, response.__name__):
                return Rpc(f"/{service.full_name}/{method.name}", request, response)
    raise LookupError(f"no method of the contract takes {request.__name__} and gives {response.__name__}")


def request_id_of(request: Message) -> str:
    """The UUID that makes a write idempotent."""
    return str(getattr(request, REQUEST_ID)).lower()


def basis_in(response: Message) -> common_pb2.Basis:
    """What an answer rests on."""
    found = getattr(response, BASIS)
    assert isinstance(found, common_pb2.Basis)
    return found


def request_type(method: str) -> type[Message]:
    """The request message of a method by its full name."""
    service_name, _, name = method.removeprefix("/").rpartition("/")
    service = next(s for s in SERVICES if s.full_name == service_name)
    return message_factory.GetMessageClass(service.methods_by_name[name].input_type)
