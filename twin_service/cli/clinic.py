"""`twin treat` and `twin toxicity`: what treatment by rule does, and how a drug may harm."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from twin_service.cli.figures import Json, Out, write_figures
from twin_service.cli.pairs import name_values


def register(app: typer.Typer) -> None:
    """Add these commands to `twin`."""
    app.command()(treat)
    app.command()(toxicity)


def treat(
    file: Annotated[Path, typer.Argument(help="Protocol file (TOML); see the README of the commands.", exists=True)],
    *,
    out: Out = None,
    json_file: Json = None,
) -> None:
    """Treatment by rule (hold, adjust, stop, rescue), each member of the belief by its own decisions."""
    from twin_service.cli import treatment

    ruled, plain = treatment.treated(treatment.read_protocol(file))
    for line in treatment.lines(ruled, plain):
        typer.echo(line)
    if out is not None:
        from twin_service.cli.pictures import draw_protocol

        typer.echo(f"plot: {draw_protocol(ruled, plain, out)}")
    write_figures(treatment.figures_of(ruled, plain), json_file, **treatment.told(ruled))


def toxicity(
    drug: Annotated[str, typer.Argument(help="Id of a library drug.")],
    *,
    dose: Annotated[float, typer.Option(help="Each dose, mg.")],
    route: Annotated[str, typer.Option(help="oral, iv, ... as the drug's model names it.")] = "oral",
    every: Annotated[float, typer.Option(help="Interval between doses, h.")] = 24.0,
    count: Annotated[int, typer.Option(help="Number of doses.")] = 1,
    over: Annotated[float, typer.Option(help="Length of each infusion, h; 0: at once.")] = 0.0,
    horizon: Annotated[float, typer.Option(help="How long to look, h; 0: a week after the last dose.")] = 0.0,
    patients: Annotated[int, typer.Option(help="People to simulate.", min=1)] = 500,
    person: Annotated[list[str] | None, typer.Option(help="Characteristics, name=value (age_y=70).")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the people.")] = 1,
    out: Out = None,
    json_file: Json = None,
) -> None:
    """Probabilities of QT prolongation, neutropenia, liver injury and bleeding, with exposure margins."""
    import numpy as np

    from twin_service.cli import toxicity as panel
    from twin_service.scenario.regimen import PlannedDoses, Regimen
    from twin_service.trial.toxicity import assess

    name = f"{drug} {dose:g} mg every {every:g} h, {count} times" if count > 1 else f"{drug} {dose:g} mg once"
    regimen = Regimen(name, (PlannedDoses(drug, route, dose, every, count, over),))
    found = assess(
        drug,
        regimen,
        rng=np.random.default_rng(seed),
        horizon_h=horizon,
        covariates=name_values(person or []),
        patients=patients,
    )
    for line in panel.lines(found):
        typer.echo(line)
    if out is not None:
        from twin_service.cli.pictures import write_toxicity

        typer.echo(f"report: {write_toxicity(found, out)}")
    write_figures(panel.figures_of(found), json_file, **panel.told(found))
