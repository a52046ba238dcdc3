"""Where reference data lie: they are read, never shipped."""

from __future__ import annotations

import os
from pathlib import Path


def reference_folder(folder: Path | str | None = None) -> Path:
    """`folder`, else TWIN_REFERENCE_DIR, else `../shared/reference` from where the command runs; it may be absent."""
    return Path(folder or os.environ.get("TWIN_REFERENCE_DIR") or "../shared/reference")
