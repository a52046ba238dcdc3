"""The table of the QSP library's checks: block, number of checks, worst error; on the screen, as JSON and as a page."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from twin_service.model.qsp.checks import CheckFinding
from twin_service.report.page import Page, Section, Table, write_page


class BlockRow(NamedTuple):
    """A block of the library: its checks, those that hold, the largest error and the largest share of a tolerance."""

    block: str
    checks: int
    held: int
    worst_error: float
    worst_of_tolerance: float


def block_rows(findings: Sequence[CheckFinding]) -> list[BlockRow]:
    """One row a block, by name."""
    by_block: dict[str, list[CheckFinding]] = defaultdict(list)
    for f in findings:
        by_block[f.block].append(f)
    return [
        BlockRow(b, len(fs), sum(f.ok for f in fs), max(f.error for f in fs), max(f.error / f.tolerance for f in fs))
        for b, fs in sorted(by_block.items())
    ]


def table_lines(rows: Sequence[BlockRow]) -> list[str]:
    """The table as text."""
    head = f"{'block':38s} {'checks':>6s} {'held':>6s} {'worst error':>12s} {'of tolerance':>13s}"
    return [
        head,
        *(f"{r.block:38s} {r.checks:6d} {r.held:6d} {r.worst_error:12.2e} {r.worst_of_tolerance:13.3f}" for r in rows),
    ]


def write_qsp_report(findings: Sequence[CheckFinding], figures: Mapping[str, float], folder: Path) -> Path:
    """Write qsp.html: the figures, a row for each block, and every check with what was expected and what came out."""
    rows = block_rows(findings)
    blocks = [
        (r.block, str(r.checks), str(r.held), f"{r.worst_error:.2e}", f"{r.worst_of_tolerance:.3f}") for r in rows
    ]
    checks = [
        (
            f"{f.block}: {f.check}",
            f.measure,
            f.rung,
            f"{f.expected:.6g}",
            f"{f.got:.6g}",
            f"{f.error:.1e}",
            f"{f.tolerance:.1e}",
            f.source,
        )
        for f in findings
    ]
    heads = ("check", "measure", "kind", "expected", "got", "error", "tolerance", "source")
    marks = {k: "harm" for k, f in enumerate(findings) if not f.ok}
    page = Page(
        "QSP qualification",
        [f"{sum(f.ok for f in findings)} of {len(findings)} checks of {len(rows)} blocks hold."],
        [
            Section("Figures", tables=[Table(("figure", "value"), [(k, f"{v:.4g}") for k, v in figures.items()])]),
            Section("Blocks", tables=[Table(("block", "checks", "held", "worst error", "of its tolerance"), blocks)]),
            Section("Checks", tables=[Table(heads, checks, marks=marks)]),
        ],
        ["an error is relative unless the check gives an absolute tolerance"],
        kind="qualify --qsp",
    )
    return write_page(page, folder / "qsp.html")
