"""Characteristics on the command line: name=value."""

from __future__ import annotations

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
