"""Blocks fitted to tables: truth recovered, ports and doses applied, faults named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from twin_service.fit.parameters.fit import estimate
from twin_service.fit.parameters.page import fit_figures
from twin_service.fit.parameters.table import problem_of_table
from twin_service.outcome import Refusal


def write(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n")
    return path


def test_a_tumor_is_fitted_and_its_growth_found(tmp_path: Path) -> None:
    """Untreated and treated tumors from known parameters (B 60 mm, KL 0.002, KD 0.02 a day), noise-free."""
    days = (0, 30, 60, 90, 120)
    free = [f"off,{24 * d},tumor_sld,{60 * np.exp(0.002 * d):.8f}," for d in days]
    left = {d: 0.002 * d - 0.02 / 0.0193 * (1 - np.exp(-0.0193 * d)) for d in days}
    kill = [f"on,{24 * d},tumor_sld,{60 * np.exp(left[d]):.8f}," for d in days]
    data = write(tmp_path / "t.csv", "condition,time_h,analyte,value,exposure", "off,0,,,0", "on,0,,,1", *free, *kill)
    problem = problem_of_table("tumor_claret_constant", data, free=["baseline", "growth_rate", "kill_rate"])
    fitted = estimate(problem, rng=np.random.default_rng(1), starts=4)
    figures = fit_figures(fitted)
    assert fitted.outcome.ok
    assert fitted.values["baseline"] == pytest.approx(60.0, rel=1e-3)
    assert fitted.values["growth_rate"] * 24 == pytest.approx(0.002, rel=2e-2)
    assert fitted.values["kill_rate"] * 24 == pytest.approx(0.02, rel=1e-2)
    assert figures["estimate.baseline.low"] < 60.0 < figures["estimate.baseline.high"]
    assert figures["estimate.starts_that_agree"] >= 2


def test_doses_of_the_table_reach_the_model(tmp_path: Path) -> None:
    """Warfarin 100 mg: prothrombin complex activity 35.08 % after 24 h, 96.54 % without."""
    data = write(
        tmp_path / "w.csv",
        "condition,time_h,analyte,value,input,amount",
        "dosed,0,,,oral,100",
        "dosed,24,pca,35,,",
        "plain,24,pca,96,,",
    )
    problem = problem_of_table("warfarin_pca", data, free=["half_effect"])
    values = problem.values(np.log10([1.0072663]))
    assert problem.predict(values, "pca", "dosed", np.array([24.0])) == pytest.approx([35.0779], rel=1e-3)
    assert problem.predict(values, "pca", "plain", np.array([24.0])) == pytest.approx([96.5441], rel=1e-3)


def test_a_pulse_through_a_port(tmp_path: Path) -> None:
    """3 mg/L docetaxel for an hour, then none: 6.238 x 10^9/L neutrophils at 504 h."""
    data = write(
        tmp_path / "n.csv",
        "time_h,analyte,value,drug_concentration",
        f"0,,,{3000 / 808}",
        "1,,,0",
        "504,neutrophils,6,",
    )
    problem = problem_of_table("neutropenia_friberg", data, free=["slope"])
    values = problem.values(np.log10([15.5711]))
    assert problem.predict(values, "neutrophils", "all", np.array([504.0])) == pytest.approx([6.23836], rel=1e-4)


@pytest.mark.parametrize(
    ("free", "line", "said"),
    [
        (["slope"], "0,pca,1,,", "parameter slope is not in warfarin_pca"),
        (["half_effect"], "0,mood,1,,", "analyte 'mood' is unknown"),
        (["half_effect"], "0,pca,high,,", "value is 'high'; expected a number"),
        (["half_effect"], "x,pca,1,,", "time_h is 'x'"),
        (["half_effect"], "0,pca,nan,,", "finite"),
        (["half_effect"], "0,,,vein,5", "input 'vein' is unknown; warfarin_pca has oral"),
        (["half_effect"], "0,,,oral,5", "no measurements"),
        ([], "0,pca,1,,", "is not in warfarin_pca"),
    ],
)
def test_faults_are_named_with_their_line(tmp_path: Path, free: list[str], line: str, said: str) -> None:
    data = write(tmp_path / "w.csv", "time_h,analyte,value,input,amount", line)
    with pytest.raises(Refusal, match=said):
        problem_of_table("warfarin_pca", data, free=free)
