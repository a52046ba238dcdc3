"""The qualification of QSP: its estimator on closed forms, its learning on simulated truth, its figures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from twin_service.kalman.belief import Belief
from twin_service.model.compose import compose
from twin_service.model.qsp.build import build_block
from twin_service.model.qsp.checks import CheckFinding
from twin_service.model.qsp.join import constant_block
from twin_service.model.structure import ErrorLaw, PatientModel
from twin_service.qualification.qsp import run as qsp
from twin_service.qualification.qsp.belief_fit import PatientRecord, inside_share, posterior, predicted, prior_of
from twin_service.qualification.qsp.page import BlockRow, block_rows, table_lines, write_qsp_report
from twin_service.qualification.qsp.patients import learn
from twin_service.qualification.qsp.run import qualify_qsp, reference_folder
from twin_service.solver.schedule import Schedule
from twin_service.twin.simulate import what_if


@pytest.fixture(scope="module")
def tumor() -> PatientModel:
    return compose(
        "tumor", {"t": build_block("tumor_claret_constant"), "on": constant_block(0.0, "1")}, {"t.exposure": "on.level"}
    )


def test_the_posterior_of_a_log_baseline_is_conjugate(tumor: PatientModel) -> None:
    """Untreated at t = 0: ln size = ln 90 + eta, Gaussian prior, Gaussian readings."""
    law = {"tumor_sld": ErrorLaw(kind="log", proportional=0.3)}
    readings = [(0.0, "tumor_sld", 120.0), (0.0, "tumor_sld", 150.0)]
    belief = posterior(tumor, PatientRecord({}, Schedule(), ()), readings, errors=law)
    omega, data = 0.466489, np.log([120.0 / 90.0, 150.0 / 90.0])
    precision = 1 / omega + 2 / 0.09
    assert belief.mean[0] == pytest.approx(data.sum() / 0.09 / precision, rel=1e-4)
    assert belief.sd[0] == pytest.approx(precision**-0.5, rel=1e-4)
    assert belief.mean[1:] == pytest.approx(0.0, abs=1e-8)


def test_nothing_read_leaves_the_population(tumor: PatientModel) -> None:
    belief = posterior(tumor, PatientRecord({}, Schedule(), ()), [])
    assert belief.covariance == pytest.approx(prior_of(tumor).covariance)


def test_a_population_is_learned_back_from_its_patients(tumor: PatientModel) -> None:
    rng = np.random.default_rng(6)
    n, nx = 40, len(tumor.effects)
    eta = np.zeros((n, nx))
    eta[:, 0] = -0.5 + 0.4 * rng.standard_normal(n)
    times = (0.0, 500.0, 1000.0, 1500.0)
    courses = []
    for e in eta:
        empty = PatientRecord({}, Schedule(), tuple((t, "tumor_sld", 1.0) for t in times))
        size = predicted(tumor, empty, e[None], empty.readings)[0] * np.exp(0.2 * rng.standard_normal(len(times)))
        seen = tuple((t, "tumor_sld", float(s)) for t, s in zip(times, size, strict=True))
        courses.append(PatientRecord({}, Schedule(), seen))
    learned = learn(tumor, courses)
    assert isinstance(learned.prior, Belief)
    assert learned.prior.mean[0] == pytest.approx(-0.5, abs=0.2)
    assert learned.prior.sd[0] == pytest.approx(0.4, abs=0.15)
    assert learned.residual == pytest.approx(0.2, abs=0.05)


def test_bands_and_tables(tmp_path: Path) -> None:
    assert inside_share(np.zeros(4), np.ones(4), np.array([-1.0, 0.5, 1.0, 2.0])) == 0.5

    def found(block: str, error: float) -> CheckFinding:
        return CheckFinding(block, "c", "m", "published", 1.0, 1.0, error, 1e-3, "s")

    findings = [found("b", 2e-3), found("a", 5e-4), found("a", 1e-4)]
    rows = block_rows(findings)
    assert rows == [BlockRow("a", 2, 2, 5e-4, 0.5), BlockRow("b", 1, 0, 2e-3, 2.0)]
    assert [line.split()[:3] for line in table_lines(rows)[1:]] == [["a", "2", "2"], ["b", "1", "0"]]
    text = write_qsp_report(findings, {"qsp.checks": 3.0}, tmp_path).read_text()
    assert "<td>b</td><td>1</td><td>0</td><td>2.00e-03" in text and "qsp.checks" in text


@pytest.mark.slow
def test_the_figures_hold_what_the_library_promises() -> None:
    figures = qualify_qsp()
    assert figures["qsp.blocks"] >= 25 and figures["qsp.checks_pass_share"] == 1.0
    assert 0.88 <= figures["qsp.nadir_coverage90"] <= 0.92
    assert figures["qsp.grade4_brier_ratio"] < 1.0
    assert figures["qsp.inr_in_range_share"] >= 0.75
    if (reference_folder() / "mipd" / "real").exists():
        assert figures["qsp.pca_error_ratio"] < 1.0 and figures["qsp.tumor_error_ratio"] < 1.0


def test_the_speed_is_that_of_the_what_ifs_a_service_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def told(*given: object, **more: object) -> object:
        asked.append(more)
        return what_if(*given, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(qsp, "MEMBERS", 8)
    monkeypatch.setattr(qsp, "what_if", told)
    assert 0 < qsp.speed_figures()["qsp.whatif5_500_s"] < 60
    assert len(asked) == 4 and all(a["members"] == 8 and a["horizon_h"] == 6 * 504.0 for a in asked)
