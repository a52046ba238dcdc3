"""A molecule's properties: value, conformal interval, whether it lies in the domain, and what was measured near it.

interval   learned value +- q, q the (n+1)p/n quantile of left-out errors of training molecules that were as far
           from what was left in as this one is from the training set (Mondrian by similarity, four classes)
domain     inside where the nearest training molecule is at least as near as the fifth percentile of left-out ones
           were, and the molecule is no peptide, macrocycle or giant
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from twin_service.model.molecule.features import Features, Floats, features_of, kernel, ranks_of, tanimoto
from twin_service.model.molecule.sources import PROPERTIES, Property
from twin_service.model.molecule.store import Models
from twin_service.model.molecule.structure import Molecule
from twin_service.model.molecule.training import BINS, Trained, inputs

FAR_PERCENTILE: Final = 5.0
SAME: Final = 0.999


class Neighbor(NamedTuple):
    """A training molecule near the one asked about."""

    smiles: str
    similarity: float
    value: float


@dataclass(frozen=True)
class PredictedProperty:
    """One property at the door's unit; `low` and `high` end the 80 %, `low90` and `high90` the 90 % interval."""

    name: str
    words: str
    unit: str
    value: float
    low: float
    high: float
    low90: float
    high90: float
    in_domain: bool
    similarity: float
    neighbors: tuple[Neighbor, ...]
    doubts: tuple[str, ...]


def predict_properties(
    molecules: Sequence[Molecule], models: Models, *, near: int = 3
) -> list[list[PredictedProperty]]:
    """Every property of every molecule."""
    features = features_of([m.smiles for m in molecules])
    similar = tanimoto(features.counts, models.shared.features.counts).astype(np.float64)
    columns = []
    for wanted in PROPERTIES:
        trained = models.trained[wanted.name]
        learned = learned_values(trained, models.shared.features, features)
        own = similar[:, trained.table.rows]
        columns.append(
            [_one(wanted, trained, (models, molecules[i]), (learned[i], own[i]), near) for i in range(len(molecules))]
        )
    return [list(row) for row in zip(*columns, strict=True)]


def learned_values(trained: Trained, shared: Features, wanted: Features) -> Floats:
    """On the learned scale, (n,)."""
    import lightgbm

    known = shared.take(trained.table.rows)
    ranks = ranks_of(known.descriptors)
    k = kernel(tanimoto(wanted.counts, known.counts), ranks.apply(wanted.descriptors), ranks.apply(known.descriptors))
    boosted = lightgbm.Booster(model_str=trained.boosted).predict(inputs(wanted), num_threads=1)
    return np.asarray((trained.mean + k @ trained.weights + np.asarray(boosted)) / 2.0)


def half_width(trained: Trained, similarity: float, level: float) -> float:
    """The conformal half width on the learned scale of a molecule this similar to its nearest."""
    return conformal(np.abs(trained.left_out - trained.table.values), trained.similarity, similarity, level)


def conformal(errors: Floats, similarities: Floats, similarity: float, level: float) -> float:
    """The ceil((n+1) level)-th smallest of the errors in the class of `similarity`."""
    edges = np.quantile(similarities, np.linspace(0.0, 1.0, BINS + 1)[1:-1])
    held = np.sort(errors[np.digitize(similarities, edges) == np.digitize(similarity, edges)])
    rank = int(np.ceil((len(held) + 1) * level))
    return float(held[min(rank, len(held)) - 1])


def _one(
    wanted: Property, trained: Trained, asked: tuple[Models, Molecule], found: tuple[float, Floats], near: int
) -> PredictedProperty:
    models, molecule = asked
    learned, similar = found
    nearest = float(similar.max())
    half = {level: half_width(trained, nearest, level) for level in (0.8, 0.9)}
    doubts = list(molecule.doubts)
    far = bool(nearest < np.percentile(trained.similarity, FAR_PERCENTILE))
    if far:
        doubts.append(f"nothing like it was measured: the nearest has a similarity of {nearest:.2f}")
    if nearest > SAME:
        doubts.append("it was in the training data: the interval is that of a new compound")
    ends = [wanted.value(learned + s * half[p]) for p in (0.8, 0.9) for s in (-1.0, 1.0)]
    order = np.argsort(-similar, kind="stable")[:near]
    neighbors = [
        Neighbor(
            models.shared.smiles[int(trained.table.rows[i])],
            float(similar[i]),
            wanted.value(float(trained.table.values[i])),
        )
        for i in order
    ]
    return PredictedProperty(
        name=wanted.name,
        words=wanted.words,
        unit=wanted.unit,
        value=wanted.value(learned),
        low=ends[0],
        high=ends[1],
        low90=ends[2],
        high90=ends[3],
        in_domain=not molecule.doubts and not far,
        similarity=nearest,
        neighbors=tuple(neighbors),
        doubts=tuple(doubts),
    )
