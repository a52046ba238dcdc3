"""The tables of codes, read once."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

LOINC = "http://loinc.org"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
ATC = "http://www.whocc.no/atc"
SNOMED = "http://snomed.info/sct"
ROUTES_V2 = "http://terminology.hl7.org/CodeSystem/v2-0162"
ROUTES_V3 = "http://terminology.hl7.org/CodeSystem/v3-RouteOfAdministration"
EDQM = "http://standardterms.edqm.eu"
UCUM = "http://unitsofmeasure.org"


@dataclass(frozen=True)
class Codes:
    """Each table maps a code of a public system to a library id (see codes.toml)."""

    characteristics: dict[str, str]
    labs: dict[str, str]
    images: dict[str, str]
    lesions: dict[str, str]
    panels: dict[str, str]
    routes: dict[str, str]
    routes_v2: dict[str, str]
    routes_edqm: dict[str, str]


@lru_cache(maxsize=1)
def tables() -> Codes:
    return Codes(**tomllib.loads(files("twin_client.ehr").joinpath("codes.toml").read_text(encoding="utf-8")))
