"""`twin house`: what it counts, on a house small enough to count by hand."""

from __future__ import annotations

import ast
from pathlib import Path

from twin_service.qualification.house import cycles, house_figures

ONE = '''"""One."""
from typing import Any

from small import two


class Same: ...


def typed(a: int, b: Any, c: int, d: int, e: int, f: int, g: int) -> bool:
    # why
    return a == "text" or b in ("x", "y")
'''
TWO = "from small.one import typed\n\n\nclass Same: ...\n\n\ndef untyped(x):\n    return x  # fmt: skip\n".replace(
    "fmt: " + "skip", "fmt: " + "skip"
)


def test_the_mirror_counts(tmp_path: Path) -> None:
    folder = tmp_path / "small"
    folder.mkdir()
    (folder / "one.py").write_text(ONE)
    (folder / "two.py").write_text(TWO)
    found = house_figures(folder)
    assert found == {
        "house.lines": 20.0,
        "house.modules": 2.0,
        "house.module_median": 10.0,
        "house.module_max": 12.0,
        "house.function_p90": 2.9,
        "house.params_over_6": 1.0,
        "house.fmt_skips": 1.0,
        "house.any_params": 1.0,
        "house.string_compares": 2.0,
        "house.dup_class_names": 1.0,
        "house.cycles": 1.0,
        "house.untyped_files": 1.0,
        "house.comment_share": 0.15,
    }


def test_a_cycle_through_a_function_is_one() -> None:
    trees = {
        "p.a": ast.parse("from p import b"),
        "p.b": ast.parse("def f():\n    from p.c import g"),
        "p.c": ast.parse("import p.a"),
        "p.d": ast.parse("import p.a"),
    }
    assert cycles(trees) == [["p.a", "p.b", "p.c"]]
