"""Medicinal products -> the ingredients they hold: by code where a table knows it, by name where the grammar reads it.

Two statements of one concept must agree: a code that says vancomycin under a name that says verapamil is held.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

from twin_client.ehr.clinical_names import ClinicalName, Strength, read_name
from twin_client.ehr.codes import ATC, RXNORM
from twin_client.ehr.fields import codes_of, said
from twin_client.ehr.reading import HoldError

REMEDY = "code the RxNorm ingredient, name the product as RxNorm does, or map it under [drugs] of the site map"


@dataclass(frozen=True)
class Part:
    """One ingredient of a product: its library id ("" outside the library), its name, its strength when known."""

    drug: str
    name: str
    strength: Strength | None = None


@dataclass(frozen=True)
class Product:
    """What is given: its parts, the route its form implies ("" where it implies none), and how all that is known."""

    parts: tuple[Part, ...]
    route: str = ""
    basis: str = ""
    is_modified: bool = False
    is_pack: bool = False

    @property
    def drugs(self) -> frozenset[str]:
        """Library ids of what it holds."""
        return frozenset(p.drug for p in self.parts if p.drug)

    @property
    def detail(self) -> int:
        """How many parts say their strength: of two statements that agree the fuller one is used."""
        return sum(p.strength is not None for p in self.parts)


@dataclass(frozen=True)
class ProductTable:
    """products.toml: ingredients by RxNorm code, ATC code, name and brand; RxNorm products by code; words."""

    by_rxnorm: Mapping[str, str]
    by_atc: Mapping[str, str]
    by_name: Mapping[str, str]
    names: Mapping[str, str]
    salts: frozenset[str]
    modified: tuple[str, ...]
    forms: Mapping[str, str]
    one: frozenset[str]

    def drug_named(self, name: str) -> str:
        """The library id of an ingredient or brand, salts left off; "" when it is none."""
        words = name.lower().split()
        while words:
            if (found := self.by_name.get(" ".join(words))) is not None:
                return found
            if words[-1].strip(",") not in self.salts:
                return ""
            words.pop()
        return ""


@lru_cache(maxsize=1)
def product_table() -> ProductTable:
    """The shipped table."""
    raw = tomllib.loads(files("twin_client.ehr").joinpath("products.toml").read_text(encoding="utf-8"))
    rows: dict[str, dict[str, list[str]]] = raw["ingredients"]
    return ProductTable(
        {c: d for d, r in rows.items() for c in r.get("rxnorm", ())},
        {c: d for d, r in rows.items() for c in r.get("atc", ())},
        {n.lower(): d for d, r in rows.items() for n in [*r["names"], *r.get("brands", ())]},
        raw["products"],
        frozenset(raw["words"]["salts"]),
        tuple(raw["words"]["modified"]),
        raw["forms"],
        frozenset(raw["units"]["one"]),
    )


def resolve(concept: Any, local: Mapping[str, Product]) -> Product:
    """The product that `concept` names. `local`: a site's own codes, "system|code" or code alone; they win.

    Raises HoldError where nothing in it is understood, or where its statements name different drugs.
    """
    table = product_table()
    codings = (concept or {}).get("coding") or ()
    for coding in codings:
        code = str(coding.get("code") or "")
        for key in (f"{coding.get('system')}|{code}", code):
            if code and key in local:
                return local[key]
    found = [p for p in _statements(concept, table) if p.drugs]
    if not found:
        raise HoldError(f"its drug is not mapped: {said(concept)}", REMEDY)
    different = sorted({", ".join(sorted(p.drugs)) for p in found})
    if len(different) > 1:
        what = f"its codings name different drugs: {', '.join(different)}"
        raise HoldError(what, "correct the coding or the name")
    best = max(found, key=lambda p: p.detail)
    if any(p.detail and p.parts != best.parts and _strengths(p) != _strengths(best) for p in found):
        raise HoldError(f"its code and its name say different strengths: {said(concept)}", "correct one of them")
    return best


def _strengths(product: Product) -> dict[str, float]:
    return {p.drug: p.strength.in_one or p.strength.value for p in product.parts if p.drug and p.strength}


def named(text: str) -> Product | None:
    """The product that a name says, None where the grammar does not read it or no part is in the library."""
    table = product_table()
    name = read_name(text, table.forms)
    return _of_name(name, table, f'by its name "{text}"') if name is not None else None


def _statements(concept: Any, table: ProductTable) -> Iterator[Product]:
    """Every reading of the concept, codes first."""
    for code in codes_of(concept, RXNORM):
        if code in table.by_rxnorm:
            yield _ingredient(table.by_rxnorm[code], "")
        if code in table.names:
            text = table.names[code]
            yield from _named([text], table, f"RxNorm {code}, {text}")
    for code in codes_of(concept, ATC):
        if code in table.by_atc:
            yield _ingredient(table.by_atc[code], f"by its ATC code {code}")
    codings = (concept or {}).get("coding") or ()
    yield from _named((str(c["display"]) for c in codings if c.get("display")), table)
    if (concept or {}).get("text"):
        yield from _named([str(concept["text"])], table)


def _named(texts: Iterable[str], table: ProductTable, basis: str = "") -> Iterator[Product]:
    for text in texts:
        name = read_name(text, table.forms)
        if name is not None:
            yield _of_name(name, table, basis or f'by its name "{text}"')


def _ingredient(drug: str, basis: str) -> Product:
    return Product((Part(drug, drug),), basis=basis)


def _of_name(name: ClinicalName, table: ProductTable, basis: str) -> Product:
    parts = tuple(Part(table.drug_named(c.name), c.name, c.strength) for c in name.components)
    if len(parts) == 1 and not parts[0].drug and "/" in parts[0].name:  # "Acetaminophen/Hydrocodone"
        parts = tuple(Part(table.drug_named(n), n.strip()) for n in parts[0].name.split("/"))
    text = f"{name.form} {name.brand}".lower()
    is_modified = any(f" {word} " in f" {text} " for word in table.modified)
    if not any(p.drug for p in parts) and name.brand:
        parts = (
            (Part(table.drug_named(name.brand), name.brand.lower(), parts[0].strength),) if len(parts) == 1 else parts
        )
    form = re.sub(r"^\d+ hr ", "", name.form)
    return Product(parts, table.forms.get(form, ""), basis, is_modified, name.is_pack)
