"""Modules and functions stay small, and no file is named for being useful."""

from __future__ import annotations

import ast

import pytest

from tests.house.source import Module, functions, written_modules

MODULE_LINES = 400
FUNCTION_LINES = 60
POSITIONAL = 4
# A private function is called within sight of its definition.
POSITIONAL_PRIVATE = 6
# Signatures that a framework prescribes.
PRESCRIBED = {"settings_customise_sources"}
FORBIDDEN_NAMES = {"utils", "util", "helpers", "helper", "base", "common", "misc"}


def length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    assert function.end_lineno is not None
    return function.end_lineno - function.lineno + 1


def positional(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Parameters a caller may give by position; `self`, `cls` and the servicer's `context` are not choices."""
    names = [a.arg for a in (*function.args.posonlyargs, *function.args.args)]
    return len([n for n in names if n not in ("self", "cls")])


def most(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    private = function.name.startswith("_") and not function.name.startswith("__")
    return POSITIONAL_PRIVATE if private else POSITIONAL


def is_command(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """A typer command's parameters are options of a command line, not positions."""
    return any("command" in ast.unparse(d) or "callback" in ast.unparse(d) for d in function.decorator_list)


def is_kernel(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """numba compiles no keyword-only parameters."""
    words = ("njit", "jit(", "intrinsic")
    return any(word in ast.unparse(d) for d in function.decorator_list for word in words)


def test_modules_are_short() -> None:
    found = [f"{m.name}: {m.lines} lines" for m in written_modules() if m.lines > MODULE_LINES]
    assert not found, "\n".join(found)


def test_functions_are_short() -> None:
    found = [
        f"{m.name}:{f.lineno} {f.name}: {length(f)} lines"
        for m in written_modules()
        for f in functions(m)
        if length(f) > FUNCTION_LINES
    ]
    assert not found, "\n".join(found)


def test_at_most_four_positional_parameters() -> None:
    found = [
        f"{m.name}:{f.lineno} {f.name}: {positional(f)} positional parameters"
        for m in written_modules()
        for f in functions(m)
        if positional(f) > most(f) and f.name not in PRESCRIBED and not is_command(f) and not is_kernel(f)
    ]
    assert not found, "\n".join(found)


def test_files_are_named_for_what_they_hold() -> None:
    found = [m.name for m in written_modules() if m.path.stem in FORBIDDEN_NAMES]
    assert not found, f"name these after a noun of the field: {found}"


@pytest.mark.parametrize("name", ["f(a, b, c, d)", "f(self, a, b, c, d)", "f(a, b, c, d, *, e, g)"])
def test_four_positions_pass(name: str) -> None:
    function = next(functions(Module("x", written_modules()[0].path, ast.parse(f"def {name}: ..."), "")))
    assert positional(function) == POSITIONAL
