"""The toxicity panel through a real server: what is known with its source, and what is not as such."""

from __future__ import annotations

import grpc
import pytest

from tests.service.conftest import Client, quantity, refused
from twin_service.v1 import trial_pb2, twin_pb2

KNOWN, NOT_KNOWN = trial_pb2.SIGNAL_STATE_KNOWN, trial_pb2.SIGNAL_STATE_NOT_KNOWN


def request(drug: str, mg: float, tau: float = 8.0, **more: object) -> trial_pb2.AssessToxicityRequest:
    dose = {
        "drug": drug,
        "route": more.pop("route", "oral"),
        "amount": quantity(mg, "mg"),
        "interval": quantity(tau, "h"),
        "count": more.pop("count", 9),
    }
    return trial_pb2.AssessToxicityRequest(parent="tenants/acme", drug=drug, doses=[dose], patients=100, seed=1, **more)


def by_id(found: trial_pb2.AssessToxicityResponse) -> dict[str, trial_pb2.ToxicityMechanism]:
    return {m.id: m for m in found.mechanisms}


def test_more_quinidine_means_more_qt_and_less_margin(client: Client) -> None:
    low, high = (client.trial.AssessToxicity(request("quinidine", mg)) for mg in (50, 400))
    qt_low, qt_high = by_id(low)["qt"], by_id(high)["qt"]
    risk = {r.endpoint: r for r in qt_high.risks}
    for r in qt_low.risks:
        assert 0 <= r.low <= r.probability <= r.high <= 1 and r.probability <= risk[r.endpoint].probability
    assert {"qtc_above_500", "qtc_increase_60"} <= set(risk)
    (margin,) = qt_high.margins
    assert margin.flagged and margin.margin == pytest.approx(margin.concentration_umol_l / margin.cmax_umol_l)
    assert qt_low.margins[0].margin > 4 * margin.margin and margin.output.endswith("plasma_unbound") and margin.source
    assert any(s.startswith("qt: herg margin") for s in high.signals)
    for unknown in ("neutropenia", "thrombocytopenia", "liver_injury", "bleeding"):
        m = by_id(high)[unknown]
        assert m.state == NOT_KNOWN and m.basis.startswith("not known") and not m.risks and not m.margins
    assert "plasma_unbound" in margin.output and high.basis.model_digest and high.patients == 100


def test_neutropenia_comes_in_four_grades(client: Client) -> None:
    found = by_id(client.trial.AssessToxicity(request("docetaxel", 180, 504, route="iv", count=2)))["neutropenia"]
    grades = {r.grade: r.probability for r in found.risks}
    assert list(grades) == [1, 2, 3, 4] and found.state == KNOWN and "doi" in found.basis
    assert grades[1] >= grades[2] >= grades[3] >= grades[4] > 0.1


def test_bleeding_is_judged_where_the_effect_block_has_its_own_kinetics(client: Client) -> None:
    low, high = (client.trial.AssessToxicity(request("warfarin", mg, 24, count=14)) for mg in (1, 15))
    p = [{r.endpoint: r.probability for r in by_id(f)["bleeding"].risks} for f in (low, high)]
    assert p[0]["inr_above_4"] < p[1]["inr_above_4"] and p[1]["pca_below_20"] > p[0]["pca_below_20"]


def test_the_same_seed_gives_the_same_panel(client: Client) -> None:
    first = client.trial.AssessToxicity(request("quinidine", 200))
    kept = client.twins.GetAnswer(
        twin_pb2.GetAnswerRequest(name=f"tenants/acme/answers/{first.basis.answer_id}", reproduce=True)
    )
    assert kept.identical and kept.method.endswith("/AssessToxicity")


def test_a_block_that_no_dose_reaches_is_named(client: Client) -> None:
    found = client.trial.AssessToxicity(request("acetaminophen", 4000, 24, count=1))
    assert by_id(found)["liver_injury"].state == NOT_KNOWN
    assert any("liver_injury_acetaminophen" in n for n in found.notes)


@pytest.mark.parametrize(
    ("broken", "field"),
    [
        (request("quinidine", 200, route="rectal"), "dose.route"),
        (request("quinidine", 200, covariates={"weight_kg": 9000.0}), "covariates[weight_kg]"),
        (request("quinidine", 200, horizon=quantity(-1, "d")), "horizon.value"),
        (request("unobtainium", 200), "drug"),
    ],
)
def test_what_cannot_be_assessed_is_refused_by_name(
    client: Client, broken: trial_pb2.AssessToxicityRequest, field: str
) -> None:
    said = refused(lambda: client.trial.AssessToxicity(broken))
    assert said.fields == [field] and said.code != grpc.StatusCode.INTERNAL
