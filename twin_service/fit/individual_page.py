"""What `fit-individual` leaves in a folder: two tables, and a page with a course for each patient."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from twin_service.fit.individual import IndividualFit
from twin_service.fit.subject import TableSubject, predictor
from twin_service.model.structure import PatientModel
from twin_service.report.page import Page, Picture, Section, Table, write_page
from twin_service.report.text import number
from twin_service.report.theme import BLUE, GRAY, INK, panels, svg

PLOTTED_MAX = 60
POINTS = 240


def write_individuals(
    model: PatientModel, subjects: Sequence[TableSubject], fits: Sequence[IndividualFit], folder: Path, *, title: str
) -> list[Path]:
    """Write effects.csv, predictions.csv and report.html with the first 60 patients' courses; returns the files."""
    folder.mkdir(parents=True, exist_ok=True)
    written = [_effects(fits, folder / "effects.csv"), _predictions(subjects, fits, folder / "predictions.csv")]
    courses = [
        Picture(_course(model, s, f), f"patient {s.id}", small=True)
        for k, (s, f) in enumerate(zip(subjects, fits, strict=True))
        if len(s) and k < PLOTTED_MAX
    ]
    return [*written, write_page(_page(fits, courses, title), folder / "report.html")]


def _effects(fits: Sequence[IndividualFit], path: Path) -> Path:
    with path.open("w", newline="", encoding="utf-8") as f:
        table = csv.writer(f)
        names = fits[0].effects if fits else ()
        table.writerow(["ID", *names, *(f"sd_{n}" for n in names), "objective", "outcome"])
        for x in fits:
            sd = np.sqrt(np.diag(x.covariance))
            table.writerow([x.id, *map(_text, x.eta), *map(_text, sd), _text(x.objective), x.outcome])
    return path


def _predictions(subjects: Sequence[TableSubject], fits: Sequence[IndividualFit], path: Path) -> Path:
    with path.open("w", newline="", encoding="utf-8") as f:
        table = csv.writer(f)
        table.writerow(["ID", "TIME", "ANALYTE", "DV", "CENS", "PRED", "IPRED"])
        for s, x in zip(subjects, fits, strict=True):
            for k in range(len(s)):
                table.writerow(
                    [
                        s.id,
                        _text(s.times_h[k]),
                        s.analytes[k],
                        _text(s.values[k]),
                        -int(s.censoring[k]),
                        _text(x.typical[k]),
                        _text(x.individual[k]),
                    ]
                )
    return path


def _text(value: float) -> str:
    return f"{float(value):.10g}"


def _curves(
    model: PatientModel, subject: TableSubject, fit: IndividualFit, analyte: str
) -> tuple[NDArray[np.float64], ...]:
    """Times and the typical and the individual course of one analyte from the first event to the last reading."""
    start = min([d.time_h for d in subject.schedule.doses[:1]] + [float(subject.times_h[0])])
    times = np.linspace(start, float(subject.times_h[-1]) * 1.02 + 1e-6, POINTS)
    wanted = replace(
        subject,
        times_h=times,
        values=np.zeros(POINTS),
        analytes=(analyte,) * POINTS,
        censoring=np.zeros(POINTS, dtype=np.int8),
        after_dose=np.ones(POINTS, dtype=bool),
    )
    f = predictor(model, wanted)(np.vstack([np.zeros(len(fit.eta)), fit.eta]))
    return times, f[0], f[1]


def _course(model: PatientModel, subject: TableSubject, fit: IndividualFit) -> str:
    analytes = sorted(set(subject.analytes))
    figure, axes = panels(len(analytes), width=4.2 * len(analytes), height=3.2)
    for axis, analyte in zip(axes, analytes, strict=True):
        times, typical, own = _curves(model, subject, fit, analyte)
        axis.plot(times, typical, color=GRAY, lw=1.0, ls="--")
        axis.plot(times, own, color=BLUE, lw=1.6)
        here = np.array([a == analyte for a in subject.analytes])
        for flag, mark in ((0, "o"), (-1, "v"), (1, "^")):
            rows = here & (subject.censoring == flag)
            axis.plot(subject.times_h[rows], subject.values[rows], mark, color=INK, ms=4)
        axis.set(xlabel="hours", ylabel=f"{analyte.replace('_', ' ')}, {model.observables[analyte].unit}")
    return svg(figure)


def _page(fits: Sequence[IndividualFit], courses: Sequence[Picture], title: str) -> Page:
    names = fits[0].effects if fits else ()
    heads = ("patient", *(n.replace("_", " ") for n in names), "objective", "outcome", "remarks")
    table = Table(heads, [_row(x) for x in fits])
    said = ["Solid: this patient. Dashed: the typical patient. Dots: measured; triangles: beyond the assay's limit."]
    if len(fits) > PLOTTED_MAX:
        said.append(f"The first {PLOTTED_MAX} of {len(fits)} patients.")
    effects = "Random effects with their standard deviations; 0 is the typical patient."
    converged = sum(x.outcome.ok for x in fits)
    return Page(
        title,
        [f"{converged} of {len(fits)} patients' fits completed."],
        [Section("Effects", [effects], tables=[table]), Section("Courses", said, courses)],
        ["maximum a posteriori effects; effects.csv and predictions.csv hold the numbers"],
        kind="fit-individual",
    )


def _row(x: IndividualFit) -> tuple[str, ...]:
    sd = np.sqrt(np.diag(x.covariance))
    effects = [f"{m:.3f} ({s:.3f})" for m, s in zip(x.eta, sd, strict=True)]
    return (x.id, *effects, number(x.objective, 5), str(x.outcome), "; ".join(x.warnings))
