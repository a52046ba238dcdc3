"""When a level is worth drawing: what the best regimen would be worth after seeing it, less what it is worth now.

    gain(t) = E_y[ max_c E[U_c | y_t] ] - max_c E[U_c]

Members stand for truths in turn: each one's level at t, with assay noise, weighs all others by their likelihood; the
regimen that is best for those is the one that would be given, and its worth is what the true member gets of it. One
member never weighs itself. The level is thought drawn under the first regimen, and the choice as if made at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from twin_service.kalman.errors import scaled
from twin_service.scenario.assay import predictive
from twin_service.twin.estimate import noise_of
from twin_service.twin.fold import Folded
from twin_service.twin.observe import standard_draws
from twin_service.twin.simulate import Future

FloatArray = NDArray[np.float64]
TRUTHS = 256
WITHIN_H = 24.0
WORTH_IT = 0.02
TOLD_MAX = 3
SHARES = (0.1, 0.25, 0.5, 0.75, 1.0)


class WorthDrawing(NamedTuple):
    """A level of `analyte` `time_h` after the start would raise the expected utility by `gain`."""

    analyte: str
    time_h: float
    gain: float


def worth_drawing(folded: Folded, future: Future, worth: Sequence[FloatArray]) -> tuple[WorthDrawing, ...]:
    """The most useful levels of the next interval, those that gain at least 0.02; `worth` (N,) of each candidate."""
    n = len(future.outputs)
    comparable = [w[:n] for w in worth if len(w) >= n]
    if len(comparable) < 2:
        return ()
    u = np.nan_to_num(np.stack(comparable)[:, :TRUTHS], nan=0.0)
    found = [
        WorthDrawing(analyte, float(future.grid.hours[k]), gain)
        for analyte, observable in folded.model.observables.items()
        if observable.error.kind != "poisson"
        for k in _times(future)
        if (gain := _gain(folded, analyte, future.outputs[:TRUTHS, k, :], u)) >= WORTH_IT
    ]
    return tuple(sorted(found, key=lambda d: -d.gain)[:TOLD_MAX])


def _times(future: Future) -> list[int]:
    """Columns of the grid at a few times up to the second dose, before it."""
    later = future.given_h[future.given_h > 1e-6]
    end = float(min(later[0] if len(later) else WITHIN_H, future.grid.hours[-1]))
    return sorted({int(np.searchsorted(future.grid.hours, s * end - 1e-8)) for s in SHARES})


def _gain(folded: Folded, analyte: str, outputs: FloatArray, u: FloatArray) -> float:
    observable = folded.model.observables[analyte]
    f = outputs[:, folded.model.system.output_index[observable.output]]
    z = standard_draws(str(folded.person.name), len(folded.model.effects), len(f))[:, -1]
    y = predictive(f, observable.error, z)
    noise = noise_of(observable.error)
    told = scaled(f, noise)
    with np.errstate(invalid="ignore", divide="ignore"):
        target = np.log(np.maximum(y, 1e-300)) if noise.kind == "log" else y
        ll = -0.5 * ((target[:, None] - told.f) ** 2 / told.v + np.log(told.v))
    ll[:, ~np.isfinite(told.f)] = -np.inf
    np.fill_diagonal(ll, -np.inf)
    sound = np.isfinite(y) & np.isfinite(ll).any(axis=1)
    if sound.sum() < 16:
        return 0.0
    w = np.exp(ll[sound] - ll[sound].max(axis=1, keepdims=True))
    expected = (w @ u.T) / w.sum(axis=1, keepdims=True)
    chosen = np.argmax(expected, axis=1)
    after = u[chosen, np.flatnonzero(sound)]
    return float(after.mean() - u[:, sound].mean(axis=1).max())
