"""Where reference data, and what is trained on them, lie: they are read, never shipped."""

from __future__ import annotations

import os
from pathlib import Path


def reference_folder(folder: Path | str | None = None) -> Path:
    """`folder`, else TWIN_REFERENCE_DIR, else `../shared/reference` from where the command runs; it may be absent."""
    return Path(folder or os.environ.get("TWIN_REFERENCE_DIR") or "../shared/reference")


def trained_folder() -> Path:
    """Of models trained on reference data: TWIN_MODEL_DIR, else the user's cache."""
    given = os.environ.get("TWIN_MODEL_DIR")
    return Path(given or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "twin_service" / "molecule")
