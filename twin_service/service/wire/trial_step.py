"""Steps of a trial's protocol on the wire."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from twin_service.outcome import Refusal, RefusalCode
from twin_service.service.wire import answer
from twin_service.service.wire.path import invalid
from twin_service.trial.note import Note
from twin_service.trial.protocol import OpenedProtocol, file_in, parse_protocol
from twin_service.v1 import trial_pb2
from twin_service.v1.trial_pb2 import (
    GetTrialStepRequest,
    GetTrialStepResponse,
    RunTrialStepRequest,
    RunTrialStepResponse,
)

__all__ = ["GetTrialStepRequest", "GetTrialStepResponse", "RunTrialStepRequest", "RunTrialStepResponse"]

REPORT = "report"
PAGE = "page.html"


def step_name_of(request: RunTrialStepRequest) -> str:
    """The step as the desk names it: "data" to "report"."""
    return trial_pb2.TrialStep.Name(request.step).removeprefix("TRIAL_STEP_").lower()


def protocol_of(request: RunTrialStepRequest) -> OpenedProtocol:
    """Raises Refusal for a protocol with mistakes, a file given twice, or one that it names and nobody gave."""
    files: dict[str, bytes] = {}
    for i, file in enumerate(request.files):
        if file.name in files:
            raise invalid(f"{file.name!r} is given twice", f"files[{i}].name", "FILE_TWICE")
        files[file.name] = file.content
    opened = parse_protocol(request.protocol.encode(), file_in(files))
    data = opened.protocol.data
    borrow = opened.protocol.borrow
    named = [data.subjects, data.results, data.historical, data.historical_results, data.external]
    named.append(borrow.history if borrow is not None else "")
    for name in filter(None, named):
        if name not in files:
            known = ", ".join(sorted(files)) or "none"
            said = f"the protocol names {name!r}, which is not among the files given ({known})"
            raise Refusal(RefusalCode.INVALID, said, field="files", reason="FILE_MISSING")
    for i, file in enumerate(request.files):
        if file.name not in named:
            raise invalid(f"{file.name!r} is not named by the protocol", f"files[{i}].name", "FILE_UNUSED")
    return opened


def step_out(
    request: RunTrialStepRequest,
    said: str,
    notes: Iterable[Note],
    *,
    values: Mapping[str, object] | bytes,
    files: Mapping[str, bytes],
    now_us: int,
) -> GetTrialStepResponse:
    """`values` are of the step, or already JSON."""
    text = values.decode() if isinstance(values, bytes) else json.dumps(values, sort_keys=True, allow_nan=False)
    warnings = tuple(f"{n.about}: {n.message}" for n in notes if n.warning)
    return GetTrialStepResponse(
        step=request.step,
        answer=said,
        notes=[trial_pb2.TrialNote(about=n.about, message=n.message, warning=n.warning) for n in notes],
        values_json=text,
        files=[trial_pb2.TrialFile(name=n, content=raw) for n, raw in files.items()],
        basis=answer.basis_of_request(now_us, assumptions=warnings),
    )
