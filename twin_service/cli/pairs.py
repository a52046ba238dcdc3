"""Pairs on the command line: name=value, and OURS=THEIRS."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from twin_service.outcome import Refusal, RefusalCode


def name_values(items: list[str]) -> dict[str, float]:
    """Values by name. Raises Refusal for an item that is not name=number."""
    found: dict[str, float] = {}
    for item in items:
        name, sign, value = item.partition("=")
        try:
            found[name.strip()] = float(value)
        except ValueError:
            sign = ""
        if not sign:
            raise Refusal(RefusalCode.INVALID, f"{item!r}; write name=value, e.g. age_y=70", field="--person")
    return found


def pairs(items: list[str] | None, option: str) -> dict[str, str]:
    """Words by name; the word may be empty. Raises Refusal for an item without a sign of equality."""
    found: dict[str, str] = {}
    for item in items or []:
        name, sign, word = item.partition("=")
        if not sign or not name.strip():
            raise Refusal(RefusalCode.INVALID, f"{item!r}; write {option} NAME=WORD", field=option)
        found[name.strip()] = word.strip()
    return found


def known(word: str, words: Iterable[str], option: str) -> str:
    """`word` if it is one of `words`. Raises Refusal naming them and the nearest."""
    allowed = list(words)
    if word in allowed:
        return word
    near = difflib.get_close_matches(word, allowed, 1)
    hint = f"; did you mean {near[0]}?" if near else ""
    raise Refusal(RefusalCode.INVALID, f"{word!r} is unknown; known: {', '.join(allowed)}{hint}", field=option)
