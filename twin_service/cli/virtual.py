"""`twin virtual-patients`: plausible patients of a model and, where targets are given, a virtual population."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from twin_service.cli.figures import Json, Out, write_figures
from twin_service.cli.models import HELP, closed_model
from twin_service.cli.pairs import name_values


def virtual_patients(
    model: Annotated[str, typer.Argument(help=HELP)],
    *,
    targets: Annotated[Path | None, typer.Option(help="Measures, bounds and targets (TOML).")] = None,
    size: Annotated[int, typer.Option(help="Candidates to draw.", min=10, max=1_000_000)] = 5000,
    method: Annotated[str, typer.Option(help="max_entropy (weights) or accept_reject (selection)")] = "max_entropy",
    widen: Annotated[float, typer.Option(help="Spread of the candidates over the model's own.", min=0.1)] = 1.0,
    person: Annotated[list[str] | None, typer.Option(help="Characteristics, name=value.")] = None,
    seed: Annotated[int, typer.Option(help="Seed.")] = 1,
    out: Out = None,
    json_file: Json = None,
) -> None:
    """Plausible virtual patients of a model, weighed or selected to look like real ones."""
    import numpy as np

    from twin_service.cohort.plausible import draw_effects, plausible_cloud
    from twin_service.cohort.targets import observed_at_start, read_targets
    from twin_service.cohort.weighting import accept_reject, max_entropy

    if method not in ("max_entropy", "accept_reject"):
        raise typer.BadParameter(f"{method!r}; known: max_entropy, accept_reject", param_hint="--method")
    closed = closed_model(model)
    wanted = read_targets(targets, closed) if targets is not None else observed_at_start(closed)
    rng = np.random.default_rng(seed)
    typer.echo(f"{size} candidates of {closed.id}", err=True)
    eta = draw_effects(closed, size, rng, widen=widen)
    times = np.linspace(0.0, wanted.horizon_h, 201)
    cloud = plausible_cloud(closed, wanted.measures, eta, times, covariates=name_values(person or []))
    typer.echo(f"{len(cloud.eta)} plausible: {cloud.outcome}", err=True)
    figures = {"virtual.candidates": float(size), "virtual.plausible": float(len(cloud.eta))}
    weights = np.full(len(cloud.eta), 1.0 / max(len(cloud.eta), 1))
    more: dict[str, Any] = {"measures": [m.name for m in cloud.measures], "outcome": str(cloud.outcome)}
    if wanted.targets:
        chosen = max_entropy if method == "max_entropy" else lambda c, t: accept_reject(c, t, rng)
        found = chosen(cloud, wanted.targets)
        weights = found.weights
        typer.echo(f"{found.method}: effective size {found.ess:.0f}; {found.outcome}", err=True)
        figures |= {"virtual.effective_size": found.ess}
        figures |= {f"virtual.ks.{t.measure}": k for t, k in zip(found.targets, found.ks, strict=True)}
        more |= {"outcome": str(found.outcome), "method": found.method, "correlation": found.correlation.tolist()}
    if out is not None:
        for path in _write(closed, cloud, weights, wanted, out):
            typer.echo(f"written: {path}")
    write_figures(figures, json_file, **more)


def _write(model: Any, cloud: Any, weights: Any, wanted: Any, folder: Path) -> list[Path]:
    """patients.csv with effects, measures and weights, and a histogram of each measure with its target."""
    import csv

    import numpy as np
    from matplotlib.figure import Figure

    folder.mkdir(parents=True, exist_ok=True)
    table = folder / "patients.csv"
    with table.open("w", newline="", encoding="utf-8") as f:
        rows = csv.writer(f)
        rows.writerow([*(e.name for e in model.effects), *(m.name for m in cloud.measures), "weight"])
        rows.writerows([f"{v:.8g}" for v in r] for r in np.column_stack([cloud.eta, cloud.values, weights]))
    count = len(cloud.measures)
    figure = Figure(figsize=(4.2 * min(count, 3), 3.2 * -(-count // 3)), layout="constrained")
    axes = np.atleast_1d(figure.subplots(-(-count // 3), min(count, 3))).ravel()
    for axis in axes[count:]:
        axis.set_visible(False)
    targets = {t.measure: t for t in wanted.targets}
    for axis, m, x in zip(axes, cloud.measures, cloud.scaled.T, strict=False):
        axis.hist(x, bins=40, density=True, color="0.85", label="plausible")
        if m.name in targets:
            t = targets[m.name]
            axis.hist(x, bins=40, density=True, weights=weights, histtype="step", color="C0", label="population")
            grid = np.linspace(t.mean - 4 * t.sd, t.mean + 4 * t.sd, 200)
            density = np.exp(-0.5 * ((grid - t.mean) / t.sd) ** 2) / (t.sd * np.sqrt(2 * np.pi))
            axis.plot(grid, density, color="C3", label="target")
        axis.set(xlabel=f"log {m.name}" if m.log else m.name, ylabel="density")
        axis.legend(fontsize=7)
    plot = folder / "measures.png"
    figure.savefig(plot, dpi=110)
    return [table, plot]
