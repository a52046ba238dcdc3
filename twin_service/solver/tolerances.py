"""How exact a run is asked to be, and how long it may take."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

from twin_service.outcome import Refusal, RefusalCode


@dataclass(frozen=True)
class Tolerances:
    """Local error allowed per step: `rtol * |y| + atol_scale * atol` with `atol` from each state.

    `max_steps` bounds the steps of one patient between two of its doses, outputs excluded.
    """

    rtol: float = 1e-6
    atol_scale: float = 1.0
    max_steps: int = 200_000

    def __post_init__(self) -> None:
        if not (1e-14 <= self.rtol <= 0.1 and 0.0 < self.atol_scale < float("inf") and self.max_steps >= 1):
            raise Refusal(
                RefusalCode.INVALID,
                f"tolerances rtol={self.rtol!r}, atol_scale={self.atol_scale!r}, max_steps={self.max_steps!r}: "
                "expected 1e-14 <= rtol <= 0.1, a positive finite atol_scale and at least one step",
                field="tolerances",
                reason="TOLERANCES_INVALID",
            )


DEFAULT = Tolerances()


class Deadline:
    """A moment after which work stops, and a switch by which a caller stops it sooner.

    Every long computation asks `expired`; a run ends within 50 ms of it turning true.
    """

    def __init__(self, seconds: float | None = None) -> None:
        self._end = float("inf") if seconds is None else time.monotonic() + seconds
        self._cancelled = threading.Event()

    def cancel(self) -> None:
        self._cancelled.set()

    @property
    def remaining_s(self) -> float:
        """Seconds left; 0 once cancelled or past; infinite without a limit."""
        return 0.0 if self._cancelled.is_set() else max(0.0, self._end - time.monotonic())

    @property
    def expired(self) -> bool:
        return self._cancelled.is_set() or time.monotonic() >= self._end

    @property
    def cancelled(self) -> bool:
        """Whether the caller stopped it although there was time left."""
        return self._cancelled.is_set() and time.monotonic() < self._end

    def wait(self, seconds: float) -> bool:
        """Wait until the deadline has passed, the caller cancels or `seconds` go by; whether work must stop."""
        self._cancelled.wait(min(seconds, self.remaining_s))
        return self.expired
