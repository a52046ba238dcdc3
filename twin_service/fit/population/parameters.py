"""The vector x that is searched, and what it means: typical values, spread, residual sizes.

x = (beta, entries of the Cholesky factors of Omega with log diagonals, log residual SDs)
Omega = L L', block diagonal; a block of an occasion effect is repeated once for each occasion (tied entries)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class OmegaBlock:
    """Effects that vary together; `copies` holds the columns of each repetition (occasions), all of one covariance.

    columns   names of the effects;  copies[k]  their columns in eta
    """

    names: tuple[str, ...]
    copies: tuple[tuple[int, ...], ...]


class Entry(NamedTuple):
    """One searched entry of L and its places (row, column)."""

    block: int
    i: int
    j: int
    places: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class ParameterSpace:
    """Names and structure of x; `fixed` marks entries that the search leaves where they are."""

    beta: tuple[str, ...]
    blocks: tuple[OmegaBlock, ...]
    sigma: tuple[str, ...]
    fixed: frozenset[str] = field(default_factory=frozenset)

    @cached_property
    def entries(self) -> tuple[Entry, ...]:
        return tuple(
            Entry(b, i, j, tuple((copy[i], copy[j]) for copy in block.copies))
            for b, block in enumerate(self.blocks)
            for i in range(len(block.names))
            for j in range(i + 1)
        )

    @cached_property
    def effects(self) -> int:
        return sum(len(c) for b in self.blocks for c in b.copies)

    @cached_property
    def names(self) -> tuple[str, ...]:
        spread = []
        for e in self.entries:
            block = self.blocks[e.block]
            spread.append(f"omega[{block.names[e.i]}]" if e.i == e.j else f"L[{block.names[e.i]},{block.names[e.j]}]")
        return (*self.beta, *spread, *self.sigma)

    @cached_property
    def free(self) -> NDArray[np.intp]:
        return np.array([k for k, n in enumerate(self.names) if n not in self.fixed], dtype=np.intp)

    @cached_property
    def spans(self) -> tuple[slice, slice, slice]:
        b, o = len(self.beta), len(self.entries)
        return slice(0, b), slice(b, b + o), slice(b + o, b + o + len(self.sigma))

    @cached_property
    def diagonal(self) -> NDArray[np.intp]:
        """Places in x of the log diagonal entries of L."""
        return np.array([len(self.beta) + k for k, e in enumerate(self.entries) if e.i == e.j], dtype=np.intp)

    def root(self, x: Floats) -> Floats:
        """L (effects, effects)."""
        L = np.zeros((self.effects, self.effects))
        for value, e in zip(x[self.spans[1]], self.entries, strict=True):
            entry = np.exp(value) if e.i == e.j else value
            for place in e.places:
                L[place] = entry
        return L

    def slopes(self, L: Floats) -> Floats:
        """d Omega / d each entry, (entries, effects, effects)."""
        D = np.zeros((len(self.entries), *L.shape))
        for k, e in enumerate(self.entries):
            for place in e.places:
                D[k][place] = L[place] if e.i == e.j else 1.0
        D = D @ L.T
        return np.asarray(D + D.transpose(0, 2, 1))

    def pulled(self, GL: Floats, L: Floats) -> Floats:
        """Derivative with respect to the entries from that with respect to L, (..., effects, effects) -> (..., k)."""
        found = np.zeros((*GL.shape[:-2], len(self.entries)))
        for k, e in enumerate(self.entries):
            for i, j in e.places:
                found[..., k] += GL[..., i, j] * (L[i, j] if e.i == e.j else 1.0)
        return found

    def joined(self, beta: Floats, omega: Floats, sigma: Floats) -> Floats:
        """x of typical values, a covariance (its blocks averaged over copies) and log SDs."""
        entries = []
        for block in self.blocks:
            part = np.mean([omega[np.ix_(c, c)] for c in block.copies], axis=0)
            L = np.linalg.cholesky(_definite(part))
            entries += [np.log(L[i, i]) if i == j else L[i, j] for i in range(len(L)) for j in range(i + 1)]
        return np.concatenate([beta, entries, sigma])

    def omegas(self, x: Floats) -> Sequence[Floats]:
        """Covariance of each block, once."""
        L = self.root(x)
        return [(L[np.ix_(b.copies[0], b.copies[0])] @ L[np.ix_(b.copies[0], b.copies[0])].T) for b in self.blocks]


def _definite(matrix: Floats) -> Floats:
    """`matrix`, its eigenvalues raised to 1e-8 of the greatest where they are smaller."""
    values, vectors = np.linalg.eigh(0.5 * (matrix + matrix.T))
    least = 1e-8 * max(float(values[-1]), 1e-8)
    return matrix if values[0] > least else np.asarray((vectors * np.maximum(values, least)) @ vectors.T)
