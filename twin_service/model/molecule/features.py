"""What the models see of a molecule: RDKit's descriptors and counts of circular fragments.

Kernel of two molecules: half the Tanimoto of fragment counts (radius 3, 2048, levels above 0 and 1), half a Gaussian
of descriptors ranked to a normal scale. Ralaivola 2005, doi:10.1016/j.neunet.2005.07.009
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

Floats = NDArray[np.float64]
Counts = NDArray[np.uint8]

FRAGMENTS: Final = 2048
LEVELS: Final = 2
LIMIT: Final = 1e5
LEFT_OUT: Final = ("Ipc",)  # grows beyond double precision


class Features(NamedTuple):
    """Descriptors (n, d) and fragment counts (n, 2048)."""

    descriptors: Floats
    counts: Counts

    def take(self, rows: NDArray[np.intp] | Sequence[int]) -> Features:
        return Features(self.descriptors[rows], self.counts[rows])


def features_of(smiles: Sequence[str]) -> Features:
    """Features of canonical SMILES that are known to parse."""
    pairs = [one(s) for s in smiles]
    return Features(np.array([p[0] for p in pairs]), np.array([p[1] for p in pairs], dtype=np.uint8))


def one(smiles: str) -> tuple[list[float], Counts]:
    """Descriptors and fragment counts of one molecule."""
    from rdkit import Chem, RDLogger
    from rdkit.Chem import Descriptors, rdFingerprintGenerator

    RDLogger.DisableLog("rdApp.*")
    molecule = Chem.MolFromSmiles(smiles)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        values = [_number(f, molecule) for name, f in Descriptors.descList if name not in LEFT_OUT]
    generator = rdFingerprintGenerator.GetMorganGenerator(radius=3, fpSize=FRAGMENTS)
    return values, generator.GetCountFingerprintAsNumPy(molecule).clip(0, 255).astype(np.uint8)


def _number(function: Callable[[object], float], molecule: object) -> float:
    """A descriptor that is not defined for this molecule counts as 0, as it did in training."""
    value = float(function(molecule))
    return min(max(value, -LIMIT), LIMIT) if np.isfinite(value) else 0.0


class Ranks(NamedTuple):
    """Quantiles of each training descriptor (101, d), by which new ones are put on a normal scale."""

    quantiles: Floats

    def apply(self, descriptors: Floats) -> NDArray[np.float32]:
        """Normal scores within -3 and 3 (n, d)."""
        grid = np.linspace(0.0, 1.0, len(self.quantiles))
        columns = [
            (np.interp(x, q, grid) + 1.0 - np.interp(-x, -q[::-1], grid)) / 2.0
            for x, q in zip(descriptors.T, self.quantiles.T, strict=True)
        ]
        scores = ndtri(np.clip(np.column_stack(columns), 1e-6, 1.0 - 1e-6))
        return np.asarray(np.clip(scores, -3.0, 3.0), dtype=np.float32)


def ranks_of(descriptors: Floats) -> Ranks:
    """Of a training table."""
    return Ranks(np.quantile(descriptors, np.linspace(0.0, 1.0, 101), axis=0))


def tanimoto(a: Counts, b: Counts) -> NDArray[np.float32]:
    """Similarity 0 to 1 of counts (n, f) and (m, f), levels above 0 and above 1 taken apart: (n, m)."""
    x, y = (np.concatenate([c > k for k in range(LEVELS)], axis=1).astype(np.float32) for c in (a, b))
    both = x @ y.T
    found: NDArray[np.float32] = both / (x.sum(axis=1)[:, None] + y.sum(axis=1)[None, :] - both + 1e-6)
    return found


def kernel(similar: NDArray[np.float32], a: NDArray[np.float32], b: NDArray[np.float32]) -> Floats:
    """The kernel (n, m) from Tanimoto similarity and normal scores."""
    apart = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1)[None, :] - 2.0 * a @ b.T
    width = 2.0 * a.shape[1]
    return np.asarray(0.5 * similar + 0.5 * np.exp(-np.maximum(apart, 0.0) / width), dtype=np.float64)
