"""`twin bench answers`: can a ward act on what the twin answers?"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from twin_client import TwinClient
from twin_service.demo import mutations, stories
from twin_service.demo.process import running_server
from twin_service.outcome import Refusal, RefusalCode
from twin_service.qualification.bench import answers
from twin_service.qualification.estimation import attainment
from twin_service.qualification.reference import reference_folder

Say = Callable[[str], None]
MUTATIONS: Final = 2000


def run(parts: Sequence[str], say: Say) -> dict[str, float]:
    """Figures `answers.*` of the `parts` named; of all when none is. Raises Refusal for an unknown one."""
    known: dict[str, Callable[[Say], dict[str, float]]] = {
        "decisions": answers.run,
        "attainment": lambda say: attainment.run(reference_folder(), say),
        "stories": _stories,
        "mutations": lambda say: mutations.run(MUTATIONS, say),
    }
    unknown = [p for p in parts if p not in known]
    if unknown:
        raise Refusal(RefusalCode.INVALID, f"no part {unknown[0]!r}; there are: {', '.join(known)}", field="part")
    return {k: v for name, part in known.items() if not parts or name in parts for k, v in part(say).items()}


def _stories(say: Say) -> dict[str, float]:
    with tempfile.TemporaryDirectory(prefix="twin-stories-") as folder:
        with running_server(Path(folder) / "server.log") as address, TwinClient(address, "stories") as client:
            client.wait_until_ready()
            return stories.run(client, say)
