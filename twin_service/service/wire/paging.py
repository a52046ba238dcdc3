"""Page sizes and page tokens. A token names the place and the question, so that it cannot be used for another one."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from twin_service.outcome import Refusal, RefusalCode
from twin_service.settings import Settings

T = TypeVar("T")


class Paged(Protocol):
    """A request for one page of a list."""

    page_size: int
    page_token: str


@dataclass(frozen=True)
class PageOfRows(Generic[T]):
    """Rows of one page, and the token of the next ("" on the last)."""

    rows: Sequence[T]
    more: str


def page_of(rows: Sequence[T], request: Paged, settings: Settings, *question: object) -> PageOfRows[T]:
    """One page of a list that is at hand as a whole; the token carries the question and the place."""
    size = page_size(request.page_size, settings)
    start = int(place(request.page_token, *question) or 0)
    more = token(str(start + size), *question) if start + size < len(rows) else ""
    return PageOfRows(rows[start : start + size], more)


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
