"""A mistake in a library file, told with its place, rule and remedy; every one of a file before any is raised.

R1 to R11 as in `library/README.md`. What pydantic finds becomes such a sentence here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from twin_service.outcome import Refusal, RefusalCode

T = TypeVar("T")
BAD_FILE: Final = "BAD_LIBRARY_FILE"
# pydantic's kind of error -> rule
_RULES: Final[Mapping[str, str]] = {
    "missing": "R8",
    "extra_forbidden": "R10",
    "literal_error": "R4",
    "finite_number": "R9",
    "greater_than": "R9",
    "greater_than_equal": "R9",
    "less_than": "R9",
    "less_than_equal": "R9",
}


@dataclass(frozen=True)
class Finding:
    """A mistake (or, `severity` "warning", a doubt): where it is, which rule it breaks, what to do."""

    file: str
    field: str
    rule: str
    message: str
    severity: str = "error"

    def __str__(self) -> str:
        rule = f" ({self.rule})" if self.rule else ""
        return f"{self.file}{' ' if self.field else ''}{self.field}: {self.message}{rule}"


def closest(word: str, known: Iterable[str]) -> str | None:
    """The nearest known word, None where none is near."""
    found = get_close_matches(word, list(known), n=1, cutoff=0.6)
    return found[0] if found else None


def hinted(word: str, known: Iterable[str]) -> str:
    """What follows a word that is not known: the nearest that is, and all of them."""
    words = sorted(known)
    near = closest(word, words)
    return f"{f'; did you mean {near!r}?' if near else ';'} known: {', '.join(words)}"


def refuse_all(findings: Sequence[Finding]) -> None:
    """Raise one Refusal with every error among the findings; nothing where there is none."""
    wrong = [f for f in findings if f.severity == "error"]
    if wrong:
        raise Refusal(
            RefusalCode.INVALID,
            "\n".join(map(str, wrong)),
            field=wrong[0].field,
            reason=BAD_FILE,
            details={"findings": str(len(wrong))},
        )


def gathered(steps: Iterable[Callable[[], T]]) -> list[T]:
    """The results of steps that may refuse; their refusals are raised together, a line each."""
    found, wrong = [], list[Refusal]()
    for step in steps:
        try:
            found.append(step())
        except Refusal as refusal:
            wrong.append(refusal)
    if len(wrong) == 1:
        raise wrong[0]
    if wrong:
        first = wrong[0]
        lines = "\n".join(r.message for r in wrong)
        raise Refusal(first.code, lines, field=first.field, reason=first.reason)
    return found


def of_validation(error: ValidationError, model: type[BaseModel], file: str) -> list[Finding]:
    """Pydantic's errors as findings."""
    return [_finding(e["type"], e["loc"], (e["msg"], e["input"]), (model, file)) for e in error.errors()]


def _finding(
    kind: str, place: tuple[int | str, ...], said: tuple[str, object], of: tuple[type[BaseModel], str]
) -> Finding:
    (message, value), (model, file) = said, of
    field = _path(place)
    if kind == "extra_forbidden":
        return Finding(file, field, "R10", f"unknown key{hinted(str(place[-1]), _keys_at(model, place[:-1]))}")
    if kind == "missing":
        if place[-1] == "origin":
            return Finding(file, field, "R7", "origin is missing; name the publication, data set or assumption")
        return Finding(file, field, "R8", f"is missing; write {place[-1]} = ...")
    if kind == "literal_error":
        known = message.removeprefix("Input should be ").replace("'", "").replace(" or ", ", ").split(", ")
        return Finding(file, field, "R4", f"{value!r} is unknown{hinted(str(value), known)}")
    if kind == "string_too_short":
        rule = "R7" if place[-1] in ("origin", "source") else "R8"
        return Finding(file, field, rule, "is empty; say it")
    shown = repr(value) if not isinstance(value, dict | list) else ("a table" if isinstance(value, dict) else "a list")
    return Finding(file, field, _RULES.get(kind, "R8"), f"is {shown}; {message.replace('Input', 'it')}")


def _path(place: tuple[int | str, ...]) -> str:
    """`clearance[0].enzyme` of ("clearance", 0, "enzyme")."""
    said = ""
    for part in place:
        said += f"[{part}]" if isinstance(part, int) else f"{'.' if said else ''}{part}"
    return said


def _keys_at(model: type[BaseModel], place: tuple[int | str, ...]) -> list[str]:
    """The keys that the table at `place` may have."""
    at: type[BaseModel] = model
    for part in place:
        if isinstance(part, str) and part in _names(at):
            inner = _model_in(_names(at)[part])
            if inner is None:
                return []
            at = inner
    return list(_names(at))


def _names(model: type[BaseModel]) -> dict[str, object]:
    return {f.alias or n: f.annotation for n, f in model.model_fields.items()}


def _model_in(annotation: object) -> type[BaseModel] | None:
    """The table that a field holds: itself, or in a list, a mapping or beside None."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((m for a in get_args(annotation) if (m := _model_in(a)) is not None), None)
