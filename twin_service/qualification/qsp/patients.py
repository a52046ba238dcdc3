"""Forecasts for real patients: prothrombin complex activity under warfarin, tumor size in a control arm."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from twin_service.kalman.belief import Belief
from twin_service.model.compose import compose
from twin_service.model.qsp.build import build_block
from twin_service.model.qsp.join import constant_block
from twin_service.model.structure import ErrorLaw, PatientModel
from twin_service.outcome import Refusal, RefusalCode
from twin_service.qualification.qsp.belief_fit import PatientRecord, inside_share, posterior, predicted
from twin_service.solver.schedule import Dose, Schedule

Floats = NDArray[np.float64]
FOLDS: Final = 4
ROUNDS: Final = 12


class LearnedPopulation(NamedTuple):
    """A population learned from other patients: mean and covariance of the effects, residual SD on ln size."""

    prior: Belief
    residual: float


def pca_figures(path: Path) -> dict[str, float]:
    """Root mean square error of the next prothrombin complex activity given everything before it, over that of the
    typical patient."""
    model = compose("warfarin", {"w": build_block("warfarin_pca")})
    before: list[float] = []
    after: list[float] = []
    for course in _warfarin_courses(path):
        for k, (hour, analyte, value) in enumerate(course.readings):
            # the value before the first dose is no forecast of an effect
            if analyte != "pca" or hour <= 0:
                continue
            past = [r for r in course.readings[:k] if r[0] < hour]
            eta = np.vstack([np.zeros(len(model.effects)), posterior(model, course, past).mean])
            typical, own = predicted(model, course, eta, [(hour, analyte, value)])[:, 0]
            before.append(typical - value)
            after.append(own - value)
    return {"qsp.pca_error_ratio": _rms(after) / _rms(before)}


def tumor_figures(path: Path) -> dict[str, float]:
    """Error of ln size at the third scan after the first two, over that before any scan; and the share of those scans
    inside the 90 % band. The population is learned from the other three quarters of the patients.
    """
    model = compose(
        "tumor", {"t": build_block("tumor_claret_constant"), "on": constant_block(1.0, "1")}, {"t.exposure": "on.level"}
    )
    courses = [c for c in _tumor_courses(path) if len(c.readings) >= 3]
    before: list[float] = []
    after: list[float] = []
    bands: list[tuple[float, float, float]] = []
    for fold in range(FOLDS):
        learned = learn(model, [c for i, c in enumerate(courses) if i % FOLDS != fold])
        for course in courses[fold::FOLDS]:
            b, a, inside = _next_scan(model, course, learned)
            before.append(b)
            after.append(a)
            bands.append(inside)
    low, high, truth = np.array(bands).T
    return {"qsp.tumor_error_ratio": _rms(after) / _rms(before), "qsp.tumor_coverage90": inside_share(low, high, truth)}


def learn(model: PatientModel, courses: Sequence[PatientRecord]) -> LearnedPopulation:
    """Mean and covariance of the effects and residual SD, by expectation-maximization over Laplace posteriors."""
    prior = Belief.of(np.zeros(len(model.effects)), model.omega + np.diag(np.full(len(model.effects), 0.5)))
    residual = 0.3
    for _ in range(ROUNDS):
        law = {"tumor_sld": ErrorLaw(proportional=residual, kind="log")}
        found = [posterior(model, c, c.readings, prior=prior, errors=law) for c in courses]
        means = np.array([b.mean for b in found])
        spread = np.mean([b.covariance for b in found], axis=0) + np.cov(means.T, bias=True)
        squares = [_residuals(model, c, b) for c, b in zip(courses, found, strict=True)]
        residual = float(np.sqrt(np.mean(np.concatenate(squares))))
        prior = Belief.of(means.mean(axis=0), spread + 1e-6 * np.eye(len(spread)))
    return LearnedPopulation(prior, residual)


def _residuals(model: PatientModel, course: PatientRecord, belief: Belief) -> Floats:
    """Expected squared residuals on ln size: at the mode, plus what the posterior adds to first order."""
    step = 1e-3
    n = len(belief.mean)
    f = np.log(predicted(model, course, np.vstack([belief.mean, belief.mean + step * np.eye(n)]), course.readings))
    slope = (f[1:] - f[0]).T / step
    observed = np.log([v for _, _, v in course.readings])
    return np.asarray((observed - f[0]) ** 2 + np.einsum("ij,jk,ik->i", slope, belief.covariance, slope))


def _next_scan(
    model: PatientModel, course: PatientRecord, learned: LearnedPopulation
) -> tuple[float, float, tuple[float, float, float]]:
    """Errors of ln size at the third scan before any and after two scans; and its band (low, high, truth)."""
    law = {"tumor_sld": ErrorLaw(proportional=learned.residual, kind="log")}
    target = course.readings[2:3]
    belief = posterior(model, course, course.readings[:2], prior=learned.prior, errors=law)
    rng = np.random.default_rng(int(course.readings[0][0]) + len(course.readings))
    members = np.vstack([learned.prior.mean, belief.mean, belief.draw(400, rng)])
    f = np.log(predicted(model, course, members, target)[:, 0])
    truth = float(np.log(target[0][2]))
    read = f[2:] + learned.residual * rng.standard_normal(len(f) - 2)
    low, high = np.quantile(read, (0.05, 0.95))
    return float(f[0] - truth), float(f[1] - truth), (float(low), float(high), truth)


def _warfarin_courses(path: Path) -> list[PatientRecord]:
    doses: dict[str, list[Dose]] = defaultdict(list)
    readings: dict[str, list[tuple[float, str, float]]] = defaultdict(list)
    for r in _rows(path, ("id", "time", "amt", "dv", "dvid", "evid")):
        if float(r["evid"]) == 1:
            doses[r["id"]].append(Dose(float(r["time"]), "w.oral", float(r["amt"])))
        else:
            analyte = "warfarin" if r["dvid"] == "cp" else "pca"
            readings[r["id"]].append((float(r["time"]), analyte, float(r["dv"])))
    return [PatientRecord({}, Schedule(tuple(doses[k])), tuple(sorted(v))) for k, v in readings.items()]


def _tumor_courses(path: Path) -> list[PatientRecord]:
    scans: dict[str, list[tuple[float, str, float]]] = defaultdict(list)
    for r in _rows(path, ("name", "date", "size")):
        if float(r["size"]) > 0:
            scans[r["name"]].append((24.0 * float(r["date"]), "tumor_sld", float(r["size"])))
    return [PatientRecord({}, Schedule(), tuple(sorted(v))) for v in scans.values()]


def _rows(path: Path, columns: Sequence[str]) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as handle:
        rows = list(csv.DictReader(handle))
    missing = [c for c in columns if not rows or c not in rows[0]]
    if missing:
        raise Refusal(RefusalCode.INVALID, f"{path.name}: the columns {', '.join(missing)} are missing", field="data")
    return rows


def _rms(errors: Sequence[float]) -> float:
    return float(np.sqrt(np.mean(np.square(errors))))
