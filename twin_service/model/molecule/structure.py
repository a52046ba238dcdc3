"""A SMILES as one neutral organic molecule, or a refusal that says what it is instead."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from twin_service.outcome import Refusal, RefusalCode

if TYPE_CHECKING:
    from rdkit.Chem import Mol

ORGANIC: Final = frozenset({"H", "B", "C", "N", "O", "F", "Si", "P", "S", "Cl", "Se", "Br", "I"})
PEPTIDE_BONDS: Final = 4
MACROCYCLE: Final = 12
LARGEST_G_MOL: Final = 1000.0
PEPTIDE: Final = "[NX3][CX4][CX3](=O)[NX3][CX4][CX3](=O)"


@dataclass(frozen=True)
class Molecule:
    """The neutral form's canonical SMILES, its InChIKey skeleton and scaffold, and why it may be no small molecule."""

    smiles: str
    key: str
    scaffold: str
    molar_mass: float
    doubts: tuple[str, ...] = ()


def read_molecule(text: str) -> Molecule:
    """Parsed and neutralized. Raises Refusal for what is no single organic molecule."""
    from rdkit import Chem, RDLogger
    from rdkit.Chem.Descriptors import MolWt
    from rdkit.Chem.MolStandardize.rdMolStandardize import Uncharger
    from rdkit.Chem.Scaffolds.MurckoScaffold import MurckoScaffoldSmiles

    RDLogger.DisableLog("rdApp.*")
    molecule = Chem.MolFromSmiles(text.strip()) if text.strip() else None
    if molecule is None:
        raise _refuse(text, "is no SMILES that parses; check brackets, ring closures and valences", "BAD_SMILES")
    pieces = Chem.GetMolFrags(molecule, asMols=True)
    if len(pieces) > 1:
        parts = ", ".join(Chem.MolToSmiles(p) for p in pieces)
        raise _refuse(text, f"is a salt or mixture of {len(pieces)} ({parts}); enter the one that acts", "MIXTURE")
    strange = sorted({a.GetSymbol() for a in molecule.GetAtoms()} - ORGANIC)
    if strange:
        raise _refuse(
            text, f"holds {', '.join(strange)}: no metal or inorganic was in the training data", "NOT_ORGANIC"
        )
    if not any(a.GetSymbol() == "C" for a in molecule.GetAtoms()):
        raise _refuse(text, "has no carbon", "NOT_ORGANIC")
    neutral = Chem.MolFromSmiles(Chem.MolToSmiles(Uncharger().uncharge(molecule)))
    if neutral is None:
        raise _refuse(text, "could not be neutralized", "BAD_SMILES")
    return Molecule(
        Chem.MolToSmiles(neutral),
        Chem.MolToInchiKey(neutral)[:14],
        MurckoScaffoldSmiles(mol=neutral),
        float(MolWt(neutral)),
        _doubts(neutral),
    )


def _doubts(molecule: Mol) -> tuple[str, ...]:
    """Kinds of molecule the training data hardly hold."""
    from rdkit import Chem
    from rdkit.Chem.Descriptors import MolWt

    found = []
    if len(molecule.GetSubstructMatches(Chem.MolFromSmarts(PEPTIDE))) >= PEPTIDE_BONDS - 1:
        found.append("a peptide: carriers and peptidases are not in these models")
    if any(len(r) >= MACROCYCLE for r in molecule.GetRingInfo().AtomRings()):
        found.append("a macrocycle: its shape hides polar groups that the descriptors count")
    if MolWt(molecule) > LARGEST_G_MOL:
        found.append(f"heavier than {LARGEST_G_MOL:g} g/mol")
    return tuple(found)


def _refuse(text: str, what: str, reason: str) -> Refusal:
    shown = text if len(text) <= 60 else text[:57] + "..."
    return Refusal(RefusalCode.INVALID, f"{shown!r} {what}", field="smiles", reason=reason)
