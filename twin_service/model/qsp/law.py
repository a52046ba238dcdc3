"""The registry of QSP laws: one plain function a model family, and the names and units it speaks.

A law is called with `y` (its states), `p` (individual parameters and covariates), `u` (ports) and `t` (h); all give
their members as attributes. It returns `Equations` and works on numbers, arrays and symbols alike.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, NamedTuple

Names = SimpleNamespace


class Equations(NamedTuple):
    """What a law says: rates and initial values by state, outputs by name; lag (h) and availability by input."""

    rates: Mapping[str, Any]
    initial: Mapping[str, Any]
    outputs: Mapping[str, Any]
    lag: Mapping[str, Any] = {}
    bioavailability: Mapping[str, Any] = {}
    duration: Mapping[str, Any] = {}


@dataclass(frozen=True)
class BlockLaw:
    """A law and its interface: names with the bench unit in which it wants or gives each.

    inputs       dosing sites: name -> (state, unit)
    smallest     absolute tolerance of states whose natural size is far from 1
    """

    id: str
    equations: Callable[[Names, Names, Names, Any], Equations]
    states: Mapping[str, str]
    parameters: Mapping[str, str]
    outputs: Mapping[str, str]
    ports: Mapping[str, str] = field(default_factory=dict)
    covariates: Mapping[str, str] = field(default_factory=dict)
    inputs: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    smallest: Mapping[str, float] = field(default_factory=dict)


LAWS: dict[str, BlockLaw] = {}


def law(identifier: str, **interface: Any) -> Callable[[Callable[..., Equations]], Callable[..., Equations]]:
    """Register the decorated function as law `identifier` with this interface (the fields of `Law`)."""

    def register(function: Callable[..., Equations]) -> Callable[..., Equations]:
        assert identifier not in LAWS, f"law {identifier} is registered twice"
        LAWS[identifier] = BlockLaw(identifier, function, **interface)
        return function

    return register
