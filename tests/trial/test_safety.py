"""The toxicity panel: probabilities, margins, mechanisms, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from twin_service.model.compose import compose
from twin_service.model.qsp.build import build_block
from twin_service.model.qsp.join import two_compartment_block
from twin_service.model.structure import PatientModel
from twin_service.outcome import Refusal
from twin_service.solver.schedule import Dose, Schedule
from twin_service.trial.safety import Threshold, herg_threshold, signals, toxicity_panel

QUINIDINE = {"cl": 16.0, "v1": 60.0, "v2": 140.0, "q": 30.0}


@pytest.fixture(scope="module")
def quinidine() -> PatientModel:
    blocks = {"qt": build_block("qt_linear"), "drug": two_compartment_block(QUINIDINE, "umol/L")}
    return compose("quinidine", blocks, {"qt.drug_concentration": "drug.level"})


def doses(mg: float) -> Schedule:
    return Schedule(tuple(Dose(8.0 * k, "drug.dose", mg / 324.42 * 1000) for k in range(9)))


def test_more_drug_means_more_risk_and_a_smaller_margin(quinidine: PatientModel) -> None:
    herg = herg_threshold("quinidine")
    assert herg is not None and herg.concentration_umol_l == pytest.approx(0.9863)
    panels = [
        toxicity_panel(
            quinidine,
            doses(mg),
            horizon_h=72.0,
            rng=np.random.default_rng(1),
            patients=300,
            concentration="drug.level",
            thresholds=[herg],
        )
        for mg in (50.0, 400.0)
    ]
    low, high = ({r.endpoint.id: r for r in p.risks} for p in panels)
    assert set(low) == {"qtc_above_500", "qtc_increase_60"}
    for name in low:
        assert low[name].probability < high[name].probability
        assert high[name].low < high[name].probability < high[name].high
    assert panels[0].margins[0].margin == pytest.approx(8 * panels[1].margins[0].margin, rel=1e-3)
    assert panels[1].margins[0].flagged and "potassium" in panels[1].margins[0].threshold.mechanism
    assert any("QTc" in s for s in signals(panels[1])) and any("herg" in s for s in signals(panels[1]))


def test_without_drug_the_risk_is_that_of_the_baseline(quinidine: PatientModel) -> None:
    """P(QTc > 500) of the untreated population: lognormal around 429.5 ms with variance 0.0178."""
    panel = toxicity_panel(quinidine, Schedule(), horizon_h=24.0, rng=np.random.default_rng(2), patients=4000)
    risk = {r.endpoint.id: r for r in panel.risks}
    expected = norm.sf(np.log(500.0 / 429.5) / np.sqrt(0.0178))
    assert risk["qtc_above_500"].low < expected < risk["qtc_above_500"].high
    assert risk["qtc_increase_60"].probability == 0.0 and risk["qtc_increase_60"].low == 0.0


def test_weights_count(quinidine: PatientModel) -> None:
    nx = len(quinidine.effects)
    eta = np.zeros((2, nx))
    eta[1, [e.name for e in quinidine.effects].index("qt__eta_baseline")] = 0.5
    panel = toxicity_panel(
        quinidine, Schedule(), horizon_h=24.0, rng=np.random.default_rng(3), eta=eta, weights=np.array([3.0, 1.0])
    )
    assert {r.endpoint.id: r.probability for r in panel.risks}["qtc_above_500"] == pytest.approx(0.25)


def test_neutropenia_and_its_mechanism() -> None:
    drug = two_compartment_block({"cl": 37.8, "v1": 8.0, "v2": 105.0, "q": 12.0}, "umol/L")
    model = compose(
        "d", {"anc": build_block("neutropenia_friberg"), "drug": drug}, {"anc.drug_concentration": "drug.level"}
    )
    panel = toxicity_panel(
        model,
        Schedule((Dose(0.0, "drug.dose", 222.8, 1.0),)),
        horizon_h=504.0,
        patients=300,
        rng=np.random.default_rng(4),
    )
    p = {r.endpoint.id: r.probability for r in panel.risks}
    assert p["neutropenia_grade2"] >= p["neutropenia_grade3"] >= p["neutropenia_grade4"] > 0.1
    assert all("marrow" in r.mechanism for r in panel.risks)


def test_what_cannot_be_judged_is_said(quinidine: PatientModel) -> None:
    drug = compose("drug", {"drug": two_compartment_block(QUINIDINE, "umol/L")})
    panel = toxicity_panel(
        drug,
        doses(10.0),
        horizon_h=24.0,
        rng=np.random.default_rng(5),
        eta=np.zeros((3, 0)),
        thresholds=[Threshold("x", 1.0, 30.0, "m", "s")],
    )
    assert not panel.risks and not panel.margins and len(panel.notes) == 2
    with pytest.raises(Refusal, match="expected an output in umol/L"):
        toxicity_panel(quinidine, doses(10.0), horizon_h=24.0, rng=np.random.default_rng(6), concentration="qt.qtc")
    assert herg_threshold("water") is None
