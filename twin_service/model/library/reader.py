"""A table of a library file as its typed record, or every mistake in it at once."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from twin_service.model.library.findings import Finding, of_validation, refuse_all

T = TypeVar("T", bound=BaseModel)


def findings_of(model: type[BaseModel], table: Mapping[str, object], file: str) -> list[Finding]:
    """Every mistake of shape in `table`: unknown and missing keys, wrong types, words and ranges; [] where none is."""
    try:
        model.model_validate(table)
    except ValidationError as error:
        return of_validation(error, model, file)
    return []


def without_unknown(model: type[BaseModel], table: Mapping[str, Any]) -> dict[str, Any]:
    """`table` without its unknown keys, so that what else is wrong with it can be told in the same breath."""
    kept = deepcopy(dict(table))
    try:
        model.model_validate(table)
    except ValidationError as error:
        for e in error.errors():
            if e["type"] == "extra_forbidden":
                at: Any = kept
                for part in e["loc"][:-1]:
                    at = at[part]
                at.pop(e["loc"][-1], None)
    return kept


def read_as(model: type[T], table: Mapping[str, object], file: str) -> T:
    """The typed record of `table`. Raises Refusal with every mistake of shape, a line each."""
    try:
        return model.model_validate(table)
    except ValidationError as error:
        refuse_all(of_validation(error, model, file))
        raise
