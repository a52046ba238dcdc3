"""Page sizes and page tokens. A token names the place and the question, so that it cannot be used for another one."""

from __future__ import annotations

import base64
import hashlib
import json

from twin_service.outcome import Refusal, RefusalCode
from twin_service.settings import Settings


def page_size(asked: int, settings: Settings) -> int:
    """Rows of a page: what was asked for, within the limit."""
    return min(asked or settings.page_size_default, settings.page_size_max)


def token(place: str, *question: object) -> str:
    """The token that goes on after `place`."""
    return base64.urlsafe_b64encode(json.dumps([place, _mark(question)]).encode()).decode()


def place(text: str, *question: object) -> str:
    """The place a token names; "" for the first page. Raises Refusal for a token of another question."""
    if not text:
        return ""
    try:
        found, mark = json.loads(base64.urlsafe_b64decode(text.encode()))
    except (ValueError, TypeError):
        found, mark = None, ""
    if not isinstance(found, str) or mark != _mark(question):
        raise Refusal(
            RefusalCode.INVALID,
            "not a token of this list; start with an empty one",
            field="page_token",
            reason="BAD_PAGE_TOKEN",
        )
    return found


def _mark(question: tuple[object, ...]) -> str:
    return hashlib.sha256(repr(question).encode()).hexdigest()[:16]
