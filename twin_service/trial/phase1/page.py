"""Sections of the pages of this room: a heading, sentences, a picture and a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from twin_service.report.page import Picture, Section, Table

NO_MARKS: Mapping[int, str] = MappingProxyType({})


def table_of(heads: Sequence[str], rows: Sequence[Sequence[str]], marks: Mapping[int, str] = NO_MARKS) -> Table:
    """Cells are text. marks: row -> "strong" or "harm"."""
    return Table(heads, rows, marks=marks)


def section_of(
    heading: str, text: Sequence[str] = (), picture: str = "", words: str = "", table: Table | None = None
) -> Section:
    """`picture` is SVG text, `words` say what it shows."""
    pictures = (Picture(picture, words),) if picture else ()
    return Section(heading, text, pictures, () if table is None else (table,))
