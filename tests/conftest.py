"""What all suites share: one thread per process, reproducible examples, and where the reference data lie."""

from __future__ import annotations

import os
from pathlib import Path

# Two workers on two cores: a BLAS that starts its own threads makes every suite slower. Set before numpy loads.
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")
os.environ.setdefault("MPLBACKEND", "Agg")

import pytest  # noqa: E402
from hypothesis import HealthCheck, settings  # noqa: E402

ROOT = Path(__file__).resolve().parents[1]

# Derandomized: a failure seen once is seen every time. No deadline: the machine may be shared.
settings.register_profile("house", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("house")


@pytest.fixture(scope="session")
def reference_dir() -> Path:
    """The folder of reference data, which is never committed; tests that need it say so when it is absent."""
    folder = Path(os.environ.get("TWIN_REFERENCE_DIR", ROOT / ".." / "shared" / "reference")).resolve()
    if not folder.is_dir():
        pytest.skip("reference data not here: set TWIN_REFERENCE_DIR")
    return folder
