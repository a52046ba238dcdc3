"""Faults on purpose: processes killed, calls of nonsense, callers where they do not belong."""
