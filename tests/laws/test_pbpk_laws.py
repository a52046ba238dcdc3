"""What must hold of any drug in any body: mass, signs, flows, linearity, superposition, AUC = dose/CL."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from twin_service.model.compose import compose
from twin_service.model.pbpk.body import build_body
from twin_service.model.pbpk.checks import plasma_clearance
from twin_service.model.pbpk.clearance import Clearance, Linear, SourcedQuantity
from twin_service.model.pbpk.library import load_library
from twin_service.model.pbpk.record import DrugRecord, Pka
from twin_service.model.structure import PatientModel
from twin_service.solver.schedule import Dose, Schedule
from twin_service.solver.simulate import simulate
from twin_service.solver.tolerances import Tolerances

LIBRARY = load_library()
DRUGS = sorted(LIBRARY.drug_paths)
ROUTES = [(d, r) for d in DRUGS for r in ("iv", "oral")]


def linear_drug(**changes: object) -> DrugRecord:
    """A drug of which everything is known, so that its clearance has a closed form."""
    drug = DrugRecord(
        id="testol",
        version="1",
        title="Testol",
        molar_mass=300.0,
        logp=2.0,
        fup=0.3,
        bp=0.9,
        pka=(Pka("base", 8.0),),
        clearances=(Clearance("liver", Linear(SourcedQuantity(60.0, "L/h", "assumption")), "CYP3A4"),),
        variability=(),
    )
    return replace(drug, **changes)  # type: ignore[arg-type]


def solve(
    model: PatientModel, doses: list[Dose], times: NDArray[np.float64], **covariates: float
) -> dict[str, NDArray[np.float64]]:
    solution = simulate(
        model.system, model.values(covariates), Schedule(tuple(doses)), times, tolerances=Tolerances(rtol=1e-8)
    )
    assert solution.ok, solution.outcomes
    return {n.removeprefix("b."): solution.outputs[0, :, i] for n, i in model.system.output_index.items()}


def total(outputs: dict[str, NDArray[np.float64]], drug: str) -> NDArray[np.float64]:
    return sum(outputs[f"{drug}_{k}"] for k in ("in_body", "urine", "metabolized", "feces") if f"{drug}_{k}" in outputs)  # type: ignore[return-value]


@pytest.mark.parametrize(("drug", "route"), ROUTES)
def test_nothing_is_lost_and_nothing_is_negative(drug: str, route: str) -> None:
    block = build_body([drug], metabolites=True)
    entry = next((r for r in block.routes if r.drug == drug and r.route == route), None)
    if entry is None:
        assert route == "oral" and "oral" not in {r.route for r in block.routes if r.drug == drug}
        return
    model = compose("m", {"b": block})
    given = 100.0
    ids = list(dict.fromkeys(r.drug for r in block.routes))
    out = solve(model, [Dose(0.0, f"b.{entry.input}", given)], np.array([2.0, 6.0, 24.0, 96.0]))
    available = next(u for u in model.system.inputs if u.name == f"b.{entry.input}").bioavailability.value
    held = sum(total(out, d) for d in ids)
    np.testing.assert_allclose(held, given * available, rtol=1e-7)
    for name, values in out.items():
        assert values.min() > -1e-6, name


def test_flows_close_for_everyone() -> None:
    from twin_service.model.pbpk.physiology import create_body

    species = LIBRARY.species["human"]
    for age in (0.0, 0.3, 1.0, 7.0, 15.0, 30.0, 60.0, 95.0):
        for female in (0.0, 1.0):
            body = create_body(species, {"age_y": age, "sex_female": female})
            others = sum(v for k, v in body.flow.items() if k != "lung")
            assert others == pytest.approx(body.flow["lung"], rel=1e-12)
            volume = sum(body.volume.values()) + body.arterial_l + body.venous_l
            assert volume == pytest.approx(body.weight_kg, rel=1e-12)


@pytest.mark.parametrize(("clint", "gfr"), [(5.0, 0.0), (60.0, 1.0), (2000.0, 1.0)])
def test_area_is_dose_over_clearance(clint: float, gfr: float) -> None:
    way = Clearance("liver", Linear(SourcedQuantity(clint, "L/h", "assumption")), "CYP3A4")
    drug = linear_drug(clearances=(way,), gfr_fraction=gfr)
    model = compose("m", {"b": build_body([drug], LIBRARY, routes=("iv",))})
    # Cumulative excretion obeys dA/dt = CL C, so the eliminated amount over the area is the clearance at any time.
    times = np.linspace(0.0, 200.0, 20001)
    out = solve(model, [Dose(0.0, "b.testol_iv", 100.0, 2.0)], times)
    area = np.trapezoid(out["testol_arterial_plasma"], times)
    gone = out["testol_urine"][-1] + out["testol_metabolized"][-1]
    # The organs that eliminate hold drug too; at the end of a long course that is the whole of the difference.
    assert gone + out["testol_in_body"][-1] == pytest.approx(100.0, rel=1e-7)
    left = out["testol_in_body"][-1]
    assert (100.0 - left) / area == pytest.approx(plasma_clearance(drug, LIBRARY), rel=0.005 + left / 100.0)


def test_double_dose_doubles_a_linear_drug_and_doses_add() -> None:
    model = compose("m", {"b": build_body([linear_drug()], LIBRARY)})
    times = np.linspace(0.5, 48.0, 60)
    one = solve(model, [Dose(0.0, "b.testol_oral", 10.0)], times)["plasma"]
    two = solve(model, [Dose(0.0, "b.testol_oral", 20.0)], times)["plasma"]
    later = solve(model, [Dose(12.0, "b.testol_iv", 5.0, 1.0)], times)["plasma"]
    both = solve(model, [Dose(0.0, "b.testol_oral", 10.0), Dose(12.0, "b.testol_iv", 5.0, 1.0)], times)["plasma"]
    np.testing.assert_allclose(two, 2.0 * one, rtol=1e-5)
    np.testing.assert_allclose(both, one + later, rtol=1e-5, atol=1e-9)


def test_a_saturated_enzyme_clears_less_than_proportionally() -> None:
    model = compose("m", {"b": build_body(["midazolam"], routes=("iv",))})
    times = np.linspace(0.0, 72.0, 2001)
    low, high = (
        np.trapezoid(solve(model, [Dose(0.0, "b.midazolam_iv", a)], times)["plasma"], times) / a for a in (1.0, 20000.0)
    )
    assert high > 1.2 * low


def test_a_long_infusion_ends_at_rate_over_clearance() -> None:
    drug = linear_drug()
    model = compose("m", {"b": build_body([drug], LIBRARY, routes=("iv",))})
    rate = 3.0
    out = solve(model, [Dose(0.0, "b.testol_iv", rate * 600.0, 600.0)], np.array([500.0, 599.0]))
    assert out["plasma"][-1] == pytest.approx(rate / plasma_clearance(drug, LIBRARY), rel=1e-4)


def test_the_answer_does_not_depend_on_the_grid() -> None:
    model = compose("m", {"b": build_body(["theophylline"])})
    coarse, fine = np.array([1.0, 8.0, 24.0]), np.linspace(0.0, 24.0, 241)
    doses = [Dose(0.0, "b.theophylline_oral", 1700.0)]
    a, b = (solve(model, doses, t)["plasma"] for t in (coarse, fine))
    np.testing.assert_allclose(a, b[[10, 80, 240]], rtol=1e-5)
