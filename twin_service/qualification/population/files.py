"""The models of the population bench: one file each, with starting values that are poor on purpose."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twin_service.library.files import parse_toml
from twin_service.model.poppk.record import PopPkRecord, parse_model

MODELS = Path(__file__).parent / "models"


def benchmark_record(name: str, **changed: Any) -> PopPkRecord:  # noqa: ANN401 (what a TOML table holds)
    """The model of `name`, with sections of its file replaced."""
    return parse_model({**parse_toml(MODELS / f"{name}.toml"), **changed})
