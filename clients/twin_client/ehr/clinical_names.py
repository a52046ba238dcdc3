"""The grammar of RxNorm's clinical-drug names: what a product says it contains, read from its name.

    name       = [quantity "ML"] [hours "HR"] component { " / " component } [form] ["[" brand "]"]
    component  = ingredient [strength]
    strength   = number unit ["/" unit]
    pack       = "{" count "(" name ")" { " / " count "(" name ")" } "}" ["Pack"] ["[" brand "]"]

and the form of FDA's National Drug Code directory, "Brand (INGREDIENT)", which says no strength.

Examples: "Digoxin 0.125 MG Oral Tablet [Lanoxin]", "10 ML Furosemide 10 MG/ML Injection", "Lasix 40mg".
NLM, RxNorm Technical Documentation, section "Normalized names" (nlm.nih.gov/research/umls/rxnorm/docs).
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

UCUM_OF = {
    "MG": "mg",
    "MCG": "ug",
    "UG": "ug",
    "G": "g",
    "GM": "g",
    "UNT": "[iU]",
    "MEQ": "meq",
    "MMOL": "mmol",
    "ML": "mL",
}
_UNITS = "|".join(sorted(UCUM_OF, key=len, reverse=True))
_STRENGTH = re.compile(
    rf"^(?P<name>.+?)\s+(?P<value>\d[\d,]*(?:\.\d+)?)\s?(?P<unit>{_UNITS})(?:/(?P<per>[A-Z]+))?(?:\s+(?P<form>.+))?$",
    re.IGNORECASE,
)
_QUANTITY = re.compile(r"^(?P<value>\d+(?:\.\d+)?)\s(?P<unit>ML|MG|ACTUAT)\s+(?=\D)", re.IGNORECASE)
_HOURS = re.compile(r"^(?P<hours>\d+) HR\s+", re.IGNORECASE)
_BRAND = re.compile(r"\s*\[(?P<brand>[^\[\]]+)\]\s*$")
_PACKED = re.compile(r"(\d+)\s*\(([^()]*)\)")
_LISTED = re.compile(r"^(?P<brand>[A-Za-z][^()\d]*)\((?P<names>[A-Z][A-Z ,-]+)\)$")
LENGTH_MAX = 400


@dataclass(frozen=True)
class Strength:
    """`value` of `unit` (UCUM) in each `per`: "unit" (a tablet, a vial), "mL", "puff", or as the name says.

    size   how many `per` one unit of the product holds ("10 ML ..."); 0 where the name does not say
    """

    value: float
    unit: str
    per: str
    size: float = 0.0

    @property
    def in_one(self) -> float:
        """Amount in one unit of the product; 0 where it is not known."""
        return self.value if self.per == "unit" else self.value * self.size


@dataclass(frozen=True)
class Component:
    """An ingredient as the name calls it, in small letters, and how much of it there is when that is said."""

    name: str
    strength: Strength | None


@dataclass(frozen=True)
class ClinicalName:
    """What a name says; `form` in small letters, hours of release as part of it; a pack holds several products."""

    components: tuple[Component, ...]
    form: str
    brand: str
    is_pack: bool = False


def read_name(text: str, forms: Collection[str]) -> ClinicalName | None:
    """What `text` says under the grammar, None when it is not of it. `forms`: known dose forms, in small letters."""
    said = re.sub(r"\s+", " ", text).strip()
    if not said or len(said) > LENGTH_MAX:
        return None
    found = _BRAND.search(said)
    brand, said = (found["brand"], said[: found.start()]) if found else ("", said)
    if said.startswith("{"):
        return _pack(said, brand, forms)
    if (listed := _LISTED.match(said)) is not None:
        listing = tuple(Component(n.strip().lower(), None) for n in listed["names"].split(" AND "))
        return ClinicalName(listing, "", listed["brand"].strip())
    hours = ""
    if (h := _HOURS.match(said)) is not None:
        hours, said = f"{h['hours']} hr ", said[h.end() :]
    quantity = _QUANTITY.match(said)
    said = said[quantity.end() :] if quantity else said
    if not hours and (h := _HOURS.match(said)) is not None:
        hours, said = f"{h['hours']} hr ", said[h.end() :]
    parts, form = _split(said, forms)
    components = tuple(_component(p, quantity) for p in parts)
    if not all(c.name for c in components):
        return None
    return ClinicalName(components, (hours + form).strip(), brand)


def _split(said: str, forms: Collection[str]) -> tuple[list[str], str]:
    """The components, and the form that follows the last of them."""
    parts = [p.strip() for p in said.split(" / ")]
    last = _STRENGTH.match(parts[-1])
    if last is not None:
        form = (last["form"] or "").strip().lower()
        parts[-1] = parts[-1][: last.start("form")].strip() if last["form"] else parts[-1]
        return parts, form
    words = parts[-1].split(" ")
    for k in range(1, len(words)):
        if " ".join(words[k:]).lower() in forms:
            parts[-1] = " ".join(words[:k])
            return parts, " ".join(words[k:]).lower()
    return parts, ""


def _component(text: str, quantity: re.Match[str] | None) -> Component:
    found = _STRENGTH.match(text)
    if found is None:
        return Component(text.lower(), None)
    value, unit = float(found["value"].replace(",", "")), UCUM_OF[found["unit"].upper()]
    per = (found["per"] or "").upper()
    if not per:
        return Component(found["name"].lower(), Strength(value, unit, "unit"))
    size = float(quantity["value"]) if quantity is not None and quantity["unit"].upper() == per else 0.0
    kind = {"ML": "mL", "ACTUAT": "puff"}.get(per, per)
    return Component(found["name"].lower(), Strength(value, unit, kind, size))


def _pack(said: str, brand: str, forms: Collection[str]) -> ClinicalName | None:
    inside = [read_name(m[2], forms) for m in _PACKED.finditer(said)]
    components = tuple(dict.fromkeys(c for n in inside if n is not None for c in n.components))
    return ClinicalName(components, "pack", brand, is_pack=True) if components else None
