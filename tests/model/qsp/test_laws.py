"""Laws as such: one function for numbers, arrays and symbols; invariants that no check file states."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from twin_service.model.compose import compose
from twin_service.model.qsp.build import build_block, list_blocks
from twin_service.model.qsp.join import constant_block, silent_block, two_compartment_block
from twin_service.model.qsp.law import LAWS
from twin_service.model.qsp.record import read_block_file
from twin_service.model.structure import PatientModel
from twin_service.solver.evaluate import array_function
from twin_service.solver.expression import expression, symbol
from twin_service.solver.schedule import Dose, Schedule
from twin_service.solver.simulate import simulate

FIRST_OF = {read_block_file(b).law.id: b for b in reversed(list_blocks())}


def alone(block_id: str, level: float = 0.0, **parameters: float) -> PatientModel:
    block = build_block(block_id, parameters=parameters)
    sources = {f"in_{p}": constant_block(level, u) for p, u in block.ports.items()}
    return compose(block_id, {"b": block, **sources}, {f"b.{p}": f"in_{p}.level" for p in block.ports})


def run(model: PatientModel, times: Any, doses: tuple[Dose, ...] = (), **covariates: float) -> dict[str, np.ndarray]:
    solution = simulate(model.system, model.values(covariates)[None], Schedule(doses), times)
    assert solution.ok
    return {o.name: solution.outputs[0, :, i] for i, o in enumerate(model.system.outputs)}


@pytest.mark.parametrize("law_id", LAWS)
def test_a_law_says_the_same_on_numbers_arrays_and_symbols(law_id: str) -> None:
    law, record = LAWS[law_id], read_block_file(FIRST_OF[law_id])
    rng = np.random.default_rng(7)
    y = {n: float(v) for n, v in zip(law.states, rng.uniform(0.2, 0.8, len(law.states)), strict=True)}
    p = {q.name: q.value for q in record.parameters}
    p |= {c.name: 1.0 if c.default is None else c.default for c in record.file.covariate}
    u = dict.fromkeys(law.ports, 0.3)
    names = [*y, *p, *u, "time"]
    values = [*y.values(), *p.values(), *u.values(), 5.0]

    def said(of: Any) -> list[Any]:
        space = [SimpleNamespace(**{k: of(k) for k in group}) for group in (y, p, u)]
        e = law.equations(*space, of("time"))
        return [*e.rates.values(), *e.outputs.values(), *e.initial.values()]

    table = dict(zip(names, values, strict=True))
    plain = np.array([float(v) for v in said(table.__getitem__)])
    arrays = said(lambda k: np.full(3, table[k]))
    function = array_function([expression(v) for v in said(symbol)], names)
    assert np.isfinite(plain).all()
    for a, b in zip(plain, arrays, strict=True):
        assert np.asarray(b) == pytest.approx(a, rel=1e-12, abs=1e-300)
    assert np.array([float(v) for v in function(*values)]) == pytest.approx(plain, rel=1e-12, abs=1e-300)


@pytest.mark.parametrize("law_id", LAWS)
def test_every_law_gives_equation_and_source(law_id: str) -> None:
    said = LAWS[law_id].equations.__doc__ or ""
    assert "=" in said or "`claret`" in said
    generic = law_id.startswith("image_")
    marks = ("doi:", "PMID", "meta-analysis", "Clin ", "AAPS", "Syst", "J Ph", "Heo")
    assert generic or any(mark in said for mark in marks)


def test_every_law_has_a_block() -> None:
    assert set(FIRST_OF) == set(LAWS)


def test_cells_stay_positive_under_an_extreme_dose() -> None:
    cells = run(alone("neutropenia_friberg", 50.0), np.linspace(0, 300, 61))["b.cells"]
    assert (cells > 0).all() and cells[-1] < 0.01


def test_a_higher_exposure_means_a_smaller_tumor_and_none_means_growth() -> None:
    size = [run(alone("tumor_claret", c), [0.0, 1000.0])["b.size"][1] for c in (0.0, 0.004, 0.008)]
    assert size[0] > 90.0 > size[1] > size[2]


def test_tumor_kill_depends_on_exposure_not_on_how_it_is_given() -> None:
    """The same area under the curve as a short pulse or spread over 500 h has killed alike once all of it has acted."""
    model = alone("tumor_claret", resistance_rate=0.0)
    column = model.system.parameter_index["in_drug_concentration__level"]
    rows = np.repeat(model.values({})[None, None], 2, axis=1)
    pulse, even = rows.copy(), rows.copy()
    pulse[0, :, column], even[0, :, column] = np.array([0.1, 0.0]), np.array([0.1 * 10 / 500, 0.0])
    end = 500.0 + 12 * 252.0
    for row, until in ((pulse, 10.0), (even, 500.0)):
        size = simulate(model.system, row, Schedule(change_times_h=(until,)), [end]).outputs[0, 0]
        assert size[0] == pytest.approx(90 * np.exp(end * 0.00107 / 24 - 0.0103 / 24 * 1.0 / 0.0084728), rel=1e-4)


def test_one_infusion_does_not_spend_the_kill_of_a_cycle_in_a_day() -> None:
    """75 mg/m2 of docetaxel: 2 % after a day, 13 % after three weeks, as under the source's constant kill."""
    model = alone("tumor_claret")
    rows = np.repeat(model.values({})[None, None], 2, axis=1)
    rows[0, :, model.system.parameter_index["in_drug_concentration__level"]] = [4.2703, 0.0]  # 3.45 mg/L for an hour
    size = simulate(model.system, rows, Schedule(change_times_h=(1.0,)), [24.0, 504.0]).outputs[0, :, 0] / 90.0
    assert size == pytest.approx([0.9821, 0.8683], abs=2e-3)


def test_qtc_falls_back_after_the_drug() -> None:
    model = alone("qt_linear", 10.0)
    rows = np.repeat(model.values({})[None, None], 2, axis=1)
    rows[0, 1, model.system.parameter_index["in_drug_concentration__level"]] = 0.0
    change = simulate(model.system, rows, Schedule(change_times_h=(24.0,)), [24.0, 30.0]).outputs[0, :, 1]
    assert change[0] == pytest.approx(11.73 * 10 * 0.32442, rel=1e-6)
    assert abs(change[1]) < 1e-6


def test_block_of_currents_lies_between_nothing_and_all() -> None:
    for level in (0.0, 1e-3, 1.0, 1e6):
        out = run(alone("qt_channels_quinidine", level), [0.0])
        assert 0.0 <= out["b.herg_block"][0] <= 100.0
        assert out["b.net_block"][0] == pytest.approx(
            out["b.herg_block"][0] - out["b.ical_block"][0] - out["b.inal_block"][0]
        )


def test_acetaminophen_is_conserved_between_body_metabolites_and_urine() -> None:
    model = alone("acetaminophen_pbpk")
    solution = simulate(
        model.system,
        model.values({})[None],
        Schedule((Dose(0.0, "b.oral", 10.0),)),
        np.linspace(0.1, 24, 20),
        keep_states=True,
    )
    assert solution.states is not None
    assert solution.states[0].sum(axis=1) == pytest.approx(10.0, rel=1e-5)


def test_warfarin_inr_starts_at_one_and_returns_there() -> None:
    doses = tuple(Dose(24.0 * k, "b.oral", 2.5) for k in range(10))
    inr = run(alone("warfarin_inr"), [0.0, 240.0, 2400.0], doses)["b.inr"]
    assert inr[0] == 1.0 and inr[1] > 1.5 and inr[2] == pytest.approx(1.0, abs=0.01)


def test_il6_suppresses_the_enzyme_between_zero_and_one() -> None:
    steady = [run(alone("il6_cyp3a4", c), [5000.0])["b.enzyme"][0] for c in (0.0, 73.2, 1e6)]
    assert steady == pytest.approx([1.0, 0.62, 0.24], abs=1e-3)


def test_the_body_and_another_block_can_feed_a_block() -> None:
    """Interleukin-6 from one block suppresses the enzyme of another: blocks join blocks, not only drugs."""
    blocks = {
        "cyp": build_block("il6_cyp3a4"),
        "ra": build_block("ra_cytokine_switch"),
        "none": silent_block("1"),
        "il6": constant_block(54.0, "pg/mL"),
    }
    model = compose("j", blocks, {"cyp.il6": "il6.level", "ra.blockade": "none.level"})
    assert len(model.system.states) == 3
    assert run(model, [3000.0])["cyp.enzyme"][0] == pytest.approx(0.6774, abs=1e-4)


def test_counts_that_all_but_vanish_stay_counts() -> None:
    """Six courses in a patient of threefold sensitivity: an integrator carried the count below zero, where the power
    of the feedback has no value. The count falls below one cell in a liter and comes back."""
    drug = two_compartment_block({"cl": 30.0, "v1": 8.0, "v2": 105.0, "q": 12.0}, "umol/L")
    model = compose(
        "m", {"anc": build_block("neutropenia_friberg"), "drug": drug}, {"anc.drug_concentration": "drug.level"}
    )
    eta = np.zeros((3, len(model.effects)))
    eta[:, [e.name for e in model.effects].index("anc__eta_slope")] = (1.2, 1.6, 2.0)
    course = Schedule(tuple(Dose(504.0 * k, "drug.dose", 230.0, 1.0) for k in range(6)))
    run = simulate(model.system, model.members({}, eta), course, np.linspace(0.0, 3600.0, 721))
    cells = run.outputs[:, :, model.system.output_index["anc.cells"]]
    assert all(o.ok for o in run.outcomes) and np.all(np.isfinite(cells)) and cells.min() > -1e-6
    assert cells[-1].min() < 1e-2 and np.all(cells[:, -1] > 0.5), "it comes back"
