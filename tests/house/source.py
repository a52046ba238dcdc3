"""The tree as the house tests read it: tracked files, Python modules, their imports, functions and calls."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "twin_service"
CLIENT = ROOT / "clients" / "twin_client"


@dataclass(frozen=True)
class Module:
    """One Python file: its dotted name, path and syntax tree."""

    name: str
    path: Path
    tree: ast.Module
    text: str

    @property
    def lines(self) -> int:
        return len(self.text.splitlines())

    @property
    def package(self) -> str:
        """The dotted name that relative imports start from."""
        return self.name if self.path.name == "__init__.py" else self.name.rpartition(".")[0]


def module_name(path: Path, source_root: Path) -> str:
    parts = list(path.relative_to(source_root).with_suffix("").parts)
    if parts[-1] == "__init__":
        parts.pop()
    return ".".join(parts)


def read(folder: Path, source_root: Path) -> list[Module]:
    found = []
    for path in sorted(folder.rglob("*.py")):
        text = path.read_text()
        found.append(Module(module_name(path, source_root), path, ast.parse(text, str(path)), text))
    return found


@cache
def service_modules() -> tuple[Module, ...]:
    return tuple(read(PACKAGE, ROOT))


@cache
def client_modules() -> tuple[Module, ...]:
    return tuple(read(CLIENT, CLIENT.parent))


def is_generated(module: Module) -> bool:
    return module.name.startswith("twin_service.v1") or "/migrations/" in module.path.as_posix()


@cache
def written_modules() -> tuple[Module, ...]:
    """Every module a person wrote: not the generated stubs, not the migrations."""
    return tuple(m for m in (*service_modules(), *client_modules()) if not is_generated(m))


def imported(module: Module) -> Iterator[tuple[str, int]]:
    """Each dotted name the module imports, at any depth, with its line; `from a import b` gives both a and a.b."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno
        elif isinstance(node, ast.ImportFrom):
            start = absolute_start(module, node)
            yield start, node.lineno
            for alias in node.names:
                yield f"{start}.{alias.name}", node.lineno


def absolute_start(module: Module, node: ast.ImportFrom) -> str:
    if node.level == 0:
        return node.module or ""
    parts = module.package.split(".")
    kept = parts[: len(parts) - (node.level - 1)]
    return ".".join([*kept, node.module] if node.module else kept)


def functions(module: Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(module.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def dotted(node: ast.expr) -> str:
    """`a.b.c` of an attribute chain; empty for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        start = dotted(node.value)
        return f"{start}.{node.attr}" if start else ""
    return ""


@cache
def tracked_files() -> tuple[Path, ...]:
    """What git tracks, or would track at the next add; every file where there is no repository (a source archive)."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        names = [p for p in ROOT.rglob("*") if p.is_file() and ".venv" not in p.parts and "__pycache__" not in p.parts]
        return tuple(sorted(names))
    return tuple(sorted(p for name in listed.stdout.split("\0") if name and (p := ROOT / name).is_file()))
