"""References inside a bundle, resolved in FHIR's order: contained, full address, type and id."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from twin_client.ehr.reading import HoldError


@dataclass(frozen=True)
class Index:
    """Resources of a bundle by full address (`urn:uuid` included) and by "Type/id"."""

    by_url: Mapping[str, Mapping[str, Any]]
    by_name: Mapping[str, tuple[Mapping[str, Any], ...]]

    @classmethod
    def of(cls, entries: Iterable[Any]) -> Index:
        by_url: dict[str, Mapping[str, Any]] = {}
        by_name: dict[str, tuple[Mapping[str, Any], ...]] = {}
        for entry in entries:
            body = entry.get("resource") if isinstance(entry, Mapping) else None
            if not isinstance(body, Mapping):
                continue
            if entry.get("fullUrl"):
                by_url[str(entry["fullUrl"])] = body
            name = f"{body.get('resourceType')}/{body.get('id')}"
            if body not in by_name.get(name, ()):
                by_name[name] = (*by_name.get(name, ()), body)
        return cls(by_url, by_name)

    def resolve(self, reference: Mapping[str, Any], kind: str, owner: Mapping[str, Any]) -> Mapping[str, Any]:
        """The resource that `reference` of `owner` points to. Raises HoldError where it is absent or ambiguous."""
        target = str(reference.get("reference") or "").split("/_history/")[0]
        if target.startswith("#"):
            inside = [c for c in owner.get("contained") or () if isinstance(c, Mapping) and c.get("id") == target[1:]]
            if len(inside) == 1 and inside[0].get("resourceType") == kind:
                return inside[0]
            raise HoldError(f"it points to {target}, which it does not contain", f"contain the {kind} it points to")
        if not target:
            raise HoldError(f"its reference to a {kind} has no address", "send reference, not an identifier alone")
        if target in self.by_url:
            found = self.by_url[target]
            if found.get("resourceType") != kind:
                raise HoldError(f"it points to a {found.get('resourceType')} where a {kind} belongs", "correct it")
            return found
        name = "/".join(target.split("/")[-2:])
        named = self.by_name.get(name, ()) if name.startswith(f"{kind}/") else ()
        if len(named) == 1:
            return named[0]
        if len(named) > 1:
            raise HoldError(f"{len(named)} different resources of the bundle are {name}", "give each its full address")
        raise HoldError(f"the {kind} it points to is not in the bundle", "send it along or use a code")
