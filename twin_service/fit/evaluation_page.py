"""What `evaluate` leaves in a folder: a table of forecasts, three plots, a page that explains them."""

from __future__ import annotations

import csv
import html
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path

from twin_service.fit.evaluation import Evaluation, write_plots
from twin_service.fit.forecast import SubjectForecast

EXPLAINED = {
    "readings": "forecasts that were scored",
    "bias": "mean of (forecast - reading)/reading",
    "rrmse": "root mean square of (forecast - reading)/reading",
    "mape": "mean of |forecast - reading|/reading",
    "p20": "share of forecasts within 20 % of the reading",
    "p30": "share of forecasts within 30 % of the reading",
    "coverage90": "share of readings inside the 90 % band; 0.90 is right",
    "mean": "0 is right",
    "sd": "1 is right",
    "variance": "1 is right",
    "p_normal": "probability of so many NPDE so far from standard normal, were the model right",
}
STAGES = {
    "prior": "from characteristics alone",
    "posterior": "after earlier readings",
    "after1": "after one reading",
    "after2": "after two readings",
    "after3": "after three readings",
    "cwres": "conditional weighted residuals",
    "npde": "normalized prediction distribution errors",
    "population": "typical prediction",
    "individual": "individual prediction",
}


def write_evaluation(found: Evaluation, folder: Path, *, title: str, notes: Sequence[str] = ()) -> list[Path]:
    """Write forecasts.csv, the plots and report.html; returns the files."""
    folder.mkdir(parents=True, exist_ok=True)
    table = _forecasts(found.forecasts, folder / "forecasts.csv")
    plots = write_plots(found, folder, title)
    page = folder / "report.html"
    page.write_text(_page(found, plots, title, notes), encoding="utf-8")
    return [table, *plots, page]


def _forecasts(forecasts: Sequence[SubjectForecast], path: Path) -> Path:
    names = [f.name for f in fields(SubjectForecast)]
    with path.open("w", newline="", encoding="utf-8") as f:
        table = csv.writer(f)
        table.writerow(names)
        for row in map(asdict, forecasts):
            table.writerow([f"{row[n]:.10g}" if isinstance(row[n], float) else row[n] for n in names])
    return path


def _page(found: Evaluation, plots: Sequence[Path], title: str, notes: Sequence[str]) -> str:
    rows = "".join(_row(key.removeprefix("evaluate."), value) for key, value in found.figures.items())
    images = "".join(f"<img src='{p.name}' alt='{p.stem}' width='800'>" for p in plots)
    told = "".join(f"<p><b>{html.escape(n)}</b></p>" for n in notes)
    return (
        "<!doctype html><meta charset='utf-8'><title>Evaluation</title><style>body{font:15px/1.5 system-ui,sans-serif;"
        "max-width:1000px;margin:2em auto;padding:0 1em}td,th{padding:.2em .7em;border-bottom:1px solid #ddd;"
        f"text-align:left}}img{{display:block;margin:1em 0}}</style><h1>{html.escape(title)}</h1>{told}{images}"
        f"<table><tr><th>figure<th>value<th>meaning</tr>{rows}</table>\n"
    )


def _row(key: str, value: float) -> str:
    stage, _, measure = key.partition("_")
    said = "; ".join(x for x in (STAGES.get(stage, ""), EXPLAINED.get(measure, "")) if x)
    return f"<tr><td>{html.escape(key)}<td>{value:.4g}<td>{html.escape(said)}</tr>"
