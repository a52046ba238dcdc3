"""`twin ingest` at work: files in, progress and a table out."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from twin_client import ClientError, TwinClient
from twin_client.ehr.backend import FhirServer, PullError
from twin_client.ehr.feed import Sender
from twin_client.ehr.folder import Folder, opened
from twin_client.ehr.ingest import Ingest, Options
from twin_client.ehr.pull import Mark, pull
from twin_client.ehr.report import FATES, FileReport, Report
from twin_client.ehr.site import TwinModel
from twin_service.outcome import Refusal, RefusalCode

LOOK_S = 2.0
REASONS = 12


def run(source: Path, client: TwinClient, model: TwinModel, options: Options, *, watch: bool) -> Report:
    """Read and send all of `source`; watching, whatever arrives until interrupted. Raises Refusal when it cannot."""
    is_pipe = str(source) == "-"
    if not is_pipe and not source.exists():
        raise Refusal(RefusalCode.INVALID, f"{source} does not exist", field="source")
    made = [0]

    def count() -> None:
        made[0] += 1

    work = Ingest(Sender(client, model, count), options)
    try:
        with _progress() as bar:
            if is_pipe:
                work.read("-", sys.stdin.buffer)
                _send(work, bar)
            else:
                _files(work, Folder(source), bar, watch)
    except ClientError as error:
        said = f"the service did not take it: {error}; nothing acknowledged is lost, run the same command again"
        raise Refusal(RefusalCode.PRECONDITION, said, field="--server") from None
    except KeyboardInterrupt:
        typer.echo("stopped; run the same command again to go on", err=True)
    finally:
        work.close()
    report = Report(work.report.files, made[0])
    _tell(report)
    return report


def run_pull(
    source: FhirServer, mark: Path, every_s: float, client: TwinClient, model: TwinModel, options: Options
) -> None:
    """Rounds of a FHIR server, each told; a round that fails moves no mark. Raises Refusal when one round does."""
    while True:
        made = [0]

        def count(made: list[int] = made) -> None:
            made[0] += 1

        work = Ingest(Sender(client, model, count), options)
        try:
            pull(source, work, Mark(mark))
            _tell(Report(work.report.files, made[0]))
        except (PullError, ClientError) as error:
            if not every_s:
                said = f"{error}; the mark was not moved, run the same command again"
                raise Refusal(RefusalCode.PRECONDITION, said) from None
            typer.echo(f"this round failed, the next one reads the same again: {error}", err=True)
        finally:
            work.close()
        if not every_s:
            return
        time.sleep(every_s)


def _files(work: Ingest, folder: Folder, bar: Progress, watch: bool) -> None:
    found = folder.files()
    while True:
        if found:
            task = bar.add_task("reading", total=len(found))
            for path in found:
                bar.update(task, description=f"reading {path.name[:40]}")
                with opened(path) as stream:
                    work.read(path.name, stream)
                bar.advance(task)
            _send(work, bar)
        if not watch:
            return
        time.sleep(LOOK_S)
        found = folder.settled()


def _send(work: Ingest, bar: Progress) -> None:
    task = bar.add_task("sending patients", total=None)
    work.send(lambda done, of: bar.update(task, completed=done, total=of))


def _progress() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty())


def _tell(report: Report) -> None:
    console = Console(width=max(Console().width, 120))
    table = Table(title=f"{len(report.files)} files, {report.twins_made} twins made", box=SIMPLE_HEAD)
    table.add_column("file", overflow="fold", min_width=12)
    for fate in ("entries", *FATES):
        table.add_column(fate, justify="right", no_wrap=True, min_width=len(fate))
    table.add_column("events")
    for file in report.files:
        events = ", ".join(f"{n} {k}" for k, n in file.events.items() if n)
        table.add_row(file.name, str(file.entries), *(str(file.fates[f]) for f in FATES), events)
    console.print(table)
    for file in report.files:
        _tell_file(console, file)


def _tell_file(console: Console, file: FileReport) -> None:
    if file.error:
        console.print(f"{file.name} refused: {file.error}", markup=False)
    for (reason, remedy), n in file.reasons.most_common(REASONS):
        console.print(f"{file.name}: {n} x {reason}; {remedy}", markup=False, highlight=False)
    if len(file.reasons) > REASONS:
        console.print(f"{file.name}: {len(file.reasons) - REASONS} more reasons; --json lists all")
