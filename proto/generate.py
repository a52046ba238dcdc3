"""Generates the Python stubs of the contract: `python proto/generate.py [OUT]` (default: the repository root).

The proto root mirrors the package, so the stubs import as `twin_service.v1.*` as generated.
"""

from __future__ import annotations

import sys
from pathlib import Path

from grpc_tools import protoc

HERE = Path(__file__).resolve().parent
PACKAGE = Path("twin_service/v1")


def sources() -> list[str]:
    """Contract files relative to the proto root, in order of name."""
    return sorted(str(p.relative_to(HERE)) for p in (HERE / PACKAGE).glob("*.proto"))


def generate(out: Path) -> None:
    """Writes messages, type stubs and service stubs under `out`; raises SystemExit when protoc refuses."""
    (out / PACKAGE).mkdir(parents=True, exist_ok=True)
    command = ["protoc", f"-I{HERE}", f"-I{protoc_includes()}", f"--python_out={out}", f"--pyi_out={out}",
               f"--grpc_python_out={out}", *sources()]  # fmt: skip
    if protoc.main(command) != 0:
        raise SystemExit("protoc refused the contract; see its messages above")


def protoc_includes() -> str:
    """Where grpc_tools keeps google/protobuf/*.proto."""
    return str(Path(protoc.__file__).parent / "_proto")


if __name__ == "__main__":
    generate(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE.parent)
