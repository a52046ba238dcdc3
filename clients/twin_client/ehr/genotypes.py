"""A diplotype as the laboratory writes it ("CYP2D6 *1/*4") -> a genotype with its activity relative to normal.

HL7 Genomics Reporting: an Observation of LOINC 84413-4 (genotype display name), the gene in a component 48018-6. The
activity is that of the sum of the two alleles' scores (genotypes.toml); an allele that is not there is held.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

from twin_client.ehr.codes import LOINC
from twin_client.ehr.elements import check_elements
from twin_client.ehr.fields import SOURCE, Body, codes_of, event_id, instant
from twin_client.ehr.reading import HoldError
from twin_client.events import genotype
from twin_service.v1 import event_pb2

GENOTYPE, GENE = "84413-4", "48018-6"
_WRITTEN = re.compile(
    r"(?:(?P<gene>[A-Z][A-Z0-9]+)[ :]*)?(?P<one>\*\d+)(?P<a>x\d)?/(?P<two>\*\d+)(?P<b>x\d)?", re.IGNORECASE
)


@dataclass(frozen=True)
class AlleleTable:
    """Scores of alleles and of odd diplotypes by gene, and the activity that a sum of scores means."""

    alleles: Mapping[str, Mapping[str, float]]
    diplotypes: Mapping[str, Mapping[str, float]]
    activity: Mapping[str, Mapping[str, float]]


@lru_cache(maxsize=1)
def allele_table() -> AlleleTable:
    """The shipped table."""
    raw = tomllib.loads(files("twin_client.ehr").joinpath("genotypes.toml").read_text(encoding="utf-8"))
    genes: dict[str, dict[str, Any]] = raw["gene"]
    return AlleleTable(
        {g: t["alleles"] for g, t in genes.items()},
        {g: t.get("diplotypes", {}) for g, t in genes.items()},
        raw["activity"],
    )


def is_genotype(resource: Body) -> bool:
    """Whether the Observation states a diplotype."""
    return GENOTYPE in codes_of(resource.get("code"), LOINC)


def read_genotype(resource: Body) -> event_pb2.Event:
    """The genotype of one Observation. Raises HoldError where gene, alleles or their meaning are not known."""
    kept = {k: v for k, v in resource.items() if k not in ("valueCodeableConcept", "valueString", "component")}
    check_elements(kept)
    when = instant(resource.get("effectiveDateTime") or resource.get("effectiveInstant"), "effectiveDateTime")
    said = _diplotype(resource)
    found = _WRITTEN.fullmatch(said)
    if found is None:
        raise HoldError("its diplotype is not written as *a/*b", 'send e.g. "CYP2D6 *1/*4" as text of the value')
    gene = _gene(resource, (found["gene"] or "").upper())
    score = _score(gene, found)
    known = allele_table().activity[gene]
    activity = known.get(f"{score:g}")
    if activity is None:
        raise HoldError(f"an activity score of {score:g} of {gene} has no activity", "record the genotype by hand")
    diplotype = f"{found['one']}{found['a'] or ''}/{found['two']}{found['b'] or ''}"
    return genotype(event_id(resource), when, gene, diplotype, activity=activity, source=SOURCE)


def _diplotype(resource: Body) -> str:
    value = resource.get("valueCodeableConcept") or {}
    codings = value.get("coding") or ()
    texts = [value.get("text"), resource.get("valueString"), *(c.get("display") for c in codings)]
    return next((str(t).strip() for t in texts if t), "")


def _gene(resource: Body, written: str) -> str:
    """The gene that the text or a component names; they must agree."""
    named = {written} if written else set()
    for component in resource.get("component") or ():
        if GENE in codes_of(component.get("code"), LOINC):
            value = component.get("valueCodeableConcept") or {}
            shown = [c.get("display") for c in value.get("coding") or ()] + [value.get("text")]
            named |= {str(s).strip().upper() for s in shown if s}
    known = sorted(named & set(allele_table().alleles))
    if len(named) != 1 or not known:
        said = ", ".join(sorted(named)) or "none"
        raise HoldError(
            f"its gene is not one that is known: {said}", f"send one of {', '.join(allele_table().alleles)}"
        )
    return known[0]


def _score(gene: str, found: re.Match[str]) -> float:
    table = allele_table()
    pair = tuple(sorted((found["one"], found["two"]), key=lambda a: int(a[1:])))
    if not found["a"] and not found["b"] and "/".join(pair) in table.diplotypes[gene]:
        return float(table.diplotypes[gene]["/".join(pair)])
    total = 0.0
    for allele, copies in ((found["one"], found["a"]), (found["two"], found["b"])):
        if allele not in table.alleles[gene]:
            raise HoldError(f"the function of {gene}{allele} is not in the table", "record the genotype by hand")
        total += table.alleles[gene][allele] * (int(copies[1:]) if copies else 1)
    return total
