"""`twin translate` and `twin molecule`: from structure, assays and animals to man."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from twin_service.cli.figures import Json, Out, write_figures


def register(app: typer.Typer) -> None:
    """Add these commands to `twin`."""
    app.command()(translate)


def translate(
    file: Annotated[
        Path | None, typer.Argument(help="A compound file (TOML): chemistry, [[animal]], [[in_vitro]].")
    ] = None,
    *,
    dose: Annotated[float, typer.Option(help="A human dose, mg; 0: no course.", min=0.0)] = 0.0,
    route: Annotated[str, typer.Option(help="oral or iv.")] = "oral",
    every: Annotated[float, typer.Option(help="Interval between doses, h.")] = 24.0,
    count: Annotated[int, typer.Option(help="Number of doses.", min=1)] = 1,
    over: Annotated[float, typer.Option(help="Length of each infusion, h.")] = 0.0,
    seed: Annotated[int, typer.Option(help="Seed of the draws.")] = 1,
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="Learn the methods' errors anew from reference data.")
    ] = False,
    out: Out = None,
    json_file: Json = None,
) -> None:
    """Man's clearance, volume, half-life, bioavailability and course from animals and in vitro, with intervals."""
    if rebuild:
        from twin_service.fit.translation.evidence import FILE, learn, write_evidence

        digest = write_evidence(learn(_reference() / "pbpk"))
        typer.echo(f"{FILE.name} written, sha256 {digest}")
    if file is None:
        if not rebuild:
            raise typer.BadParameter("name a compound file, or --rebuild", param_hint="FILE")
        return
    from twin_service.fit.predict.plan import Plan, check_plan
    from twin_service.fit.translation.compound_file import read_compound
    from twin_service.fit.translation.page import write_translation
    from twin_service.fit.translation.translate import translate as run

    plan = Plan(dose, route, every, count, over) if dose > 0 else None
    if plan is not None:
        check_plan(plan)
    found = run(read_compound(file), plan, seed=seed)
    for line in (*found.warnings, *(f"disagrees: {d}" for d in found.disagreements)):
        typer.echo(f"note: {line}", err=True)
    if out is not None:
        typer.echo(f"report written to {write_translation(found, out)}")
    methods = {q: [m._asdict() for m in ms] for q, ms in found.methods.items()}
    weights = {"clearance": dict(found.clearance.weights), "vss": dict(found.vss.weights)}
    write_figures(
        found.figures(),
        json_file,
        methods=methods,
        weights=weights,
        disagreements=list(found.disagreements),
        warnings=list(found.warnings),
        evidence=found.evidence_digest,
    )


def _reference() -> Path:
    from twin_service.qualification.reference import reference_folder

    return reference_folder()
