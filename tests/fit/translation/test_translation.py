"""Translation against closed forms, a multivariate normal's own conditional, and files with every mistake at once."""

from __future__ import annotations

import numpy as np
import pytest

from twin_service.fit.predict.plan import DosePlan
from twin_service.fit.translation.allometry import clearance_methods, invariant_time, life_span_y, power_law
from twin_service.fit.translation.compound import AnimalStudy, Compound, InVitroClearance, TimeCourse
from twin_service.fit.translation.compound_file import read_compound
from twin_service.fit.translation.course import draw, human_course
from twin_service.fit.translation.evidence import clearance_belief, learn, load_evidence, volume_belief, write_evidence
from twin_service.fit.translation.in_vitro import parallel_tube, unbound_in_incubation, well_stirred
from twin_service.fit.translation.page import write_translation
from twin_service.fit.translation.robust_normal import RobustNormal, fit_robust_normal
from twin_service.fit.translation.translate import contradictions, translate
from twin_service.fit.translation.volume import WATERS, kp_scalar, oie_tozer, unbound_in_tissue
from twin_service.model.pbpk.individual import disposition, reference_body
from twin_service.model.pbpk.library import load_library
from twin_service.outcome import Refusal

HEAD = """
title = "A compound"
version = "1"
molar_mass = { value = 300, unit = "g/mol", origin = "made up" }
logp = { value = 2, unit = "1", origin = "made up" }
fup = { value = 0.2, unit = "1", origin = "made up" }
bp = { value = 1, unit = "1", origin = "made up" }
"""
RAT = """
[[animal]]
species = "rat"
weight = { value = 0.25, unit = "kg", origin = "made up" }
clearance = { value = 20, unit = "mL/min/kg", origin = "made up" }
vss = { value = 1.5, unit = "L/kg", origin = "made up" }
"""


def _file(tmp_path, text: str):
    path = tmp_path / "compound.toml"
    path.write_text(text, encoding="utf-8")
    return path


def _compound(tmp_path, **studies: tuple[float, float, float]) -> Compound:
    found = read_compound(_file(tmp_path, HEAD + RAT))
    animals = tuple(AnimalStudy(s, w, c, v, fup=0.2) for s, (w, c, v) in studies.items())
    return Compound(found.chemistry, animals)


def test_power_law_is_exact_on_a_power_law():
    law = power_law([0.25, 5.0, 10.0], [3.0 * w**0.8 for w in (0.25, 5.0, 10.0)])
    assert law.coefficient == pytest.approx(3.0) and law.exponent == pytest.approx(0.8)


def test_animals_of_one_power_law_give_it_back(tmp_path):
    per_kg = {w: 30.0 * w**0.69 / w for w in (0.25, 5.0, 10.0)}
    compound = _compound(
        tmp_path, rat=(0.25, per_kg[0.25], 1.0), monkey=(5.0, per_kg[5.0], 1.0), dog=(10.0, per_kg[10.0], 1.0)
    )
    brains = {"rat": 0.0018, "monkey": 0.09, "dog": 0.08, "human": 1.45}
    found = {m.name: m for m in clearance_methods(compound, brains)}
    assert found["simple allometry"].value == pytest.approx(30.0 * 70.0**0.69 / 70.0)
    assert found["rule of exponents"].value == pytest.approx(found["simple allometry"].value)
    assert found["unbound-corrected intercept"].value == pytest.approx(33.35 * 30.0**0.77 / 70.0)
    assert found["rat, single species"].value == pytest.approx(0.152 * per_kg[0.25])


def test_life_span_of_man_is_near_ninety_years():
    assert 85.0 < life_span_y(1.45, 70.0) < 100.0  # Sacher's formula: 93 years with 1.53 kg


def test_invariant_time_of_an_exponential_scales_its_half_life():
    study = AnimalStudy("rat", 0.25, course=TimeCourse((0.0, 1.0, 2.0), (2.0, 1.0, 0.5), 2.0))
    times, levels = invariant_time(study)
    assert times[1] == pytest.approx((70.0 / 0.25) ** 0.25) and levels == [1.0, 0.5, 0.25]


def test_liver_models_agree_at_low_extraction_and_stay_below_flow():
    assert well_stirred(0.1, 0.1, 1.0) == pytest.approx(0.01, rel=1e-3)
    assert parallel_tube(0.1, 0.1, 1.0) == pytest.approx(0.01, rel=1e-3)
    assert well_stirred(1e6, 1.0, 1.0) == pytest.approx(20.7, rel=1e-3)
    assert parallel_tube(30.0, 1.0, 1.0) > well_stirred(30.0, 1.0, 1.0)


def test_binding_in_the_incubation_rises_with_protein(tmp_path):
    compound = read_compound(_file(tmp_path, HEAD + RAT))
    free = [unbound_in_incubation(InVitroClearance("microsomes", 10.0, c, None), compound) for c in (0.1, 1.0)]
    assert free[0] > free[1]
    assert free[1] == pytest.approx(1.0 / (1.0 + 10.0 ** (0.56 * 2.0 - 1.41)))
    assert unbound_in_incubation(InVitroClearance("microsomes", 10.0, None, 0.3), compound) == 0.3


def test_oie_tozer_inverts():
    fut = unbound_in_tissue(WATERS["rat"], 0.2, 1.5)
    assert fut is not None and oie_tozer(WATERS["rat"], 0.2, fut) == pytest.approx(1.5)
    assert unbound_in_tissue(WATERS["rat"], 0.01, 0.05) is None


def test_scalar_reproduces_the_animals_volume(tmp_path):
    library = load_library()
    compound = _compound(tmp_path, rat=(0.25, 20.0, 1.5))
    scalar = kp_scalar(compound.animals[0], compound.chemistry, library)
    from dataclasses import replace

    rat = library.species["rat"]
    body = reference_body(rat)
    scaled = disposition(replace(compound.chemistry, kp_scalar=scalar), rat, body, body)
    assert scaled.vss_l / body.weight_kg == pytest.approx(1.5, rel=1e-6)


def test_conditional_is_the_gaussian_one_when_degrees_are_many():
    scatter = np.array([[1.0, 0.6], [0.6, 2.0]])
    found, weights = RobustNormal(np.array([1.0, -1.0]), scatter, 1e9).given(np.array([np.nan, 0.5]), 0)
    assert found.location == pytest.approx(1.0 + 0.3 * 1.5) and weights[1] == pytest.approx(0.3)
    assert found.scale**2 == pytest.approx(1.0 - 0.36 / 2.0)


def test_fit_recovers_a_planted_distribution_with_holes():
    rng = np.random.default_rng(3)
    planted = np.array([[1.0, 0.7, 0.5], [0.7, 1.0, 0.4], [0.5, 0.4, 1.0]])
    rows = rng.multivariate_normal([0.0, 1.0, 2.0], planted, 3000)
    rows[rng.random(rows.shape) < 0.3] = np.nan
    model = fit_robust_normal(rows)
    assert model.degrees == 30.0  # the most Gaussian on offer
    assert np.allclose(model.location, [0.0, 1.0, 2.0], atol=0.08)
    assert np.allclose(model.scatter, planted, atol=0.12)


def test_an_outlying_row_moves_a_student_fit_little():
    rng = np.random.default_rng(4)
    rows = rng.multivariate_normal([0.0, 0.0], [[1.0, 0.8], [0.8, 1.0]], 200)
    clean = fit_robust_normal(rows)
    spoiled = fit_robust_normal(np.vstack([rows, [[30.0, -30.0]]]))
    assert spoiled.degrees <= 6.0 and abs(spoiled.location[0] - clean.location[0]) < 0.1


def test_every_mistake_is_named_at_once(tmp_path):
    text = HEAD.replace("fup", "fupp") + RAT.replace('"rat"', '"zebra"').replace("clearance", "clearence")
    text += '[[in_vitro]]\nclint = { value = 5, unit = "uL/min/mg", origin = "made up" }\n'
    with pytest.raises(Refusal) as caught:
        read_compound(_file(tmp_path, text))
    said = caught.value.message
    assert "did you mean 'fup'?" in said and "did you mean 'clearance'?" in said
    assert "'zebra' is unknown" in said and "protein" in said and "concentration" in said


def test_tenfold_contradiction_is_named_and_widens(tmp_path):
    agreeing = _compound(tmp_path, rat=(0.25, 20.0, 1.0), dog=(10.0, 8.0, 1.0))
    apart = _compound(tmp_path, rat=(0.25, 80.0, 1.0), dog=(10.0, 0.8, 1.0))
    assert contradictions(agreeing) == () and "clearance of rat" in contradictions(apart)[0]
    evidence = load_evidence()
    width = [b.quantile(0.9) / b.quantile(0.1) for b in (clearance_belief(c, evidence) for c in (agreeing, apart))]
    assert width[1] > width[0]


def test_shipped_evidence_is_what_the_reference_gives(reference_dir, tmp_path):
    digest = write_evidence(learn(reference_dir / "pbpk"), tmp_path / "again.toml")
    from twin_service.fit.translation.evidence import FILE

    assert (tmp_path / "again.toml").read_bytes() == FILE.read_bytes() and len(digest) == 64


def test_more_sources_narrow_the_posterior(tmp_path):
    evidence = load_evidence()
    one = _compound(tmp_path, rat=(0.25, 20.0, 1.0))
    three = _compound(tmp_path, rat=(0.25, 20.0, 1.0), dog=(10.0, 8.0, 1.0), monkey=(5.0, 8.0, 1.0))
    for belief in (clearance_belief, volume_belief):
        assert belief(three, evidence).student.scale < belief(one, evidence).student.scale


def test_course_has_the_area_of_its_clearance(tmp_path):
    compound, evidence, library = _compound(tmp_path, rat=(0.25, 20.0, 1.0)), load_evidence(), load_library()
    draws = draw(clearance_belief(compound, evidence), volume_belief(compound, evidence), 0.4, count=8)
    course = human_course(compound, draws, DosePlan(100.0, "iv"), library)
    areas = np.array([e.total_area for e in course.exposures])
    # Beyond the liver's flow the excess leaves from arterial plasma, and venous levels no longer give clearance.
    hepatic = draws.clearance < 15.0
    expected = 100.0 / (draws.clearance * 70.0 * 0.06)
    assert hepatic.sum() >= 6 and areas[hepatic] == pytest.approx(expected[hepatic], rel=0.05)


def test_page_and_figures(tmp_path):
    path = _file(
        tmp_path,
        HEAD + RAT + '[[in_vitro]]\nclint = { value = 5, unit = "uL/min/10^6cells", origin = "x" }\n'
        'cells = { value = 1, unit = "1", origin = "x" }\n',
    )
    found = translate(read_compound(path), DosePlan(10.0))
    figures = found.figures()
    assert figures["translate.clearance_ml_min_kg_q10"] < figures["translate.clearance_ml_min_kg"]
    assert 0.0 < figures["translate.f"] <= 1.0
    page = write_translation(found, tmp_path / "out").read_text(encoding="utf-8")
    assert "<svg" in page and "Plasma clearance" in page and "hepatocytes, well-stirred" in page
    assert (tmp_path / "out" / "methods.csv").exists() and (tmp_path / "out" / "course.csv").exists()
