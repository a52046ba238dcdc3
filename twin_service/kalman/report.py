"""What an update tells: what was forecast, how surprising the readings were, and what was done about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from twin_service.kalman.belief import Belief
from twin_service.outcome import OK, Outcome, Verdict

FloatArray = NDArray[np.float64]

GATE = 10.83
TAIL = 4.0


class SecondMode(NamedTuple):
    """Another mode of the same posterior with its own Gaussian, `behind` the best one by so much of the objective."""

    belief: Belief
    behind: float


@dataclass(frozen=True)
class UpdateReport:
    """One row for each reading; readings that could not be used have NaN scores and weight 0.

    forecast_mean, forecast_sd   before looking, noise included, on the scale of the noise (log for "log")
    innovation                   reading - forecast, on that scale
    nis                          innovation^2 / forecast variance, 1 expected; of a censored reading, the squared
                                 normal score of its tail probability
    weight                       share of the reading's information that was used
    surprising                   nis beyond the gate
    second                       of a fit: another mode near the best one
    """

    estimator: str
    forecast_mean: FloatArray
    forecast_sd: FloatArray
    innovation: FloatArray
    nis: FloatArray
    weight: FloatArray
    surprising: NDArray[np.bool_]
    outcome: Outcome = OK
    iterations: int = 1
    floor_raised: float = 0.0
    log_evidence: float = 0.0
    objective: float = np.nan
    warnings: tuple[str, ...] = ()
    second: SecondMode | None = None


class Update(NamedTuple):
    """The belief after the readings, and the report. A failed update returns the belief it was given."""

    belief: Belief
    report: UpdateReport


def kept_prior(belief: Belief, estimator: str, ny: int, outcome: Outcome, *, warnings: tuple[str, ...] = ()) -> Update:
    """The update that did not happen, and why."""
    nan = np.full(ny, np.nan)
    return Update(
        belief,
        UpdateReport(
            estimator, nan, nan, nan, nan, np.zeros(ny), np.zeros(ny, dtype=bool), outcome, 0, warnings=warnings
        ),
    )


def tail_weight(nis: FloatArray, gate: float | None) -> FloatArray:
    """Weight of a reading under a heavy-tailed law beyond the gate: (nu + gate) / (nu + nis), nu = 4; 1 inside.

    The weight of Student's t (Lange, Little & Taylor 1989, doi:10.1080/01621459.1989.10478852), scaled to be
    continuous at the gate, so that readings inside it count fully.
    """
    if gate is None:
        return np.ones_like(nis)
    return np.where(nis > gate, (TAIL + gate) / (TAIL + np.maximum(nis, gate)), 1.0)


def judge(surprising: NDArray[np.bool_], nis: FloatArray, verdict: Outcome = OK) -> Outcome:
    """SURPRISING where a reading lies beyond the gate and nothing worse happened."""
    if not verdict.ok or not surprising.any():
        return verdict
    return Outcome(
        Verdict.SURPRISING,
        f"{int(surprising.sum())} of {len(nis)} readings, largest score "
        f"{float(np.nanmax(np.sqrt(nis))):.1f} standard deviations",
    )
