"""The PBPK library on disk: drugs, species, enzymes and genotypes, read once and checked whole.

library/drugs/<id>.toml (+ <id>.check.toml)   library/physiology/<species>.toml   library/{enzymes,genotypes}.toml
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any

from twin_service.library.files import FOLDER, files_in, parse_toml
from twin_service.model.library.findings import refuse_all
from twin_service.model.library.reader import read_as
from twin_service.model.library.schema import FileKind, in_schema_2
from twin_service.model.library.tables import EnzymesTable, GenotypesTable, SpeciesTable
from twin_service.model.pbpk.door import FindingsDoor
from twin_service.model.pbpk.drug_file import read_drug
from twin_service.model.pbpk.record import DrugRecord, Enzyme, Genotype, SpeciesRecord
from twin_service.model.pbpk.settle import settle
from twin_service.model.pbpk.species_file import read_enzymes, read_genotypes, read_species
from twin_service.outcome import Refusal, RefusalCode


@dataclass(frozen=True)
class Library:
    """Everything a body is built from."""

    species: Mapping[str, SpeciesRecord]
    enzymes: Mapping[str, Enzyme]
    genotypes: Mapping[str, Genotype]
    drug_paths: Mapping[str, Path]

    def drug(self, drug_id: str) -> DrugRecord:
        """The record of `drug_id`; Refusal where it is unknown or its file is wrong."""
        path = self.drug_paths.get(drug_id)
        if path is None:
            raise Refusal(
                RefusalCode.NOT_FOUND,
                f"drug {drug_id!r} is unknown; {self._near(drug_id)}known: {', '.join(self.drug_paths)}",
                field="drug",
                reason="UNKNOWN_DRUG",
            )
        return load_drug(path, self)

    def _near(self, word: str) -> str:
        """Ids that hold the word, or are spelled like it, as a question."""
        near = [d for d in self.drug_paths if word and word.lower() in d] or get_close_matches(word, self.drug_paths, 3)
        return f"did you mean {', '.join(near)}? " if near else ""


@cache
def load_library(folder: Path = FOLDER) -> Library:
    """The library in `folder`. Raises Refusal listing every finding if the shared files do not stand."""
    door = FindingsDoor("library")
    species = {}
    for path in files_in(folder / "physiology").values():
        door.file = f"physiology/{path.name}"
        table, _ = in_schema_2(parse_toml(path), FileKind.SPECIES, door.file)
        read_as(SpeciesTable, table, door.file)
        found = read_species(table, door)
        species[found.id] = found
    door.file = "enzymes.toml"
    table, _ = in_schema_2(parse_toml(folder / "enzymes.toml"), FileKind.SHARED, door.file)
    read_as(EnzymesTable, table, door.file)
    enzymes = read_enzymes(table, door)
    door.file = "genotypes.toml"
    table, _ = in_schema_2(parse_toml(folder / "genotypes.toml"), FileKind.SHARED, door.file)
    read_as(GenotypesTable, table, door.file)
    genotypes = read_genotypes(table, door)
    refuse_all(door.findings)
    return Library(species, enzymes, genotypes, drug_files(folder))


def drug_files(folder: Path = FOLDER) -> dict[str, Path]:
    """Drug id -> file, alphabetically; check files are left out."""
    return files_in(folder / "drugs")


def load_drug(path: Path, library: Library) -> DrugRecord:
    """The record of a drug file anywhere on disk. Raises Refusal with every mistake in it."""
    stamp = path.stat().st_mtime_ns if path.exists() else 0
    human = library.species["human"]
    return settle(_load_drug(path, stamp, frozenset(library.enzymes), human.organ_ids), human)


@cache
def _load_drug(path: Path, stamp: int, enzymes: frozenset[str], organs: tuple[str, ...]) -> DrugRecord:
    record, door = inspect_drug(parse_toml(path), f"drugs/{path.name}", sorted(enzymes), organs)
    refuse_all(door.findings)
    assert record is not None
    return record


def inspect_drug(
    table: Mapping[str, Any], name: str, enzymes: list[str], organs: tuple[str, ...]
) -> tuple[DrugRecord | None, FindingsDoor]:
    """The record, if the table stands, and the door with its findings."""
    door = FindingsDoor(name)
    return read_drug(table, door, enzymes, organs), door
