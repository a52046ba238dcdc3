"""Nothing is read past: an element of a resource that is neither read nor known to be harmless holds the resource."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

from twin_client.ehr.reading import HoldError


@dataclass(frozen=True)
class Known:
    """What one kind of resource may hold: elements by name, and those of nested elements by path."""

    elements: frozenset[str]
    inside: Mapping[str, frozenset[str]]


@lru_cache(maxsize=1)
def known_elements() -> dict[str, Known]:
    """The table of elements.toml by kind of resource."""
    raw = tomllib.loads(files("twin_client.ehr").joinpath("elements.toml").read_text(encoding="utf-8"))
    always = raw.pop("Everywhere")["harmless"]
    return {
        kind: Known(
            frozenset([*always, *table["read"], *table["harmless"]]),
            {path: frozenset(names) for path, names in table.get("inside", {}).items()},
        )
        for kind, table in raw.items()
    }


def check_elements(body: Mapping[str, Any]) -> None:
    """Raises HoldError for the first element of the resource that nobody here understands."""
    kind = str(body.get("resourceType"))
    known = known_elements()[kind]
    strange = sorted(k for k in body if k.removeprefix("_") not in known.elements)
    for path, names in known.inside.items():
        for part in _at(body, path.split(".")):
            strange += sorted(f"{path}.{k}" for k in part if k.removeprefix("_") not in names)
    strange += [path for path in _modifiers(body) if path not in strange]
    if strange:
        first = next((s for s in strange if s.endswith("modifierExtension")), strange[0])
        what = "it changes what the resource means" if first.endswith("modifierExtension") else "it is not understood"
        raise HoldError(
            f"it says {first}: {what}", f"send it without {first}, or as a resource that is read without it"
        )


def _at(body: Mapping[str, Any], path: list[str]) -> Iterator[Mapping[str, Any]]:
    """Every object at `path`, lists walked through."""
    found = body.get(path[0])
    for part in found if isinstance(found, list) else [found]:
        if isinstance(part, Mapping):
            if len(path) == 1:
                yield part
            else:
                yield from _at(part, path[1:])


def _modifiers(value: Any, path: str = "") -> Iterator[str]:
    """Where a modifier extension stands, at any depth; contained resources answer for themselves."""
    if isinstance(value, Mapping):
        for k, v in value.items():
            here = f"{path}.{k}" if path else k
            if k == "modifierExtension":
                yield here
            elif k != "contained":
                yield from _modifiers(v, here)
    elif isinstance(value, list):
        for v in value:
            yield from _modifiers(v, path)
