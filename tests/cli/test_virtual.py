"""`twin virtual-patients`: for every block of the library, and held to its targets."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from twin_service.cli.app import app
from twin_service.cohort.plausible import draw_effects, plausible_cloud
from twin_service.cohort.targets import observed_at_start, read_targets
from twin_service.model.qsp.build import list_blocks, wiring
from twin_service.outcome import Refusal
from twin_service.record.person import ModelChoice
from twin_service.twin.assemble import build

TARGETS = """
[[measure]]
name = "anc"
output = "neutrophils"
log = true
low = 1.0
high = 12.0
mean = 1.5
sd = 0.25
"""


def run(*words: object) -> str:
    result = CliRunner().invoke(app, [str(w) for w in words], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.parametrize("method", ["max_entropy", "accept_reject"])
def test_a_population_follows_its_target(tmp_path: Path, method: str) -> None:
    (tmp_path / "t.toml").write_text(TARGETS)
    run(
        "virtual-patients",
        "neutropenia_generic",
        "--targets",
        tmp_path / "t.toml",
        "--size",
        4000,
        "--method",
        method,
        "--out",
        tmp_path / "out",
        "--json",
        tmp_path / "v.json",
    )
    figures = json.loads((tmp_path / "v.json").read_text())["figures"]
    assert figures["virtual.ks.anc"] < 0.05
    assert 200 < figures["virtual.effective_size"] <= figures["virtual.plausible"] <= 4000
    with (tmp_path / "out" / "patients.csv").open() as f:
        rows = [(float(r["anc"]), float(r["weight"])) for r in csv.DictReader(f)]
    x, w = np.log([r[0] for r in rows]), np.array([r[1] for r in rows])
    assert w.sum() == pytest.approx(1.0, abs=1e-4)
    assert float(w @ x) == pytest.approx(1.5, abs=0.03)
    assert float(np.sqrt(w @ (x - w @ x) ** 2)) == pytest.approx(0.25, abs=0.03)
    assert (tmp_path / "out" / "measures.png").stat().st_size > 3000


def _with_what_feeds_it(block: str) -> tuple[str, ...]:
    """The block and the blocks that its file wires to its ports."""
    return (*{w["wire"].partition(".")[0] for w in wiring(block).values() if "." in w["wire"]}, block)


MODELS = {c: build(ModelChoice(effects=c)) for c in map(_with_what_feeds_it, list_blocks())}
VARIED = [c for c, m in MODELS.items() if m.effects and m.observables]


@pytest.mark.parametrize("blocks", VARIED, ids=lambda c: c[-1])
def test_every_block_has_plausible_patients(blocks: tuple[str, ...]) -> None:
    """Untreated patients of every block that varies between people: all are solved."""
    model = MODELS[blocks]
    wanted = observed_at_start(model)
    eta = draw_effects(model, 40, np.random.default_rng(1))
    cloud = plausible_cloud(model, wanted.measures, eta, np.linspace(0.0, 24.0, 9), covariates=_typical(model))
    assert len(cloud.eta) == 40, cloud.outcome


def _typical(model):  # type: ignore[no-untyped-def]
    usual = {"weight_kg": 70.0, "age_y": 50.0, "height_cm": 170.0}
    return {c.name: usual.get(c.name, max(c.low, 0.0)) for c in model.covariates if c.default is None}


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("neutrophils", "neutrophiles", "neutrophiles"),
        ("log = true", 'kind = "nadir"', "kind 'nadir' is unknown"),
        ("sd = 0.25", "", "belong together"),
        ("sd = 0.25", "sd = 0", "more than 0"),
        ("low = 1.0", "low = 20.0", "low < high"),
        ("log = true", "lgo = true", "lgo is unknown"),
    ],
)
def test_a_faulty_targets_file_is_refused_at_its_place(tmp_path: Path, old: str, new: str, said: str) -> None:
    (tmp_path / "t.toml").write_text(TARGETS.replace(old, new))
    with pytest.raises(Refusal, match=said):
        read_targets(tmp_path / "t.toml", build(ModelChoice(effects=("neutropenia_generic",))))
