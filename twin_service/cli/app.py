"""The `twin` command. Each command imports what it needs when it runs, so that `twin --help` answers at once."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from twin_service.cli import clinic, custody, discovery, feed, operate, patients, phase1, population, science
from twin_service.cli.figures import Json, write_figures
from twin_service.cli.trial import trial
from twin_service.outcome import Refusal, missing_extra

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Patient digital twins: serve, simulate, qualify.")
bench = typer.Typer(no_args_is_help=True, help="Measure speed and conformance on this machine.")
app.add_typer(bench, name="bench")
app.add_typer(trial, name="trial")

Config = Annotated[Path | None, typer.Option("--config", help="TOML file with settings; TWIN_* variables win.")]


def main() -> None:
    """Run the command; a refusal is one clear line and exit code 2."""
    try:
        app()
    except (Refusal, ModuleNotFoundError) as error:
        refusal = error if isinstance(error, Refusal) else missing_extra(error)
        if refusal is None:
            raise
        where = f" [{refusal.field}]" if refusal.field else ""
        typer.echo(f"refused{where}: {refusal.message}", err=True)
        sys.exit(2)


def _version(asked: bool) -> None:
    from importlib.metadata import version

    if asked:
        typer.echo(f"twin-service {version('twin-service')}")
        raise typer.Exit


@app.callback()
def whole(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say the version and stop.")
    ] = False,
) -> None:
    """Patient digital twins: serve, simulate, qualify."""


@app.command()
def serve(config: Config = None) -> None:
    """Start the gRPC server; stops gracefully on SIGTERM or Ctrl-C."""
    from twin_service.service.server import serve as run
    from twin_service.settings import load

    run(load(config))


@app.command()
def demo(
    out: Annotated[Path, typer.Option("--out", help="Folder for plots and the report.")] = Path("demo-output"),
    json_file: Json = None,
    serve: Annotated[bool, typer.Option("--serve", help="Keep server and page running until Ctrl-C.")] = False,
    port: Annotated[int, typer.Option(help="Port of the page with --serve.")] = 8080,
) -> None:
    """Start a server, stream real patients through it, and write a report with forecasts beside measurements."""
    from twin_service.demo.run import demo as run

    raise typer.Exit(run(out, json_file, serve=port if serve else 0))


@app.command("check-library")
def check_library(
    paths: Annotated[list[Path] | None, typer.Argument(help="Library files; none: the whole library.")] = None,
) -> None:
    """Explain every mistake in drug, physiology, population PK or QSP files; exit code 1 when there is an error."""
    from twin_service.qualification.library_files import check_paths, shipped_files

    errors = 0
    for finding in check_paths(paths or shipped_files()):
        errors += finding.is_error
        typer.echo(str(finding), err=finding.is_error)
    typer.echo(f"{errors} errors in {len(paths) if paths else len(shipped_files())} files")
    raise typer.Exit(1 if errors else 0)


@app.command("migrate-library")
def migrate_library(
    paths: Annotated[list[Path], typer.Argument(help="Library files of schema 1; comments and layout are kept.")],
) -> None:
    """Write library files in schema 2, in place; exit code 1 when one could not be."""
    from twin_service.outcome import Refusal
    from twin_service.qualification.library_files import migrate

    failed = 0
    for path in paths:
        try:
            typer.echo(f"{path}: {'now schema 2' if migrate(path) else 'nothing to change'}")
        except Refusal as refusal:
            failed += 1
            typer.echo(f"error: {refusal.message}", err=True)
    raise typer.Exit(1 if failed else 0)


@app.command()
def simulate(
    model: Annotated[Path, typer.Argument(help="SBML file, Level 2 or 3.")],
    end: Annotated[float, typer.Option(help="Last time, in the model's own unit.")],
    out: Annotated[Path, typer.Option("--out", help="CSV file to write.")],
    start: Annotated[float, typer.Option(help="First time reported.")] = 0.0,
    steps: Annotated[int, typer.Option(help="Intervals between first and last time.")] = 50,
    rtol: Annotated[float, typer.Option(help="Relative tolerance.")] = 1e-9,
    atol: Annotated[float, typer.Option(help="Absolute tolerance.")] = 1e-12,
    amounts: Annotated[str, typer.Option(help="Species to report as amounts, separated by commas.")] = "",
    concentrations: Annotated[str, typer.Option(help="Species to report as concentrations.")] = "",
) -> None:
    """Run any SBML model: time plus every species, compartment and parameter that varies."""
    from twin_service.model.sbml import load, simulate_sbml, write_csv

    table = simulate_sbml(
        load(model),
        start,
        end,
        steps,
        rtol=rtol,
        atol=atol,
        amounts=_names(amounts),
        concentrations=_names(concentrations),
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    write_csv(table, out)
    typer.echo(f"{steps + 1} times, {len(table.columns) - 1} quantities written to {out}")


def _names(text: str) -> list[str]:
    return [n.strip() for n in text.split(",") if n.strip()]


@bench.command("sbml")
def bench_sbml(
    folder: Annotated[Path, typer.Argument(help="Folder laid out as the semantic suite's `semantic`.", exists=True)],
    json_file: Json = None,
    workers: Annotated[int, typer.Option(help="Processes.")] = 2,
) -> None:
    """Run every case of an SBML semantic test suite: passed, refused by name, wrong."""
    from twin_service.qualification.bench.sbml import SbmlCase, run

    def tell(case: SbmlCase) -> None:
        if case.result != "passed":
            typer.echo(f"{case.id} {case.result}: {case.detail}", err=True)

    write_figures(run(folder, tell, workers), json_file)


@bench.command("engine")
def bench_engine(json_file: Json = None) -> None:
    """Patients per second of the engine and of its peers, accuracy, sensitivities, cold and warm start, memory."""
    from twin_service.qualification.bench.engine import run

    write_figures(run(lambda line: typer.echo(line, err=True)), json_file)


@bench.command("service")
def bench_service(
    json_file: Json = None, seconds: Annotated[float, typer.Option(help="Length of each measurement [s].")] = 4.0
) -> None:
    """Calls, durable events, assimilations and overload of a server, beside bare ceilings of the same run."""
    from twin_service.demo.load import run

    write_figures(run(lambda line: typer.echo(line, err=True), seconds), json_file)


@app.command("house", hidden=True)
def house(json_file: Json = None) -> None:
    """The code in numbers, for those who work on it: sizes, cycles, escapes from types."""
    from twin_service.qualification.house import house_figures

    write_figures(house_figures(), json_file)


@bench.command("answers")
def bench_answers(
    json_file: Json = None,
    part: Annotated[
        list[str] | None, typer.Option(help="decisions, attainment, stories, mutations; all of them when not given.")
    ] = None,
) -> None:
    """Advice against brute force, attainment on real patients, ward stories, mutated inputs (ten minutes in all)."""
    from twin_service.demo.answers import run

    write_figures(run(part or [], lambda line: typer.echo(line, err=True)), json_file)


science.register(app, bench)
population.register(app, bench)
clinic.register(app)
custody.register(app)
operate.register(app)
discovery.register(app)
patients.register(app)
phase1.register(app)
feed.register(app, bench)

if __name__ == "__main__":
    main()
