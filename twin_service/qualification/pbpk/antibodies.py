"""Observed courses of antibodies against the minimal body."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from twin_service.library.files import check_of, parse_toml
from twin_service.model.compose import compose
from twin_service.model.library.check_tables import DrugCheckFile
from twin_service.model.library.reader import read_as
from twin_service.model.pbpk.antibody import antibody_files, build_antibody
from twin_service.model.pbpk.studies import StudyCourse, StudyFinding, Treatment, observe
from twin_service.qualification.pbpk.courses import CourseResult
from twin_service.qualification.pbpk.observed import HOUR, PER_LITER, ObservedStudy, rows
from twin_service.solver.schedule import Dose, Schedule
from twin_service.solver.simulate import simulate

USUAL_KG, INFUSION_H = 73.0, 0.25


def antibody_courses(folder: Path, drugs: set[str] | None = None) -> list[CourseResult]:
    """Every data set named "<study>_<antibody>...Dose<mg/kg>": a single infusion over 15 minutes."""
    points: dict[str, list[dict[str, str]]] = defaultdict(list)
    for row in rows(folder / "observed_points.csv.gz"):
        points[row["dataset"]].append(row)
    found = []
    for name in antibody_files():
        for dataset, lines in points.items():
            dose = re.search(r"Dose(\d+(?:\.\d+)?)$", dataset)
            if dose is not None and f"_{name}_" in dataset and (drugs is None or name in drugs):
                found.append(_run(name, dataset, float(dose[1]) * USUAL_KG, lines))
    return found


def _run(name: str, dataset: str, dose_mg: float, lines: list[dict[str, str]]) -> CourseResult:
    t = np.array([float(r["time"]) * HOUR[r["time_unit"]] for r in lines])
    c = np.array([float(r["value"]) * PER_LITER[r["unit"]] for r in lines])
    order = np.argsort(t)
    treatment = Treatment(name, "iv", dose_mg, duration_h=INFUSION_H)
    study = ObservedStudy(
        dataset, dataset.split("_")[0], name, (treatment,), {"weight_kg": USUAL_KG}, {}, t[order], c[order], 1.0
    )
    model = compose("antibody", {"body": build_antibody(name)})
    entry = next(r for r in model.routes if r.route == "iv")
    dense = np.unique(np.concatenate([study.times_h, np.linspace(0.0, t.max(), 200)]))
    doses = (Dose(0.0, entry.input, dose_mg * entry.units_per_mg, INFUSION_H),)
    solution = simulate(model.system, model.values(study.person), Schedule(doses), dense)
    level = solution.outputs[0, :, model.system.output_index[f"body.{name}_level"]]
    return CourseResult(study, np.interp(study.times_h, dense, level), dense, level, fitted=False)


def check_antibodies(drugs: set[str] | None = None) -> list[StudyFinding]:
    """Every antibody against the published figures of its check file, like a drug's."""
    found = []
    for name, path in antibody_files().items():
        if drugs is None or name in drugs:
            found += check_antibody(path)
    return found


def check_antibody(path: Path) -> list[StudyFinding]:
    """One antibody file against the check file beside it. Raises Refusal for a faulty check file."""
    table = parse_toml(check_of(path))
    read_as(DrugCheckFile, table, check_of(path).name)
    return [f for check in table["check"] for f in _check(path, check)]


def _check(path: Path, check: Mapping[str, Any]) -> list[StudyFinding]:
    name, person = path.stem, {k: float(v) for k, v in check["person"].items()}
    mg = float(check["dose_mg"] if "dose_mg" in check else check["dose_mg_kg"] * person["weight_kg"])
    treatment = Treatment(name, check["route"], mg, duration_h=float(check.get("duration_h", 0.0)))
    model = compose("study", {"body": build_antibody(path)})
    entry = next(r for r in model.routes if r.route == treatment.route)
    dose = Dose(0.0, entry.input, mg * entry.units_per_mg, treatment.duration_h)
    got = observe(StudyCourse(model, model.values(person), Schedule((dose,))), name, check["window_h"], treatment)
    return [
        StudyFinding(
            name, check["study"], measure, float(want["value"]), got[measure], float(want["fold"]), check["source"]
        )
        for measure, want in check["expect"].items()
    ]
