"""Field paths come from where a parser stands, never from a string written by hand.

with at("events", 3), at("dose"):
    ...                             # a Refusal about "amount.unit" leaves as "events[3].dose.amount.unit"
"""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType

from twin_service.outcome import Refusal, RefusalCode, Refusals


class PathStep:
    """One step of a path: a Refusal that leaves it carries the step before its own field."""

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        self._name = name

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, Refusal):
            raise _under(error, self._name) from None


def at(field: str, index: int | None = None) -> PathStep:
    """The field one level down, or one element of a repeated field."""
    return PathStep(field if index is None else f"{field}[{index}]")


class Faults:
    """Gathers what is refused in `with faults:` blocks, so that all of it is told and not the first only."""

    def __init__(self) -> None:
        self._found: list[Refusal] = []

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if not isinstance(error, Refusal):
            return False
        self._found.extend(error.faults)
        return True

    @property
    def found(self) -> tuple[Refusal, ...]:
        return tuple(self._found)

    def settle(self) -> None:
        """Raise what was gathered, if anything was."""
        if len(self._found) == 1:
            raise self._found[0]
        if self._found:
            raise Refusals(self._found)


class AskedFields:
    """What lies below names fields by the words of its own floor; here they become fields of the request.

    `names` maps the first word of a floor's path to a request's path ("" drops the word with its index); words that
    are not named belong under `root`, by their last part, unless they are among `own` fields of the request.
    """

    def __init__(self, root: str = "", *, own: tuple[str, ...] = (), names: Mapping[str, str] | None = None) -> None:
        self._root, self._own, self._names = root, own, dict(names or {})

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, Refusal):
            raise moved(error, self._path(error.field)) from None

    def _path(self, field: str) -> str:
        first = field.replace("[", ".").partition(".")[0]
        if first in self._names:
            return f"{self._names[first]}{field[len(first) :]}"
        if not self._root or (field and field.startswith(self._own)):
            return field
        tail = field.rpartition("].")[2]
        return f"{self._root}.{tail}" if tail else self._root


def _under(refusal: Refusal, name: str) -> Refusal:
    """The refusal seen from one level up."""
    if isinstance(refusal, Refusals):
        return Refusals([_under(f, name) for f in refusal.faults])
    inner = refusal.field.removeprefix(".")
    return moved(refusal, f"{name}.{inner}" if inner else name)


def moved(refusal: Refusal, field: str, code: RefusalCode | None = None) -> Refusal:
    """The same refusal about another field, perhaps of another kind."""
    return Refusal(code or refusal.code, refusal.message, field=field, reason=refusal.reason, details=refusal.details)


def invalid(message: str, field: str, reason: str) -> Refusal:
    """A value the caller must change."""
    return Refusal(RefusalCode.INVALID, message, field=field, reason=reason)


class About:
    """Whatever is refused inside is about one field of the request."""

    def __init__(self, field: str, code: RefusalCode | None = None) -> None:
        self._field, self._code = field, code

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, Refusal):
            raise moved(error, self._field, self._code) from None


class Under(PathStep):
    """Like `at`, except for fields of the whole request (`own`) and refusals about no field."""

    __slots__ = ("_own",)

    def __init__(self, name: str, *, own: tuple[str, ...]) -> None:
        super().__init__(name)
        self._own = own

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, Refusal) and error.field and not error.field.startswith(self._own):
            super().__exit__(kind, error, trace)
