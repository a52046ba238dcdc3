"""What every measuring command ends with: its figures on the screen and, when asked, as JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

Json = Annotated[Path | None, typer.Option("--json", help="Write the figures to this file as JSON.")]
Out = Annotated[Path | None, typer.Option("--out", help="Folder for plots and reports.")]


def write_figures(figures: dict[str, float], path: Path | None, **more: object) -> None:
    """Print `figures` a line each; write {"figures": ..., **more} to `path` when there is one."""
    for name, value in figures.items():
        typer.echo(f"{name:44s} {value:.6g}")
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"figures": figures, **more}, indent=1, sort_keys=True) + "\n")
        typer.echo(f"figures written to {path}")
