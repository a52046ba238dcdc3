"""Which software and which processor computed an answer: both decide its last bits."""

from __future__ import annotations

import hashlib
import platform
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from twin_service.twin.evidence import library_versions


def _version() -> str:
    try:
        return version("twin-service")
    except PackageNotFoundError:
        return "unknown"


SOFTWARE_VERSION = _version()


@lru_cache(maxsize=1)
def software_digest() -> str:
    """SHA-256 over the service's version, the numerical libraries and the processor's features."""
    text = repr((SOFTWARE_VERSION, sorted(library_versions().items()), _processor_features()))
    return hashlib.sha256(text.encode()).hexdigest()


def _processor_features() -> str:
    """The feature flags of the first processor, or what the platform says of it."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith(("flags", "Features")):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
