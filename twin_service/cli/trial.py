"""`twin trial`: the sponsor's desk, one step a command, all on one protocol file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from twin_service.cli.figures import Json

trial = typer.Typer(no_args_is_help=True, help="Adjusted trials, external controls, planning and interim analysis.")
Protocol = Annotated[Path, typer.Argument(help="The protocol of the analysis (trial.toml).")]
Out = Annotated[Path, typer.Option("--out", help="Folder for the page.")]
HERE = Path("trial-output")


@trial.command()
def data(protocol: Protocol, out: Out = HERE, json_file: Json = None) -> None:
    """What is in the files: readings, windows, missing data and baseline balance, before any result."""
    _run("data", protocol, out, json_file)


@trial.command()
def plan(protocol: Protocol, out: Out = HERE, json_file: Json = None) -> None:
    """How many patients, with and without control forecasts."""
    _run("plan", protocol, out, json_file)


@trial.command()
def forecast(protocol: Protocol, out: Out = HERE, json_file: Json = None) -> None:
    """Each patient's endpoint under control, from baseline alone, and how such forecasts held."""
    _run("forecast", protocol, out, json_file)


@trial.command()
def adjust(protocol: Protocol, out: Out = HERE, json_file: Json = None) -> None:
    """The effect of treatment by the protocol's method, beside the unadjusted one."""
    _run("adjust", protocol, out, json_file)


@trial.command()
def external(protocol: Protocol, out: Out = HERE, json_file: Json = None) -> None:
    """Treated patients against controls from outside, made comparable, or the reason why they cannot be."""
    _run("external", protocol, out, json_file)


@trial.command()
def borrow(protocol: Protocol, out: Out = HERE, json_file: Json = None) -> None:
    """What earlier control groups are worth, and what borrowing from them risks."""
    _run("borrow", protocol, out, json_file)


@trial.command()
def interim(protocol: Protocol, out: Out = HERE, json_file: Json = None) -> None:
    """Stopping boundaries, and where the trial stands."""
    _run("interim", protocol, out, json_file)


@trial.command()
def simulate(protocol: Protocol, out: Out = HERE, json_file: Json = None) -> None:
    """The whole design simulated: type I error, power and expected size."""
    _run("simulate", protocol, out, json_file)


def _run(name: str, protocol: Path, out: Path, json_file: Path | None) -> None:
    from rich.progress import Progress

    from twin_service.trial.desk import DeskStep, run_step
    from twin_service.trial.protocol import open_protocol

    opened = open_protocol(protocol)
    with Progress(transient=True) as bar:
        task = bar.add_task(name, total=1.0)
        done = run_step(DeskStep(name), opened, lambda share: bar.update(task, completed=share))
    typer.echo(done.result.answer)
    for note in done.result.notes:
        typer.echo(f"{'warning' if note.warning else 'note'}: {note.about}: {note.message}", err=note.warning)
    out.mkdir(parents=True, exist_ok=True)
    page = out / f"{name}.html"
    page.write_text(done.page, encoding="utf-8")
    typer.echo(f"page: {page}")
    if json_file is not None:
        json_file.parent.mkdir(parents=True, exist_ok=True)
        body = {
            "step": name,
            "protocol": opened.digest,
            "files": dict(done.digests),
            "values": dict(done.result.values),
        }
        json_file.write_text(json.dumps(body, indent=1, sort_keys=True, allow_nan=False) + "\n")
        typer.echo(f"values: {json_file}")
