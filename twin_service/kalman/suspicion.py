"""What would explain a surprising reading: a wrong unit, a wrong time, a missed dose, or a real change.

    odds_k = p_k p(y | k) / (p_0 p(y | as recorded))        p(y | k) = mean over members of N(y; f_k, v(f_k))

Each explanation is a set of predictions of the same members under another story; a unit is the same prediction in
another unit. Nothing is corrected here: the reading stays as recorded, the answer says what to ask.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from twin_service.kalman.errors import Noise, scaled

FloatArray = NDArray[np.float64]

UNIT_FACTORS: Final[Mapping[str, float]] = {
    "recorded a thousandfold too high": 1e3,
    "recorded a thousandfold too low": 1e-3,
    "recorded tenfold too high": 10.0,
    "recorded tenfold too low": 0.1,
}
MISTAKE: Final = 0.01
LIKELY: Final = 10.0


@dataclass(frozen=True)
class Explanation:
    """A story and how much more likely it is than the reading as recorded, mistakes being rare to begin with."""

    story: str
    odds: float


def explanations(
    reading: float,
    noise: Noise,
    as_recorded: FloatArray,
    *,
    stories: Mapping[str, FloatArray] | None = None,
    unit_factors: Mapping[str, float] = UNIT_FACTORS,
    mistake: float = MISTAKE,
    likely: float = LIKELY,
) -> tuple[Explanation, ...]:
    """Stories whose odds against the reading as recorded exceed `likely`, the best first; empty when none does.

    as_recorded   (N,) predictions of the members
    stories       name -> (N,) predictions of the same members if, say, the last dose was missed or the sample was
                  drawn an hour later
    unit_factors  name -> factor by which the recorded value would exceed the true one
    mistake       prior probability of each story relative to a correct record
    """
    if not np.isfinite(reading):
        raise ValueError(f"reading {reading!r} is not finite")
    base = _log_density(reading, noise, as_recorded)
    found = {name: _log_density(reading, noise, f) for name, f in (stories or {}).items()}
    for name, factor in unit_factors.items():
        # density of y = factor * truth: the change of variable costs ln factor
        found[name] = _log_density(reading / factor, noise, as_recorded) - float(np.log(factor))
    # ranked by their logarithm: far out in the tails all odds are more than a double holds
    ranked = sorted(((value - base, name) for name, value in found.items()), key=lambda e: -e[0])
    told = (Explanation(name, mistake * float(np.exp(np.clip(rise, -700.0, 700.0)))) for rise, name in ranked)
    return tuple(e for e in told if e.odds >= likely)


def _log_density(y: float, noise: Noise, f: FloatArray) -> float:
    """ln of the mean over members of the assay's density at y; -inf where no member allows it."""
    good = f[np.isfinite(f)]
    if noise.kind == "log":
        good = good[good > 0.0]
        if y <= 0.0:
            return -np.inf
    scale = scaled(good, noise)
    keep = scale.v > 0.0
    if not keep.any():
        return -np.inf
    target = np.log(y) if noise.kind == "log" else y
    with np.errstate(over="ignore"):
        terms = -0.5 * ((target - scale.f[keep]) ** 2 / scale.v[keep] + np.log(2.0 * np.pi * scale.v[keep]))
    # tails far beyond a double's range still rank: a floor keeps the difference finite
    jacobian = -np.log(y) if noise.kind == "log" else 0.0
    return float(max(logsumexp(terms) - np.log(len(good)) + jacobian, -1e6))
