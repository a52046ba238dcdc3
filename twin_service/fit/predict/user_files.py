"""A user's own files beside the library's: checked whole before they are used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from twin_service.model.pbpk.checks import check_file
from twin_service.model.pbpk.library import Library, load_drug
from twin_service.model.pbpk.record import DrugRecord
from twin_service.outcome import Refusal, RefusalCode


def own_library(library: Library, paths: Sequence[Path]) -> Library:
    """`library` and every drug file that lies in the folder of one of `paths`; the library's ids win."""
    beside: dict[str, Path] = {}
    for path in paths:
        if path.suffix == ".toml" and path.parent.is_dir():
            beside |= {
                p.stem: p
                for p in sorted(path.parent.glob("*.toml"))
                if not p.name.endswith(".check.toml") and p != path
            }
    return replace(library, drug_paths={**beside, **library.drug_paths})


def read_own(drug: Path | str, library: Library) -> DrugRecord:
    """The record of a library id or a file. Raises Refusal with every mistake of a wrong file."""
    path = Path(drug)
    if path.suffix != ".toml":
        return library.drug(str(drug))
    wrong = [f for f in check_file(path, library) if f.severity == "error"]
    if wrong:
        raise Refusal(
            RefusalCode.INVALID, "\n".join(str(f) for f in wrong), field=wrong[0].field, reason="BAD_LIBRARY_FILE"
        )
    return load_drug(path, library)
