"""The house in numbers: what a reader of this code meets, counted from its syntax trees. A mirror, not a gate.

lines, modules, module_median, module_max     non-generated Python
function_p90                                  lines, from `def` to the last statement
params_over_6                                 functions with more than six parameters, self aside
fmt_skips, any_params, string_compares        escapes from the formatter, from types, from kinds as types
dup_class_names                               public class names that more than one module defines
cycles                                        strongly connected groups of modules, imports for types included
untyped_files                                 files in which a function lacks an annotation
comment_share                                 lines with a comment or docstring over all lines
"""

from __future__ import annotations

import ast
import io
import tokenize
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import numpy as np

import twin_service

LEFT_OUT: Final = ("v1", "library")
Function = ast.FunctionDef | ast.AsyncFunctionDef


def house_figures(root: Path | None = None) -> dict[str, float]:
    """Figures `house.*` of the package at `root` (default: the one that runs)."""
    folder = root or Path(next(iter(twin_service.__path__)))
    texts = {_name(p, folder): p.read_text(encoding="utf-8") for p in sorted(folder.rglob("*.py")) if _own(p, folder)}
    trees = {name: ast.parse(text) for name, text in texts.items()}
    lines = [len(t.splitlines()) for t in texts.values()]
    functions = [f for t in trees.values() for f in _functions(t)]
    classes = Counter(
        n.name for t in trees.values() for n in t.body if isinstance(n, ast.ClassDef) and not n.name.startswith("_")
    )
    found = {
        "lines": sum(lines),
        "modules": len(texts),
        "module_median": float(np.median(lines)),
        "module_max": max(lines),
        "function_p90": float(np.percentile([_length(f) for f in functions], 90)),
        "params_over_6": sum(_parameters(f) > 6 for f in functions),
        "fmt_skips": sum(t.count("# fmt: " + word) for t in texts.values() for word in ("skip", "off")),
        "any_params": sum(_any_parameters(f) for f in functions),
        "string_compares": sum(_string_compares(t) for t in trees.values()),
        "dup_class_names": sum(k > 1 for k in classes.values()),
        "cycles": len(cycles(trees)),
        "untyped_files": sum(any(not _typed(f) for f in _functions(t)) for t in trees.values()),
        "comment_share": round(sum(_said(t) for t in texts.values()) / sum(lines), 4),
    }
    return {f"house.{k}": float(v) for k, v in found.items()}


def cycles(trees: Mapping[str, ast.Module]) -> list[list[str]]:
    """Groups of modules that import each other, directly or around, imports inside functions and for types included."""
    edges = {name: _imports(name, tree, set(trees)) for name, tree in trees.items()}
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    groups: list[list[str]] = []

    def visit(name: str) -> None:
        index[name] = low[name] = len(index)
        stack.append(name)
        for other in edges[name]:
            if other not in index:
                visit(other)
                low[name] = min(low[name], low[other])
            elif other in stack:
                low[name] = min(low[name], index[other])
        if low[name] == index[name]:
            cut = stack.index(name)
            group = stack[cut:]
            del stack[cut:]
            if len(group) > 1:
                groups.append(sorted(group))

    for name in sorted(edges):
        if name not in index:
            visit(name)
    return groups


def _own(path: Path, folder: Path) -> bool:
    parts = path.relative_to(folder).parts
    return parts[0] not in LEFT_OUT and "versions" not in parts


def _name(path: Path, folder: Path) -> str:
    parts = [folder.name, *path.relative_to(folder).with_suffix("").parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _functions(tree: ast.Module) -> Iterator[Function]:
    return (n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef))


def _length(f: Function) -> int:
    return (f.end_lineno or f.lineno) - f.lineno + 1


def _arguments(f: Function) -> list[ast.arg]:
    a = f.args
    extra = [x for x in (a.vararg, a.kwarg) if x is not None]
    return [x for x in (*a.posonlyargs, *a.args, *a.kwonlyargs, *extra) if x.arg not in ("self", "cls")]


def _parameters(f: Function) -> int:
    return len(_arguments(f))


def _any_parameters(f: Function) -> int:
    return sum(
        any(isinstance(n, ast.Name) and n.id == "Any" for n in ast.walk(a.annotation))
        for a in _arguments(f)
        if a.annotation is not None
    )


def _typed(f: Function) -> bool:
    return f.returns is not None and all(a.annotation is not None for a in _arguments(f))


def _string_compares(tree: ast.Module) -> int:
    """Comparisons of a value with a text literal, or with a tuple of them: dispatch on text."""
    found = 0
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            found += any(
                isinstance(n, ast.Constant) and isinstance(n.value, str) and n.value
                for s in sides
                for n in (s.elts if isinstance(s, ast.Tuple | ast.Set | ast.List) else [s])
            )
    return found


def _imports(name: str, tree: ast.Module, known: set[str]) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {a.name for a in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found.add(node.module)
            found |= {f"{node.module}.{a.name}" for a in node.names}
    # a package's own marker is loaded with any of its modules and says nothing about who needs whom
    return {f for f in found if f in known and f != name and not name.startswith(f + ".")}


def _said(text: str) -> int:
    """Lines that hold a comment or belong to a docstring."""
    rows = {t.start[0] for t in tokenize.generate_tokens(io.StringIO(text).readline) if t.type == tokenize.COMMENT}
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if (
                isinstance(first, ast.Expr)
                and isinstance(first.value, ast.Constant)
                and isinstance(first.value.value, str)
            ):
                rows |= set(range(first.lineno, (first.end_lineno or first.lineno) + 1))
    return len(rows)
