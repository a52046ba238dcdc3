"""Diplotypes as allele counts, for models whose parameters are sums over alleles (warfarin: CYP2C9, VKORC1)."""

from __future__ import annotations

import re
from collections import Counter

_STAR = re.compile(r"\*(\d+)")
_BASE = re.compile(r"(?<![A-Za-z0-9>])([ACGT])\s*[/|]?\s*([ACGT])(?![A-Za-z0-9>])")


def allele_counts(gene: str, diplotype: str) -> dict[str, float]:
    """`("CYP2C9", "*1/*3")` -> {cyp2c9_star1: 1, cyp2c9_star3: 1};  `("VKORC1", "A/G")` -> {vkorc1_a: 1, vkorc1_g: 1}.

    Empty for a diplotype written in another way: the caller then keeps what it knows without it.
    """
    name = gene.lower()
    stars = _STAR.findall(diplotype)
    if len(stars) == 2:
        return {f"{name}_star{int(s)}": float(n) for s, n in Counter(stars).items()}
    bases = _BASE.search(diplotype.upper())
    if bases:
        return {f"{name}_{b.lower()}": float(n) for b, n in Counter(bases.groups()).items()}
    return {}
