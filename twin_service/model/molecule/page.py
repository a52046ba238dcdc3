"""The page of a molecule: its drawing, every property with its interval, and the measured neighbors beside it."""

from __future__ import annotations

import html
from collections.abc import Sequence
from pathlib import Path

from twin_service.model.molecule.prediction import PredictedProperty
from twin_service.model.molecule.structure import Molecule

STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:1080px;margin:2em auto;padding:0 1em;color:#222}"
    "table{border-collapse:collapse}td,th{padding:.25em .8em;border-bottom:1px solid #ddd;text-align:left}"
    ".far{color:#D55E00}.near{display:flex;flex-wrap:wrap;gap:12px}figure{margin:0;font-size:12px}"
)


def write_molecule(molecule: Molecule, found: Sequence[PredictedProperty], digest: str, folder: Path) -> Path:
    """Write report.html into `folder`; returns the page."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = "".join(_row(p) for p in found)
    neighbors = "".join(_neighbors(p) for p in found)
    doubts = "".join(f"<li>{html.escape(d)}" for d in dict.fromkeys(d for p in found for d in p.doubts))
    page = folder / "report.html"
    page.write_text(
        "<!doctype html><html lang='en'><meta charset='utf-8'><meta name='viewport' content='width=device-width'>"
        f"<title>Predicted from structure</title><style>{STYLE}</style><h1>Predicted from structure</h1>"
        f"{draw(molecule.smiles, 380, 260)}<p><code>{html.escape(molecule.smiles)}</code>, "
        f"{molecule.molar_mass:.1f} g/mol</p>"
        "<table><tr><th>property<th>value<th>80 of 100 such compounds lie in<th>unit<th>nearest measured"
        f"{rows}</table><h2>To be aware of</h2><ul>{doubts or '<li>nothing'}</ul>"
        f"<h2>Measured neighbors</h2>{neighbors}"
        f"<details><summary>What this rests on</summary><p>Models {html.escape(digest)}. Intervals are conformal: "
        "errors on molecules whose scaffold was left out, of the same similarity class.</p></details></html>",
        encoding="utf-8",
    )
    return page


def _row(p: PredictedProperty) -> str:
    flag = "" if p.in_domain else " class='far'"
    where = f"similarity {p.similarity:.2f}" + ("" if p.in_domain else ", outside the domain")
    return (
        f"<tr><td>{html.escape(p.words)}<td>{p.value:.3g}<td>{p.low:.3g} to {p.high:.3g}<td>{p.unit}<td{flag}>{where}"
    )


def _neighbors(p: PredictedProperty) -> str:
    figures = "".join(
        f"<figure>{draw(n.smiles, 210, 140)}<figcaption>measured {n.value:.3g} {p.unit}<br>similarity "
        f"{n.similarity:.2f}</figcaption></figure>"
        for n in p.neighbors
    )
    return f"<h3>{html.escape(p.words)}: predicted {p.value:.3g} {p.unit}</h3><div class='near'>{figures}</div>"


def draw(smiles: str, width: int, height: int) -> str:
    """The structure as SVG."""
    from rdkit import Chem
    from rdkit.Chem.Draw import rdMolDraw2D

    drawer = rdMolDraw2D.MolDraw2DSVG(width, height)
    drawer.DrawMolecule(Chem.MolFromSmiles(smiles))
    drawer.FinishDrawing()
    text = drawer.GetDrawingText()
    return str(text[text.index("<svg") :])
