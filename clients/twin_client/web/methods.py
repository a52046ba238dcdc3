"""Every unary method of the contract, read from its descriptors: there is no second list that could drift."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import cast

import grpc
from google.protobuf import message_factory
from google.protobuf.descriptor import FileDescriptor
from google.protobuf.message import Message

from twin_service.v1 import cohort_pb2, library_pb2, phase1_pb2, simulation_pb2, trial_pb2, twin_pb2

FILES = (twin_pb2, simulation_pb2, trial_pb2, cohort_pb2, library_pb2, phase1_pb2)


@dataclass(frozen=True)
class RemoteMethod:
    """One method: its path `/package.Service/Method`, its messages, and whether either side streams."""

    path: str
    request: type[Message]
    answer: type[Message]
    streams: bool

    def on(self, channel: grpc.Channel) -> Callable[..., Message]:
        """The method as a call on `channel`."""
        call = channel.unary_unary(
            self.path, request_serializer=self.request.SerializeToString, response_deserializer=self.answer.FromString
        )
        return cast(Callable[..., Message], call)


def methods() -> dict[str, RemoteMethod]:
    """By path."""
    return {m.path: m for file in FILES for m in _of_file(file.DESCRIPTOR)}


def _of_file(file: FileDescriptor) -> Iterator[RemoteMethod]:
    for service in file.services_by_name.values():
        for method in service.methods:
            yield RemoteMethod(
                f"/{service.full_name}/{method.name}",
                message_factory.GetMessageClass(method.input_type),
                message_factory.GetMessageClass(method.output_type),
                bool(method.client_streaming or method.server_streaming),
            )
