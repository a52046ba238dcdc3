"""From file to block: individual parameters, covariates, bounds, wiring."""

from __future__ import annotations

import numpy as np
import pytest

from twin_service.model.compose import compose
from twin_service.model.qsp.build import build_block, list_blocks, wiring
from twin_service.model.qsp.join import constant_block, silent_block, sum_block, unit_block
from twin_service.model.structure import PatientModel
from twin_service.outcome import Refusal
from twin_service.solver.schedule import Schedule
from twin_service.solver.simulate import simulate, simulate_reference


def neutropenia(level: float = 0.0) -> PatientModel:
    return compose(
        "n",
        {"anc": build_block("neutropenia_friberg"), "drug": constant_block(level, "umol/L")},
        {"anc.drug_concentration": "drug.level"},
    )


def baseline(model: PatientModel, covariates: dict[str, float], eta: list[float]) -> float:
    rows = model.members(covariates, np.array([eta]))
    return float(simulate(model.system, rows, times_h=[0.0]).outputs[0, 0, 0])


def test_effects_are_lognormal_around_the_typical_value() -> None:
    model = neutropenia()
    assert [e.name for e in model.effects] == ["anc__eta_baseline", "anc__eta_mean_transit_time", "anc__eta_slope"]
    assert np.allclose(np.diag(model.omega), [0.0639703, 0.0191785, 0.128412])
    assert baseline(model, {}, [0.3, 0.0, 0.0]) == pytest.approx(5.21965 * np.exp(0.3))


@pytest.mark.parametrize(
    ("covariates", "factor"),
    [
        ({"sex_female": 1.0}, 1 - 0.121451),
        ({"ecog_at_least_1": 1.0, "prior_chemotherapy": 1.0}, 1.130406 * (1 - 0.146837)),
        ({"aag_g_l": 1.0}, 1 + 0.174677 * (1.0 - 1.34)),
        ({"aag_g_l": 2.0}, 1 + 0.494618 * (2.0 - 1.34)),
    ],
)
def test_covariates_change_the_baseline_as_published(covariates: dict[str, float], factor: float) -> None:
    assert baseline(neutropenia(), covariates, [0.0] * 3) == pytest.approx(5.21965 * factor)


def test_a_protein_that_nobody_measured_is_the_reference() -> None:
    """Another block may state 0 as its default for 'not measured'; that is no plasma without binding protein."""
    assert baseline(neutropenia(), {"aag_g_l": 0.0}, [0.0] * 3) == pytest.approx(5.21965)


def test_more_binding_protein_means_less_effect() -> None:
    model = neutropenia(0.01)
    rows = np.vstack([model.values({"aag_g_l": a}) for a in (1.0, 2.0)])
    relative = simulate(model.system, rows, times_h=[0.0, 200.0]).outputs[:, 1, 1]
    assert relative[0] < relative[1] < 1.0


def test_a_value_outside_its_bounds_or_unknown_is_refused() -> None:
    with pytest.raises(Refusal, match="outside its bounds") as refusal:
        build_block("neutropenia_friberg", parameters={"baseline": 400.0})
    assert refusal.value.field == "parameters.baseline"
    with pytest.raises(Refusal, match="'base' is unknown"):
        build_block("neutropenia_friberg", parameters={"base": 4.0})
    assert build_block("neutropenia_friberg", parameters={"baseline": 4.0}).parameters[0].value == 4.0


def test_wiring_names_the_output_the_numbers_belong_to() -> None:
    assert wiring("neutropenia_friberg")["drug_concentration"]["wire"] == "plasma"


def test_an_open_port_and_a_wrong_unit_are_refused() -> None:
    block = build_block("neutropenia_friberg")
    with pytest.raises(Refusal, match="is open"):
        compose("n", {"anc": block})
    with pytest.raises(Refusal, match="expects umol/L"):
        compose("n", {"anc": block, "c": silent_block("mg/L")}, {"anc.drug_concentration": "c.level"})


def test_two_drugs_in_two_units_add_up_to_one() -> None:
    """3 umol/L for an hour equals 1 umol/L plus 1 umol/L (as mg/L) of a drug twice as potent."""
    blocks = {
        "anc": build_block("neutropenia_friberg"),
        "a": constant_block(1.0, "umol/L"),
        "b": constant_block(0.5, "mg/L"),
        "b_molar": unit_block("mg/L", "umol/L", 500.0),
        "both": sum_block([1.0, 2.0], "umol/L"),
    }
    wires = {"b_molar.x": "b.level", "both.x0": "a.level", "both.x1": "b_molar.x", "anc.drug_concentration": "both.x"}
    joint, single = compose("two", blocks, wires), neutropenia(3.0)
    times = [100.0, 200.0]
    stop = Schedule(change_times_h=(1.0,))
    on, off = joint.values({}), joint.values({})
    off[[joint.system.parameter_index[n] for n in ("a__level", "b__level")]] = 0.0
    column = joint.system.output_index["anc.cells"]
    got = simulate(joint.system, np.array([[on, off]]), stop, times).outputs[0, :, column]
    on, off = single.values({}), single.values({})
    off[single.system.parameter_index["drug__level"]] = 0.0
    want = simulate(single.system, np.array([[on, off]]), stop, times).outputs[0, :, 0]
    assert got == pytest.approx(want, rel=1e-6)
    assert want[1] < 2.0


@pytest.mark.parametrize("block_id", list_blocks())
def test_every_block_builds_composes_and_starts_finite(block_id: str) -> None:
    block = build_block(block_id)
    sources = {f"in_{port}": silent_block(unit) for port, unit in block.ports.items()}
    model = compose(block_id, {"b": block, **sources}, {f"b.{port}": f"in_{port}.level" for port in block.ports})
    eta = 0.3 * np.random.default_rng(1).standard_normal((3, len(model.effects))) * np.sqrt(np.diag(model.omega))
    covariates = {c.name: 1.0 for c in model.covariates if c.default is None}
    run = simulate_reference(model.system, model.members(covariates, eta), times_h=[0.0, 24.0])
    assert run.ok and np.isfinite(run.outputs).all()
