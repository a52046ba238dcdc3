"""Special populations: predicted ratios to a reference group beside published ones (`physiology/human.check.toml`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from twin_service.library.files import FOLDER, parse_toml
from twin_service.model.pbpk.checks import plasma_clearances
from twin_service.model.pbpk.library import Library
from twin_service.model.pbpk.physiology import create_body
from twin_service.model.pbpk.studies import Treatment, course, observe, series
from twin_service.outcome import Refusal, RefusalCode
from twin_service.qualification.pbpk.scores import Ratio, gmfe, within

CHECKS = FOLDER / "physiology" / "human.check.toml"
MEASURES = ("cl", "cl_kg", "renal_cl", "auc", "auc_unbound", "thalf")
WINDOW_H = 96.0


@dataclass(frozen=True)
class PopulationRatio:
    """One row; `built` where the physiology's law rests on this drug's studies, which is shown but not counted."""

    population: str
    drug: str
    measure: str
    ratio: Ratio
    source: str
    built: bool = False

    @property
    def fold(self) -> float:
        return self.ratio.fold


def population_ratios(library: Library, drugs: set[str] | None = None) -> list[PopulationRatio]:
    """Every row of the check file whose drug is wanted. Raises Refusal for an unknown measure."""
    found = []
    for row in parse_toml(CHECKS)["check"]:
        if row["drug"] not in library.drug_paths or (drugs and row["drug"] not in drugs):
            continue
        if row["measure"] not in MEASURES:
            raise Refusal(
                RefusalCode.INVALID,
                f"{CHECKS.name}: measure {row['measure']!r} is unknown; known: {', '.join(MEASURES)}",
                field=CHECKS.name,
                reason="BAD_CHECK_FILE",
            )
        special, reference = (
            float(np.mean([_measure(row, person, library) for person in row[group]]))
            for group in ("special", "reference")
        )
        ratio = Ratio(f"{row['population']}: {row['drug']}", float(row["ratio"]), special / reference)
        found.append(
            PopulationRatio(
                row["population"], row["drug"], row["measure"], ratio, row["source"], bool(row.get("built", False))
            )
        )
    return found


def population_figures(rows: list[PopulationRatio]) -> dict[str, float]:
    """Over the rows whose law does not rest on them."""
    folds = [r.fold for r in rows if not r.built]
    if not folds:
        return {}
    return {
        "pbpk.populations_n": float(len(folds)),
        "pbpk.populations_within_2fold": within(folds, 2.0),
        "pbpk.populations_gmfe": gmfe(folds),
    }


def _measure(row: Mapping[str, Any], said: Mapping[str, Any], library: Library) -> float:
    person = {k: float(v) for k, v in said.items()}
    drug, measure = library.drug(row["drug"]), row["measure"]
    if measure in ("cl", "cl_kg", "renal_cl"):
        found = plasma_clearances(drug, library, person)
        weight = create_body(library.species["human"], person).weight_kg
        return {"cl": found.total, "cl_kg": found.total / weight, "renal_cl": found.kidney}[measure]
    window = (0.0, float(row.get("window_h", WINDOW_H)))
    dose = Treatment(drug.id, row.get("route", "oral"), float(row["dose_mg"]))
    run = course([dose], person, library)
    if measure == "auc_unbound":
        times = np.concatenate([[0.0], np.geomspace(0.01, window[1], 800)])
        return float(np.trapezoid(series(run, f"{drug.id}_plasma_unbound", times), times))
    return observe(run, drug.id, window, dose)["auc_inf" if measure == "auc" else measure]
