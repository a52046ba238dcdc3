"""Reading a QSP file: what is checked, and how a fault is named."""

from __future__ import annotations

import copy
import tomllib
from typing import Any

import pytest

from twin_service.model.qsp.record import block_files, parse_block, read_block_file
from twin_service.outcome import Refusal, RefusalCode

NEUTROPENIA: dict[str, Any] = tomllib.loads(block_files()["neutropenia_friberg"].read_text())


@pytest.fixture
def table() -> dict[str, Any]:
    return copy.deepcopy(NEUTROPENIA)


def test_numbers_arrive_in_the_units_of_the_law(table: dict[str, Any]) -> None:
    table["parameters"]["slope"] |= {"value": 19.2712, "unit": "L/mg", "bounds": [0.0, 100.0]}
    table["parameters"]["mean_transit_time"] |= {"value": 3.5, "unit": "d", "bounds": [1.0, 10.0]}
    records = {p.name: p for p in parse_block(table, "x").parameters}
    assert records["slope"].value == pytest.approx(15.5711, rel=1e-5)
    assert records["mean_transit_time"].value == 84.0
    assert (records["mean_transit_time"].low, records["mean_transit_time"].high) == (24.0, 240.0)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda t: t.pop("source"), "source: is missing"),
        (lambda t: t.update(law="frieberg"), "law 'frieberg' is unknown"),
        (lambda t: t["parameters"].pop("slope"), "needs the parameters slope"),
        (lambda t: t["parameters"].update(extra={"value": 1, "unit": "1", "origin": "t"}), "has no parameter 'extra'"),
        (lambda t: t["parameters"]["slope"].pop("origin"), r"origin is missing; name .* \(R7\)"),
        (lambda t: t["parameters"]["slope"].update(unit="h"), r"expected .* \(R5\)"),
        (lambda t: t["parameters"]["slope"].update(value=-1.0), "outside its bounds"),
        (lambda t: t["parameters"]["slope"].update(transform="cube"), "transform: 'cube' is unknown"),
        (lambda t: t["parameters"]["slope"].update(variance=0.0), "a transform a variance"),
        (lambda t: t["port"][0].update(unit="mg/L"), r"wants umol/L \(R5\)"),
        (lambda t: t["port"][0].update(name="exposure"), r"\(R4\)"),
        (lambda t: t["covariate_effect"][0].update(covariate="height"), "'height' is not declared"),
        (lambda t: t["covariate_effect"][0].update(law="cubic"), "law: 'cubic' is unknown"),
        (lambda t: t["covariate_effect"][0].update(coefficients=[1, 2]), "does not take 2"),
    ],
)
def test_a_fault_in_the_file_is_refused_and_named(table: dict[str, Any], change: Any, said: str) -> None:
    change(table)
    with pytest.raises(Refusal, match=said) as refusal:
        parse_block(table, "qsp/x.toml")
    assert refusal.value.code is RefusalCode.INVALID
    assert refusal.value.message.startswith("qsp/x.toml")


def test_an_unknown_block_is_not_found_and_the_known_ones_are_listed() -> None:
    with pytest.raises(Refusal, match="neutropenia_friberg") as refusal:
        read_block_file("neutropenia")
    assert refusal.value.code is RefusalCode.NOT_FOUND
