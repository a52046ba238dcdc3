"""Individual courses outside the main tables: theophylline in 12 volunteers, caffeine alone and with fluvoxamine."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import numpy as np

from twin_service.model.pbpk.studies import Treatment
from twin_service.qualification.pbpk.observed import ObservedStudy, rows


def theophylline_volunteers(path: Path) -> list[ObservedStudy]:
    """One study a subject of Theoph: oral dose mg/kg and weight as given; Boeckmann 1994."""
    by_subject: dict[str, list[dict[str, str]]] = defaultdict(list)
    for row in rows(path):
        by_subject[row["Subject"]].append(row)
    found = []
    for subject, lines in by_subject.items():
        weight = float(lines[0]["Wt"])
        t = np.array([float(r["Time"]) for r in lines])
        c = np.array([float(r["conc"]) for r in lines])
        keep = (c > 0) & (t > 0)
        dose = Treatment("theophylline", "oral", float(lines[0]["Dose"]) * weight)
        found.append(
            ObservedStudy(
                f"Theoph subject {subject}",
                "Theoph",
                "theophylline",
                (dose,),
                {"age_y": 30.0, "weight_kg": weight},
                {},
                t[keep],
                c[keep],
                1.0,
            )
        )
    return found


def caffeine_alone(path: Path) -> list[ObservedStudy]:
    """Caffeine 250 mg without fluvoxamine (Culm-Merdek 2005), from its first sample on."""
    t, c = [], []
    for row in rows(path):
        if (
            row["dataset"].startswith("CulmMerdek2005_250mgSD")
            and "Alone" in row["dataset"]
            and row["column"].strip() == "Conc"
        ):
            t.append(float(row["time_h"]))
            c.append(float(row["value_mg_per_l"]))
    if len(t) < 4:
        return []
    hours, levels = np.array(t) - t[0], np.array(c)
    keep = hours > 0
    dose = Treatment("caffeine", "oral", 250.0)
    return [
        ObservedStudy(
            "Culm-Merdek 2005 caffeine alone",
            "Culm-Merdek 2005",
            "caffeine",
            (dose,),
            {"age_y": 26.0},
            {},
            hours[keep],
            levels[keep],
            7.0,
        )
    ]
