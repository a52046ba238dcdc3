"""Events into the service, exactly once: what can be taken is, the rest says why; an id with other content corrects.

The service keeps one event for an id, so a feed that is cut off is simply run again. A twin that does not exist is made
when the caller says of what; its time zero is the first event sent, and earlier ones move it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import NAMESPACE_URL, uuid5

from twin_client.client import TwinClient
from twin_client.ehr.reading import Origin
from twin_client.ehr.site import TwinModel
from twin_client.errors import ClientError
from twin_client.events import correction
from twin_service.v1 import event_pb2, twin_pb2

BATCH = 500
REUSED = "EVENT_ID_REUSED"
FATE = {twin_pb2.EVENT_STATE_TAKEN: "taken", twin_pb2.EVENT_STATE_HELD: "held", twin_pb2.EVENT_STATE_REFUSED: "refused"}


@dataclass(frozen=True)
class Answer:
    """What became of one event: "taken", "held" or "refused"; why, and what would release it."""

    fate: str
    is_known: bool = False
    reason: str = ""
    remedy: str = ""


class NoTwinError(Exception):
    """The patient has no twin and nothing says what to make one of."""


@dataclass(frozen=True)
class Sender:
    """Sends events of patients as one tenant. `model`: of what a missing twin is made; `made` counts those made."""

    client: TwinClient
    model: TwinModel = TwinModel()
    made: Callable[[], None] = field(default=lambda: None)

    def send(self, patient: str, events: Sequence[event_pb2.Event], origins: Mapping[str, Origin]) -> dict[str, Answer]:
        """The answer to each of `events` by id; all that were taken are durable.

        Raises NoTwinError, or ClientError when the service cannot answer; sending all again is then safe.
        """
        found: dict[str, Answer] = {}
        for at in range(0, len(events), BATCH):
            batch = events[at : at + BATCH]
            answers = self._record(patient, batch)
            amended = [_amending(e, origins.get(e.id), answers[e.id]) for e in batch]
            corrections = {e.id: c for e, c in zip(batch, amended, strict=True) if c is not None}
            if corrections:
                told = self._record(patient, list(corrections.values()))
                answers |= {k: told[c.id] for k, c in corrections.items()}
            found |= answers
        return found

    def _record(self, patient: str, events: Sequence[event_pb2.Event]) -> dict[str, Answer]:
        try:
            response = self.client.record(patient, events, possible=True)
        except ClientError as error:
            if error.code != "NOT_FOUND":
                raise
            self._make(patient, events)
            response = self.client.record(patient, events, possible=True)
        return {r.event_id: _answer(r) for r in response.receipts}

    def _make(self, patient: str, events: Sequence[event_pb2.Event]) -> None:
        """The twin of `patient`; two feeds that make it at once make one."""
        model = self.model
        if not model:
            raise NoTwinError("the patient has no twin; create it, or say which model to make it of")
        epoch = min(datetime.fromtimestamp(e.time.ToMicroseconds() / 1e6, UTC) for e in events)
        name = f"{self.client.name_of(patient)}/{'+'.join(model.drugs)}/{model.poppk}/{'+'.join(model.effects)}/{epoch}"
        try:
            self.client.create_twin(
                patient,
                drugs=model.drugs,
                poppk=model.poppk,
                effects=model.effects,
                epoch=epoch,
                request_id=str(uuid5(NAMESPACE_URL, name)),
            )
            self.made()
        except ClientError as error:
            if error.code != "ALREADY_EXISTS":
                raise


def _answer(receipt: twin_pb2.EventReceipt) -> Answer:
    fault = next(iter(receipt.faults), None)
    if fault is None:
        return Answer(FATE.get(receipt.state, "taken"), receipt.duplicate)
    remedy = fault.release or "correct it in the source, then send it again"
    reason = f"{fault.reason}: {fault.message}" if fault.reason != REUSED else REUSED
    return Answer(FATE.get(receipt.state, "refused"), receipt.duplicate, reason, remedy)


def _amending(event: event_pb2.Event, origin: Origin | None, answer: Answer) -> event_pb2.Event | None:
    """The correction that an event stands for: its id is known with other content, or its source says it corrects.

    The correction's id is made of what it says and when that was issued, so that saying it again changes nothing, and
    setting a value back to what it first was is a correction too.
    """
    if event.WhichOneof("payload") in ("correction", "retraction") or origin is None or origin.issued is None:
        return None
    if answer.reason != REUSED and not origin.is_corrected:
        return None
    said = event.SerializeToString(deterministic=True) + origin.issued.astimezone(UTC).isoformat().encode()
    identity = f"{event.id[:90]}+{hashlib.sha256(said).hexdigest()[:20]}"
    return correction(identity, origin.issued, event.id, event, source=event.source)
