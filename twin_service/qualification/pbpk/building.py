"""Which studies build a drug file and which verify it: one rule for every drug, fixed before any fit.

A publication is its authors and year, so that all its courses stand on one side. Of the publications that measured the
drug alone in adults, sorted by name, every third from the first is building, within intravenous and oral apart. Fewer
than four publications: nothing is fitted. A publication that gave a value of the file is building too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from twin_service.qualification.pbpk.observed import ObservedStudy

FEWEST, EVERY, ADULT_Y = 4, 3, 18.0
_DATED = re.compile(r"\s*(.+?)[\s_]*\(?((?:19|20)\d\d)")
_CITED = re.compile(r"([A-ZÄÖÜ][\w'’\-]+)(?: & [A-Z][\w\-]+)? ((?:19|20)\d\d)")
PARENTS = {"hydroxyitraconazole": "itraconazole", "norverapamil": "verapamil"}
PHARMACOKINETIC = ("distribution", "absorption", "formulation", "clearance")

Publication = tuple[str, str]


def publication(study: ObservedStudy) -> Publication:
    """(authors, year) in lower case; the whole name and no year where none is given."""
    text = study.study or study.name
    dated = _DATED.match(text) or _DATED.match(study.name)
    return (dated[1].split(",")[0].strip("_ ").lower(), dated[2]) if dated else (text.lower(), "")


def is_own(study: ObservedStudy) -> bool:
    """Whether the drug (or what forms it) was given alone to adults."""
    given = {t.drug for t in study.treatments}
    return given <= {study.drug, PARENTS.get(study.drug)} and study.person.get("age_y", 30.0) >= ADULT_Y


def building_publications(studies: Iterable[ObservedStudy]) -> set[Publication]:
    """Every third publication by name within each route; none where fewer than four exist."""
    own = [s for s in studies if is_own(s)]
    if len({publication(s) for s in own}) < FEWEST:
        return set()
    found: set[Publication] = set()
    for intravenous in (True, False):
        part = {publication(s) for s in own if any(t.route == "iv" for t in s.treatments) == intravenous}
        found |= set(sorted(part)[::EVERY])
    return found


def cited(table: Mapping[str, Any]) -> set[Publication]:
    """First authors and years that the origins of a file's pharmacokinetic values name."""
    found: set[Publication] = set()

    def walk(node: Any) -> None:
        if isinstance(node, Mapping):
            found.update((a.lower(), y) for a, y in _CITED.findall(str(node.get("origin", ""))))
            for child in node.values():
                walk(child)
        elif isinstance(node, list):
            for child in node:
                walk(child)

    for key in PHARMACOKINETIC:
        walk(table.get(key, {}))
    return found


def gave_a_value(study: ObservedStudy, citations: Iterable[Publication]) -> bool:
    """Whether the study's publication is among `citations`."""
    authors, year = publication(study)
    words = set(re.sub(r"et al\.?|,", "", authors).split())
    return any(year == y and author in words for author, y in citations)
