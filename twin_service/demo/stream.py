"""Send patients to the server batch by batch, and collect what it expected of each level before it saw it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from twin_client import TwinClient
from twin_service.demo.cases import HOUR_ZERO, Case
from twin_service.v1 import twin_pb2

SENDERS = 4


@dataclass(frozen=True)
class Streamed:
    """A case with the forecasts the server kept, and the revision through which it has learned."""

    case: Case
    forecasts: list[twin_pb2.Forecast]
    revision: int


def stream(client: TwinClient, cases: Sequence[Case], advance: Callable[[int], None]) -> list[Streamed]:
    """Stream `cases` through `client`, several patients at once, each in order; `advance(levels)` reports progress."""
    with ThreadPoolExecutor(SENDERS) as pool:
        return list(pool.map(lambda case: _one(client, case, advance), cases))


def _one(client: TwinClient, case: Case, advance: Callable[[int], None]) -> Streamed:
    client.create_twin(case.patient, epoch=HOUR_ZERO, covariates=case.characteristics, **case.models)
    revision = 0
    for batch in case.batches:
        revision = client.record(case.patient, batch).timeline_revision
    found = client.forecasts(case.patient, analytes=[case.analyte], min_revision=revision)
    advance(case.levels)
    return Streamed(case, found, revision)
