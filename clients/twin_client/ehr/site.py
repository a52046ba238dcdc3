"""The site map: what one hospital says in its own words, in the words of this reader. Checked like a library file.

    id = "example"          schema = 1
    zone = "Europe/Berlin"                     times without zone, and times of day of orders, are there
    [patient]   identifier_system = "urn:oid:1.2"  the identifier that names the patient in FHIR,
                authority = "HOSP"                 and its assigning authority in HL7 v2
    [hl7]       character_set = "8859/1"           of HL7 v2 messages that name none (MSH-18)
    [twin]      drugs = [], poppk = "", effects = []    the twin made for a patient who has none
    [codes]     "99LAB|KREA" = "creatinine"    system|code, or a code alone -> analyte or characteristic
    [units]     "mg%" = "mg/dL"                a unit as the site writes it -> UCUM
    [routes]    "IVPB" = "iv"                  a route as the site writes it -> route of the twin's models
    [drugs]     "VANC1G" = "vancomycin 1000 MG Injection"    a local code -> a drug's library id or RxNorm's name of it
    [dose]      without_unit = "held" or "product"     a bare number is that many tablets or vials
                modified_release = "held" or "immediate"   extended release as if released at once

An unknown key is an error with the nearest known one; all mistakes are told at once.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import tzinfo
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from twin_client.ehr.codes import tables
from twin_client.ehr.hl7v2.message import CHARACTER_SETS
from twin_client.ehr.products import Part, Product, named, product_table

KEYS: dict[str, tuple[str, ...]] = {
    "patient": ("identifier_system", "authority"),
    "twin": ("drugs", "poppk", "effects"),
    "codes": (),
    "units": (),
    "routes": (),
    "drugs": (),
    "dose": ("without_unit", "modified_release"),
    "hl7": ("character_set",),
}
TOP = ("id", "schema", "zone", *KEYS)
CHOICES = {
    "without_unit": ("held", "product"),
    "modified_release": ("held", "immediate"),
    "character_set": tuple(CHARACTER_SETS),
}
SCHEMA = 1


class SiteMapError(ValueError):
    """The site map has mistakes; `faults` are all of them, each with its place."""

    def __init__(self, faults: Iterable[str]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(self.faults))


@dataclass(frozen=True)
class TwinModel:
    """What a new patient's twin is made of; nothing: no twin is made."""

    drugs: tuple[str, ...] = ()
    poppk: str = ""
    effects: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.drugs or self.poppk or self.effects)


@dataclass(frozen=True)
class Site:
    """A checked site map; the empty one changes nothing."""

    id: str = ""
    zone: tzinfo | None = None
    identifier_system: str = ""
    authority: str = ""
    twin: TwinModel = TwinModel()
    codes: Mapping[str, str] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    routes: Mapping[str, str] = field(default_factory=dict)
    drugs: Mapping[str, Product] = field(default_factory=dict)
    bare_is_product: bool = False
    modified_is_immediate: bool = False
    character_set: str = ""

    def meaning(self, system: str, code: str) -> str:
        """The analyte or characteristic of a local code, "" where the map does not say."""
        return self.codes.get(f"{system}|{code}") or self.codes.get(code, "")


def read_site(path: Path) -> Site:
    """The site map in `path`. Raises SiteMapError with every mistake, OSError when the file cannot be read."""
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SiteMapError([f"{path.name}: not TOML: {error}"]) from None
    return site_of(raw, path.name)


def site_of(raw: Mapping[str, Any], name: str) -> Site:
    """As `read_site`, from a parsed file called `name`."""
    faults = [f"{name} {fault}" for fault in _faults(raw)]
    if faults:
        raise SiteMapError(faults)
    patient, twin, dose = raw.get("patient", {}), raw.get("twin", {}), raw.get("dose", {})
    return Site(
        id=raw["id"],
        zone=_zone(raw.get("zone", "")),
        identifier_system=patient.get("identifier_system", ""),
        authority=patient.get("authority", ""),
        twin=TwinModel(tuple(twin.get("drugs", ())), twin.get("poppk", ""), tuple(twin.get("effects", ()))),
        codes=raw.get("codes", {}),
        units=raw.get("units", {}),
        routes=raw.get("routes", {}),
        drugs={k: _product(str(v)) or Product(()) for k, v in raw.get("drugs", {}).items()},
        bare_is_product=dose.get("without_unit") == "product",
        character_set=raw.get("hl7", {}).get("character_set", ""),
        modified_is_immediate=dose.get("modified_release") == "immediate",
    )


def meanings() -> frozenset[str]:
    """What a code may mean: every analyte, image measurement and characteristic that this reader knows."""
    known = tables()
    return frozenset([*known.labs.values(), *known.images.values(), *known.characteristics.values()])


def _faults(raw: Mapping[str, Any]) -> Iterable[str]:
    yield from _unknown("", raw, TOP)
    if not isinstance(raw.get("id"), str) or not raw["id"]:
        yield "id: missing; name the site"
    if raw.get("schema") != SCHEMA:
        yield f"schema: {raw.get('schema')!r} is not understood; this reader knows {SCHEMA}"
    if not isinstance(raw.get("zone", ""), str) or (raw.get("zone") and _zone(raw["zone"]) is None):
        yield f"zone: {raw['zone']!r} is unknown; give an IANA name, e.g. Europe/Berlin"
    for section, keys in KEYS.items():
        table = raw.get(section, {})
        if not isinstance(table, Mapping):
            yield f"{section}: expected a table"
            continue
        if keys:
            yield from _unknown(f"{section}.", table, keys)
        yield from _in_section(section, table)


def _in_section(section: str, table: Mapping[str, Any]) -> Iterable[str]:
    for key, value in table.items():
        place = f'{section}."{key}"' if not KEYS[section] else f"{section}.{key}"
        if key in ("drugs", "effects") and section == "twin":
            if not isinstance(value, list) or not all(isinstance(v, str) for v in value):
                yield f"{place}: expected a list of library ids"
        elif not isinstance(value, str) or not value:
            yield f"{place}: expected a text"
        elif section in ("dose", "hl7") and value not in CHOICES.get(key, (value,)):
            yield f"{place}: {value!r} is unknown{_near(value, CHOICES[key])}"
        elif section == "codes" and value not in meanings():
            yield f"{place}: {value!r} is not an analyte or characteristic{_near(value, meanings())}"
        elif section == "routes" and value not in tables().routes.values():
            yield f"{place}: {value!r} is not a route{_near(value, set(tables().routes.values()))}"
        elif section == "drugs" and _product(value) is None:
            yield f"{place}: {value!r} names no drug of the library{_near(value, product_table().by_name)}"


def _unknown(place: str, table: Mapping[str, Any], known: Iterable[str]) -> Iterable[str]:
    for key in table:
        if key not in known:
            yield f"{place}{key}: unknown key{_near(key, known)}"


def _near(said: str, known: Iterable[str]) -> str:
    options = sorted(known)
    close = difflib.get_close_matches(said.lower(), options, 1)
    return f"; did you mean {close[0]!r}?" if close else f"; known: {', '.join(options[:12])}"


def _product(text: str) -> Product | None:
    drug = text if text in set(product_table().by_name.values()) else ""
    if drug:
        return Product((Part(drug, drug),), basis="by the site map")
    found = named(text)
    if found is None or not found.drugs:
        return None
    return Product(found.parts, found.route, f'by the site map as "{text}"', found.is_modified, found.is_pack)


def _zone(name: str) -> tzinfo | None:
    try:
        return ZoneInfo(name) if name else None
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None
