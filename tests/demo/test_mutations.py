"""A bounded slice of the two thousand mutations of `twin bench answers`; and the judge catches what it must."""

from __future__ import annotations

from twin_service.demo.mutations import HELD, Mutant, is_ignored, is_misread, mutants


def test_no_changed_element_is_read_past_and_no_number_misread() -> None:
    found = list(mutants(300))
    assert {m.door for m in found} == {"fhir", "table", "proto"}
    assert [(m.door, m.where) for m in found if is_ignored(m)] == []
    assert [(m.door, m.where, m.number, m.after) for m in found if is_misread(m)] == []
    assert 0.2 < sum(m.after == HELD for m in found) / len(found) < 0.8


def test_the_judge_tells_ignored_from_misread_and_held() -> None:
    assert is_ignored(Mutant("proto", "x", "a", "a", None))
    assert is_misread(Mutant("proto", "x", "a 1", "a 2", 3.0)) and not is_misread(Mutant("x", "x", "a 1", "a 3", 3.0))
    assert not is_misread(Mutant("proto", "x", "a 1", HELD, 3.0))
