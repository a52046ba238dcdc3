"""Where a molecule is charged: groups with their typical pKa, for want of permissive data to train a model on.

Typical values of Perrin, Dempsey & Serjeant 1981 (pKa Prediction for Organic Acids and Bases) and Hansch 1990; a
substituent moves a group's pKa by a unit or more, so a measured value is worth much (`worth`).
"""

from __future__ import annotations

from typing import Final, NamedTuple


class IonizableGroup(NamedTuple):
    """An ionizable group: SMARTS of its atom, charge, typical pKa."""

    words: str
    smarts: str
    charge: str
    pka: float


# In order: an atom that one row takes is not taken by a later one.
GROUPS: Final = (
    IonizableGroup("carboxylic acid", "[OX2H1]C(=O)[#6]", "acid", 4.2),
    IonizableGroup("sulfonic acid", "[OX2H1]S(=O)(=O)[#6]", "acid", -1.0),
    IonizableGroup("phosphonic or phosphoric acid", "[OX2H1]P(=O)", "acid", 2.0),
    IonizableGroup("tetrazole", "[nH]1nnnc1", "acid", 4.9),
    IonizableGroup("acylsulfonamide", "[NX3H1](C(=O))S(=O)(=O)", "acid", 4.5),
    IonizableGroup("imide or barbiturate", "[NX3H1](C(=O))C(=O)", "acid", 8.0),
    IonizableGroup("thiol", "[SX2H1][#6]", "acid", 9.5),
    IonizableGroup("phenol", "[OX2H1]c", "acid", 9.9),
    IonizableGroup("guanidine", "[NX3][CX3](=[NX2])[NX3]", "base", 12.5),
    IonizableGroup("amidine", "[NX2;!$(N-*=[O,S])]=[CX3]([#6])[NX3;!$(N-C=[O,S])]", "base", 11.0),
    # A nitrogen on a saturated carbon and on nothing that takes its pair: no amide, aniline, enamine or N-oxide.
    IonizableGroup(
        "aliphatic amine", "[NX3;$(N-[CX4]);!$(N-[C,S,P]=[O,S,N]);!$(N-C=C);!$(N-a);!$(N-[N,O,S])]", "base", 9.3
    ),
    IonizableGroup("imidazole", "[nX2]1cncc1", "base", 6.5),
    IonizableGroup("pyridine", "[nX2;r6]1ccccc1", "base", 5.0),
    IonizableGroup("aniline", "[NX3;!$(N-[C,S]=[O,S])]c", "base", 4.0),
)
MOST_SITES: Final = 4


class ChargedSite(NamedTuple):
    """One charged site of a molecule."""

    words: str
    charge: str
    pka: float


def sites_of(smiles: str) -> list[ChargedSite]:
    """Sites that matter at body pH, strongest first; repeated amines weaken each other by 2 units."""
    from rdkit import Chem

    molecule = Chem.MolFromSmiles(smiles)
    taken: set[int] = set()
    found: list[ChargedSite] = []
    for group in GROUPS:
        repeats = 0
        for match in molecule.GetSubstructMatches(Chem.MolFromSmarts(group.smarts)):
            hetero = [i for i in match if molecule.GetAtomWithIdx(i).GetSymbol() in ("N", "O", "S")]
            if taken & set(hetero[:1]) or not hetero:
                continue
            taken.update(hetero if group.charge == "base" else hetero[:1])
            shift = 2.0 * repeats * (1.0 if group.charge == "acid" else -1.0)
            found.append(ChargedSite(group.words, group.charge, group.pka + shift))
            repeats += 1
    matter = [s for s in found if (s.pka < 10.5 if s.charge == "acid" else s.pka > 3.0)]
    return sorted(matter, key=lambda s: s.pka if s.charge == "acid" else 14.0 - s.pka)[:MOST_SITES]
