"""Diplotypes as they are written in charts."""

from __future__ import annotations

import pytest

from twin_service.model.qsp.alleles import allele_counts


@pytest.mark.parametrize(
    ("gene", "diplotype", "counts"),
    [
        ("CYP2C9", "*1/*3", {"cyp2c9_star1": 1.0, "cyp2c9_star3": 1.0}),
        ("CYP2C9", "*2/*2", {"cyp2c9_star2": 2.0}),
        ("CYP2C9", "CYP2C9*1/CYP2C9*2", {"cyp2c9_star1": 1.0, "cyp2c9_star2": 1.0}),
        ("VKORC1", "A/G", {"vkorc1_a": 1.0, "vkorc1_g": 1.0}),
        ("VKORC1", "AA", {"vkorc1_a": 2.0}),
        ("VKORC1", "rs9923231 G|A", {"vkorc1_g": 1.0, "vkorc1_a": 1.0}),
        ("CYP2C9", "poor metabolizer", {}),
        ("CYP2C9", "*1", {}),
        ("VKORC1", "", {}),
    ],
)
def test_alleles_are_counted(gene: str, diplotype: str, counts: dict[str, float]) -> None:
    assert allele_counts(gene, diplotype) == counts
