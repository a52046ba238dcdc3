"""Where the reference data are."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]


def reference(*parts: str) -> Any:
    """A JSON file of the reference folder; skips the test where the folder is absent."""
    folder = Path(os.environ.get("TWIN_REFERENCE_DIR", ROOT.parent / "shared" / "reference"))
    path = folder.joinpath("mipd", *parts)
    if not path.exists():
        pytest.skip(f"reference data {'/'.join(parts)} is absent; set TWIN_REFERENCE_DIR")
    return json.loads(path.read_text())
