"""How a bioavailability comes about, from flows: absorbed, past the gut wall, past the liver.

    fa = int k_a lumen dt / dose                                          what leaves the lumen through the wall
    fg = int Q_gut Cu_enterocyte dt / int (k_a lumen + Q_gut Cu_arterial) dt
    fh = int outflow of the liver dt / int inflow of the liver dt         artery, portal organs and gut wall
    f  = fa fg fh

Each is a ratio of what leaves to what enters, so it lies in 0 to 1 however small it is; a difference of nearly equal
amounts would not. Integrals run to infinity: nodes until the end of the course, then by the linear system.
Yang 2007, doi:10.2174/138920007782109805 (Qgut).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from twin_service.fit.predict.linearized import Linearized
from twin_service.fit.predict.plan import Floats
from twin_service.fit.predict.quadrature import Nodes
from twin_service.model.pbpk.lumen import places
from twin_service.model.pbpk.record import DrugRecord, SpeciesRecord
from twin_service.solver.system import System


class FirstPass(NamedTuple):
    """Fractions of a dose, each 0 to 1."""

    fa: float
    fg: float
    fh: float

    @property
    def f(self) -> float:
        return self.fa * self.fg * self.fh


def is_one_pass(drug: DrugRecord) -> bool:
    """Whether what is absorbed was never absorbed before: no bile and no transport back into the lumen."""
    return not any(w.organ == "bile" or (w.organ == "gut" and w.transporter) for w in drug.clearances)


def integrals(system: System, course: tuple[Nodes, Floats, Floats], linear: Linearized) -> dict[str, float]:
    """State -> int_0^inf amount dt of one member; `course`: nodes, states at them (nt, ns), states at the end (ns,)."""
    at, states, final = course
    whole = at.weights @ states
    columns = list(linear.columns)
    whole[columns] += np.maximum(-np.linalg.solve(linear.jacobian[0], final[columns]), 0.0)
    return {s.name: float(whole[i]) for i, s in enumerate(system.states)}


def first_pass(
    drug: DrugRecord, species: SpeciesRecord, areas: Mapping[str, float], values: Mapping[str, float], given: float
) -> FirstPass:
    """Fractions of `given` (umol) from the areas of the amounts (umol h) and the parameters of the body, by name."""
    d = drug.id

    def area(place: str) -> float:
        return areas.get(f"body__{place}", 0.0)

    def value(name: str) -> float:
        return values[f"body__{name}"]

    lumen = places(d)
    absorbed = value(f"{d}_ka") * sum(area(p) for p in lumen[1:-1]) + value(f"{d}_ka_colon") * area(lumen[-1])
    past_wall, from_blood = absorbed, 0.0
    if f"body__{d}_enterocyte" in areas:
        flow = value(f"{d}_q_gut")
        past_wall = flow * value(f"{d}_cu_gut") * area(f"{d}_enterocyte")
        from_blood = flow * value(f"{d}_cu_arterial") * area(f"{d}_arterial")
    portal = sum(value(f"{d}_out_{o.id}") * area(f"{d}_{o.id}") for o in species.organs if o.drains_to == "liver")
    into = value("k_liver") * area(f"{d}_arterial") + portal + past_wall
    return FirstPass(
        absorbed / given,
        past_wall / (absorbed + from_blood) if absorbed > 0.0 else 1.0,
        value(f"{d}_out_liver") * area(f"{d}_liver") / into if into > 0.0 else 1.0,
    )
