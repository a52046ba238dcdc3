"""A stated clearance comes back, whatever the file leaves out; what would count twice is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from twin_service.model.pbpk.checks import check_file, plasma_clearance
from twin_service.model.pbpk.clearance import FromLiver, InVivo, Linear
from twin_service.model.pbpk.defaults import assume_colon_factor, assume_peff, caco2_to_peff
from twin_service.model.pbpk.elimination import PROTEIN_LIVER_RATIO
from twin_service.model.pbpk.individual import reference_body
from twin_service.model.pbpk.library import load_drug, load_library
from twin_service.model.pbpk.settle import reabsorbed, renal_share

LIBRARY = load_library()
GFR = reference_body(LIBRARY.species["human"]).gfr_l_h
HEAD = """
id = "mydrug"
version = "1"
title = "My drug"
molar_mass = { value = 300, unit = "g/mol", origin = "test" }
logp = { value = LOGP, unit = "1", origin = "test" }
fup = { value = FUP, unit = "1", origin = "test" }
"""
TOTAL = """
[[clearance]]
organ = "total"
law = "in_vivo"
enzyme = "CYP3A4"
clearance = { value = 12, unit = "L/h", origin = "test" }
"""
UNCHANGED = 'unchanged = { value = 0.4, unit = "1", origin = "test" }\n'


def write(folder: Path, text: str, *, logp: float = 2.0, fup: float = 0.1) -> Path:
    path = folder / "mydrug.toml"
    path.write_text(HEAD.replace("LOGP", str(logp)).replace("FUP", str(fup)) + text, encoding="utf-8")
    return path


@pytest.mark.parametrize("fup", [0.002, 0.1, 0.9])
@pytest.mark.parametrize("unchanged", ["", UNCHANGED])
def test_a_total_clearance_comes_back_whatever_is_bound_or_excreted(tmp_path: Path, fup: float, unchanged: str) -> None:
    drug = load_drug(write(tmp_path, TOTAL + unchanged, fup=fup), LIBRARY)
    assert plasma_clearance(drug, LIBRARY) == pytest.approx(12.0, rel=1e-9)
    assert {w.organ for w in drug.clearances} == {"liver", "kidney", "gut"}
    assert drug.clearances[next(w.law.source for w in drug.clearances if isinstance(w.law, FromLiver))].organ == "liver"
    kidney = next(w for w in drug.clearances if w.organ == "kidney").law
    assert isinstance(kidney, InVivo)
    assert kidney.clearance.value == pytest.approx(4.8 if unchanged else min(12.0, renal_share(drug) * GFR))


def test_a_missing_blood_ratio_does_not_change_a_stated_clearance(tmp_path: Path) -> None:
    text = TOTAL.replace('"total"', '"liver"') + "[gfr_fraction]\nvalue = 0\nunit = '1'\norigin = 'test'\n"
    drug = load_drug(write(tmp_path, text), LIBRARY)
    assert drug.bp is not None and drug.bp < 0.8
    assert plasma_clearance(drug, LIBRARY) == pytest.approx(12.0, rel=1e-9)


def test_the_tubule_takes_back_what_is_lipophilic(tmp_path: Path) -> None:
    shares = [reabsorbed(load_drug(write(tmp_path, TOTAL, logp=p), LIBRARY)) for p in (-3.0, -0.5, 3.0)]
    assert shares == pytest.approx([0.00315, 0.5, 0.99968], rel=0.01)


def test_hepatocytes_see_more_than_plasma_leaves_unbound(tmp_path: Path) -> None:
    rows = [
        f'\n[[clearance]]\norgan = "liver"\nlaw = "linear"\nclint = {{ value = 0.01, unit = "{unit}", origin = "t" }}\n'
        for unit in ("uL/min/10^6cells", "uL/min/mg")
    ]
    low = 'gfr_fraction = { value = 0, unit = "1", origin = "test" }\n'
    cells = load_drug(write(tmp_path, low + rows[0], fup=0.01), LIBRARY)
    free = load_drug(write(tmp_path, low + rows[0] + 'uptake = "free"\n', fup=0.01), LIBRARY)
    # Far below flow clearance is in proportion to what is unbound: fup_liver = PLR fup/(1 + (PLR - 1) fup).
    expected = PROTEIN_LIVER_RATIO / (1.0 + (PROTEIN_LIVER_RATIO - 1.0) * 0.01)
    assert plasma_clearance(cells, LIBRARY) / plasma_clearance(free, LIBRARY) == pytest.approx(expected, rel=1e-3)
    law = load_drug(write(tmp_path, low + rows[1], fup=0.01), LIBRARY).clearances[0].law
    assert isinstance(law, Linear) and not law.facilitated


def test_an_assay_without_a_way_to_the_organ_is_refused(tmp_path: Path) -> None:
    row = '\n[[clearance]]\norgan = "{}"\nlaw = "linear"\nclint = {{ value = 1, unit = "{}", origin = "t" }}\n'
    for organ, unit in (("kidney", "uL/min/mg"), ("plasma", "uL/min/mg"), ("gut", "uL/min/10^6cells")):
        assert f"not scaled to the {organ}" in says(write(tmp_path, TOTAL + row.format(organ, unit)))
    other = row.format("liver", "uL/min/mg") + 'basis = "hepatocytes"\n'
    assert "the unit is that of 'microsomes'" in says(write(tmp_path, other))
    assert "fu_inc: belongs to an in vitro value" in says(
        write(tmp_path, TOTAL + 'fu_inc = { value = 0.5, unit = "1", origin = "t" }\n')
    )


def says(path: Path) -> str:
    return "\n".join(str(f) for f in check_file(path, LIBRARY))


def test_what_would_count_twice_is_refused_or_said(tmp_path: Path) -> None:
    kidney = (
        '\n[[clearance]]\norgan = "kidney"\nlaw = "in_vivo"\nclearance = { value = 3, unit = "L/h", origin = "t" }\n'
    )
    assert "clearance[1].organ: kidney is part of the total" in says(write(tmp_path, TOTAL + kidney))
    assert "is a second total clearance" in says(write(tmp_path, TOTAL + TOTAL))
    liver = TOTAL.replace('"total"', '"liver"')
    assert "filtration of unbound drug adds" in says(write(tmp_path, liver, fup=0.6))
    assert "filtration" not in says(write(tmp_path, liver, fup=0.01))
    assert "both count" in says(
        write(tmp_path, liver + liver.replace("in_vivo", "linear").replace("clearance =", "clint ="))
    )
    assert 'belongs to organ = "total"' in says(write(tmp_path, liver + UNCHANGED))
    assert "fraction found unchanged in urine" in says(write(tmp_path, TOTAL))
    assert "fraction found unchanged" not in says(write(tmp_path, TOTAL + UNCHANGED))


def test_permeability_comes_from_the_best_that_is_given(tmp_path: Path) -> None:
    # Sun 2002 at 1e-6 cm/s: 10^-0.1454 1e-4 cm/s; metoprolol's 24e-6 gives 3.4e-4 where 1.3e-4 was perfused.
    assert caco2_to_peff(1e-6 * 3600) / 3600 == pytest.approx(0.7155e-4, rel=1e-3)
    given = '[absorption]\ncaco2 = { value = 24, unit = "10^-6 cm/s", origin = "t" }\n'
    assert load_drug(write(tmp_path, given + TOTAL), LIBRARY).absorption.peff == pytest.approx(
        caco2_to_peff(24e-6 * 3600)
    )
    polar, greasy = (assume_peff(*x)[0] / 3600 for x in ((-3.0, 180.0, 6.0), (4.0, 20.0, 0.0)))
    assert polar == pytest.approx(1e-5, rel=0.5) and greasy > 5e-4
    assert assume_colon_factor(0.3e-4 * 3600) == pytest.approx(0.02) and assume_colon_factor(4e-4 * 3600) == 0.1


def test_microsomes_of_a_bound_drug_are_doubted(tmp_path: Path) -> None:
    row = '\n[[clearance]]\norgan = "liver"\nlaw = "linear"\nclint = { value = 9, unit = "uL/min/mg", origin = "t" }\n'
    assert "predict too slow a clearance" in says(write(tmp_path, row, fup=0.01))
    assert "too slow" not in says(write(tmp_path, row, fup=0.2))
    assert "too slow" not in says(write(tmp_path, row + 'uptake = "facilitated"\n', fup=0.01))
