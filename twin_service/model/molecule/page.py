"""The page of a molecule: its drawing, every property with its interval, and the measured neighbors beside it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from twin_service.model.molecule.prediction import PredictedProperty
from twin_service.model.molecule.structure import Molecule
from twin_service.report.page import Page, Picture, Section, Table, write_page
from twin_service.report.text import number

HEADS = ("property", "value", "80 of 100 such compounds lie in", "unit", "nearest measured")


def write_molecule(molecule: Molecule, found: Sequence[PredictedProperty], digest: str, folder: Path) -> Path:
    """Write report.html into `folder`; returns the page."""
    far = {k: "harm" for k, p in enumerate(found) if not p.in_domain}
    drawing = Picture(draw(molecule.smiles, 380, 260), f"{molecule.smiles}, {molecule.molar_mass:.1f} g/mol")
    sections = [
        Section("The molecule", pictures=[drawing]),
        Section("Properties", tables=[Table(HEADS, [_row(p) for p in found], marks=far)]),
        *(_neighbors(p) for p in found),
    ]
    basis = [
        f"models {digest}",
        "intervals are conformal: errors on molecules whose scaffold was left out, of the same similarity class",
    ]
    doubts = list(dict.fromkeys(d for p in found for d in p.doubts))
    lead = [f"{sum(p.in_domain for p in found)} of {len(found)} properties lie inside the models' domain."]
    return write_page(
        Page("Predicted from structure", lead, sections, basis, doubts, "molecule"), folder / "report.html"
    )


def _row(p: PredictedProperty) -> tuple[str, ...]:
    where = f"similarity {p.similarity:.2f}" + ("" if p.in_domain else ", outside the domain")
    return p.words, number(p.value), f"{number(p.low)} to {number(p.high)}", p.unit, where


def _neighbors(p: PredictedProperty) -> Section:
    figures = [
        Picture(
            draw(n.smiles, 210, 140), f"measured {number(n.value)} {p.unit}, similarity {n.similarity:.2f}", small=True
        )
        for n in p.neighbors
    ]
    return Section(f"{p.words}: predicted {number(p.value)} {p.unit}; measured neighbors", pictures=figures)


def draw(smiles: str, width: int, height: int) -> str:
    """The structure as SVG."""
    from rdkit import Chem
    from rdkit.Chem.Draw import rdMolDraw2D

    drawer = rdMolDraw2D.MolDraw2DSVG(width, height)
    drawer.DrawMolecule(Chem.MolFromSmiles(smiles))
    drawer.FinishDrawing()
    text = drawer.GetDrawingText()
    return str(text[text.index("<svg") :])
