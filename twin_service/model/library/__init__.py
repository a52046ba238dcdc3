"""Library files of every kind: typed tables, one strict reader, findings with rule, place and remedy."""

from twin_service.model.library.findings import Finding, closest, gathered
from twin_service.model.library.reader import findings_of, read_as

__all__ = ["Finding", "closest", "findings_of", "gathered", "read_as"]
