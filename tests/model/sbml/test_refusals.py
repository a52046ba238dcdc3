"""Bad files are refused with the file, the element and the cause; the process goes on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("libsbml", reason="python-libsbml is the extra `sbml`")

from tests.model.sbml import writing as w
from twin_service.model.sbml import load, simulate_sbml
from twin_service.outcome import Refusal, RefusalCode

FILES = Path(__file__).parent / "files"


def refused(path: Path, *, run_to: float = 0.0) -> Refusal:
    with pytest.raises(Refusal) as caught:
        model = load(path)
        if run_to:
            simulate_sbml(model, 0.0, run_to, 10)
    assert path.name in caught.value.message
    assert load(FILES / "decay.xml").species == ("A", "B")
    return caught.value


def written(tmp_path: Path, fill: Callable[[Any], None], **how: int) -> Path:
    return w.write(tmp_path / "bad.xml", fill, **how)


def test_a_missing_file(tmp_path: Path) -> None:
    assert refused(tmp_path / "none.xml").code is RefusalCode.NOT_FOUND


@pytest.mark.parametrize("text", ["", "not xml", "<sbml", "<html/>", (FILES / "decay.xml").read_text()[:900]])
def test_a_malformed_file(tmp_path: Path, text: str) -> None:
    path = tmp_path / "bad.xml"
    path.write_text(text)
    assert refused(path).code is RefusalCode.INVALID


def test_an_undefined_symbol(tmp_path: Path) -> None:
    def fill(m: Any) -> None:
        w.parameter(m, "x", 1.0)
        w.rate(m, "x", "missing * x")

    assert "missing" in refused(written(tmp_path, fill)).message


def test_division_by_zero_at_the_start(tmp_path: Path) -> None:
    def fill(m: Any) -> None:
        w.parameter(m, "zero", 0.0, constant=True)
        w.parameter(m, "drug", 1.0)
        w.rate(m, "drug", "1 / zero")

    assert "drug" in refused(written(tmp_path, fill), run_to=1.0).message


def test_division_by_zero_in_an_initial_assignment(tmp_path: Path) -> None:
    def fill(m: Any) -> None:
        w.parameter(m, "zero", 0.0, constant=True)
        w.parameter(m, "share", 1.0, constant=True)
        w.start(m, "share", "1 / zero")

    refusal = refused(written(tmp_path, fill))
    assert "share" in refusal.message and "division by zero" in refusal.message


def test_a_model_that_blows_up(tmp_path: Path) -> None:
    """x' = x^2 from 1/3 is infinite at t = 3."""

    def fill(m: Any) -> None:
        w.parameter(m, "tumor", 1.0 / 3.0)
        w.rate(m, "tumor", "tumor^2")

    refusal = refused(written(tmp_path, fill), run_to=10.0)
    assert "tumor" in refusal.message and ("t = 3," in refusal.message or "t = 2.99" in refusal.message)


def test_rules_that_depend_on_each_other(tmp_path: Path) -> None:
    def fill(m: Any) -> None:
        for name, other in (("a", "b"), ("b", "a")):
            w.parameter(m, name)
            w.assign(m, name, f"{other} + 1")

    assert refused(written(tmp_path, fill)).code is RefusalCode.INVALID


@pytest.mark.parametrize(("formula", "word"), [("delay(x, 1)", "delay"), ("x", "x")])
def test_delays_are_unsupported_by_name(tmp_path: Path, formula: str, word: str) -> None:
    def fill(m: Any) -> None:
        w.parameter(m, "x", 1.0)
        w.parameter(m, "y", 1.0)
        w.rate(m, "x", "-x")
        w.rate(m, "y", formula)

    path = written(tmp_path, fill)
    if word == "delay":
        refusal = refused(path)
        assert refusal.code is RefusalCode.UNSUPPORTED and "delay()" in refusal.message
    else:
        assert len(load(path).system.states) == 2


def test_fast_reactions_and_nonlinear_algebra_are_unsupported_by_name(tmp_path: Path) -> None:
    def fast(m: Any) -> None:
        w.compartment(m, "V", 1.0)
        w.species(m, "S", 1.0)
        w.reaction(m, "quick", "S", {"S": 1.0}, {}).setFast(True)

    def curved(m: Any) -> None:
        w.parameter(m, "u", 1.0)
        w.algebraic(m, "u^2 - 2")

    assert "reaction quick" in refused(written(tmp_path, fast, level=3, version=1)).message
    assert "not linear in u" in refused(written(tmp_path, curved)).message


def test_contradictory_units_warn_and_refuse_when_strict(tmp_path: Path) -> None:
    def fill(m: Any) -> None:
        for name, unit in (("mass", "kilogram"), ("length", "metre"), ("both", "metre")):
            w.parameter(m, name, 1.0).setUnits(unit)
        w.assign(m, "both", "mass + length")

    path = written(tmp_path, fill)
    model = load(path)
    assert model.warnings and all("bad.xml" in text for text in model.warnings)
    with pytest.raises(Refusal, match="units"):
        load(path, strict_units=True)


@pytest.mark.parametrize(("start", "end", "steps"), [(0, 0, 5), (-1, 2, 5), (0, 1, 0), (0, float("nan"), 5)])
def test_a_bad_grid(start: float, end: float, steps: int) -> None:
    with pytest.raises(Refusal, match="start"):
        simulate_sbml(load(FILES / "decay.xml"), start, end, steps)


def test_an_unknown_column() -> None:
    with pytest.raises(Refusal, match="nobody"):
        simulate_sbml(load(FILES / "decay.xml"), 0, 1, 5, amounts=["nobody"])
