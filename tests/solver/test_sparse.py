from __future__ import annotations

import numpy as np
import pytest

from twin_service.solver.sparse import factorization


def eliminate(a: np.ndarray, seed_pattern: set[tuple[int, int]]) -> np.ndarray:
    """Carry out the symbolic program with numbers and return L U of the reordered matrix, in the original order."""
    n = len(a)
    plan = factorization(n, seed_pattern)
    value = {place: a[place] for place in plan.slot}
    for i in plan.order:
        for j in plan.lower[i]:
            value[(i, j)] /= value[(j, j)]
            for k in plan.upper[j]:
                value[(i, k)] -= value[(i, j)] * value[(j, k)]
    product = np.zeros((n, n))
    rank = {k: r for r, k in enumerate(plan.order)}
    for i in range(n):
        for j in range(n):
            low = {m: value[(i, m)] for m in plan.lower[i]} | {i: 1.0}
            product[i, j] = sum(v * value[(m, j)] for m, v in low.items() if (m, j) in value and rank[m] <= rank[j])
    return product


@pytest.mark.parametrize("seed", range(6))
def test_factors_multiply_to_the_matrix(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = 14
    a = np.where(rng.random((n, n)) < 0.15, rng.standard_normal((n, n)), 0.0) + 10.0 * np.eye(n)
    pattern = {(int(i), int(j)) for i, j in np.argwhere(a != 0)}
    assert np.allclose(eliminate(a, pattern), a, atol=1e-12)


def test_a_chain_has_no_fill() -> None:
    n = 30
    plan = factorization(n, [(i, i - 1) for i in range(1, n)])
    assert len(plan.slot) == 2 * n - 1


def test_an_arrow_is_eliminated_from_its_tips() -> None:
    """The hub (0) touches everything: taken first it would fill the matrix, taken last it fills nothing."""
    n = 20
    plan = factorization(n, [(0, i) for i in range(n)] + [(i, 0) for i in range(n)])
    assert len(plan.slot) == 3 * n - 2
    assert 0 in plan.order[-2:]
