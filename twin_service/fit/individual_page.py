"""What `fit-individual` leaves in a folder: two tables, a plot for each patient, a page that shows them."""

from __future__ import annotations

import csv
import html
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from twin_service.fit.individual import IndividualFit
from twin_service.fit.subject import TableSubject, predictor
from twin_service.model.structure import PatientModel

PLOTTED_MAX = 60
POINTS = 240


def write_individuals(
    model: PatientModel, subjects: Sequence[TableSubject], fits: Sequence[IndividualFit], folder: Path, *, title: str
) -> list[Path]:
    """Write effects.csv, predictions.csv, plots/*.png (the first 60 patients) and report.html; returns the files."""
    folder.mkdir(parents=True, exist_ok=True)
    written = [_effects(fits, folder / "effects.csv"), _predictions(subjects, fits, folder / "predictions.csv")]
    plots = [
        _plot(model, s, f, folder / "plots" / f"{k:03d}.png")
        for k, (s, f) in enumerate(zip(subjects, fits, strict=True))
        if len(s) and k < PLOTTED_MAX
    ]
    page = folder / "report.html"
    page.write_text(_page(fits, plots, title), encoding="utf-8")
    return [*written, *plots, page]


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


def _plot(model: PatientModel, subject: TableSubject, fit: IndividualFit, path: Path) -> Path:
    from matplotlib.figure import Figure

    analytes = sorted(set(subject.analytes))
    figure = Figure(figsize=(4.2 * len(analytes), 3.2), layout="constrained")
    for axis, analyte in zip(np.atleast_1d(figure.subplots(1, len(analytes))), analytes, strict=True):
        times, typical, own = _curves(model, subject, fit, analyte)
        axis.plot(times, typical, color="0.6", lw=1.0, label="typical")
        axis.plot(times, own, color="C0", label="this patient")
        here = np.array([a == analyte for a in subject.analytes])
        for flag, mark in ((0, "o"), (-1, "v"), (1, "^")):
            rows = here & (subject.censoring == flag)
            axis.plot(subject.times_h[rows], subject.values[rows], mark, color="C3", ms=4)
        axis.set(xlabel="time (h)", ylabel=f"{analyte} ({model.observables[analyte].unit})")
        axis.legend(fontsize=7)
    figure.suptitle(f"patient {subject.id}", fontsize=9)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=100)
    return path


def _page(fits: Sequence[IndividualFit], plots: Sequence[Path], title: str) -> str:
    def row(x: IndividualFit) -> str:
        sd = np.sqrt(np.diag(x.covariance))
        cells = [f"{m:.3f} ({s:.3f})" for m, s in zip(x.eta, sd, strict=True)]
        cells += [f"{x.objective:.3f}", str(x.outcome), "; ".join(x.warnings)]
        return "<tr><td>" + html.escape(x.id) + "".join(f"<td>{html.escape(c)}" for c in cells)

    names = fits[0].effects if fits else ()
    head = "".join(f"<th>{html.escape(n)}" for n in ("patient", *names, "objective", "outcome", "remarks"))
    images = "".join(f"<img src='plots/{p.name}' alt='course of a patient' width='420'>" for p in plots)
    more = "" if len(fits) <= PLOTTED_MAX else f"<p>Plots of the first {PLOTTED_MAX} of {len(fits)} patients.</p>"
    return (
        "<!doctype html><meta charset='utf-8'><title>Individual fits</title><style>body{font:15px/1.5 system-ui,"
        "sans-serif;max-width:1300px;margin:2em auto;padding:0 1em}td,th{padding:.2em .7em;border-bottom:1px solid "
        f"#ddd;text-align:left}}</style><h1>{html.escape(title)}</h1><p>Random effects with their standard deviations; "
        "0 is the typical patient.</p>"
        f"<table><tr>{head}{''.join(map(row, fits))}</table>{more}<p>Triangles are levels beyond the assay's limit."
        f"</p>{images}\n"
    )
