"""Structure: refusals by name, conformal coverage on planted errors, determinism, a drug file that reads."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("rdkit", reason="extra `molecule` is not installed")
pytest.importorskip("lightgbm", reason="extra `molecule` is not installed")

from twin_service.model.molecule.drug_text import drug_text, neutral_logp
from twin_service.model.molecule.features import features_of, kernel, ranks_of, tanimoto
from twin_service.model.molecule.ionization import sites_of
from twin_service.model.molecule.page import write_molecule
from twin_service.model.molecule.prediction import conformal, learned_values, predict_properties
from twin_service.model.molecule.sources import PROPERTIES, logit
from twin_service.model.molecule.store import Models
from twin_service.model.molecule.structure import read_molecule
from twin_service.model.molecule.training import MoleculeTable, Shared, train
from twin_service.model.pbpk.checks import check_file
from twin_service.model.pbpk.library import load_library
from twin_service.outcome import Refusal

CHAINS = [f"C{'C' * n}{end}" for n in range(1, 22) for end in ("O", "N", "C(=O)O", "c1ccccc1", "Cl")]


@pytest.mark.parametrize(
    "smiles, said",
    [
        ("C1CC", "no SMILES that parses"),
        ("", "no SMILES that parses"),
        ("CC(=O)[O-].[Na+]", "salt or mixture of 2"),
        ("N[Pt](N)(Cl)Cl", "holds Pt"),
        ("O", "has no carbon"),
    ],
)
def test_what_is_no_single_organic_molecule_is_refused_by_name(smiles, said):
    with pytest.raises(Refusal, match=said):
        read_molecule(smiles)


def test_peptide_and_macrocycle_are_doubted():
    peptide = read_molecule("CC(N)C(=O)NC(C)C(=O)NC(C)C(=O)NC(C)C(=O)NC(C)C(=O)O")
    ring = read_molecule("C1CCCCCCCCCCCCC(=O)O1")
    assert "peptide" in peptide.doubts[0] and "macrocycle" in ring.doubts[0]
    assert read_molecule("CCO").doubts == ()


def test_charge_and_spelling_do_not_matter():
    a, b = read_molecule("CC(=O)[O-]"), read_molecule("OC(C)=O")
    assert a.smiles == b.smiles and a.key == b.key


def test_similarity_is_one_with_itself_and_symmetric():
    counts = features_of(CHAINS[:12]).counts
    found = tanimoto(counts, counts)
    assert np.diag(found) == pytest.approx(1.0) and np.allclose(found, found.T)


def test_kernel_is_positive_semidefinite():
    f = features_of(CHAINS[:40])
    normal = ranks_of(f.descriptors).apply(f.descriptors)
    k = kernel(tanimoto(f.counts, f.counts), normal, normal)
    assert np.linalg.eigvalsh((k + k.T) / 2.0).min() > -1e-5  # float32 sums


def test_conformal_intervals_cover_what_they_promise():
    rng = np.random.default_rng(5)
    near = rng.random(4000)
    errors = np.abs(rng.normal(size=4000) * (2.0 - near))  # wider far away: the classes must notice
    new = rng.random(2000)
    fresh = np.abs(rng.normal(size=2000) * (2.0 - new))
    covered = [e <= conformal(errors, near, float(s), 0.8) for s, e in zip(new, fresh, strict=True)]
    far = [c for c, s in zip(covered, new, strict=True) if s < 0.25]
    assert abs(np.mean(covered) - 0.8) < 0.03 and abs(np.mean(far) - 0.8) < 0.06


@pytest.mark.parametrize(
    "group, smiles, charge",
    [
        ("carboxylic acid", "CC(=O)O", "acid"),
        ("aliphatic amine", "CCCN", "base"),
        ("phenol", "Oc1ccccc1", "acid"),
        ("pyridine", "c1ccncc1", "base"),
        ("imidazole", "c1c[nH]cn1", "base"),
    ],
)
def test_groups_are_found(group, smiles, charge):
    sites = sites_of(smiles)
    assert [(s.words, s.charge) for s in sites] == [(group, charge)]


def test_an_amide_is_no_base():
    assert sites_of("CC(=O)NC") == []


def test_logp_of_a_neutral_is_its_logd():
    assert neutral_logp(1.7, []) == 1.7 and neutral_logp(1.0, sites_of("CCCN")) == pytest.approx(
        1.0 + np.log10(1 + 10**1.9)
    )


def test_scales_invert():
    for p in PROPERTIES:
        for x in (-1.0, 0.3, 2.0):
            assert p.learned(p.value(x)) == pytest.approx(x)
    assert np.isnan(logit(float("nan")))


def _models() -> Models:
    """A small world: every property is a line in the number of carbons, learned by the real trainer."""
    molecules = [read_molecule(s) for s in CHAINS]
    features = features_of([m.smiles for m in molecules])
    shared = Shared(tuple(m.smiles for m in molecules), np.arange(len(molecules)) % 5, features)
    carbons = np.array([s.count("C") for s in CHAINS], dtype=float)
    rows = np.arange(len(molecules))
    trained = {
        p.name: train(p, shared, MoleculeTable(rows, -5.0 + 0.05 * carbons, np.zeros(len(rows), dtype=int)))
        for p in PROPERTIES[:1]
    }
    return Models(shared, {p.name: trained[PROPERTIES[0].name] for p in PROPERTIES}, {"digest": "0" * 64})


@pytest.fixture(scope="module")
def models() -> Models:
    return _models()


def test_training_learns_a_planted_line_and_is_the_same_twice(models):
    first, second = models.trained["logd"], _models().trained["logd"]
    assert first.boosted == second.boosted and np.array_equal(first.weights, second.weights)
    errors = first.left_out - first.table.values
    assert np.std(errors) < 0.5 * np.std(first.table.values)


def test_prediction_has_neighbors_intervals_and_domain(models):
    near, far = predict_properties([read_molecule("CCCCCO"), read_molecule("FC(F)(F)S(=O)(=O)N1CSN=N1")], models)
    assert near[0].in_domain and near[0].neighbors[0].similarity == pytest.approx(1.0, abs=1e-5)
    assert near[0].low90 <= near[0].low < near[0].value < near[0].high <= near[0].high90
    assert not far[0].in_domain and "nothing like it" in far[0].doubts[0]
    asked = features_of(["CCCCCO"])
    assert learned_values(models.trained["logd"], models.shared.features, asked)[0] == pytest.approx(near[0].value)


def test_drug_file_passes_the_library_check_and_says_predicted(models, tmp_path):
    molecule = read_molecule("CCCCN")
    found = predict_properties([molecule], models)[0]
    path = tmp_path / "made.toml"
    path.write_text(drug_text(molecule, found, models.digest, name="made"), encoding="utf-8")
    wrong = [str(f) for f in check_file(path, load_library()) if f.severity == "error"]
    assert wrong == []
    text = path.read_text(encoding="utf-8")
    assert text.count('method = "predicted"') == 5 and "models 000000000000" in text and "aliphatic amine" in text


def test_page_shows_molecule_and_neighbors(models, tmp_path):
    molecule = read_molecule("CCCCN")
    page = write_molecule(molecule, predict_properties([molecule], models)[0], models.digest, tmp_path)
    text = page.read_text(encoding="utf-8")
    assert text.count("<svg") >= 1 + 3 * len(PROPERTIES) and "nearest measured" in text
