"""Kept answers on the wire."""

from __future__ import annotations

from google.protobuf import any_pb2
from google.protobuf.message import Message

from twin_service.service.wire.rpc import request_type
from twin_service.store.requests import AnswerRow
from twin_service.store.specs import SpecOfThen
from twin_service.v1 import common_pb2
from twin_service.v1.twin_pb2 import GetAnswerRequest, GetAnswerResponse

__all__ = ["GetAnswerRequest", "GetAnswerResponse"]


def answer_of(request: GetAnswerRequest) -> tuple[str, str]:
    """Tenant and id; the contract's rule on the name has been checked."""
    _, tenant, _, answer_id = request.name.split("/")
    return tenant, answer_id


def answered(row: AnswerRow) -> GetAnswerResponse:
    packed = any_pb2.Any()
    packed.Pack(request_type(row.method).FromString(row.request))
    return GetAnswerResponse(
        method=row.method,
        request=packed,
        response_digest=row.response_digest,
        basis=common_pb2.Basis.FromString(row.basis),
    )


def reproduced(row: AnswerRow, again: Message, *, identical: bool) -> GetAnswerResponse:
    response = answered(row)
    response.reproduced.Pack(again)
    response.identical = identical
    return response


def spec_of(row: AnswerRow) -> SpecOfThen:
    """Which spec a kept answer rested on."""
    return SpecOfThen(common_pb2.Basis.FromString(row.basis).spec_revision, row.created_us)
