"""A small TOML file read into frozen records: every key typed, every unknown key named, all mistakes at once.

The records themselves are the schema: a field's annotation says what is read (text, number, truth, lists, tables of
tables, enumerations), its default what a missing key means, and no default that it is required.
"""

from __future__ import annotations

import dataclasses
import difflib
import enum
import types
import typing
from collections.abc import Mapping, Sequence
from typing import TypeVar

from twin_service.outcome import Refusal, RefusalCode

R = TypeVar("R")
SIMPLE = {str: "text", bool: "true or false", int: "a whole number", float: "a number"}


def read_record(kind: type[R], table: Mapping[str, object], *, where: str = "protocol") -> R:
    """`table` as a `kind` (a frozen dataclass). Raises one Refusal that lists every mistake with its place."""
    mistakes: list[str] = []
    found = _record(kind, table, "", mistakes)
    if mistakes:
        raise Refusal(
            RefusalCode.INVALID,
            f"{where}: {len(mistakes)} mistake{'s' if len(mistakes) > 1 else ''}\n" + "\n".join(mistakes),
            field=mistakes[0].split(":")[0],
            reason="BAD_PROTOCOL",
        )
    return typing.cast(R, found)


def did_you_mean(word: str, known: Sequence[str]) -> str:
    """`; did you mean 'x'?` for the nearest known word, else the list of what is known."""
    near = difflib.get_close_matches(word, known, 1, 0.6)
    return f"; did you mean {near[0]!r}?" if near else f"; known: {', '.join(known)}"


def _record(kind: type, table: Mapping[str, object], path: str, mistakes: list[str]) -> object:
    hints = typing.get_type_hints(kind)
    fields = {f.name: f for f in dataclasses.fields(kind)}
    values: dict[str, object] = {}
    before = len(mistakes)
    for key, value in table.items():
        here = f"{path}.{key}" if path else key
        if key not in fields:
            mistakes.append(f"{here}: unknown key{did_you_mean(key, sorted(fields))}")
        else:
            values[key] = _value(hints[key], value, here, mistakes)
    for name, field in fields.items():
        required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        if required and name not in table:
            mistakes.append(f"{path}.{name}: missing".lstrip("."))
    if len(mistakes) > before:
        return None
    try:
        return kind(**values)
    except Refusal as refusal:
        mistakes.append(f"{path}.{refusal.field}: {refusal.message}".lstrip("."))
        return None


def _value(hint: object, value: object, path: str, mistakes: list[str]) -> object:
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return _value(next(a for a in args if a is not type(None)), value, path, mistakes)
    if origin is tuple:
        return _list(args[0], value, path, mistakes)
    if origin in (dict, Mapping):
        return _table(args[1], value, path, mistakes)
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        if isinstance(value, Mapping):
            return _record(hint, value, path, mistakes)
        return _wrong(value, "a table", path, mistakes)
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        known = [str(m.value) for m in hint]
        if value in known:
            return hint(value)
        mistakes.append(f"{path}: {value!r} is unknown{did_you_mean(str(value), known)}")
        return None
    return _simple(typing.cast(type, hint), value, path, mistakes)


def _simple(hint: type, value: object, path: str, mistakes: list[str]) -> object:
    if hint is float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, hint) and not (hint is int and isinstance(value, bool)):
        return value
    return _wrong(value, SIMPLE.get(hint, hint.__name__), path, mistakes)


def _list(hint: object, value: object, path: str, mistakes: list[str]) -> object:
    if not isinstance(value, list):
        return _wrong(value, "a list", path, mistakes)
    return tuple(_value(hint, v, f"{path}[{i}]", mistakes) for i, v in enumerate(value))


def _table(hint: object, value: object, path: str, mistakes: list[str]) -> object:
    if not isinstance(value, Mapping):
        return _wrong(value, "a table", path, mistakes)
    return {str(k): _value(hint, v, f"{path}.{k}", mistakes) for k, v in value.items()}


def _wrong(value: object, expected: str, path: str, mistakes: list[str]) -> object:
    """Keep the mistake and go on without a value, so that all mistakes are told at once."""
    mistakes.append(f"{path}: {value!r}; expected {expected}")
    return None
