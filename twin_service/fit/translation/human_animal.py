"""Compounds measured in man and animals, and in the liver in vitro: one table of log10 values with holes."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from twin_service.fit.translation.in_vitro import CELLS_G, FILTRATION, LIVER_G_KG, well_stirred
from twin_service.fit.translation.robust_normal import Floats
from twin_service.outcome import Refusal, RefusalCode

SPECIES: Final = ("human", "rat", "dog", "monkey")
ANIMAL_TABLE: Final = "human_animal/Animal_PK_data.csv"
IN_VITRO_TABLE: Final = "httk/joined_obach_httk_human_iv.csv"


@dataclass(frozen=True)
class HumanAnimal:
    """n compounds: log10 clearance (mL/min/kg) and Vss (L/kg) (n, 4), unbound fractions (n, 4), NaN where unmeasured.

    well_stirred  log10 of what the well-stirred model makes of hepatocytes, mL/min/kg (n,)
    """

    names: tuple[str, ...]
    clearance: Floats
    vss: Floats
    fup: Floats
    well_stirred: Floats
    digest: str

    def counts(self) -> dict[str, int]:
        """How many compounds each source has."""
        found = {f"clearance {s}": int(np.isfinite(c).sum()) for s, c in zip(SPECIES, self.clearance.T, strict=True)}
        found |= {f"volume {s}": int(np.isfinite(c).sum()) for s, c in zip(SPECIES, self.vss.T, strict=True)}
        return found | {"clearance in vitro": int(np.isfinite(self.well_stirred).sum())}


def read_human_animal(folder: Path) -> HumanAnimal:
    """Read from `folder` (reference/pbpk). Raises Refusal where a table is absent."""
    tables = [folder / ANIMAL_TABLE, folder / IN_VITRO_TABLE]
    for path in tables:
        if not path.exists():
            raise Refusal(
                RefusalCode.PRECONDITION,
                f"{path.name} is not there; say where reference data lie with TWIN_REFERENCE_DIR",
                field="reference",
                reason="NO_REFERENCE",
            )
    rows = _table(tables[0])
    vitro = {_key(r["Name"]): r for r in _table(tables[1])}
    names = [r["NAME"] for r in rows]
    digest = hashlib.sha256(b"".join(p.read_bytes() for p in tables)).hexdigest()
    return HumanAnimal(
        tuple(names),
        _logs(rows, "{}_CL_mL_min_kg"),
        _logs(rows, "{}_VDss_L_kg"),
        10.0 ** _logs(rows, "{}_fup"),
        np.array([_stirred(vitro.get(_key(n), {})) for n in names]),
        digest,
    )


def _table(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))


def _key(name: str) -> str:
    return "".join(c for c in name.lower() if c.isalnum())


def _logs(rows: list[dict[str, str]], column: str) -> Floats:
    """Log10; a blank or a value rounded to zero is not measured."""
    values = np.array([[float(r[column.format(s)] or "nan") for s in SPECIES] for r in rows])
    return np.log10(np.where(values > 0.0, values, np.nan))


def _stirred(row: Mapping[str, str]) -> float:
    """Hepatocytes (uL/min/10^6 cells), unbound fraction and blood:plasma of httk, filtration added."""
    try:
        clint, fup, bp = (float(row[k]) for k in ("clint", "fup", "Rb2p"))
    except (KeyError, ValueError):
        return float("nan")
    if not (clint > 0 and fup > 0 and bp > 0):
        return float("nan")
    return float(np.log10(well_stirred(clint * CELLS_G * LIVER_G_KG / 1000.0, fup, bp) + FILTRATION * fup))
