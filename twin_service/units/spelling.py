"""What wards and papers write for a unit, and the UCUM code it stands for.

Only spellings with one meaning are understood. The others are refused with their choices: "gr" is a grain to some and a
gram to others, "MG" a megagram by UCUM and a milligram on a printout. ISMP's list of error-prone abbreviations names
most of them (ismp.org/recommendations/error-prone-abbreviations-list).
"""

from __future__ import annotations

import re
from typing import Final

_SIGNS: Final = str.maketrans({"µ": "u", "μ": "u", "·": ".", "×": "x", "²": "2", "³": "3", "\u00a0": " "})
_POWER: Final = re.compile(r"(?<![\w.*^])(?:x\s*)?10\s*(?:\^|\*\*|\*|E|e|exp)\s*(-?\d+)(?=$|[/. ])")
_SHORT_POWER: Final = re.compile(r"(?<![\w.*^])1[eE](-?\d+)(?=$|[/. ])")
_INDEXED: Final = re.compile(r"/\s*\(?1\.73\s*\.?\s*m(?:\^|\*\*)?2\)?$")
_TERM: Final = re.compile(r"[^/.\s]+")
# Words for a count of something: they carry no dimension in UCUM.
_COUNTS: Final = dict.fromkeys(("cell", "cells", "copies", "beats", "breaths", "events"), "1")
_WORDS: Final = {
    "mcg": "ug",
    "mcL": "uL",
    "mcl": "uL",
    "mcmol": "umol",
    "gm": "g",
    "cc": "mL",
    "lb": "[lb_av]",
    "lbs": "[lb_av]",
    "hr": "h",
    "hrs": "h",
    "hour": "h",
    "hours": "h",
    "mins": "min",
    "minute": "min",
    "minutes": "min",
    "sec": "s",
    "secs": "s",
    "seconds": "s",
    "day": "d",
    "days": "d",
    "week": "wk",
    "weeks": "wk",
    "month": "mo",
    "months": "mo",
    "yr": "a",
    "yrs": "a",
    "year": "a",
    "years": "a",
    "IU": "[IU]",
    "mIU": "m[IU]",
    "uIU": "u[IU]",
    "nIU": "n[IU]",
    "kIU": "k[IU]",
    "mEq": "meq",
    "uEq": "ueq",
    "mmHg": "mm[Hg]",
    "cmH2O": "cm[H2O]",
    "degC": "Cel",
    "°C": "Cel",
    "℃": "Cel",
    "degF": "[degF]",
    "°F": "[degF]",
    "℉": "[degF]",
    "inch": "[in_i]",
    "inches": "[in_i]",
    "percent": "%",
    "bpm": "/min",
    "cumm": "mm3",
    "cmm": "mm3",
}
# Thousands and millions as laboratories print them; only before a volume, where nothing else is meant.
_THOUSANDS: Final = re.compile(r"^(K|k|thou|th|M|mil|mill)(?=/(?:uL|ul|mcL|mcl|cumm|cmm|mm3|mm\^3)$)")
_AMBIGUOUS: Final = {
    "gr": "a gram (g) or a grain ([gr])",
    "F": "degrees Fahrenheit are [degF]",
    "C": "degrees Celsius are Cel",
    "MG": "a milligram is mg",
    "Mg": "a milligram is mg",
    "G": "a gram is g",
    "ML": "a milliliter is mL",
    "UG": "a microgram is ug",
    "KG": "a kilogram is kg",
    "units": "an arbitrary unit is [IU], an enzyme unit U",
    "unit": "an arbitrary unit is [IU], an enzyme unit U",
    "mg%": "mg/dL or a percentage",
    "drops": "a volume in mL",
    "gtt": "a volume in mL",
    "tab": "an amount in mg",
    "tablet": "an amount in mg",
    "tsp": "a volume in mL",
}


def spelled(unit: str) -> str:
    """The UCUM code that `unit` stands for, or `unit` as it is where it is none of the known spellings."""
    code = unit.translate(_SIGNS).strip()
    code, indexed = _INDEXED.subn("", code)
    found = _THOUSANDS.match(code)
    if found:
        power = "10*6" if found.group(1).lower().startswith("m") else "10*3"
        code = power + code[found.end() :]
    code = _SHORT_POWER.sub(r"10*\1", _POWER.sub(r"10*\1", code))
    if "{" not in code and "[" not in code:
        code = _TERM.sub(lambda m: _word(m.group()), code)
    code = re.sub(r"(10\*-?\d+)\.?1(?=/|$)", r"\1", code)
    code = re.sub(r"\s*([/.])\s*", r"\1", code).replace("//", "/")
    code = re.sub(r"^1/(?=[a-zA-Z])", "/", code) if not unit.strip().startswith("1/") else code
    return code + ("/{1.73_m2}" if indexed else "")


def meant(unit: str) -> str:
    """What a spelling with two meanings may stand for, as a remedy; "" for any other."""
    return next((f"{t} is not clear here: {_AMBIGUOUS[t]}" for t in _TERM.findall(unit) if t in _AMBIGUOUS), "")


def _word(term: str) -> str:
    if term in _COUNTS:
        return _COUNTS[term]
    return _WORDS.get(term, re.sub(r"\^(?=-?\d)", "", term))
