"""Partition methods: closed forms, invariants and the settings that act on them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from twin_service.model.pbpk.individual import disposition, reference_body
from twin_service.model.pbpk.library import load_library
from twin_service.model.pbpk.partition import METHODS, Chemistry, ionization, rodgers_rowland
from twin_service.model.pbpk.record import PARTITION_METHODS, Composition, DrugRecord, Pka

HUMAN = load_library().species["human"]
BODY = reference_body(HUMAN)
NEUTRAL = DrugRecord("n", "1", "N", 300.0, 2.0, 0.2, 0.9)


def test_every_method_named_in_files_exists() -> None:
    assert set(METHODS) == set(PARTITION_METHODS)


def test_ionization_of_one_site_is_henderson_hasselbalch() -> None:
    base = replace(NEUTRAL, pka=(Pka("base", 8.4),))
    acid = replace(NEUTRAL, pka=(Pka("acid", 6.4),))
    assert ionization(base, 7.4) == pytest.approx(11.0)
    assert ionization(acid, 7.4) == pytest.approx(11.0)


def test_a_neutral_drug_in_pure_water_distributes_as_its_unbound_fraction() -> None:
    water = Composition(extracellular_water=0.3, intracellular_water=0.7)
    kp = rodgers_rowland(Chemistry(NEUTRAL, 0.2, 0.9, 0.45), water, Composition(), Composition(), fat=False)
    assert kp == pytest.approx(0.2)


@pytest.mark.parametrize("method", PARTITION_METHODS)
def test_lipophilic_drugs_distribute_more(method: str) -> None:
    low, high = (disposition(replace(NEUTRAL, logp=p, method=method), HUMAN, BODY, BODY).vss_l for p in (0.0, 4.0))
    assert 5.0 < low < high


def test_a_wanted_volume_is_hit_and_overrides_stay() -> None:
    drug = replace(NEUTRAL, vss_l_kg=1.7, kp={"brain": 3.0})
    at = disposition(drug, HUMAN, BODY, BODY)
    assert at.vss_l / BODY.weight_kg == pytest.approx(1.7, rel=1e-9)
    assert at.kp["brain"] == 3.0


def test_scalar_scales_tissues_but_not_the_blood_they_hold() -> None:
    one, two = (disposition(replace(NEUTRAL, kp_scalar=s), HUMAN, BODY, BODY).kp["muscle"] for s in (1.0, 2.0))
    share = BODY.blood["muscle"] / BODY.volume["muscle"]
    assert two - 0.9 * share == pytest.approx(2.0 * (one - 0.9 * share), rel=1e-9)


def test_less_albumin_means_more_unbound() -> None:
    from twin_service.model.pbpk.physiology import create_body

    poor = create_body(HUMAN, {"albumin_g_l": 22.1})
    fup = disposition(NEUTRAL, HUMAN, poor, BODY).fup
    # McNamara & Alcorn 2002: 1/(1 + 0.5 (1 - 0.2)/0.2) = 1/3
    assert fup == pytest.approx(1.0 / 3.0, rel=0.01)
