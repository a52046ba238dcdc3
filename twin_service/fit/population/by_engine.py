"""Predictions by the engine: f, its exact first derivatives, and second ones by central differences of the first.

All 2p + 1 moves of all subjects go through the engine as one batch. The engine's derivatives are good to its relative
tolerance, so the differences are good to about its square root of scale: enough for the curvature they serve.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twin_service.fit.population.problem import PredictedReadings, Who
from twin_service.solver.schedule import Schedule
from twin_service.solver.sensitivity import simulate_sensitivities
from twin_service.solver.simulate import simulate
from twin_service.solver.system import System
from twin_service.solver.tolerances import Tolerances

Floats = NDArray[np.float64]
MOVE = 1e-3


@dataclass(frozen=True)
class EngineModel:
    """`rows` (N, K, np) parameters of each segment with the handles at 0; output (N, n) column of each reading.

    wrt, columns   names and places of the handles in the system's parameters
    """

    system: System
    rows: Floats
    schedules: tuple[Schedule, ...]
    times_h: Floats
    after_dose: NDArray[np.bool_]
    output: NDArray[np.intp]
    start_h: Floats
    wrt: tuple[str, ...]
    columns: NDArray[np.intp]
    tolerances: Tolerances
    threads: int = 1
    costly: bool = True

    def __call__(self, phi: Floats, who: Who, order: int) -> PredictedReadings:
        if order == 0:
            return PredictedReadings(self._plain(phi, who))
        if order == 1:
            return self._first(phi, who)
        n, p = phi.shape
        moves = np.vstack([np.zeros((1, p)), MOVE * np.eye(p), -MOVE * np.eye(p)])
        every = self._first((moves[:, None] + phi[None]).reshape(-1, p), np.tile(who, 2 * p + 1))
        assert every.g is not None
        f, g = every.f.reshape(2 * p + 1, n, -1), every.g.reshape(2 * p + 1, n, p, -1)
        h = (g[1 : p + 1] - g[p + 1 :]).transpose(1, 0, 2, 3) / (2.0 * MOVE)
        return PredictedReadings(f[0], g[0], 0.5 * (h + h.transpose(0, 2, 1, 3)))

    def _placed(self, phi: Floats, who: Who) -> tuple[Floats, list[Schedule]]:
        rows = self.rows[who]
        rows[:, :, self.columns] = phi[:, None, :]
        return rows, [self.schedules[int(i)] for i in who]

    def _plain(self, phi: Floats, who: Who) -> Floats:
        rows, courses = self._placed(phi, who)
        run = simulate(
            self.system,
            rows,
            courses,
            self.times_h[who],
            start_h=self.start_h[who],
            after_dose=self.after_dose[who],
            tolerances=self.tolerances,
            threads=self.threads,
        )
        return np.take_along_axis(run.outputs, self.output[who][:, :, None], 2)[:, :, 0]

    def _first(self, phi: Floats, who: Who) -> PredictedReadings:
        rows, courses = self._placed(phi, who)
        run, slopes, _ = simulate_sensitivities(
            self.system,
            rows,
            courses,
            self.times_h[who],
            wrt=self.wrt,
            start_h=self.start_h[who],
            after_dose=self.after_dose[who],
            tolerances=self.tolerances,
            threads=self.threads,
        )
        pick = self.output[who]
        f = np.take_along_axis(run.outputs, pick[:, :, None], 2)[:, :, 0]
        g = np.take_along_axis(slopes, pick[:, :, None, None], 2)[:, :, 0]
        return PredictedReadings(f, np.ascontiguousarray(g.transpose(0, 2, 1)))
