"""Commands of the pharmacometrician: estimate a population model from many subjects, search covariates."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from twin_service.cli.figures import Json, Out, write_figures
from twin_service.library.files import parse_toml
from twin_service.outcome import Refusal, RefusalCode

if TYPE_CHECKING:
    from twin_service.fit.population.estimate import LikelihoodMethod
    from twin_service.model.poppk.record import PopPkRecord

File = Annotated[str, typer.Argument(help="A population PK file (TOML), or an id of the library.")]
Table = Annotated[Path, typer.Option("--data", help="NONMEM-style event table (CSV).", exists=True)]
METHODS = "fo, foce, focei, laplace, agq, imp or saem"


def register(app: typer.Typer, bench: typer.Typer) -> None:
    """Add these commands to `twin` and `twin bench`."""
    app.command("estimate-population")(estimate_population)
    bench.command("population")(bench_population)


def estimate_population(
    model: File,
    data: Table,
    *,
    method: Annotated[str, typer.Option(help=METHODS)] = "focei",
    coefficients: Annotated[bool, typer.Option("--coefficients", help="Estimate covariate coefficients too.")] = False,
    engine: Annotated[
        bool, typer.Option("--engine", help="Differential equations even where a closed form is known.")
    ] = False,
    iterations: Annotated[int, typer.Option(help="SAEM and IMP: iterations of exploration.", min=20)] = 300,
    seed: Annotated[int, typer.Option(help="Seed of what is drawn.")] = 1,
    analytes: Annotated[list[str] | None, typer.Option("--analyte", help="VALUE=ANALYTE of DVID or CMT.")] = None,
    columns: Annotated[list[str] | None, typer.Option("--map", help="OURS=COLUMN of the table.")] = None,
    out: Out = None,
    json_file: Json = None,
) -> None:
    """Typical values, spread and residuals of a population model from many subjects' data; a page and a new file."""
    from twin_service.fit.event_table import ColumnReading, read_event_table
    from twin_service.fit.population.build import BuildOptions, build_problem
    from twin_service.fit.population.estimate import EstimationOptions
    from twin_service.fit.population.estimate import estimate_population as estimate
    from twin_service.fit.population.handles import Freedom
    from twin_service.fit.population.library_file import data_digest, origin_of
    from twin_service.fit.population.page import fit_figures, write_estimate
    from twin_service.fit.population.saem import StochasticOptions
    from twin_service.fit.population.table import estimate_rows
    from twin_service.model.compose import compose
    from twin_service.model.poppk.build import build_poppk

    record, chosen = population_record(model), _method(method)
    how = ColumnReading(analytes=_pairs(analytes), columns=_pairs(columns))
    table = read_event_table(data, compose(record.id, {record.id: build_poppk(record)}), how)
    built = build_problem(record, table.subjects, BuildOptions(Freedom(coefficients), closed_form=not engine))
    stochastic = StochasticOptions(explore=iterations, settle=max(100, iterations * 2 // 3), seed=seed)
    found = estimate(built, chosen, EstimationOptions(stochastic=stochastic))
    for r in estimate_rows(found):
        shown = "held" if r.fixed else f"se {r.se:.4g}" if r.se == r.se else ""
        typer.echo(f"{r.name:36s} {r.value:12.5g} {r.unit:8s} {shown}")
    for warning in found.warnings:
        typer.echo(f"warning: {warning}", err=True)
    notes = list(table.notes)
    if out is not None:
        origin = origin_of(found, data.name, data_digest(data), datetime.now(UTC).date())
        page = write_estimate(found, out, title=record.raw.get("title", record.id), origin=origin, notes=notes)[-1]
        typer.echo(f"report: {page}")
    rows = [r._asdict() for r in estimate_rows(found)]
    write_figures(fit_figures(found), json_file, estimates=rows, warnings=list(found.warnings), notes=notes)


def bench_population(
    json_file: Json = None,
    quick: Annotated[bool, typer.Option("--quick", help="Without the simulation studies.")] = False,
) -> None:
    """Population estimation against published values and peers; one run, all figures `population.*` and `cohort.*`."""
    from twin_service.qualification.population.run import run

    write_figures(run(lambda line: typer.echo(line), quick=quick), json_file)


def population_record(model: str) -> PopPkRecord:
    """The record of a user's file or of a library id."""
    from twin_service.model.poppk.record import parse_model, read_model

    if not model.endswith(".toml"):
        return read_model(model)
    return parse_model(parse_toml(Path(model), "model"))


def _method(text: str) -> LikelihoodMethod:
    from twin_service.fit.population.estimate import LikelihoodMethod

    try:
        return LikelihoodMethod(text.lower())
    except ValueError:
        raise Refusal(
            RefusalCode.INVALID,
            f"method {text!r} is unknown; known: {METHODS}",
            field="method",
            reason="UNKNOWN_METHOD",
        ) from None


def _pairs(given: list[str] | None) -> dict[str, str]:
    found = {}
    for text in given or []:
        left, equals, right = text.partition("=")
        if not equals:
            raise Refusal(RefusalCode.INVALID, f"{text!r}: expected NAME=VALUE", field="options", reason="BAD_OPTION")
        found[left.strip()] = right.strip()
    return found
