"""Training: each property is the mean of a kernel ridge and a gradient-boosted model, judged on scaffolds left out.

    kernel ridge   f(x) = m + k(x, X) (K + lambda I)^-1 (y - m)
    boosting       LightGBM on descriptors and fragment counts, squared or (in vivo) absolute error

Five folds by a hash of the Murcko scaffold, the same for every property, so that a left-out molecule was seen by no
model. The left-out errors, split by similarity to the nearest training molecule (Mondrian, Vovk 2003), give the
conformal intervals; what was left out is what `twin qualify --translation` reports. One thread and fixed seeds: the
same models every time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve

from twin_service.model.molecule.features import Features, Floats, features_of, kernel, ranks_of, tanimoto
from twin_service.model.molecule.sources import PROPERTIES, MeasuredProperty, Property, read_rows
from twin_service.model.molecule.structure import read_molecule
from twin_service.outcome import Refusal

if TYPE_CHECKING:
    from lightgbm import Booster

FOLDS: Final = 5
RIDGE: Final = 0.15
ROUNDS: Final = 160
BINS: Final = 4
BOOSTING: Final = {
    "learning_rate": 0.1,
    "num_leaves": 31,
    "min_data_in_leaf": 10,
    "feature_fraction": 0.15,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "lambda_l2": 1.0,
    "num_threads": 1,
    "verbose": -1,
    "seed": 7,
    "deterministic": True,
    "force_row_wise": True,
}
IN_VIVO: Final = ("vss", "clearance", "thalf")
Say = Callable[[str], None]


class MoleculeTable(NamedTuple):
    """The molecules measured (rows of one feature table), their values, their sources."""

    rows: NDArray[np.intp]
    values: Floats
    sources: NDArray[np.intp]


@dataclass(frozen=True)
class Shared:
    """Every training molecule once: canonical SMILES, fold by scaffold, features."""

    smiles: tuple[str, ...]
    folds: NDArray[np.intp]
    features: Features


class Trained(NamedTuple):
    """One property's model and what it did on scaffolds left out.

    table       what it was trained on
    weights     of the kernel (n,), and the mean they start from
    boosted     LightGBM's own text
    left_out    predictions with the scaffold left out (n,), similarity of each to what was left in (n,)
    """

    table: MoleculeTable
    weights: Floats
    mean: float
    boosted: str
    left_out: Floats
    similarity: Floats


def read_tables(folder: Path, say: Say) -> tuple[Shared, dict[str, MoleculeTable]]:
    """All properties' rows, molecules merged by the first block of their InChIKey (values averaged)."""
    rows = {p.name: read_rows(p, folder) for p in PROPERTIES}
    written = sorted({r.smiles for each in rows.values() for r in each})
    say(f"{len(written)} structures: standardizing")
    found = {}
    for text in written:
        try:
            found[text] = read_molecule(_largest(text))
        except Refusal:
            continue
    first: dict[str, str] = {}
    scaffold: dict[str, str] = {}
    for text in written:
        if text in found:
            first.setdefault(found[text].key, found[text].smiles)
            scaffold.setdefault(found[text].key, found[text].scaffold or found[text].key)
    keys = sorted(first)
    index = {k: i for i, k in enumerate(keys)}
    say(f"{len(keys)} molecules: descriptors and fragments")
    features = features_of([first[k] for k in keys])
    folds = np.array([_fold(scaffold[k]) for k in keys])
    place = {text: index[m.key] for text, m in found.items()}
    tables = {name: _merged(each, place) for name, each in rows.items()}
    return Shared(tuple(first[k] for k in keys), folds, features), tables


def _largest(text: str) -> str:
    """Training rows that are salts count as their largest piece; a user's salt is refused instead."""
    return max(text.split("."), key=len)


def _fold(scaffold: str) -> int:
    return int(hashlib.sha256(scaffold.encode()).hexdigest(), 16) % FOLDS


def _merged(rows: list[MeasuredProperty], place: dict[str, int]) -> MoleculeTable:
    values: dict[int, list[float]] = {}
    sources: dict[int, int] = {}
    for r in rows:
        if r.smiles in place:
            values.setdefault(place[r.smiles], []).append(r.value)
            sources.setdefault(place[r.smiles], r.source)
    at = sorted(values)
    return MoleculeTable(np.array(at), np.array([np.mean(values[i]) for i in at]), np.array([sources[i] for i in at]))


def train(wanted: Property, shared: Shared, table: MoleculeTable) -> Trained:
    """The model of one property, and its predictions of every scaffold left out."""
    features, y = shared.features.take(table.rows), table.values
    normal = ranks_of(features.descriptors).apply(features.descriptors)
    similar = tanimoto(features.counts, features.counts)
    k = kernel(similar, normal, normal)
    x = inputs(features)
    folds = shared.folds[table.rows]
    left_out, similarity = np.zeros(len(y)), np.zeros(len(y))
    for fold in np.unique(folds):
        out, kept = folds == fold, folds != fold
        weights, mean = _ridge(k[np.ix_(kept, kept)], y[kept])
        ridge = mean + k[np.ix_(out, kept)] @ weights
        boosted = _boost(x[kept], y[kept], wanted.name)
        left_out[out] = (ridge + boosted.predict(x[out], num_threads=1)) / 2.0
        similarity[out] = similar[np.ix_(out, kept)].max(axis=1)
    weights, mean = _ridge(k, y)
    text = _boost(x, y, wanted.name).model_to_string()
    return Trained(table, weights, mean, text, left_out, similarity)


def inputs(features: Features) -> NDArray[np.float32]:
    """What boosting sees: descriptors, then fragment counts folded to half."""
    half = features.counts.shape[1] // 2
    folded = np.minimum(features.counts[:, :half].astype(np.float32) + features.counts[:, half:], 255.0)
    return np.concatenate([features.descriptors.astype(np.float32), folded], axis=1)


def _ridge(k: Floats, y: Floats) -> tuple[Floats, float]:
    mean = float(np.mean(y))
    factor = cho_factor(k + RIDGE * np.eye(len(k)), lower=True, overwrite_a=True, check_finite=False)
    return np.asarray(cho_solve(factor, y - mean)), mean


def _boost(x: NDArray[np.float32], y: Floats, name: str) -> Booster:
    import lightgbm

    objective = "regression_l1" if name in IN_VIVO else "regression"
    return lightgbm.train({**BOOSTING, "objective": objective}, lightgbm.Dataset(x, y), ROUNDS)
