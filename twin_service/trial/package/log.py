"""The analysis log: what was asked, of which bytes, with which software, and what came out, each by its digest.

`rerun` needs nothing but the log and the data, and says of every file whether the same bytes came out again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import NamedTuple

from twin_service.outcome import Refusal, RefusalCode

LOG = "analysis_log.json"
LIBRARIES = ("numpy", "scipy", "pandas", "scikit-learn", "numba", "pyreadstat", "odmlib", "matplotlib")


class LoggedRun(NamedTuple):
    """What a log says: the protocol's text, the hour of the package, digests of what was read and written."""

    protocol: str
    created: str
    inputs: Mapping[str, str]
    outputs: Mapping[str, str]


def sha256(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()


def software() -> dict[str, str]:
    """Versions of what computes; absent ones are left out."""
    found = {}
    for name in ("twin-service", *LIBRARIES):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def log_text(
    protocol: str,
    seed: int,
    created: str,
    inputs: Mapping[str, str],
    answers: Mapping[str, str],
    files: Mapping[str, bytes],
) -> bytes:
    """`answers`: the sentence of each step; `files`: everything else of the package."""
    body = {
        "schema": 1,
        "created": created,
        "software": software(),
        "protocol": protocol,
        "protocol_sha256": sha256(protocol.encode()),
        "seed": seed,
        "inputs": dict(sorted(inputs.items())),
        "answers": dict(answers),
        "outputs": {name: sha256(raw) for name, raw in sorted(files.items())},
    }
    return (json.dumps(body, indent=1, ensure_ascii=False) + "\n").encode()


def read_log(raw: bytes) -> LoggedRun:
    """Raises Refusal when it is no log of this version."""
    try:
        body = json.loads(raw)
        if body["schema"] != 1:
            raise Refusal(RefusalCode.INVALID, f"schema {body['schema']}; this version reads 1", field="log")
        return LoggedRun(body["protocol"], body["created"], body["inputs"], body["outputs"])
    except (ValueError, KeyError, TypeError) as error:
        raise Refusal(RefusalCode.INVALID, f"not an analysis log: {error}", field="log", reason="BAD_LOG") from None
