"""What `estimate-population` leaves in a folder: page, pictures, tables, and the library file of a new version."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from twin_service.fit.population.estimate import LikelihoodMethod, PopulationEstimate
from twin_service.fit.population.gof import Goodness, goodness
from twin_service.fit.population.library_file import estimated_table, written
from twin_service.fit.population.pictures import write_pictures
from twin_service.fit.population.table import EstimateRow, estimate_rows
from twin_service.report.page import Page, Picture, Section, Table, write_page

HEADS = ("parameter", "estimate", "unit", "standard error", "relative", "95 % interval")
METHODS = {
    LikelihoodMethod.FO: "first order (FO)",
    LikelihoodMethod.FOCE: "first order conditional (FOCE)",
    LikelihoodMethod.FOCEI: "first order conditional with interaction (FOCEI)",
    LikelihoodMethod.LAPLACE: "Laplace with the exact Hessian",
    LikelihoodMethod.AGQ: "adaptive Gauss-Hermite quadrature",
    LikelihoodMethod.IMP: "Monte Carlo EM by importance sampling (IMP)",
    LikelihoodMethod.SAEM: "stochastic approximation EM (SAEM)",
}


def write_estimate(e: PopulationEstimate, folder: Path, *, title: str, origin: str, notes: Sequence[str]) -> list[Path]:
    """report.html, estimates.csv, readings.csv, pictures, and <id>.toml; returns the files, the page last."""
    folder.mkdir(parents=True, exist_ok=True)
    g, rows = goodness(e), estimate_rows(e)
    pictures = write_pictures(e, g, folder)
    tables = [_rows_csv(rows, folder / "estimates.csv"), _readings_csv(e, g, folder / "readings.csv")]
    library = folder / f"{e.built.record.id}.toml"
    library.write_text(written(estimated_table(e, origin)), encoding="utf-8")
    page = write_page(_page(e, rows, pictures, (title, [*notes, origin])), folder / "report.html")
    return [*tables, *(folder / f for f, _ in pictures), library, page]


def fit_figures(e: PopulationEstimate) -> dict[str, float]:
    """The numbers under the table, by machine-readable name."""
    found = {
        "population.objective": e.objective,
        "population.objective_error": e.objective_error,
        "population.aic": e.aic,
        "population.bic": e.bic,
        "population.subjects": float(e.built.problem.size),
        "population.readings": float(e.built.problem.readings.seen.sum()),
        "population.parameters": float(e.parameters),
        "population.converged": float(e.found.outcome.ok),
    }
    if e.uncertainty is not None:
        found["population.condition"] = e.uncertainty.condition
    return found


def _page(
    e: PopulationEstimate, rows: Sequence[EstimateRow], pictures: Sequence[tuple[str, str]], more: tuple[str, list[str]]
) -> Page:
    title, notes = more
    size = e.built.problem
    path = "closed form" if not size.predict.costly else "differential equations by the engine"
    said = [
        f"method: {METHODS[e.method]}; model evaluated by {path}",
        "-2 ln likelihood leaves out n ln 2 pi, as NONMEM's objective does; objectives of different methods are "
        "different approximations",
        "standard errors: sandwich R^-1 S R^-1 of all free parameters; intervals symmetric on the scale of the search",
        *(f"held fixed: {n}" for n in sorted(size.space.fixed)),
        *notes,
    ]
    verdict = "The search converged." if e.found.outcome.ok else f"Not an answer yet: {e.found.outcome}"
    doubts = [] if e.found.outcome.ok else [verdict]
    lead = [f"{size.size} subjects, {int(size.readings.seen.sum())} readings; {METHODS[e.method]}."]
    sections = [
        Section("Estimates", tables=[Table(HEADS, [_row(r) for r in rows])]),
        Section("Fit", tables=[Table(("figure", "value"), _figures(e))]),
        Section("Pictures", pictures=[Picture(file, caption) for file, caption in pictures]),
    ]
    more_doubts = [w for w in e.warnings if w != str(e.found.outcome)]
    return Page(title, [*lead, *([verdict] if e.found.outcome.ok else [])], sections, said, [*doubts, *more_doubts])


def _figures(e: PopulationEstimate) -> list[tuple[str, str]]:
    error = f" ± {e.objective_error:.2f} (Monte Carlo)" if e.objective_error else ""
    found = [
        ("-2 ln likelihood", f"{e.objective:.4f}{error}"),
        ("AIC", f"{e.aic:.2f}"),
        ("BIC", f"{e.bic:.2f}"),
        ("restarts", str(e.restarts)),
    ]
    if e.uncertainty is not None:
        found.append(("condition number", f"{e.uncertainty.condition:.3g}"))
    return found


def _row(r: EstimateRow) -> tuple[str, ...]:
    def said(x: float) -> str:
        return f"{x:.4g}" if np.isfinite(x) else ""

    unit = "" if r.unit == "1" else r.unit
    relative = f"{r.rse:.0f} %" if np.isfinite(r.rse) else ""
    interval = f"{said(r.low)} to {said(r.high)}" if np.isfinite(r.low) else ""
    return _words(r.name), f"{r.value:.4g}", unit, "held" if r.fixed else said(r.se), relative, interval


def _words(name: str) -> str:
    if name.startswith("omega2["):
        return f"variance between people of {name[7:-1]}"
    if name.startswith("cov["):
        return f"covariance of {name[4:-1].replace(',', ' and ')}"
    if "[" in name:
        kind, of = name.rstrip("]").split("[")
        return f"{kind} assay SD of {of.replace('_', ' ')}"
    return name.replace("~", " on ").replace("_", " ")


def _rows_csv(rows: Sequence[EstimateRow], path: Path) -> Path:
    with path.open("w", newline="", encoding="utf-8") as f:
        table = csv.writer(f)
        table.writerow(EstimateRow._fields)
        table.writerows([f"{v:.10g}" if isinstance(v, float) else v for v in r] for r in rows)
    return path


def _readings_csv(e: PopulationEstimate, g: Goodness, path: Path) -> Path:
    names = [o["analyte"] for o in e.built.record.raw["observable"]]
    with path.open("w", newline="", encoding="utf-8") as f:
        table = csv.writer(f)
        table.writerow(["id", "time_h", "analyte", "dv", "pred", "ipred", "iwres", "cwres", "npde"])
        for k in range(len(g.y)):
            numbers = (g.y[k], g.pred[k], g.ipred[k], g.iwres[k], g.cwres[k], g.npde[k])
            table.writerow(
                [e.built.problem.ids[g.who[k]], f"{g.time[k]:.8g}", names[g.law[k]], *(f"{v:.8g}" for v in numbers)]
            )
    return path
