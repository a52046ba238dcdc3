"""Exposure figures of a course, and what a drug's file says of a person: clearance, volume, first pass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import NamedTuple

import numpy as np

from twin_service.fit.predict.plan import DosePlan, Floats
from twin_service.fit.predict.quadrature import Nodes, nodes
from twin_service.model.pbpk.checks import hepatic_availability, plasma_clearance
from twin_service.model.pbpk.individual import disposition, reference_body
from twin_service.model.pbpk.library import Library
from twin_service.model.pbpk.physiology import create_body
from twin_service.model.pbpk.record import PARTITION_METHODS, DrugRecord

UNITS = {
    "auc_mg_h_l": "mg h/L",
    "auc_inf_mg_h_l": "mg h/L",
    "cmax_mg_l": "mg/L",
    "tmax_h": "h",
    "ctrough_mg_l": "mg/L",
    "thalf_h": "h",
    "thalf_seen_h": "h",
    "cl_f_l_h": "L/h",
    "accumulation": "1",
    "f": "1",
    "fa": "1",
    "fg": "1",
    "fh": "1",
    "clearance_l_h": "L/h",
    "vss_l_kg": "L/kg",
    "blood_plasma_ratio": "1",
    "fraction_unbound": "1",
    "weight_kg": "kg",
    "height_cm": "cm",
    "gfr_ml_min": "mL/min",
    "auc_ratio": "1",
    "cmax_ratio": "1",
}
# A half-life is read where a study's assay sees the decline: from a quarter of the peak down to a fortieth.
FROM, TO = 0.25, 0.025


@dataclass(frozen=True)
class Exposure:
    """Of the last dosing interval for repeated doses, else of the whole course (mg/L, h).

    thalf_h       ln 2 over the slowest rate of the system at low concentration
    thalf_seen_h  of the decline that a study's assay sees: from a quarter of the peak to a fortieth
    """

    auc_mg_h_l: float
    cmax_mg_l: float
    tmax_h: float
    ctrough_mg_l: float
    thalf_h: float
    thalf_seen_h: float
    auc_inf_mg_h_l: float
    cl_f_l_h: float
    accumulation: float

    @property
    def total_area(self) -> float:
        return self.auc_inf_mg_h_l if np.isfinite(self.auc_inf_mg_h_l) else self.auc_mg_h_l


def unit_of(figure: str) -> str:
    """The unit of a dotted figure; a quantile or the drug alone has that of its figure."""
    name = figure.removeprefix("predict.")
    for end in ("_q05", "_q95", "_alone"):
        name = name.removesuffix(end)
    return UNITS.get(name, "")


class Rest(NamedTuple):
    """What the linear system says of each member: the area to come after the last time, the terminal half-life."""

    area: Floats
    half_life_h: Floats


def figure_nodes(plan: DosePlan, end_h: float) -> Nodes:
    """Where the level must be known for exact areas: the last interval (one dose: until the end), and the first."""
    taken = [t for t, _ in plan.taken()]
    breaks = [*taken, *(t + plan.duration_h for t in taken), *plan.meals_h]
    first, last = _span(plan, end_h)
    if plan.is_alone or plan.count == 1:
        return nodes(*last, breaks)
    a, b = nodes(*first, breaks), nodes(*last, breaks)
    return Nodes(np.concatenate([a.times_h, b.times_h]), np.concatenate([a.weights, b.weights]))


def _span(plan: DosePlan, end_h: float) -> tuple[tuple[float, float], tuple[float, float]]:
    last = (plan.last_h, end_h if plan.is_alone else plan.last_h + plan.interval_h)
    return (plan.start_h, plan.start_h + plan.interval_h), last


def exposures(t: Floats, levels: Floats, plan: DosePlan, rest: Rest | None = None) -> list[Exposure]:
    """One for each row of `levels` (N, nt) on times `t` that hold the `figure_nodes`.

    rest  without it (an antibody) the area to come and the half-life are read from the tail of the course
    """
    return [
        _exposure(t, c, plan, None if rest is None else (float(rest.area[i]), float(rest.half_life_h[i])))
        for i, c in enumerate(levels)
    ]


def _exposure(t: Floats, c: Floats, plan: DosePlan, rest: tuple[float, float] | None) -> Exposure:
    last, end = plan.last_h, plan.last_h + plan.interval_h
    alone = plan.is_alone
    inside = (t >= last) if alone else (t >= last) & (t <= end)
    ts, cs = t[inside], c[inside]
    peak = int(np.argmax(cs))
    after = t >= ts[peak]
    slope = _slope(t[after], c[after])
    area = _area(t, c, plan, _span(plan, float(t[-1]))[1])
    seen = float(np.log(2.0) / slope) if slope > 0 else float("nan")
    to_come, half_life = rest or (float(cs[-1]) / slope if slope > 0 else 0.0, seen)
    whole, accumulated = float("nan"), float("nan")
    if alone:
        whole = area + to_come
    elif not plan.steady:
        accumulated = area / max(_area(t, c, plan, _span(plan, float(t[-1]))[0]), 1e-300)
    dose = plan.taken()[-1][1]
    over = whole if np.isfinite(whole) else area
    return Exposure(
        area,
        float(cs[peak]),
        float(ts[peak] - last),
        float(cs[-1]),
        half_life,
        seen,
        whole,
        dose / over if over > 0 else float("nan"),
        accumulated,
    )


def _area(t: Floats, c: Floats, plan: DosePlan, span: tuple[float, float]) -> float:
    taken = [h for h, _ in plan.taken()]
    at = nodes(*span, [*taken, *(h + plan.duration_h for h in taken), *plan.meals_h])
    return float(at.area(t, c[None, :])[0])


def _slope(t: Floats, c: Floats) -> float:
    """Rate of the decline (1/h) between a quarter and a fortieth of the peak; of the last tenth where it never gets
    there; NaN where it does not fall."""
    part = (c < FROM * c[0]) & (c > TO * c[0])
    if part.sum() < 5:
        part = t >= t[-1] - 0.1 * (t[-1] - t[0])
    if part.sum() < 3 or c[0] <= 0:
        return float("nan")
    return -float(np.polyfit(t[part], np.log(np.maximum(c[part], 1e-300)), 1)[0])


def summary(rows: Sequence[Exposure], plan: DosePlan) -> dict[str, float]:
    """Flat figures by dotted name: of the person, or median and 5 and 95 % of a population."""
    tables = [asdict(r) for r in rows]
    found = {}
    for key in tables[0]:
        values = np.array([r[key] for r in tables])
        if not np.isfinite(values).any():
            continue
        found[f"predict.{key}"] = float(np.nanmedian(values))
        if plan.population:
            found[f"predict.{key}_q05"] = float(np.nanquantile(values, 0.05))
            found[f"predict.{key}_q95"] = float(np.nanquantile(values, 0.95))
    return found


def volumes_by_method(record: DrugRecord, library: Library, species_id: str = "human") -> dict[str, float]:
    """Vss (L/kg) of the reference body by every method from structure alone, whatever the file chooses."""
    species = library.species[species_id]
    body = reference_body(species)
    plain = replace(record, vss_l_kg=None, kp_scalar=1.0, kp={})
    return {
        m: disposition(replace(plain, method=m), species, body, body).vss_l / body.weight_kg for m in PARTITION_METHODS
    }


def volume_doubt(record: DrugRecord, volumes: Mapping[str, float]) -> list[str]:
    """A sentence where the file leaves the volume to structure: the methods miss two-fold for every second drug."""
    if record.vss_l_kg is not None or record.kp_scalar != 1.0:
        return []
    span = ", ".join(f"{m} {v:.2g}" for m, v in sorted(volumes.items(), key=lambda x: x[1]))
    return [
        f"{record.title}: Vss from structure, L/kg: {span}; it uses {record.method}. Where one is known, set "
        "distribution.vss"
    ]


def disposition_figures(
    record: DrugRecord, library: Library, person: Mapping[str, float], species_id: str = "human"
) -> dict[str, float]:
    """What the file says of this person: Vss, clearance at low concentration, binding, first pass, size."""
    species = library.species[species_id]
    body = create_body(species, person)
    at = disposition(record, species, body, reference_body(species))
    return {
        "predict.vss_l_kg": at.vss_l / body.weight_kg,
        "predict.clearance_l_h": plasma_clearance(record, library, person, species=species_id),
        "predict.fh": hepatic_availability(record, library, person, species=species_id),
        "predict.blood_plasma_ratio": at.bp,
        "predict.fraction_unbound": at.fup,
        "predict.weight_kg": body.weight_kg,
        "predict.height_cm": body.height_cm,
        "predict.gfr_ml_min": body.gfr_l_h * 1000.0 / 60.0,
    }
