"""A drug file written from predictions: every value says that it is predicted, its interval and its models' digest.

logP follows from predicted logD and the typical pKa of each group: logP = logD + log10(prod(1 + 10^(+-(7.4 - pKa)))).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import log10
from typing import Final

from twin_service.model.molecule.ionization import ChargedSite, sites_of
from twin_service.model.molecule.prediction import PredictedProperty
from twin_service.model.molecule.structure import Molecule

REFERENCE_KG: Final = 73.0  # the man to whom a file's clearance in L/h belongs
MOST_LIVER_L_H: Final = 85.0


def neutral_logp(logd: float, sites: Sequence[ChargedSite]) -> float:
    """Octanol:water of the neutral form from logD at pH 7.4; at most 4 units are added for charge."""
    added = sum(log10(1.0 + 10.0 ** (s.pka - 7.4 if s.charge == "base" else 7.4 - s.pka)) for s in sites)
    return logd + min(added, 4.0)


def drug_text(molecule: Molecule, found: Sequence[PredictedProperty], digest: str, *, name: str) -> str:
    """The text of `name`.toml."""
    by = {p.name: p for p in found}
    sites = sites_of(molecule.smiles)
    logd, clearance = by["logd"], by["clearance"]
    per_hour = REFERENCE_KG * 0.06
    value = min(clearance.value * per_hour, MOST_LIVER_L_H)
    lines = [
        f"# Predicted from the structure {molecule.smiles}",
        f'id = "{name}"',
        "schema = 2",
        'version = "predicted"',
        f'title = "{name}"',
        _line("molar_mass", molecule.molar_mass, "g/mol", "from the structure", "calculated"),
        _line(
            "logp",
            neutral_logp(logd.value, sites),
            "1",
            _origin(logd, digest) + "; logD at pH 7.4 brought to the neutral form by typical pKa",
        ),
        _line("fup", by["fup_human"].value, "1", _origin(by["fup_human"], digest)),
    ]
    for site in sites:
        lines += [
            "",
            "[[pka]]",
            f'charge = "{site.charge}"',
            f"value = {site.pka:.1f}",
            f'origin = "typical of the group: {site.words}; measure it"',
        ]
    lines += ["", "[absorption]", _line("caco2", by["caco2"].value, "cm/s", _origin(by["caco2"], digest))]
    lines += ["", "[distribution]", _line("vss", by["vss"].value, "L/kg", _origin(by["vss"], digest))]
    lines += ["", "[[clearance]]", 'organ = "total"', 'law = "in_vivo"', 'enzyme = "OTHER"']
    capped = "; held at what the liver's flow can carry" if value < clearance.value * per_hour else ""
    lines.append(_line("clearance", value, "L/h", _origin(clearance, digest) + capped))
    return "\n".join(lines) + "\n"


def _origin(p: PredictedProperty, digest: str) -> str:
    doubt = "" if p.in_domain else ", OUTSIDE the domain"
    return f"predicted from structure, 80 % interval {p.low:.3g} to {p.high:.3g} {p.unit}{doubt}, models {digest[:12]}"


def _line(key: str, value: float, unit: str, origin: str, method: str = "predicted") -> str:
    return f'{key} = {{ value = {value:.4g}, unit = "{unit}", origin = "{origin}", method = "{method}" }}'


def as_figures(found: Sequence[PredictedProperty]) -> Mapping[str, float]:
    """Flat figures by dotted name: value and 80 % interval."""
    return {
        f"molecule.{p.name}{end}": float(x)
        for p in found
        for end, x in (("", p.value), ("_q10", p.low), ("_q90", p.high))
    }
