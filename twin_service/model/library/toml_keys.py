"""Where each key stands in a TOML text, so that one can be renamed and every comment and space stays.

`tomllib` reads values and forgets places. Here only keys are followed: table headers, dotted keys and inline tables; a
list of tables counts as one place, so `[[a]]` and `a = [{ ... }]` give the same paths.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

_TOKEN: Final = re.compile(
    r'"""(?:\\.|[^\\])*?"""|\'\'\'.*?\'\'\'|"(?:\\.|[^"\\\n])*"|\'[^\'\n]*\'|#[^\n]*|\n|[\[\]{},=.]|[\w+-]+|\s|.', re.S
)
Token = re.Match[str]


class WrittenKey(NamedTuple):
    """A key: its path, where its last part stands, where its value's first token stands, where its line begins."""

    path: tuple[str, ...]
    start: int
    end: int
    value: tuple[int, int]
    line: int


@dataclass
class _Place:
    """Where the scan is: the open table, the inline tables and lists around, and the parts of the key being read."""

    table: tuple[str, ...] = ()
    around: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    parts: list[Token] = field(default_factory=list)
    current: tuple[str, ...] = ()
    reads_key: bool = True
    line: int = 0


def written_keys(text: str) -> Iterator[WrittenKey]:
    """Every key of a valid TOML text, headers included, in order; each part of a dotted key is one."""
    at, tokens = _Place(), list(_TOKEN.finditer(text))
    k = 0
    while k < len(tokens):
        token = tokens[k]
        word = token.group()
        if word == "\n" and not at.around:
            at.parts, at.reads_key, at.line = [], True, token.end()
        elif word.isspace() or word.startswith("#") or word == ".":
            pass
        elif word == "[" and at.reads_key and not at.around:
            k = yield from _header(tokens, k, at)
        elif at.reads_key and word == "=":
            outer = at.around[-1][1] if at.around else at.table
            at.current, at.reads_key = outer + tuple(_name(p) for p in at.parts), False
            first = next(t for t in tokens[k + 1 :] if not t.group().isspace())
            yield from _keys(outer, at.parts, first.span(), at.line)
            at.parts = []
        elif word in "{[":
            at.around.append((word, at.current))
            at.reads_key, at.parts = word == "{", []
        elif word in "}]":
            at.current = at.around.pop()[1]
            at.reads_key, at.parts = False, []
        elif word == ",":
            at.reads_key, at.parts = at.around[-1][0] == "{", []
            at.current = at.around[-1][1]
        elif at.reads_key:
            at.parts.append(token)
        k += 1


def _header(tokens: list[Token], k: int, at: _Place) -> Generator[WrittenKey, None, int]:
    """The keys of a header that begins at token `k`; returns the place of its last token."""
    end = next((j for j in range(k, len(tokens)) if tokens[j].group() == "\n"), len(tokens))
    parts = []
    for token in tokens[k:end]:
        if token.group().startswith("#"):
            break
        if not token.group().isspace() and token.group() not in "[].":
            parts.append(token)
    yield from _keys((), parts, tokens[k].span(), at.line)
    at.table = tuple(_name(p) for p in parts)
    return end - 1


def _keys(outer: tuple[str, ...], parts: list[Token], value: tuple[int, int], line: int) -> Iterator[WrittenKey]:
    for j, part in enumerate(parts):
        path = outer + tuple(_name(p) for p in parts[: j + 1])
        yield WrittenKey(path, part.start(), part.end(), value, line)


def _name(token: Token) -> str:
    return token.group().strip("\"'")
