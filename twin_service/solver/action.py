"""What can happen to a patient at one time, in the order in which it happens."""

from __future__ import annotations

from typing import Final

CHANGE: Final = 0
STOP: Final = 1
RESET: Final = 2
STEADY: Final = 3
STEADY_ADD: Final = 4
BOLUS: Final = 5
START: Final = 6
