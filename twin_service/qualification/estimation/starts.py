"""Whether the mode is the best one: simulated patients of NONMEM's test models, against twenty random starts each."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from twin_service.fit.individual import prior_of
from twin_service.fit.subject import TableSubject, jacobian, noise_of, observed, predictor
from twin_service.kalman.laplace import laplace_update
from twin_service.model.structure import PatientModel
from twin_service.qualification.estimation.nonmem_models import model_of, subject_of

ABOVE = 0.01
STARTS = 20


def simulated_patients(folder: Path, count: int) -> Iterator[tuple[str, PatientModel, TableSubject]]:
    """`count` patients of every test model under the designs of its own patients, effects and noise drawn."""
    for path in sorted((folder / "nonmem_map").glob("model_*.json")):
        case = json.loads(path.read_text())
        model, rng = model_of(case), np.random.default_rng(int(case["model_id"]))
        designs = [subject_of(case, p, model) for p in case["patients"]]
        for k in range(count):
            design = designs[k % len(designs)]
            eta = rng.multivariate_normal(np.zeros(len(model.effects)), model.omega)
            truth = predictor(model, design)(eta[None])[0]
            laws = [noise_of(model, a) for a in design.analytes]
            z = rng.standard_normal(len(truth))
            values = np.array([_read(f, law, e) for f, law, e in zip(truth, laws, z, strict=True)])
            if np.all(np.isfinite(values)):
                yield case["model_id"], model, replace(design, values=values)


def excess(model: PatientModel, subject: TableSubject, starts: int = STARTS) -> float:
    """How far the fit's objective lies above the best of `starts` random ones (0: nowhere above)."""
    prior, predict, readings = prior_of(model), predictor(model, subject), observed(model, subject)
    slopes = jacobian(model, subject)
    own = laplace_update(prior, predict, readings, jacobian=slopes, gate=None).report
    rng = np.random.default_rng(len(subject))
    found = [own.objective]
    for start in 1.5 * rng.standard_normal((starts, len(prior.mean))) @ prior.chol.T:
        report = laplace_update(prior, predict, readings, jacobian=slopes, start=start, gate=None).report
        found += [report.objective] if np.isfinite(report.objective) else []
    return float(own.objective - min(found)) if np.isfinite(own.objective) else float("inf")


def start_figures(folder: Path, count: int) -> dict[str, float]:
    """Patients tried, those above the best of the random starts by more than 0.01, and the farthest."""
    above = [excess(model, subject) for _, model, subject in simulated_patients(folder, count)]
    return {
        "estimation.starts_patients": float(len(above)),
        "estimation.starts_above": float(sum(a > ABOVE for a in above)),
        "estimation.starts_excess_max": max(above, default=0.0),
    }


def _read(f: float, law: object, z: float) -> float:
    from twin_service.kalman.errors import Noise

    assert isinstance(law, Noise)
    if law.kind == "log":
        return float(f * np.exp(law.proportional * z))
    size = abs(f) ** law.power if law.kind == "power" else abs(f)
    sd = (
        law.additive + law.proportional * size
        if law.kind == "sum"
        else float(np.hypot(law.additive, law.proportional * size))
    )
    return float(f + sd * z)
