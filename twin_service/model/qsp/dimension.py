"""Unit strings of QSP files: the dimension check and the one conversion, done when a file is loaded.

A unit is a product of UCUM-like terms (`1/d`, `L/umol/h`, `mg/L`, `10^9/L`, `{cells}/uL`); annotations in braces
carry no dimension. The bench units are h, L, mg, umol, mm, mm[Hg]; a law names the unit it wants for each parameter.
"""

from __future__ import annotations

import re
from typing import Final

# term -> (factor to the bench unit, dimension); dimension None: a plain number
_TERMS: Final[dict[str, tuple[float, str | None]]] = {
    "1": (1.0, None),
    "%": (0.01, None),
    "10^9": (1e9, None),
    "10^6": (1e6, None),
    "10^3": (1e3, None),
    "s": (1 / 3600, "time"),
    "min": (1 / 60, "time"),
    "h": (1.0, "time"),
    "d": (24.0, "time"),
    "wk": (168.0, "time"),
    "mo": (730.5, "time"),
    "a": (8766.0, "time"),
    "ms": (1 / 3.6e6, "time"),
    "L": (1.0, "volume"),
    "dL": (0.1, "volume"),
    "mL": (1e-3, "volume"),
    "uL": (1e-6, "volume"),
    "kg": (1e6, "mass"),
    "g": (1e3, "mass"),
    "mg": (1.0, "mass"),
    "ug": (1e-3, "mass"),
    "ng": (1e-6, "mass"),
    "pg": (1e-9, "mass"),
    "mol": (1e6, "amount"),
    "mmol": (1e3, "amount"),
    "umol": (1.0, "amount"),
    "nmol": (1e-3, "amount"),
    "pmol": (1e-6, "amount"),
    "fmol": (1e-9, "amount"),
    "m": (1e3, "length"),
    "cm": (10.0, "length"),
    "mm": (1.0, "length"),
    "mm[Hg]": (1.0, "pressure"),
    "U": (1.0, "activity"),
    "uC": (1.0, "charge"),
    "uF": (1.0, "capacitance"),
}
_FACTOR: Final = re.compile(r"([./]?)([^./]+)")
_EXPONENT: Final = re.compile(r"^(.*?[A-Za-z\]])(-?\d+)?$")


class UnitError(ValueError):
    """A unit string that is unknown, or two units of different dimension."""


def conversion(source: str, target: str, molar_mass_g_mol: float | None = None) -> float:
    """The factor that turns a value in `source` into `target`.

    Mass and amount convert into one another where `molar_mass_g_mol` is given. Raises UnitError.
    """
    if source == target:
        return 1.0
    factor_s, dims_s = _parse(source)
    factor_t, dims_t = _parse(target)
    if dims_s != dims_t and molar_mass_g_mol is not None:
        factor_s, dims_s = _to_amount(factor_s, dims_s, molar_mass_g_mol)
        factor_t, dims_t = _to_amount(factor_t, dims_t, molar_mass_g_mol)
    if dims_s != dims_t:
        raise UnitError(f"unit {source!r} cannot become {target!r}: {_say(dims_s)} is not {_say(dims_t)}")
    return factor_s / factor_t


def _to_amount(factor: float, dims: dict[str, int], molar_mass: float) -> tuple[float, dict[str, int]]:
    power = dims.get("mass", 0)
    moved = {k: v for k, v in dims.items() if k != "mass"}
    moved["amount"] = moved.get("amount", 0) + power
    # 1 mg is 1000 / molar_mass umol
    return factor * (1000.0 / molar_mass) ** power, {k: v for k, v in moved.items() if v}


def _parse(unit: str) -> tuple[float, dict[str, int]]:
    factor, dims = 1.0, dict[str, int]()
    text = re.sub(r"\{[^}]*\}", "1", unit.replace("10*", "10^").replace(" ", ""))
    for sign, term in _FACTOR.findall(text):
        name, power = _split(unit, term)
        power = -power if sign == "/" else power
        scale, dimension = _TERMS[name]
        factor *= scale**power
        if dimension is not None:
            dims[dimension] = dims.get(dimension, 0) + power
    return factor, {k: v for k, v in dims.items() if v}


def _split(unit: str, term: str) -> tuple[str, int]:
    """`L2` -> ("L", 2); a term that is a known name as it stands has power 1."""
    if term in _TERMS:
        return term, 1
    match = _EXPONENT.match(term)
    if match and match.group(1) in _TERMS and match.group(2):
        return match.group(1), int(match.group(2))
    raise UnitError(f"unit {unit!r}: {term!r} is unknown; known: {', '.join(_TERMS)}")


def _say(dims: dict[str, int]) -> str:
    return " ".join(f"{k}^{v}" for k, v in sorted(dims.items())) or "a plain number"
