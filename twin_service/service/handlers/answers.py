"""An earlier answer: its question, basis and digest; on request computed again and compared."""

from __future__ import annotations

from twin_service.outcome import Refusal, RefusalCode
from twin_service.service.door import call as calls
from twin_service.service.handlers.context import Service, response_digest
from twin_service.service.handlers.route import read
from twin_service.service.wire import kept
from twin_service.service.wire.kept import GetAnswerRequest, GetAnswerResponse
from twin_service.service.wire.rpc import rpc
from twin_service.store.requests import get_answer


def get(service: Service, request: GetAnswerRequest) -> GetAnswerResponse:
    tenant, answer_id = kept.answer_of(request)
    calls.current().allow(tenant)
    row = service.store.read(lambda c: get_answer(c, tenant, answer_id))
    calls.current().about(tenant, row.patient)
    compute = service.again.get(row.method)
    if compute is None:
        said = f"answers of {row.method} are kept but cannot be computed again"
        raise Refusal(RefusalCode.UNSUPPORTED, said, reason="NO_REPLAY")
    if not request.reproduce:
        return kept.answered(row)
    again = compute(service, row)
    return kept.reproduced(row, again, identical=response_digest(again) == row.response_digest)


ROUTES = (read(rpc(GetAnswerRequest, GetAnswerResponse), get),)
