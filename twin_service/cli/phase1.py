"""`twin first-dose`, `twin escalate ...`, `twin select ...`: from animals to a first cohort, and who joins it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from twin_service.cli.figures import Json, Out, write_figures
from twin_service.outcome import Refusal, RefusalCode

Plan = Annotated[Path, typer.Argument(help="Plan file (TOML).", exists=True)]
Trial = Annotated[Path, typer.Argument(help="File of the trial, made by `twin escalate open`.")]
Seed = Annotated[int, typer.Option(help="Seed.", min=0)]

escalate = typer.Typer(no_args_is_help=True, help="Run, look back at and plan a dose escalation.")
select = typer.Typer(no_args_is_help=True, help="Patients who are likely to respond, and trials that pick them.")


def register(app: typer.Typer) -> None:
    """Add these commands to `twin`."""
    app.command("first-dose")(first_dose)
    app.add_typer(escalate, name="escalate")
    app.add_typer(select, name="select")


def first_dose(plan: Plan, *, seed: Seed = 1, out: Out = None, json_file: Json = None) -> None:
    """Starting dose, ladder, highest dose and stopping exposure; every route side by side."""
    import numpy as np

    from twin_service.trial.phase1.first_dose import first_dose as choose
    from twin_service.trial.phase1.first_dose_page import first_dose_page, write_first_dose
    from twin_service.trial.phase1.first_dose_plan import FirstDosePlan
    from twin_service.trial.phase1.plan_file import read_plan

    found = choose(read_plan(plan, FirstDosePlan), np.random.default_rng(seed))
    for line in first_dose_page(found).lead:
        typer.echo(line)
    if out is not None:
        typer.echo(f"report: {write_first_dose(found, out)}")
    figures = {
        "first_dose.start_mg": found.start_mg,
        "first_dose.maximum_mg": found.maximum_mg,
        "first_dose.stagger_h": found.stagger_h,
        "first_dose.levels": float(len(found.ladder)),
    }
    write_figures(
        figures,
        json_file,
        limiting=found.limiting.name,
        routes=[asdict(r) for r in found.routes],
        caps=[c._asdict() for c in found.caps],
        ladder=[asdict(r) for r in found.ladder],
        stopping=list(found.stopping),
        notes=list(found.notes),
    )


@escalate.command("open")
def open_(plan: Plan, trial: Trial) -> None:
    """Start a trial from a plan; refuses a first dose that breaks the design's own rule."""
    from twin_service.trial.phase1.escalation_plan import EscalationPlan
    from twin_service.trial.phase1.journal import open_trial
    from twin_service.trial.phase1.plan_file import read_plan

    read = read_plan(plan, EscalationPlan)
    open_trial(read, trial)
    typer.echo(f"opened {trial}: {read.design[0].name}, {len(read.doses)} doses")
    show(trial)


@escalate.command("record")
def record_(
    trial: Trial,
    *,
    event: Annotated[list[str] | None, typer.Option(help="An event as JSON; may be repeated.")] = None,
    dose: Annotated[float | None, typer.Option(help="A whole cohort's dose.")] = None,
    patients: Annotated[int, typer.Option(help="Patients of the whole cohort.", min=1)] = 3,
    toxicities: Annotated[int, typer.Option(help="How many of them were toxic.", min=0)] = 0,
    day: Annotated[float, typer.Option(help="Day of the trial.")] = 0.0,
) -> None:
    """Append events, or a whole cohort; all or none. Corrections tell which past decisions they change."""
    from twin_service.trial.phase1.decision import changed_by_corrections
    from twin_service.trial.phase1.journal import event_from_json, read_trial, record
    from twin_service.trial.phase1.live import TrialEvent, cohort

    _, before = read_trial(trial)
    new: list[TrialEvent] = [event_from_json(_object(e), "event") for e in event or []]
    if dose is not None:
        new += cohort(dose, patients, toxicities, day, events=before)
    if not new:
        raise Refusal(RefusalCode.INVALID, "nothing to record: give --event or --dose", field="event")
    plan, events = record(trial, new)
    typer.echo(f"recorded {len(new)} events; {len(events)} in all")
    for c in changed_by_corrections(plan, events):
        typer.echo(f"correction: before cohort {c.cohort} the answer was {c.said}, and would be {c.now}")
    show(trial)


def _object(text: str) -> dict[str, object]:
    import json

    try:
        return dict(json.loads(text))
    except ValueError as error:
        raise Refusal(RefusalCode.INVALID, f"not a JSON object: {error}", field="event") from None


@escalate.command("next")
def next_(
    trial: Trial,
    *,
    at: Annotated[int | None, typer.Option(help="As it was after so many events.", min=0)] = None,
    out: Out = None,
    json_file: Json = None,
) -> None:
    """The next dose with its reasons; with --at, a past decision made again."""
    from twin_service.trial.phase1.decision import changed_by_corrections, decide, history
    from twin_service.trial.phase1.escalation_page import write_decision
    from twin_service.trial.phase1.journal import read_trial
    from twin_service.trial.phase1.live import fold

    plan, events = read_trial(trial)
    events = events if at is None else events[:at]
    decision = decide(plan, events)
    show(trial, at)
    if out is not None:
        past, changed = history(plan, events), changed_by_corrections(plan, events)
        typer.echo(f"report: {write_decision(fold(plan, events), decision, past, changed, out)}")
    write_figures({"escalate.revision": float(decision.revision)}, json_file, decision=asdict(decision))


@escalate.command("history")
def history_(trial: Trial) -> None:
    """Every past decision, made again from the events known then."""
    from twin_service.trial.phase1.decision import history
    from twin_service.trial.phase1.escalation_page import answer
    from twin_service.trial.phase1.journal import read_trial

    plan, events = read_trial(trial)
    for k, d in enumerate(history(plan, events)):
        typer.echo(f"before cohort {k + 1}, day {d.day:g}, {d.revision} events: {answer(plan, d)} [{d.digest[:12]}]")


@escalate.command("compare")
def compare_(
    plan: Plan,
    *,
    trials: Annotated[int, typer.Option(help="Simulated trials a design and scenario.", min=100)] = 2000,
    seed: Seed = 1,
    out: Out = None,
    json_file: Json = None,
) -> None:
    """Operating characteristics of every design of the plan, and the choice under its constraints."""
    from twin_service.trial.phase1.comparison import compare
    from twin_service.trial.phase1.escalation_page import write_comparison
    from twin_service.trial.phase1.escalation_plan import EscalationPlan
    from twin_service.trial.phase1.plan_file import read_plan

    found = compare(
        read_plan(plan, EscalationPlan), trials, seed, lambda share: typer.echo(f"{100 * share:.0f} %", err=True)
    )
    for r in found.ranked:
        typer.echo(f"{r.design:12s} right {r.right:.3f} patients {r.patients:.1f} overdosed {r.overdosed:.3f}")
    typer.echo(f"chosen: {found.chosen or 'none'}; {found.reason}")
    if out is not None:
        typer.echo(f"report: {write_comparison(found, out)}")
    figures = {f"compare.{r.design}.right": r.right for r in found.ranked}
    write_figures(
        figures, json_file, chosen=found.chosen, reason=found.reason, ranked=[asdict(r) for r in found.ranked]
    )


def show(trial: Path, at: int | None = None) -> None:
    """The answer, its reasons and the table of doses on the screen."""
    from twin_service.trial.phase1.decision import decide
    from twin_service.trial.phase1.escalation_page import HEADERS, answer, view_row
    from twin_service.trial.phase1.journal import read_trial

    plan, events = read_trial(trial)
    decision = decide(plan, events if at is None else events[:at])
    typer.echo(answer(plan, decision))
    for reason in decision.reasons:
        typer.echo(f"  {reason}")
    rows = [list(HEADERS), *(view_row(v) for v in decision.doses)]
    widths = [max(len(r[k]) for r in rows) for k in range(len(HEADERS))]
    for row in rows:
        typer.echo("  " + "  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip())


@select.command("patients")
def select_patients(
    table: Annotated[Path, typer.Argument(help="CSV, a row a patient; empty outcome: asked about.", exists=True)],
    *,
    outcome: Annotated[str, typer.Option(help="Column of the response, 1 or 0.")],
    markers: Annotated[str, typer.Option(help="Columns of markers, separated by commas; all others if empty.")] = "",
    seed: Seed = 1,
    out: Out = None,
    json_file: Json = None,
) -> None:
    """Whether markers tell responders apart on patients the model never saw, and who is likely to respond."""
    import numpy as np

    from twin_service.trial.phase1.marker_table import read_markers
    from twin_service.trial.phase1.selection import explain, validate
    from twin_service.trial.phase1.selection_page import write_selection

    read = read_markers(table, outcome, [m.strip() for m in markers.split(",") if m.strip()])
    found = validate(read.seen, np.random.default_rng(seed))
    patients = [(name, explain(found.model, x, read.seen)) for name, x in read.asked] if found.useful else []
    typer.echo(found.verdict)
    for name, r in patients:
        typer.echo(f"  {name}: {r.probability:.2f} ({r.low:.2f} to {r.high:.2f})")
    if out is not None:
        typer.echo(f"report: {write_selection(found, patients, read.skipped, out)}")
    figures = {
        "select.useful": float(found.useful),
        "select.auc_nested": found.nested.auc,
        "select.auc_apparent": found.apparent.auc,
        "select.auc_corrected": found.corrected_auc,
        "select.calibration_slope": found.nested.slope,
        "select.p_value": found.p_value,
        "select.threshold": found.threshold,
    }
    write_figures(figures, json_file, verdict=found.verdict, skipped=list(read.skipped))


@select.command("designs")
def select_designs(
    *,
    prevalence: Annotated[float, typer.Option(help="Share with the marker.")],
    control: Annotated[float, typer.Option(help="Response under control.")],
    positive: Annotated[float, typer.Option(help="Response of treated patients with the marker.")],
    negative: Annotated[float, typer.Option(help="Response of treated patients without.")],
    randomized: Annotated[int, typer.Option(help="Patients randomized.", min=4)] = 100,
    sensitivity: Annotated[float, typer.Option(help="Of the assay.")] = 1.0,
    specificity: Annotated[float, typer.Option(help="Of the assay.")] = 1.0,
    trials: Annotated[int, typer.Option(help="Simulated trials.", min=100)] = 10_000,
    seed: Seed = 1,
    out: Out = None,
    json_file: Json = None,
) -> None:
    """Power, screening and time of trials in all comers, in marker-positives, and stratified."""
    import numpy as np

    from twin_service.report.page import write_page
    from twin_service.trial.phase1.enrichment import MarkerTruth, designs, perform
    from twin_service.trial.phase1.selection_page import enrichment_page

    truth = MarkerTruth.create(
        prevalence=prevalence,
        control_positive=control,
        control_negative=control,
        treated_positive=positive,
        treated_negative=negative,
        sensitivity=sensitivity,
        specificity=specificity,
    )
    found = [perform(d, truth, randomized, trials, np.random.default_rng(seed)) for d in designs()]
    if out is not None:
        typer.echo(f"report: {write_page(enrichment_page(found), out / 'designs.html')}")
    write_figures({f"select.{p.design}.power": p.power for p in found}, json_file, designs=[asdict(p) for p in found])
