"""Which twin a patient has: the id of the source, or the identifier that the site map chooses. Never a name."""

from __future__ import annotations

import hashlib
import re
from typing import Any

from twin_client.ehr.site import Site

_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")


def patient_id(said: str) -> str:
    """`said` as the service takes it; what it does not take is replaced by its digest."""
    return said if _PLAIN.fullmatch(said) else f"p-{hashlib.sha256(said.encode()).hexdigest()[:40]}"


def patient_of(body: dict[str, Any], site: Site) -> str:
    """The id of the twin of a FHIR Patient; "" where it does not carry the identifier the site map asks for."""
    if not site.identifier_system:
        return patient_id(str(body.get("id") or "")) if body.get("id") else ""
    found = [i for i in body.get("identifier") or () if i.get("system") == site.identifier_system and i.get("value")]
    return patient_id(str(found[0]["value"])) if len(found) == 1 else ""
