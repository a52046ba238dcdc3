"""`twin translate` and `twin molecule`: from structure, assays and animals to man."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from twin_service.cli.figures import Json, Out, write_figures

if TYPE_CHECKING:
    from twin_service.model.molecule.prediction import PredictedProperty


def register(app: typer.Typer) -> None:
    """Add these commands to `twin`."""
    app.command()(translate)
    app.command()(molecule)


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
    from twin_service.fit.predict.plan import DosePlan, check_plan
    from twin_service.fit.translation.compound_file import read_compound
    from twin_service.fit.translation.page import write_translation
    from twin_service.fit.translation.translate import translate as run

    plan = DosePlan(dose, route, every, count, over) if dose > 0 else None
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


def molecule(
    smiles: Annotated[str, typer.Argument(help="A SMILES, or a CSV file with a column SMILES.")] = "",
    *,
    rebuild: Annotated[bool, typer.Option("--rebuild", help="Train every model anew from reference data.")] = False,
    name: Annotated[str, typer.Option(help="Id of the drug that --out writes.")] = "",
    out: Annotated[Path | None, typer.Option("--out", help="drug.toml to write, or a folder for the page.")] = None,
    json_file: Json = None,
) -> None:
    """Properties of a molecule from its structure, each with a conformal interval and its measured neighbors."""
    from twin_service.model.molecule.drug_text import as_figures, drug_text
    from twin_service.model.molecule.page import write_molecule
    from twin_service.model.molecule.prediction import predict_properties
    from twin_service.model.molecule.store import build_models, load_or_build
    from twin_service.model.molecule.structure import read_molecule
    from twin_service.qualification.reference import trained_folder

    _needs_extra()
    models = (build_models if rebuild else load_or_build)(_reference(), _say, trained_folder())
    if not smiles:
        typer.echo(f"models {models.digest}")
        return
    if smiles.endswith(".csv"):
        _many(Path(smiles), json_file)
        return
    read = read_molecule(smiles)
    found = predict_properties([read], models)[0]
    for p in found:
        flag = "" if p.in_domain else "  outside the domain"
        typer.echo(f"{p.words:40s} {p.value:9.3g} ({p.low:.3g} to {p.high:.3g}) {p.unit}{flag}")
    for doubt in dict.fromkeys(d for p in found for d in p.doubts):
        typer.echo(f"note: {doubt}", err=True)
    if out is not None and out.suffix == ".toml":
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(drug_text(read, found, models.digest, name=name or out.stem), encoding="utf-8")
        typer.echo(f"drug file written to {out}")
    elif out is not None:
        typer.echo(f"report written to {write_molecule(read, found, models.digest, out)}")
    rows = [_row(p) for p in found]
    write_figures(dict(as_figures(found)), json_file, smiles=read.smiles, models=models.digest, properties=rows)


def _many(path: Path, json_file: Path | None) -> None:
    """Every molecule of a CSV file: one line each, refusals named and counted."""
    import csv

    from twin_service.model.molecule.prediction import predict_properties
    from twin_service.model.molecule.store import load_or_build
    from twin_service.model.molecule.structure import Molecule, read_molecule
    from twin_service.outcome import Refusal, RefusalCode
    from twin_service.qualification.reference import trained_folder

    written = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
    if not written or "SMILES" not in written[0]:
        raise Refusal(RefusalCode.INVALID, f"{path.name} has no column SMILES", field="smiles", reason="BAD_TABLE")
    read: dict[int, Molecule] = {}
    refused = []
    for i, row in enumerate(written):
        try:
            read[i] = read_molecule(row["SMILES"])
        except Refusal as refusal:
            refused.append(f"row {i + 2}: {refusal.message}")
    found = predict_properties(list(read.values()), load_or_build(_reference(), _say, trained_folder())) if read else []
    for line in refused:
        _say(f"refused: {line}")
    molecules = [
        {"smiles": written[i]["SMILES"], "properties": [_row(p) for p in each]}
        for i, each in zip(read, found, strict=True)
    ]
    counts = {"molecule.predicted": float(len(read)), "molecule.refused": float(len(refused))}
    write_figures(counts, json_file, molecules=molecules, refused=refused)


def _row(p: PredictedProperty) -> dict[str, object]:
    from dataclasses import asdict

    return {**asdict(p), "neighbors": [n._asdict() for n in p.neighbors]}


def _needs_extra() -> None:
    from importlib.util import find_spec

    from twin_service.outcome import Refusal, RefusalCode

    missing = [m for m in ("rdkit", "lightgbm") if find_spec(m) is None]
    if missing:
        message = f"{' and '.join(missing)} not installed: pip install 'twin-service[molecule]'"
        raise Refusal(RefusalCode.PRECONDITION, message, field="molecule", reason="EXTRA_MISSING")


def _say(line: str) -> None:
    typer.echo(line, err=True)
