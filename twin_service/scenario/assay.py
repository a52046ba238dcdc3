"""From a member's prediction to what an assay would read."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from twin_service.model.structure import ErrorLaw

FloatArray = NDArray[np.float64]


def noise_sd(f: FloatArray, law: ErrorLaw) -> FloatArray:
    """Standard deviation of the assay around prediction `f`; on the log scale for the "log" law."""
    if law.kind == "log":
        return np.full_like(f, law.proportional)
    scale = np.abs(f) ** law.power if law.kind == "power" else np.abs(f)
    if law.kind == "sum":
        return np.asarray(law.additive + law.proportional * scale)
    return np.asarray(np.sqrt(law.additive**2 + (law.proportional * scale) ** 2))


def predictive(f: FloatArray, law: ErrorLaw, z: FloatArray) -> FloatArray:
    """What the assay would read where the truth is `f`, with standard normal draws `z` of the same shape."""
    sd = noise_sd(f, law)
    return f * np.exp(sd * z) if law.kind == "log" else f + sd * z
