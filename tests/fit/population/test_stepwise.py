"""A search finds the covariate that was put in, leaves out the one that was not, and goes on after a kill."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from twin_service.fit.event_table import subjects_of
from twin_service.fit.population.build import build_problem
from twin_service.fit.population.estimate import check_estimable
from twin_service.fit.population.stepwise import Relation, StepwiseOptions, candidates_of, stepwise, with_relations
from twin_service.fit.subject import TableSubject
from twin_service.model.compose import compose
from twin_service.model.poppk.build import build_poppk
from twin_service.model.poppk.record import PopPkRecord, parse_model
from twin_service.outcome import Refusal

TABLE: dict[str, Any] = {
    "id": "bolus",
    "schema": 2,
    "version": "1",
    "drug": "x",
    "source": "a simulation",
    "structure": {"compartments": 1, "absorption": "none", "elimination": "linear"},
    "parameters": {
        "CL": {"value": 3.0, "unit": "L/h", "origin": "truth", "effect": {"variance": 0.06}},
        "V": {"value": 30.0, "unit": "L", "origin": "truth", "effect": {"variance": 0.04}},
    },
    "covariate": [{"name": "weight_kg", "unit": "kg"}, {"name": "age_y", "unit": "y"}],
    "observable": [{"analyte": "x", "unit": "mg/L", "error": {"proportional": 0.1, "origin": "truth"}}],
}


def data(seed: int, people: int = 60, spread: float = 0.25) -> tuple[PopPkRecord, list[TableSubject]]:
    """Clearance by weight^0.9; age does nothing."""
    rng, record = np.random.default_rng(seed), parse_model(TABLE)
    rows: list[dict[str, Any]] = []
    for i in range(people):
        weight, age = 70 * np.exp(spread * rng.standard_normal()), rng.uniform(20, 80)
        cl = 3.0 * (weight / 70) ** 0.9 * np.exp(0.245 * rng.standard_normal())
        v = 30.0 * np.exp(0.2 * rng.standard_normal())
        who = {"ID": i, "weight_kg": weight, "age_y": age}
        rows.append({**who, "TIME": 0, "AMT": 100, "EVID": 1})
        for t in (0.5, 2, 6, 12, 24):
            y = 100 / v * np.exp(-cl / v * t) * (1 + 0.1 * rng.standard_normal())
            rows.append({**who, "TIME": t, "DV": y, "EVID": 0})
    return record, subjects_of(rows, compose(record.id, {record.id: build_poppk(record)}))


def test_the_true_covariate_is_found_and_no_other() -> None:
    record, subjects = data(1)
    candidates = candidates_of(record, subjects)
    assert len(candidates) == 4
    found = stepwise(record, subjects, candidates)
    assert [(r.parameter, r.covariate) for r in found.relations] == [("CL", "weight_kg")]
    assert any(s.kept for s in found.steps) and len(found.steps) >= 8
    term = found.record.parameters["CL"].terms[0]
    assert term.law == "power"


def test_a_search_goes_on_from_its_diary(tmp_path: Path) -> None:
    record, subjects = data(2, people=25)
    diary, candidates = tmp_path / "diary.jsonl", candidates_of(record, subjects, ["CL"])
    first = stepwise(record, subjects, candidates, StepwiseOptions(diary=diary))
    lines = diary.read_text().splitlines()
    # the file as a kill may leave it: its last line cut short
    diary.write_text("\n".join([*lines[:-1], lines[-1][:9]]))
    again = stepwise(record, subjects, candidates, StepwiseOptions(diary=diary))
    assert again.relations == first.relations and again.objective == pytest.approx(first.objective, abs=1e-6)
    assert len(diary.read_text().splitlines()) <= len(lines) + 1


def test_a_covariate_that_does_not_vary_is_no_candidate_and_is_refused_when_stated() -> None:
    record, subjects = data(3, people=10, spread=0.0)
    assert all(r.covariate != "weight_kg" for r in candidates_of(record, subjects))
    stated = with_relations(record, [Relation("CL", "weight_kg", "power", 70.0)])
    with pytest.raises(Refusal, match="does not differ between the subjects"):
        check_estimable(build_problem(stated, subjects))
