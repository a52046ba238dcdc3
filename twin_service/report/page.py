"""One self-contained HTML page: the answer first, warnings, then pictures and tables, then what it rests on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType

from jinja2 import Environment, StrictUndefined


@dataclass(frozen=True)
class Table:
    """Cells are text. marks: row -> "strong" (the answer) or "harm"."""

    heads: Sequence[str]
    rows: Sequence[Sequence[str]]
    title: str = ""
    marks: Mapping[int, str] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True)
class Picture:
    """svg      text of an SVG of our own making, or the file name of an image beside the page
    words    what it shows, for those who cannot see it and as caption
    """

    svg: str
    words: str
    small: bool = False

    @property
    def is_inline(self) -> bool:
        return self.svg.startswith("<svg")


@dataclass(frozen=True)
class Section:
    """A heading with sentences, pictures and tables, each optional; `folded` is closed until asked for."""

    heading: str
    text: Sequence[str] = ()
    pictures: Sequence[Picture] = ()
    tables: Sequence[Table] = ()
    notes: Sequence[str] = ()
    folded: bool = False


@dataclass(frozen=True)
class Page:
    """title     in words
    lead      the answer, in a few lines
    warnings  what to know before acting on it
    sections  in reading order
    basis     what it rests on, with the ids that reproduce it
    kind      a word above the title: the step or command it came from
    """

    title: str
    lead: Sequence[str]
    sections: Sequence[Section] = ()
    basis: Sequence[str] = ()
    warnings: Sequence[str] = ()
    kind: str = ""


def render(page: Page) -> str:
    """The page as HTML: no script, no address outside itself."""
    text = files("twin_service.report").joinpath("templates/page.html.j2").read_text(encoding="utf-8")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(text).render(page=page)


def write_page(page: Page, path: Path) -> Path:
    """Render to `path`, making its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(render(page), encoding="utf-8")
    return path
