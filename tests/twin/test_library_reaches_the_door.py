"""Every observable that a library model predicts can be recorded, and reaches the model in the model's own unit."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.twin.one_compartment import at, person
from twin_service import units
from twin_service.model.pbpk.antibody import antibody_files, build_antibody
from twin_service.model.pbpk.body import build_body
from twin_service.model.pbpk.library import drug_files
from twin_service.model.poppk import build_poppk, list_poppk
from twin_service.model.qsp.build import build_block, list_blocks
from twin_service.record.events import Event, LabMeasured
from twin_service.record.person import ModelChoice
from twin_service.record.timeline import Timeline
from twin_service.twin.assemble import build
from twin_service.twin.reading import read_course


def observables() -> list[tuple[str, str, str]]:
    blocks = [build_block(b) for b in list_blocks()] + [build_poppk(m) for m in list_poppk()]
    blocks += [build_body([d]) for d in drug_files()] + [build_antibody(d) for d in antibody_files()]
    return sorted({(o.analyte, o.unit, b.id) for b in blocks for o in b.observables})


@pytest.mark.parametrize(("analyte", "unit", "block"), observables())
def test_an_observable_can_be_recorded(analyte: str, unit: str, block: str) -> None:
    known = units.analyte(analyte, path="lab.analyte")
    there = units.convert(1.0, known.unit, unit, molar_mass=known.molar_mass)
    assert units.convert(there, unit, known.unit, molar_mass=known.molar_mass) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("model", "drug", "factor"),
    [
        ("busulfan_paci", "busulfan", 1000.0),  # ug/L per mg/L
        ("tacrolimus_woillard", "tacrolimus", 1000.0),
        ("methotrexate_faltaos", "methotrexate", 1000.0 / 454.44),  # umol/L per mg/L, C20H22N8O5
        ("phenobarbital_neonate", "phenobarbital", 1.0),
    ],
)
def test_a_level_reaches_the_model_in_its_own_unit(model: str, drug: str, factor: float) -> None:
    """A level that stayed in mg/L would be read a thousandfold wrong by a model in ug/L."""
    closed = build(ModelChoice(poppk=model))
    typical = {"weight_kg": 2.0 if "neonate" in model else 70.0}
    someone = {c.name: typical.get(c.name, max(c.low, 1.0)) for c in closed.covariates if c.default is None}
    level = Event("l", at(5.0), LabMeasured(drug, 0.5, "mg/L", 0.5, "mg/L"))
    course = read_course(closed, replace(person(), covariates=someone), Timeline.of([level]))
    assert course.samples[0].value == pytest.approx(0.5 * factor, rel=1e-4)


def test_a_twin_may_carry_an_antibody_beside_a_small_molecule() -> None:
    model = build(ModelChoice(drugs=("midazolam", "tefibazumab")))
    assert {"midazolam", "tefibazumab"} <= {r.drug for r in model.routes}
    assert {"midazolam", "tefibazumab"} <= set(model.observables)
    assert [r.route for r in build(ModelChoice(drugs=("tefibazumab",))).routes] == ["iv", "sc"]
