"""What a reader cannot see at a glance: who may parse TOML, speak of units, touch the wire, and hold state."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from tests.house.source import Module, dotted, imported, written_modules

TOML = {"twin_service.library.files", "twin_service.settings"}  # one reader; settings lie below every file
UNITS = "twin_service.units."
# The demonstration and its load are clients of the service: they write requests as any client does.
SPEAKS_WIRE = ("twin_service.service.", "twin_service.demo.")
# Filled while its modules are imported, or by a worker process before it works; never afterwards.
FILLED_ON_IMPORT = {("twin_service.model.qsp.law", "LAWS"), ("twin_service.fit.process_pool", "_INHERITED")}
# Equal expressions are one object: the table that makes them so holds none alive.
INTERNED = {("twin_service.solver.expression", "_TABLE")}
CHANGES = {"append", "add", "update", "setdefault", "pop", "popitem", "clear", "extend", "insert", "remove", "discard"}


def package() -> list[Module]:
    return [m for m in written_modules() if m.name.startswith("twin_service.") and ".versions." not in m.name]


def test_toml_is_parsed_in_one_place() -> None:
    found = [f"{m.name}:{n}" for m in package() for t, n in imported(m) if t.split(".")[0] in ("tomllib", "tomli")]
    assert not [f for f in found if f.split(":")[0] not in TOML], found


def test_unit_libraries_are_known_in_one_room() -> None:
    found = [f"{m.name}:{n}" for m in package() for t, n in imported(m) if t.split(".")[0] in ("pint", "ucumvert")]
    assert found and not [f for f in found if not f.startswith(UNITS)], found


def test_the_wire_ends_at_the_service() -> None:
    found = [f"{m.name}:{n}" for m in package() for t, n in imported(m) if t.startswith("twin_service.v1")]
    assert not [f for f in found if not f.startswith(SPEAKS_WIRE)], found


def held(module: Module) -> set[str]:
    """Names a module binds at its top level to something that can change."""
    names: set[str] = set()
    for node in module.tree.body:
        if isinstance(node, ast.Assign | ast.AnnAssign):
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                names |= {target.id} if isinstance(target, ast.Name) else set()
    return names


def changes(module: Module) -> Iterator[str]:
    """Statements anywhere in the module that change what a top-level name holds, or bind it anew."""
    names = held(module)
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Global):
            yield f"{module.name}:{node.lineno} global {', '.join(node.names)}"
        elif isinstance(node, ast.Assign | ast.AugAssign | ast.Delete):
            targets = [node.target] if isinstance(node, ast.AugAssign) else node.targets
            for target in targets:
                if isinstance(target, ast.Subscript) and dotted(target.value) in names:
                    yield f"{module.name}:{node.lineno} {dotted(target.value)}[...]"
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in CHANGES:
            if (name := dotted(node.func.value)) in names:
                yield f"{module.name}:{node.lineno} {name}.{node.func.attr}"


def test_no_module_holds_state() -> None:
    found = [line for m in package() for line in changes(m)]
    known = {(line.split(":")[0], line.split()[1].split(".")[0].split("[")[0]) for line in found}
    assert known <= FILLED_ON_IMPORT | INTERNED, "\n".join(found)
