"""A public class name means one thing in the whole package."""

from __future__ import annotations

import ast
from collections import defaultdict

from tests.house.source import written_modules


def test_no_public_class_name_means_two_things() -> None:
    found = defaultdict(list)
    for module in written_modules():
        if module.name.startswith("twin_service."):
            for node in module.tree.body:
                if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                    found[node.name].append(module.name)
    doubles = [f"{name}: {', '.join(where)}" for name, where in sorted(found.items()) if len(where) > 1]
    assert not doubles, "\n".join(doubles)
