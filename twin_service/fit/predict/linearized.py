"""A drug at low concentration is linear: its terminal half-life, and all the area that is still to come, exactly.

    dx/dt = J x,  level = c x        J, c of the states through which a dose reaches the level, drug near 0
    t1/2  = ln 2 / min |Re lambda(J)|
    area still to come from x: int_0^inf c exp(J t) x dt = -c J^-1 x

States that a dose reaches but that give nothing back (urine, feces, metabolites) take no part. Enzymes are as they are
at the time: the drug's own states are set to 0, everything else is kept. Gabrielsson & Weiner 2016, ISBN
978-9198299106, section 2.6.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from twin_service.fit.predict.plan import Floats
from twin_service.solver.derivative import gradients
from twin_service.solver.evaluate import array_function
from twin_service.solver.expression import TIME, Expression
from twin_service.solver.system import System


class Linearized(NamedTuple):
    """`columns` of the system's states (n,); jacobian (N, n, n), 1/h; level (N, n), level per amount."""

    columns: tuple[int, ...]
    jacobian: Floats
    level: Floats

    def half_lives(self) -> Floats:
        """ln 2 over the slowest rate, h, (N,)."""
        slowest = np.abs(np.linalg.eigvals(self.jacobian).real).min(axis=1)
        return np.asarray(np.log(2.0) / slowest)

    def area_to_come(self, states: Floats) -> Floats:
        """What is left under the level's curve from `states` (N, ns) on, level times h, (N,)."""
        held = states[:, list(self.columns)][:, :, None]
        return np.asarray(-(self.level * np.linalg.solve(self.jacobian, held)[:, :, 0]).sum(axis=1))


def linearized(system: System, names: tuple[str, str, str], rows: Floats, states: Floats | None = None) -> Linearized:
    """The linear system of a drug for members with parameters `rows` (N, np).

    names   the input that a dose enters by, the output that is its level, and how the drug's states begin
    states  (N, ns) of everything else, enzymes for example; None: the initial ones
    """
    entry, output, prefix = names
    number = system.state_index
    drug = [n for n in number if n.startswith(prefix)]
    start = number[next(u.state for u in system.inputs if u.name == entry)]
    level = system.outputs[system.output_index[output]].expression
    found = _slopes(system, (level, drug), rows, _initial(system, rows) if states is None else states)
    linked = {(i, j) for (i, j), v in found.items() if i >= 0 and np.any(v != 0.0)}
    read = {j for (i, j), v in found.items() if i < 0 and np.any(v != 0.0)}
    kept = sorted(_reached({start}, {(j, i) for i, j in linked}) & _reached(read, linked))
    place, many = {k: n for n, k in enumerate(kept)}, len(rows)
    jacobian, weight = np.zeros((many, len(kept), len(kept))), np.zeros((many, len(kept)))
    for (i, j), value in found.items():
        if i < 0 and j in place:
            weight[:, place[j]] = value
        elif i in place and j in place:
            jacobian[:, place[i], place[j]] = value
    return Linearized(tuple(kept), jacobian, weight)


def _slopes(
    system: System, of: tuple[Expression, list[str]], rows: Floats, states: Floats
) -> dict[tuple[int, int], Floats]:
    """(state, drug state) -> d rate/d amount (N,) with the drug at 0; the state -1 stands for the level."""
    level, drug = of
    number, own = system.state_index, set(drug)
    zero = np.zeros(len(rows))
    at = {p.name: rows[:, k] for k, p in enumerate(system.parameters)} | {TIME.name: zero}
    at |= {n: zero if n in own else states[:, k] for n, k in number.items()}
    slopes = gradients([*(s.rate for s in system.states), level], drug)
    last = len(system.states)
    keys = [(-1 if i == last else i, number[n]) for i, g in enumerate(slopes) for n in g]
    values = array_function([e for g in slopes for e in g.values()], list(at))(*at.values())
    return {k: np.asarray(v) + zero for k, v in zip(keys, values, strict=True)}


def _initial(system: System, rows: Floats) -> Floats:
    at = {p.name: rows[:, k] for k, p in enumerate(system.parameters)} | {TIME.name: np.zeros(len(rows))}
    values = array_function([s.initial for s in system.states], list(at))(*at.values())
    return np.stack([np.asarray(v) + np.zeros(len(rows)) for v in values], axis=1)


def _reached(start: set[int], edges: set[tuple[int, int]]) -> set[int]:
    """Everything that can be reached along edges (from, to)."""
    found, new = set(start), set(start)
    while new:
        new = {b for a, b in edges if a in new} - found
        found |= new
    return found
