"""What is written: a dose or a level entered by hand, a held event confirmed or withdrawn, a sharing link."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

from starlette.responses import RedirectResponse, Response

from twin_client.events import dose, lab, quantity
from twin_client.web.pages import Asked, visited
from twin_client.web.plans import BadForm, numbers
from twin_service.v1 import event_pb2, twin_pb2

SOURCE = "twin page"
SHARE_HOURS_MAX = 168.0


@visited
def record(asked: Asked) -> Response:
    """One event as typed; what the service holds is kept with its reason, what it refuses is told."""
    _may_write(asked)
    return _sent(asked, _event(asked))


@visited
def confirm(asked: Asked) -> Response:
    """A held event sent again as confirmed by a person, or withdrawn: it never was true."""
    _may_write(asked)
    id = asked.form.get("event", "")
    found = next((h for h in asked.client.held(asked.patient) if h.event.id == id), None)
    if found is None:
        raise BadForm("event", "it is no longer held: somebody recorded, corrected or withdrew it")
    if asked.form.get("do") == "drop":
        asked.client.withdraw_held(asked.patient, id)
        return _back(asked)
    event = event_pb2.Event()
    event.CopyFrom(found.event)
    event.confirm = True
    return _sent(asked, event)


@visited
def share(asked: Asked) -> Response:
    """A link that shows this patient read only until it ends."""
    _may_write(asked)
    hours = numbers(asked.form.get("hours", ""), "hours", 0.1, SHARE_HOURS_MAX)[0]
    asked.client.twin(asked.patient)
    made = asked.ward.sessions.share(asked.session, asked.patient, 3600 * hours)
    path = "/s/" + asked.ward.sealer.sign(f"{made.id}.{int(made.ends)}")
    link = str(asked.request.base_url).rstrip("/") + path
    return asked.page("share.html.j2", link=link, ends=datetime.fromtimestamp(made.ends, UTC), hidden=asked.hidden)


def _may_write(asked: Asked) -> None:
    if asked.session.read_only:
        raise BadForm("link", "this link is for reading")


def _sent(asked: Asked, event: event_pb2.Event) -> Response:
    done = asked.client.record(asked.patient, [event], possible=True)
    receipt = done.receipts[0]
    kept = receipt.state == twin_pb2.EVENT_STATE_HELD and any(
        h.event.id == event.id for h in asked.client.held(asked.patient)
    )
    if receipt.state != twin_pb2.EVENT_STATE_TAKEN and not kept:
        said = "; ".join(f"{f.field}: {f.message}" for f in receipt.faults)
        return asked.page("trouble.html.j2", status=400, said=f"Not recorded. {said}")
    if receipt.state == twin_pb2.EVENT_STATE_TAKEN:
        asked.client.twin(asked.patient, min_revision=done.timeline_revision)
    return _back(asked)


def _back(asked: Asked) -> Response:
    return RedirectResponse(f"/p/{asked.hidden}", 303)


def _event(asked: Asked) -> event_pb2.Event:
    form = asked.form
    when = _when(form.get("time", ""))
    value = numbers(form.get("value", ""), "value", 0.0, 1e9)[0]
    unit, what, id = form.get("unit", "").strip(), form.get("what", ""), f"page-{uuid.uuid4()}"
    kind, _, rest = what.partition(":")
    if kind == "dose":
        drug, _, route = rest.partition(":")
        over = numbers(form.get("over") or "0", "over", 0.0, 336.0)[0]
        return dose(id, when, drug, quantity(value, unit), route=route, duration_h=over, source=SOURCE)
    if kind == "level":
        return lab(id, when, rest, quantity(value, unit), source=SOURCE)
    raise BadForm("what", "choose a drug given or a value measured")


def _when(text: str) -> datetime:
    """The form's clock is UTC, as the page says beside it."""
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC)
    except ValueError:
        raise BadForm("time", f"expected a date and time, not {text!r}") from None
