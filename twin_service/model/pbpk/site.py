"""What one drug offers the rest of a body while it is written."""

from __future__ import annotations

from dataclasses import dataclass

from twin_service.model.pbpk.absorption import Gut
from twin_service.model.pbpk.circulation import Blood
from twin_service.model.pbpk.record import DrugRecord


@dataclass(frozen=True)
class DrugSite:
    """A drug, its blood, and its gut (None where no oral dose can be given)."""

    drug: DrugRecord
    blood: Blood
    gut: Gut | None
