"""What to know before believing a result of the trial floor."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Note:
    """Something a reader of the results must know; `warning` when it may change what they mean."""

    about: str
    message: str
    warning: bool = False
