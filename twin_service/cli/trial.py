"""`twin trial`: the sponsor's desk, one step a command, all on one protocol file."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from twin_service.cli.figures import Json

if TYPE_CHECKING:
    from twin_service.trial.note import Note

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


@trial.command()
def report(
    protocol: Protocol,
    out: Out = HERE,
    created: Annotated[str, typer.Option(help="The package's hour, ISO 8601; empty: now.")] = "",
    json_file: Json = None,
) -> None:
    """All steps the protocol speaks of on one page, and the package: ADaM data sets, define.xml, checklist, log."""
    from twin_service.trial.package.build import build_package
    from twin_service.trial.protocol import open_protocol

    opened = open_protocol(protocol)
    when = created or datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S")
    with _bar("report") as tell:
        made = build_package(opened, protocol.read_text(encoding="utf-8"), when, tell)
    typer.echo(made.answer)
    _tell_notes(made.notes)
    folder = out / "package"
    folder.mkdir(parents=True, exist_ok=True)
    for name, raw in made.files.items():
        (folder / name).write_bytes(raw)
    typer.echo(f"package: {folder} ({len(made.files)} files); page: {folder / 'report.html'}")
    if json_file is not None:
        json_file.parent.mkdir(parents=True, exist_ok=True)
        json_file.write_bytes(made.files["values.json"])


@trial.command()
def rerun(
    log: Annotated[Path, typer.Argument(help="The package's analysis_log.json.")],
    data: Annotated[Path, typer.Option("--data", help="Folder of the files that were analyzed.")] = Path("."),
) -> None:
    """Carry out a logged analysis again; exit code 1 when any file is not the same, byte by byte."""
    from twin_service.trial.package.build import rerun as again
    from twin_service.trial.package.log import read_log
    from twin_service.trial.protocol import folder_files

    with _bar("rerun") as tell:
        found = again(read_log(log.read_bytes()), folder_files(data), tell)
    for name, same in found.items():
        typer.echo(f"{'same' if same else 'DIFFERENT'}: {name}", err=not same)
    raise typer.Exit(0 if all(found.values()) else 1)


@contextmanager
def _bar(name: str) -> Iterator[Callable[[float], None]]:
    from rich.progress import Progress

    with Progress(transient=True) as bar:
        task = bar.add_task(name, total=1.0)
        yield lambda share: bar.update(task, completed=share)


def _tell_notes(notes: Iterable[Note]) -> None:
    for note in notes:
        typer.echo(f"{'warning' if note.warning else 'note'}: {note.about}: {note.message}", err=note.warning)


def _run(name: str, protocol: Path, out: Path, json_file: Path | None) -> None:
    from twin_service.trial.desk import DeskStep, run_step
    from twin_service.trial.protocol import open_protocol

    opened = open_protocol(protocol)
    with _bar(name) as tell:
        done = run_step(DeskStep(name), opened, tell)
    typer.echo(done.result.answer)
    _tell_notes(done.result.notes)
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
