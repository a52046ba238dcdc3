"""No global randomness anywhere, no clock, wire, environment or store below `service`."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.house.source import Module, dotted, imported, written_modules
from tests.house.test_floors import FLOORS, room_of

# numpy.random's functions draw from one hidden global state; these are the ones that do not.
EXPLICIT_RANDOM = {"Generator", "default_rng", "SeedSequence", "BitGenerator", "PCG64", "Philox"}
CLOCKS = {
    "time.time",
    "time.time_ns",
    "time.monotonic",
    "time.monotonic_ns",
    "time.perf_counter",
    "time.perf_counter_ns",
    "time.sleep",
    "datetime.now",
    "datetime.utcnow",
    "datetime.today",
    "date.today",
    "datetime.datetime.now",
    "datetime.datetime.utcnow",
    "datetime.date.today",
}
# A deadline is the one use of a clock in the solver: it ends a run, it never enters a result.
# The environment may say where compiled code is kept, never what it computes.
CLOCK_ALLOWED = {
    ("twin_service.solver.tolerances", "time.monotonic"),
    ("twin_service.solver.compiler", "os.environ"),
    ("twin_service.solver.compiler", "os.environ.get"),
}
RIM = {"grpc", "socket", "requests", "urllib", "sqlalchemy", "sqlmodel"}


def calls(module: Module) -> list[tuple[str, int]]:
    """Every attribute chain used, with local import names spelled out (`from time import time` gives time.time)."""
    spelled = {}
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            spelled |= {
                a.asname or a.name.split(".")[0]: a.name if a.asname else a.name.split(".")[0] for a in node.names
            }
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            spelled |= {a.asname or a.name: f"{node.module}.{a.name}" for a in node.names}
    found = []
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Attribute | ast.Name):
            chain = dotted(node)
            head, _, rest = chain.partition(".")
            start = spelled.get(head, head)
            found.append((f"{start}.{rest}" if rest else start, node.lineno))
    return found


def random_breaches(module: Module) -> list[str]:
    # `random.Random(seed)` is handed on like a Generator; every other name of the module shares one hidden state
    found = [
        f"{module.name}:{line} imports {target}: only `random.Random(seed)` has a state of its own"
        for target, line in imported(module)
        if target.split(".")[0] == "random" and target not in ("random", "random.Random")
    ]
    for chain, line in calls(module):
        if chain.startswith("random.") and chain != "random.Random":
            found.append(f"{module.name}:{line} uses {chain}: pass a random.Random or numpy.random.Generator")
        if chain == "random.Random":
            found += unseeded(module, line, "Random")
        if chain.startswith("numpy.random.") and chain.split(".")[2] not in EXPLICIT_RANDOM:
            found.append(f"{module.name}:{line} uses {chain}: pass a numpy.random.Generator")
        if chain == "numpy.random.default_rng":
            found += unseeded(module, line, "default_rng")
    return found


def unseeded(module: Module, line: int, maker: str) -> list[str]:
    """A generator made without a seed is global randomness by another name."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Call) and node.lineno == line and dotted(node.func).endswith(maker):
            if not node.args and not node.keywords:
                return [f"{module.name}:{line} seeds {maker} with nothing"]
    return []


def clock_breaches(module: Module) -> list[str]:
    return [
        f"{module.name}:{line} reads {chain}"
        for chain, line in calls(module)
        if (chain in CLOCKS or any(chain.startswith(rim) for rim in ("os.environ", "os.getenv")))
        and (module.name, chain) not in CLOCK_ALLOWED
    ]


def below_service() -> list[Module]:
    return [
        m
        for m in written_modules()
        if m.name.startswith("twin_service.")
        and room_of(m.name) not in ("settings", "store")
        and room_of(m.name) != "qualification"  # it measures: a clock is its instrument, and reference data lie outside
        and FLOORS.get(room_of(m.name), 0) < FLOORS["service"]
    ]


def test_no_global_randomness() -> None:
    found = [line for m in written_modules() for line in random_breaches(m)]
    assert not found, "\n".join(found)


def test_no_clock_and_no_environment_below_service() -> None:
    found = [line for m in below_service() for line in clock_breaches(m)]
    assert not found, "\n".join(found)


def test_no_wire_below_service() -> None:
    found = [
        f"{m.name}:{line} imports {target}"
        for m in below_service()
        for target, line in imported(m)
        if target.split(".")[0] in RIM
    ]
    assert not found, "\n".join(found)


def synthetic(text: str) -> Module:
    return Module("twin_service.twin.x", Path("x.py"), ast.parse(text), text)


@pytest.mark.parametrize(
    "text",
    [
        "import numpy as np\nnp.random.normal()",
        "from numpy.random import normal\nnormal()",
        "import numpy as np\nr = np.random.default_rng()",
        "import random\nrandom.random()",
        "import random\nr = random.Random()",
        "from random import choice",
    ],
)
def test_global_randomness_is_seen(text: str) -> None:
    assert random_breaches(synthetic(text))


@pytest.mark.parametrize(
    "text",
    [
        "import time\ntime.time()",
        "from time import monotonic\nmonotonic()",
        "from datetime import datetime\ndatetime.now()",
        "import datetime as dt\ndt.datetime.now()",
        "import os\nos.environ['A']",
    ],
)
def test_a_clock_is_seen(text: str) -> None:
    assert clock_breaches(synthetic(text))


def test_a_seeded_generator_is_fine() -> None:
    assert random_breaches(synthetic("import numpy as np\nr = np.random.default_rng(7)\nr.normal()")) == []
    assert random_breaches(synthetic("import random\nr = random.Random(7)\nr.random()")) == []
