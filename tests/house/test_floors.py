"""Imports go strictly down the floors, rooms on one floor never import each other, and no import cycle exists."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.house.source import Module, client_modules, imported, service_modules
from twin_service.qualification.house import cycles

# `outcome` is the ground: the rest of the vocabulary may refuse.
FLOORS = {
    "v1": 0,
    "outcome": 0,
    # its files' folder and the parser of TOML: data that both units and models read
    "library": 0.5,
    "record": 1,
    "units": 1,
    "settings": 1,
    "report": 1,
    "solver": 2,
    "store": 2,
    "model": 3,
    "kalman": 3,
    "scenario": 4,
    "twin": 5,
    "cohort": 6,
    "fit": 6,
    "trial": 7,
    "qualification": 8,  # evidence about every room, the trials' included
    "service": 9,
    "demo": 10,
    "cli": 11,
    "__main__": 12,
}
# The wire is opened by one room; the rooms above it may look at it as any client does.
WIRE_READERS = {"service", "demo", "cli"}
# The rooms that use the server from outside.
CLIENT_USERS = {"demo", "cli"}
ABOVE_ALL = {"cli", "__main__"}


def room_of(dotted_name: str) -> str:
    parts = dotted_name.split(".")
    return parts[1] if len(parts) > 1 else ""


def breaches(module: Module) -> list[str]:
    """Each import of `module` that goes up, sideways, to an unknown room, or to the wire."""
    room, found = room_of(module.name), []
    for target, line in imported(module):
        where = f"{module.name}:{line} imports {target}"
        if target.split(".")[0] == "twin_client" and room not in CLIENT_USERS | ABOVE_ALL:
            found.append(f"{where}: only {sorted(CLIENT_USERS)} use the server from outside")
        if not target.startswith("twin_service."):
            continue
        other = room_of(target)
        if other == room or (other not in FLOORS and target.count(".") == 1 and room == ""):
            continue
        if other not in FLOORS:
            found.append(f"{where}: {other!r} has no floor")
        elif room and FLOORS[other] >= FLOORS[room]:
            found.append(f"{where}: floor {FLOORS[other]} is not below floor {FLOORS[room]}")
        elif other == "v1" and room not in WIRE_READERS:
            found.append(f"{where}: only {sorted(WIRE_READERS)} know the wire")
    return found


def test_every_room_has_a_floor() -> None:
    rooms = {room_of(m.name) for m in service_modules()} - {""}
    unknown = sorted(r for r in rooms if r not in FLOORS and r != "library")
    assert not unknown, f"give these a floor: {unknown}"
    assert {"record", "solver", "store", "model", "kalman", "scenario", "twin", "cohort", "trial", "service"} <= rooms


def test_imports_go_strictly_down() -> None:
    found = [line for module in service_modules() if room_of(module.name) != "v1" for line in breaches(module)]
    assert not found, "\n".join(found)


def test_the_client_knows_the_wire_and_nothing_else_of_the_service() -> None:
    found = [
        f"{module.name}:{line} imports {target}"
        for module in client_modules()
        for target, line in imported(module)
        if target.split(".")[0] == "twin_service" and target != "twin_service" and room_of(target) != "v1"
    ]
    assert not found, "\n".join(found)


def test_the_library_holds_data_and_no_code_beyond_its_marker() -> None:
    code = [m.name for m in service_modules() if room_of(m.name) == "library" and m.lines > 3]
    assert code == ["twin_service.library.files"], f"the library is data; move {code} to model"


def graph() -> dict[str, set[str]]:
    """Module -> modules of the package it imports when it is loaded (imports inside functions come later)."""
    known = {m.name for m in service_modules()}
    edges: dict[str, set[str]] = {}
    for module in service_modules():
        top = ast.Module([n for n in module.tree.body if isinstance(n, ast.Import | ast.ImportFrom)], [])
        at_load = Module(module.name, module.path, top, module.text)
        targets = {t for t, _ in imported(at_load) if t in known}
        edges[module.name] = targets - {module.name, module.package}
    return edges


def find_cycle(edges: dict[str, set[str]]) -> list[str]:
    """One import cycle as a path that ends where it starts; empty if there is none."""
    done: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> list[str]:
        if name in path:
            return [*path[path.index(name) :], name]
        if name in done:
            return []
        for target in sorted(edges.get(name, ())):
            cycle = visit(target, (*path, name))
            if cycle:
                return cycle
        done.add(name)
        return []

    return next((cycle for name in sorted(edges) if (cycle := visit(name, ()))), [])


def test_no_import_cycle() -> None:
    cycle = find_cycle(graph())
    assert not cycle, " -> ".join(cycle)


def test_no_cycle_through_a_function_or_a_type() -> None:
    """As `twin house` counts them: what is imported late or for types only is still known to both sides."""
    found = cycles({m.name: m.tree for m in service_modules() if room_of(m.name) != "v1"})
    assert not found, "\n".join(" <-> ".join(group) for group in found)


def synthetic(name: str, text: str) -> Module:
    return Module(name, Path(name.replace(".", "/") + ".py"), ast.parse(text), text)


@pytest.mark.parametrize(
    ("name", "text", "word"),
    [
        ("twin_service.solver.x", "from twin_service.model.pbpk import f", "not below"),
        ("twin_service.model.x", "def f():\n    import twin_service.kalman.belief", "not below"),
        ("twin_service.model.x", "from twin_service import kalman", "not below"),
        ("twin_service.model.qsp.x", "from ...service import server", "not below"),
        ("twin_service.twin.x", "from twin_service.v1 import twin_pb2", "know the wire"),
        ("twin_service.trial.x", "from twin_service.gadget import f", "no floor"),
        ("twin_service.service.x", "import twin_client", "from outside"),
    ],
)
def test_a_breach_is_seen(name: str, text: str, word: str) -> None:
    assert any(word in line for line in breaches(synthetic(name, text)))


def test_a_downward_import_and_the_own_room_are_fine() -> None:
    text = "from twin_service.solver.system import System\nfrom .compose import compose\nimport twin_service.outcome"
    assert breaches(synthetic("twin_service.model.x", text)) == []


def test_a_cycle_is_seen() -> None:
    assert find_cycle({"a": {"b"}, "b": {"c"}, "c": {"a"}}) == ["a", "b", "c", "a"]
    assert find_cycle({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []
