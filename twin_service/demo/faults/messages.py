"""Requests made from the contract alone: every field of every method, filled from its descriptor.

`Filler` decides what goes into a string or a number; names of resources are made so that they parse, everything else
is drawn. A method of tomorrow is covered without a line here.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

import grpc
import numpy as np
from google.protobuf import descriptor_pool, message_factory
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from twin_service.service.server import SERVICES

T = TypeVar("T")
DEPTH_MAX = 6
TIME_S = 1_700_000_000
EXTREMES = (
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.5,
    3.0,
    24.0,
    70.0,
    1e-308,
    5e-324,
    1e-12,
    1e6,
    1e15,
    1e155,
    1e300,
    1.7976931348623157e308,
    -1e300,
    float("inf"),
    float("-inf"),
    float("nan"),
)
WHOLE = (0, 1, 2, 7, 64, 1000, -1, 2**31 - 1, -(2**31))
LONG = (0, 1, 2, 7, 1000, -1, 2**62, 2**63 - 1, -(2**63))
UNITS = ("mg", "mg/L", "h", "d", "kg", "g", "L", "1", "umol/L", "%", "mm[Hg]", "", "furlong", "10*3/uL", "min", "a")
WORDS = ("phenobarbital", "iv", "oral", "weight_kg", "age_y", "midazolam", "", "x", "Ω", "a" * 300, "quinidine")


class ContractMethod(NamedTuple):
    """One method of the contract."""

    path: str
    request: type[Message]
    reply: type[Message]
    client_streams: bool
    server_streams: bool

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]


def methods() -> list[ContractMethod]:
    """Every method of every service, by its full name."""
    pool = descriptor_pool.Default()
    found = []
    for service_name in SERVICES:
        for m in pool.FindServiceByName(service_name).methods:
            asked, given = (message_factory.GetMessageClass(t) for t in (m.input_type, m.output_type))
            path = f"/{service_name}/{m.name}"
            found.append(ContractMethod(path, asked, given, m.client_streaming, m.server_streaming))
    return sorted(found)


@dataclass(frozen=True)
class Filler:
    """What fields are filled with.

    tenant, patient   named by every resource name
    ids               by the collection a resource is in ("answers", "operations", ...): one that exists
    words             texts to plant; None: words that mean something now and then, and nonsense
    extremes          numbers at the edge of what a double holds, instead of small ones
    """

    rng: np.random.Generator
    tenant: str = "acme"
    patient: str = "p1"
    ids: dict[str, str] = field(default_factory=dict)
    words: tuple[str, ...] | None = None
    extremes: bool = True

    def message(self, kind: type[Message]) -> Message:
        made = kind()
        self._fill(made, 0)
        return made

    def _pick(self, among: Sequence[T]) -> T:
        return among[int(self.rng.integers(len(among)))]

    def _fill(self, message: Message, depth: int) -> None:
        # typed as a union of two libraries' descriptors, which are one at run time
        kind: Any = message.DESCRIPTOR
        chosen = {one_of.name: self._pick(one_of.fields).name for one_of in kind.oneofs}
        for f in kind.fields:
            inside = f.containing_oneof
            if inside is not None and chosen[inside.name] != f.name:
                continue
            if depth and self.words is None and self.rng.random() < 0.25:
                continue
            self._put(message, f, depth)

    def _put(self, message: Message, f: FieldDescriptor, depth: int) -> None:
        if f.message_type is not None and f.message_type.GetOptions().map_entry:
            self._put_map(message, f)
            return
        if f.message_type is not None:
            if depth >= DEPTH_MAX:
                return
            targets = (
                [getattr(message, f.name).add() for _ in range(self._pick((1, 1, 2)))]
                if f.is_repeated
                else [getattr(message, f.name)]
            )
            for target in targets:
                if not self._fill_well_known(target, depth):
                    self._fill(target, depth + 1)
            return
        value = self._scalar(f, message.DESCRIPTOR.name)
        if f.is_repeated:
            getattr(message, f.name).extend([value] * self._pick((1, 2)))
        else:
            setattr(message, f.name, value)

    def _put_map(self, message: Message, f: FieldDescriptor) -> None:
        assert f.message_type is not None
        key, value = f.message_type.fields_by_name["key"], f.message_type.fields_by_name["value"]
        if value.message_type is None:
            kept = getattr(message, f.name)
            kept[self._scalar(key, f.message_type.name)] = self._scalar(value, f.message_type.name)

    def _fill_well_known(self, target: Any, depth: int) -> bool:
        name = target.DESCRIPTOR.full_name
        if name == "google.protobuf.Timestamp":
            target.seconds = TIME_S + int(self.rng.integers(10**6))
            return True
        if name == "google.protobuf.Duration":
            target.seconds = self._pick((0, 1, 3600, 10**9))
            return True
        if name == "google.protobuf.FieldMask":
            target.paths.append(self._pick(("twin", "spec.labels", "belief", "nothing")))
            return True
        return False

    def _scalar(self, f: FieldDescriptor, where: str) -> Any:
        kind = f.cpp_type
        if kind == FieldDescriptor.CPPTYPE_STRING:
            text = self._text(f, where)
            return text.encode() if f.type == FieldDescriptor.TYPE_BYTES else text
        if kind == FieldDescriptor.CPPTYPE_BOOL:
            return self.rng.random() < 0.3
        if kind == FieldDescriptor.CPPTYPE_ENUM:
            assert f.enum_type is not None
            return self._pick(f.enum_type.values).number
        if kind in (FieldDescriptor.CPPTYPE_DOUBLE, FieldDescriptor.CPPTYPE_FLOAT):
            return self._pick(EXTREMES) if self.extremes else round(float(self.rng.uniform(1, 50)), 3)
        whole = LONG if kind in (FieldDescriptor.CPPTYPE_INT64, FieldDescriptor.CPPTYPE_UINT64) else WHOLE
        value = self._pick(whole) if self.extremes else self._pick((0, 1, 2, 8))
        unsigned = kind in (FieldDescriptor.CPPTYPE_UINT32, FieldDescriptor.CPPTYPE_UINT64)
        return abs(value) % 2**31 if unsigned else value

    def _text(self, f: FieldDescriptor, where: str) -> str:
        if f.name in ("name", "parent", "twin", "population", "operation", "escalation"):
            named = self._resource(f.name, where)
            if named is not None:
                return named
        if f.name == "request_id":
            return str(uuid.UUID(bytes=self.rng.bytes(16), version=4))
        if f.name == "patient_id":
            return self.patient
        if f.name == "unit":
            return self._pick(UNITS)
        return self._pick(self.words if self.words is not None else WORDS)

    def _resource(self, name: str, where: str) -> str | None:
        """A resource name where one is expected; None where a `name` is a mere word."""
        tenant, twin = f"tenants/{self.tenant}", f"tenants/{self.tenant}/patients/{self.patient}/twin"
        if name == "parent":
            return tenant
        if name == "twin":
            return twin
        for noun in ("operation", "population", "escalation", "answer"):
            if name == noun or (name == "name" and noun in where.lower() and where.endswith("Request")):
                made = self.ids.get(f"{noun}s", "00000000-0000-4000-8000-000000000000")
                return f"{tenant}/{noun}s/{made}"
        return twin if name == "name" and where.endswith(("Request", "Twin")) else None


def call(
    channel: grpc.Channel, method: ContractMethod, request: Message, timeout_s: float, **more: Any
) -> list[Message]:
    """All replies (at most five of a stream); raises grpc.RpcError."""
    return list(replies(channel, method, request, timeout_s, **more))


def replies(
    channel: grpc.Channel, method: ContractMethod, request: Message, timeout_s: float, **more: Any
) -> Iterator[Message]:
    encode, decode = method.request.SerializeToString, method.reply.FromString
    if method.client_streams:
        stream = channel.stream_stream(method.path, encode, decode)(iter([request]), timeout=timeout_s, **more)
    elif method.server_streams:
        stream = channel.unary_stream(method.path, encode, decode)(request, timeout=timeout_s, **more)
    else:
        yield channel.unary_unary(method.path, encode, decode)(request, timeout=timeout_s, **more)
        return
    for number, reply in enumerate(stream):
        yield reply
        if number == 4:
            stream.cancel()
            return
