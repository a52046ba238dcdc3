"""Trained models on disk: one file for what is shared, one a property, and a card that says what they were made of.

They are built on first use, in the folder the caller names, from training data that may not be shipped.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import numpy as np

from twin_service.model.molecule.features import Features
from twin_service.model.molecule.sources import PROPERTIES, digest_of
from twin_service.model.molecule.training import MoleculeTable, Say, Shared, Trained, read_tables, train

FORM: Final = "1"  # of the files; other forms lie in other folders
COLUMNS: Final = ("rows", "values", "sources", "weights", "left_out", "similarity")


@dataclass(frozen=True)
class Models:
    """Everything a prediction needs. `digest` is over the bytes of every model."""

    shared: Shared
    trained: Mapping[str, Trained]
    card: Mapping[str, Any]

    @property
    def digest(self) -> str:
        return str(self.card["digest"])


def load_or_build(reference: Path, say: Say, place: Path) -> Models:
    """What stands in the folder `place`; trained first, with progress, where nothing does."""
    return load_models(place) if (place / "card.json").exists() else build_models(reference, say, place)


def build_models(reference: Path, say: Say, place: Path) -> Models:
    """Train every property and write them to `place`. Raises Refusal where training data are absent."""
    shared, tables = read_tables(reference, say)
    place.mkdir(parents=True, exist_ok=True)
    (place / "card.json").unlink(missing_ok=True)  # written last: a card says that everything stands
    digests = {}
    for i, wanted in enumerate(PROPERTIES, start=1):
        table = tables[wanted.name]
        say(f"{i} of {len(PROPERTIES)}: {wanted.name}, {len(table.values)} molecules")
        found = train(wanted, shared, table)
        digests[wanted.name] = _digest(found)
        _write(place / wanted.name, found)
    with (place / "shared.npz").open("wb") as file:
        np.savez_compressed(
            file,
            smiles=np.array(shared.smiles),
            folds=shared.folds,
            descriptors=shared.features.descriptors,
            counts=shared.features.counts,
        )
    card = {
        "digest": sha256(json.dumps(digests, sort_keys=True).encode()).hexdigest(),
        "models": digests,
        "data_digest": digest_of(reference),
        "data": {p.name: [f"{s.path}: {s.column} ({s.licence})" for s in p.sources] for p in PROPERTIES},
        "molecules": {name: len(t.values) for name, t in tables.items()},
        "made_with": {name: version(name) for name in ("rdkit", "lightgbm", "numpy", "scipy")},
    }
    (place / "card.json").write_text(json.dumps(card, indent=1, sort_keys=True), encoding="utf-8")
    return load_models(place)


def _digest(found: Trained) -> str:
    whole = sha256(found.boosted.encode())
    for part in (found.weights, found.left_out, found.table.values):
        whole.update(np.round(part, 9).tobytes())
    return whole.hexdigest()


def _write(stem: Path, found: Trained) -> None:
    with stem.with_suffix(".npz").open("wb") as file:
        np.savez_compressed(
            file, **found.table._asdict(), **{k: getattr(found, k) for k in COLUMNS[3:]}, mean=found.mean
        )
    stem.with_suffix(".txt").write_text(found.boosted, encoding="utf-8")


def load_models(folder: Path) -> Models:
    """Read what `build_models` wrote."""
    with np.load(folder / "shared.npz") as f:
        features = Features(f["descriptors"], f["counts"])
        shared = Shared(tuple(f["smiles"].tolist()), f["folds"], features)
    card = json.loads((folder / "card.json").read_text(encoding="utf-8"))
    return Models(shared, {p.name: _read(folder / p.name) for p in PROPERTIES}, card)


def _read(stem: Path) -> Trained:
    with np.load(stem.with_suffix(".npz")) as f:
        table = MoleculeTable(f["rows"], f["values"], f["sources"])
        text = stem.with_suffix(".txt").read_text(encoding="utf-8")
        return Trained(table, f["weights"], float(f["mean"]), text, f["left_out"], f["similarity"])
