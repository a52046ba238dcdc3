"""Commands of the pharmacologist and the modeler: predict, qualify, evaluate, fit, estimate."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from twin_service.cli.figures import Json, Out, write_figures
from twin_service.cli.models import HELP as MODEL_HELP
from twin_service.cli.models import closed_model
from twin_service.cli.pairs import known
from twin_service.cli.prediction import predict
from twin_service.cli.virtual import virtual_patients

if TYPE_CHECKING:
    from twin_service.fit.event_table import ColumnReading, EventTable
    from twin_service.fit.individual import Estimator
    from twin_service.fit.parameters.problem import Problem
    from twin_service.model.structure import PatientModel

Model = Annotated[str, typer.Argument(help=MODEL_HELP)]
Data = Annotated[Path, typer.Argument(help="NONMEM-style event table (CSV).", exists=True)]
Map = Annotated[
    list[str] | None,
    typer.Option("--map", help="OURS=THEIRS: the table's column for ours, e.g. DV=CONC; OURS= leaves it unused."),
]
Analytes = Annotated[list[str] | None, typer.Option("--analyte", help="VALUE=ANALYTE: meaning of a DVID or CMT.")]
Inputs = Annotated[list[str] | None, typer.Option("--input", help="VALUE=ROUTE: meaning of a CMT or ROUTE.")]
Workers = Annotated[int, typer.Option(help="Processes; 0: one for each core.", min=0)]
ESTIMATOR_HELP = "auto, laplace, moments, extended, unscented or ensemble"


def register(app: typer.Typer, bench: typer.Typer) -> None:
    """Add these commands to `twin` and `twin bench`."""
    app.command()(predict)
    app.command()(qualify)
    app.command()(evaluate)
    app.command("fit-individual")(fit_individual)
    app.command()(estimate)
    app.command("virtual-patients")(virtual_patients)
    bench.command("estimation")(bench_estimation)


def qualify(
    *,
    drug: Annotated[list[str] | None, typer.Option(help="Only this drug; may be repeated.")] = None,
    qsp: Annotated[bool, typer.Option("--qsp", help="The QSP library instead.")] = False,
    estimation: Annotated[bool, typer.Option("--estimation", help="The estimators instead.")] = False,
    translation: Annotated[
        bool, typer.Option("--translation", help="From structure and animals to man instead.")
    ] = False,
    trials: Annotated[bool, typer.Option("--trials", help="Adjustment, external controls, designs instead.")] = False,
    phase1: Annotated[bool, typer.Option("--phase1", help="First dose, escalation and selection instead.")] = False,
    patients: Annotated[int, typer.Option(help="Simulated patients of each kind (--estimation).", min=2)] = 500,
    out: Out = None,
    json_file: Json = None,
) -> None:
    """Re-run the library against its published figures; with --out, an HTML report with plots."""
    more: dict[str, object] = {}
    if qsp:
        from twin_service.qualification.qsp.page import block_rows, table_lines, write_qsp_report
        from twin_service.qualification.qsp.run import check_findings, qualify_qsp

        findings = check_findings(_say)
        figures = qualify_qsp(_say, findings=findings)
        rows = block_rows(findings)
        for line in table_lines(rows):
            typer.echo(line)
        if out is not None:
            typer.echo(f"report: {write_qsp_report(findings, figures, out)}")
        more = {"blocks": [r._asdict() for r in rows]}
    elif estimation:
        figures = _estimation(out, patients)
    elif translation:
        from twin_service.qualification.reference import reference_folder
        from twin_service.qualification.translation import qualify_translation

        figures = qualify_translation(reference_folder() / "pbpk", _say)
        if find_spec("rdkit") and find_spec("lightgbm"):
            from twin_service.qualification.molecule import qualify_molecule

            figures |= qualify_molecule(reference_folder(), _say)
        else:
            _say("rdkit and lightgbm are not installed (extra `molecule`): figures from structure are left out")
    elif trials:
        from twin_service.qualification.reference import reference_folder
        from twin_service.qualification.trials.run import qualify_trials

        figures, answers = qualify_trials(reference_folder() / "trials", _say)
        more = {"cases": [c._asdict() for c in answers]}
    elif phase1:
        from twin_service.qualification.phase1.run import qualify_phase1

        figures, cases = qualify_phase1(_say)
        more = {"cases": [c._asdict() for c in cases]}
    else:
        from twin_service.qualification.pbpk.run import qualify as qualify_pbpk

        figures = qualify_pbpk(drug, report_dir=out, progress=_say)
    write_figures(figures, json_file, **more)


def evaluate(
    model: Model,
    data: Data,
    *,
    columns: Map = None,
    analytes: Analytes = None,
    inputs: Inputs = None,
    out: Out = None,
    estimator: Annotated[str, typer.Option(help=ESTIMATOR_HELP)] = "moments",
    workers: Workers = 0,
    json_file: Json = None,
) -> None:
    """One-step-ahead forecasts, NPDE, CWRES and a predictive check of a model on a data set."""
    from twin_service.fit.evaluation import evaluate as run
    from twin_service.fit.evaluation_page import write_evaluation
    from twin_service.fit.event_table import read_event_table

    closed, chosen = closed_model(model), _estimator(estimator)
    table = read_event_table(data, closed, _reading(closed, columns, analytes, inputs))
    subjects = table.subjects
    notes = [*table.notes, *_told(closed, table)]
    found = run(closed, subjects, chosen, workers=workers or os.cpu_count() or 1, say=_say)
    if out is not None:
        for path in write_evaluation(found, out, title=f"{Path(model).stem} on {data.name}", notes=notes):
            typer.echo(f"written: {path}")
    write_figures(found.figures, json_file, notes=notes)


def fit_individual(
    model: Model,
    data: Data,
    *,
    columns: Map = None,
    analytes: Analytes = None,
    inputs: Inputs = None,
    estimator: Annotated[str, typer.Option(help=ESTIMATOR_HELP)] = "laplace",
    workers: Workers = 0,
    out: Out = None,
    json_file: Json = None,
) -> None:
    """Each patient's random effects, covariance, predictions and objective."""
    from twin_service.fit.cohort_fit import fit_individuals
    from twin_service.fit.event_table import read_event_table
    from twin_service.fit.individual_page import write_individuals

    closed, chosen = closed_model(model), _estimator(estimator)
    table = read_event_table(data, closed, _reading(closed, columns, analytes, inputs))
    subjects = table.subjects
    notes = [*table.notes, *_told(closed, table)]
    fits = fit_individuals(closed, subjects, chosen, workers=workers or os.cpu_count() or 1)
    patients = [
        {
            "id": f.id,
            "eta": dict(zip(f.effects, f.eta.tolist(), strict=True)),
            "covariance": f.covariance.tolist(),
            "time_h": s.times_h.tolist(),
            "analyte": list(s.analytes),
            "value": s.values.tolist(),
            "pred": f.typical.tolist(),
            "ipred": f.individual.tolist(),
            "objective": f.objective if f.objective == f.objective else None,
            "outcome": str(f.outcome),
            "warnings": list(f.warnings),
        }
        for s, f in zip(subjects, fits, strict=True)
    ]
    for f in fits:
        if not f.outcome.ok:
            _say(f"patient {f.id}: {f.outcome}")
    if out is not None:
        page = write_individuals(closed, subjects, fits, out, title=f"{model} on {data.name}, {chosen}")[-1]
        typer.echo(f"report: {page}")
    figures = {"fit.patients": float(len(fits)), "fit.converged": float(sum(f.outcome.ok for f in fits))}
    write_figures(figures, json_file, estimator=chosen, patients=patients, notes=notes)


def estimate(
    model: Annotated[str, typer.Argument(help="Id of a QSP block, or a PEtab problem (YAML).")],
    data: Annotated[Path | None, typer.Argument(help="Table of doses and readings (CSV).")] = None,
    *,
    free: Annotated[str, typer.Option(help="Parameters to estimate, separated by commas.")] = "",
    starts: Annotated[int, typer.Option(help="Starting points.", min=1)] = 20,
    seed: Annotated[int, typer.Option(help="Seed of the starting points.")] = 1,
    out: Out = None,
    json_file: Json = None,
) -> None:
    """Maximum likelihood from many starts with profile-likelihood intervals."""
    from dataclasses import asdict

    import numpy as np

    from twin_service.fit.parameters.fit import estimate as fit
    from twin_service.fit.parameters.page import fit_figures, write_fit

    problem = _problem(model, data, [n.strip() for n in free.split(",") if n.strip()])
    fitted = fit(problem, starts=starts, rng=np.random.default_rng(seed), say=_say)
    _say(str(fitted.outcome))
    if out is not None:
        typer.echo(f"report: {write_fit(problem, fitted, out)[-1]}")
    for note in problem.notes:
        _say(note)
    figures = fit_figures(fitted)
    if all(f.nominal for f in problem.free):
        figures["estimate.log_likelihood_nominal"] = problem.log_likelihood(problem.start())
    write_figures(
        figures,
        json_file,
        problem=problem.name,
        notes=list(problem.notes),
        outcome=str(fitted.outcome),
        intervals=[asdict(i) for i in fitted.intervals],
        objectives=list(fitted.objectives),
    )


def _problem(model: str, data: Path | None, free: list[str]) -> Problem:
    if data is None:
        from twin_service.fit.petab.read import read_petab

        return read_petab(Path(model))
    from twin_service.fit.parameters.table import problem_of_table

    return problem_of_table(model, data, free=free)


def bench_estimation(
    *,
    patients: Annotated[int, typer.Option(help="Simulated patients of each kind.", min=2)] = 500,
    out: Out = None,
    json_file: Json = None,
) -> None:
    """Estimators against NONMEM, exact posteriors, real patients and simulated truth, with their speed."""
    write_figures(_estimation(out, patients), json_file)


def _estimation(out: Path | None, patients: int) -> dict[str, float]:
    from twin_service.qualification.estimation.page import write_estimation
    from twin_service.qualification.estimation.run import run_estimation

    found = run_estimation(patients=patients, say=_say)
    if out is not None:
        typer.echo(f"report: {write_estimation(found, out)}")
    return found.figures


def _estimator(name: str) -> Estimator:
    from twin_service.fit.individual import ESTIMATORS

    for one in ESTIMATORS:
        if one == name:
            return one
    raise typer.BadParameter(f"{name!r}; known: {', '.join(ESTIMATORS)}", param_hint="--estimator")


def _reading(
    model: PatientModel, columns: list[str] | None, analytes: list[str] | None, inputs: list[str] | None
) -> ColumnReading:
    """How the table is to be read. Raises Refusal for words that are no pair, and for unknown analytes and routes."""
    from twin_service.cli.pairs import pairs
    from twin_service.fit.event_table import ColumnReading

    routes = {r.route: r.input for r in model.routes}
    return ColumnReading(
        columns=pairs(columns, "--map"),
        analytes={k: known(v, model.observables, "--analyte") for k, v in pairs(analytes, "--analyte").items()},
        inputs={k: routes[known(v, routes, "--input")] for k, v in pairs(inputs, "--input").items()},
    )


def _told(model: PatientModel, table: EventTable) -> list[str]:
    """Say how the table is read, and whether it can be in those units; the doubts are returned."""
    from twin_service.fit.table_units import unit_doubts, units_of

    subjects = table.subjects
    _say(f"{len(subjects)} patients, {sum(map(len, subjects))} readings; {units_of(model, subjects)}")
    for note in table.notes:
        _say(note)
    doubts = unit_doubts(model, subjects)
    for doubt in doubts:
        _say(f"warning: {doubt}")
    return doubts


def _say(line: str) -> None:
    typer.echo(line, err=True)
