"""Unit strings of drug, species and enzyme files: one conversion to the bench units when a file is loaded.

A unit is a product of UCUM-like terms (`umol/L`, `mL/min/kg`, `pmol/mg`); the bench units are h, L, umol, kg and cm.
Mass and amount of drug convert into one another through the molar mass. "kg" of body or tissue and "mg" of protein
keep the dimension mass, so that `pmol/mg` cannot be mistaken for `pmol/L`.
"""

from __future__ import annotations

import re
from typing import Final

Dimension = dict[str, int]

# term -> (factor to the bench unit, its dimension)
_TERMS: Final[dict[str, tuple[float, Dimension]]] = {
    "1": (1.0, {}),
    "%": (0.01, {}),
    "s": (1 / 3600, {"time": 1}),
    "min": (1 / 60, {"time": 1}),
    "h": (1.0, {"time": 1}),
    "d": (24.0, {"time": 1}),
    "a": (8766.0, {"time": 1}),
    "wk": (168.0, {"time": 1}),
    "L": (1.0, {"volume": 1}),
    "dL": (0.1, {"volume": 1}),
    "mL": (1e-3, {"volume": 1}),
    "uL": (1e-6, {"volume": 1}),
    "kg": (1.0, {"mass": 1}),
    "g": (1e-3, {"mass": 1}),
    "mg": (1e-6, {"mass": 1}),
    "ug": (1e-9, {"mass": 1}),
    "ng": (1e-12, {"mass": 1}),
    "mol": (1e6, {"amount": 1}),
    "mmol": (1e3, {"amount": 1}),
    "umol": (1.0, {"amount": 1}),
    "nmol": (1e-3, {"amount": 1}),
    "pmol": (1e-6, {"amount": 1}),
    "M": (1e6, {"amount": 1, "volume": -1}),
    "mM": (1e3, {"amount": 1, "volume": -1}),
    "uM": (1.0, {"amount": 1, "volume": -1}),
    "nM": (1e-3, {"amount": 1, "volume": -1}),
    "cm": (1.0, {"length": 1}),
    "dm": (10.0, {"length": 1}),
    "mm": (0.1, {"length": 1}),
    "m": (100.0, {"length": 1}),
    "um": (1e-4, {"length": 1}),
    "nm": (1e-7, {"length": 1}),
    "10^-4cm": (1e-4, {"length": 1}),
    "10^-5cm": (1e-5, {"length": 1}),
    "10^-6cm": (1e-6, {"length": 1}),
    "kDa": (1e-6, {"mass": 1, "amount": -1}),
    "Da": (1e-9, {"mass": 1, "amount": -1}),
    "cells": (1.0, {"cells": 1}),
    "10^6cells": (1e6, {"cells": 1}),
    "Mcells": (1e6, {"cells": 1}),
    "A2": (1.0, {"area": 1}),
}
_ALIASES: Final = {
    "l": "L",
    "ml": "mL",
    "ul": "uL",
    "µL": "uL",
    "µl": "uL",
    "µM": "uM",
    "µmol": "umol",
    "hr": "h",
    "hours": "h",
    "day": "d",
    "days": "d",
    "µg": "ug",
    "mcg": "ug",
    "week": "wk",
    "year": "a",
    "years": "a",
    "Å2": "A2",
    "A^2": "A2",
    "10*6cells": "10^6cells",
    "1e6cells": "10^6cells",
    "millioncells": "10^6cells",
    "1e-4cm": "10^-4cm",
    "1e-5cm": "10^-5cm",
    "1e-6cm": "10^-6cm",
    "10-6cm": "10^-6cm",
    "10^6": "10^6cells",
    "": "1",
    "fraction": "1",
}
_FACTOR: Final = re.compile(r"([./]?)([^./]+)")
_NAMES: Final = {
    "umol/L": "concentration",
    "L/h": "volume per time",
    "1/h": "a rate (1/time)",
    "h": "time",
    "L": "volume",
    "1": "a plain number",
    "g/mol": "mass per amount",
    "L/kg": "volume per body mass",
    "cm/h": "length per time",
}


class UnitError(ValueError):
    """A unit string that is unknown, or that has another dimension than expected."""


def conversion(source: str, target: str, molar_mass_g_mol: float | None = None) -> float:
    """The factor that turns a value in `source` into `target`; drug mass becomes amount through the molar mass.

    Raises UnitError saying what was expected and what to write.
    """
    if source == target:
        return 1.0
    factor, dimension = parse(source)
    factor_t, dimension_t = parse(target)
    if dimension != dimension_t and molar_mass_g_mol:
        moved = dict(dimension)
        power = moved.pop("mass", 0)
        moved["amount"] = moved.get("amount", 0) + power
        # 1 kg of drug is 1e9 / molar_mass umol
        if _clean(moved) == dimension_t:
            return float(factor * (1e9 / molar_mass_g_mol) ** power / factor_t)
    if dimension != dimension_t:
        raise UnitError(
            f"unit {source!r} is {say(dimension)}, expected {_NAMES.get(target, say(dimension_t))}; write {target}"
        )
    return factor / factor_t


def parse(unit: str) -> tuple[float, Dimension]:
    """(factor to bench units, dimension) of a unit string; raises UnitError for an unknown term."""
    factor, dimension = 1.0, Dimension()
    for sign, term in _FACTOR.findall(unit.replace(" ", "").replace("·", ".")):
        name = _ALIASES.get(term, term)
        if name not in _TERMS:
            raise UnitError(f"unit {unit!r}: {term!r} is unknown; known: {', '.join(_TERMS)}")
        scale, powers = _TERMS[name]
        power = -1 if sign == "/" else 1
        factor *= scale**power
        for key, n in powers.items():
            dimension[key] = dimension.get(key, 0) + power * n
    return factor, _clean(dimension)


def say(dimension: Dimension) -> str:
    """`{"amount": 1, "volume": -1}` as amount/volume."""
    top = ".".join(k for k, v in sorted(dimension.items()) if v > 0)
    bottom = "".join(f"/{k}" for k, v in sorted(dimension.items()) if v < 0)
    return (top or ("1" if bottom else "a plain number")) + bottom


def _clean(dimension: Dimension) -> Dimension:
    return {k: v for k, v in dimension.items() if v}
