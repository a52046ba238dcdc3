"""The training data: which file holds which property, in what unit, under which licence.

Nothing of them is shipped: models are built from `TWIN_REFERENCE_DIR/chem` and `/pbpk` on first use, and their card
names every file with its digest. Values are kept on the scale the models learn: log10, or the logit of a fraction.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from twin_service.outcome import Refusal, RefusalCode


@dataclass(frozen=True)
class DataSource:
    """One column of one file; `scale` puts a written value on the learned scale."""

    path: str
    smiles: str
    column: str
    scale: Callable[[float], float]
    licence: str


@dataclass(frozen=True)
class Property:
    """What is learned: its name, its unit at the door, whether it is a logit of a fraction or a log10, its sources."""

    name: str
    words: str
    unit: str
    scale: str
    sources: tuple[DataSource, ...]

    def value(self, learned: float) -> float:
        """From the learned scale to the unit at the door."""
        if self.scale == "logit":
            return float(1.0 / (1.0 + np.exp(-learned)))
        return float(10.0**learned) if self.scale == "log10" else float(learned)

    def learned(self, value: float) -> float:
        """From the unit at the door to the learned scale."""
        if self.scale == "logit":
            return logit(value)
        return float(np.log10(value)) if self.scale == "log10" else value


def logit(fraction: float) -> float:
    """ln(f/(1-f)) of a fraction held within 1e-4 and 1 - 1e-4; NaN where it is no fraction."""
    held = min(max(fraction, 1e-4), 1.0 - 1e-4)
    return float(np.log(held / (1.0 - held))) if fraction == fraction else float("nan")


def log10(value: float) -> float:
    """log10; NaN where the value is not positive."""
    return float(np.log10(value)) if value > 0.0 else float("nan")


def _same(value: float) -> float:
    return value


def _shifted(by: float) -> Callable[[float], float]:
    return lambda value: value + by


AZ, PKS, BIOGEN, EXPANSION = (
    "CC BY-SA 3.0 (ChEMBL)",
    "Apache-2.0 (PKSmart, after Lombardo 2018)",
    "MIT (Fang 2023)",
    "CC BY 4.0 (OpenADMET ExpansionRx)",
)
HUMAN: Final = "pbpk/human_animal/Human_PK_data.csv"
FANG: Final = "pbpk/human_animal/ADME_public_set_3521.csv"
RX: Final = "chem/adme_expansion/expansionrx_train_part.csv"
# Biogen scaled to mL/min/kg with 45 mg/g and 20 (man) or 40 g/kg (rat): back to uL/min/mg, log10. Its floors come
# out at 5.3 and 5.9 uL/min/mg, as microsomal assays have them.
PER_MG_HUMAN, PER_MG_RAT = -float(np.log10(0.9)), -float(np.log10(1.8))


def _az(name: str, column: str, scale: Callable[[float], float]) -> DataSource:
    return DataSource(f"chem/adme/{name}.csv", "canonical_smiles", column, scale, AZ)


def _fang(column: str, scale: Callable[[float], float]) -> DataSource:
    return DataSource(FANG, "SMILES", column, scale, BIOGEN)


def _rx(column: str, scale: Callable[[float], float]) -> DataSource:
    return DataSource(RX, "SMILES", column, scale, EXPANSION)


def _human(column: str, scale: Callable[[float], float]) -> DataSource:
    return DataSource(HUMAN, "smiles_r", column, scale, PKS)


def _percent_log(value: float) -> float:
    return logit(10.0**value / 100.0)


def _percent(value: float) -> float:
    return logit(value / 100.0)


PROPERTIES: Final = (
    Property(
        "logd",
        "log10 octanol:buffer, pH 7.4",
        "1",
        "linear",
        (_az("lipophilicity_AZ-lipo", "logD7.4", _same), _rx("LogD", _same)),
    ),
    Property(
        "fup_human",
        "unbound in human plasma",
        "1",
        "logit",
        (
            _human("human_fup", logit),
            _az("PPB_AZ-hPPB", "log_pct_unbound", _percent_log),
            _fang("LOG PLASMA PROTEIN BINDING (HUMAN) (% unbound)", _percent_log),
        ),
    ),
    Property(
        "fup_rat",
        "unbound in rat plasma",
        "1",
        "logit",
        (
            _az("PPB_AZ-rPPB", "log_pct_unbound", _percent_log),
            _fang("LOG PLASMA PROTEIN BINDING (RAT) (% unbound)", _percent_log),
        ),
    ),
    Property(
        "fup_mouse",
        "unbound in mouse plasma",
        "1",
        "logit",
        (_az("PPB_AZ-mPPB", "log_pct_unbound", _percent_log), _rx("MPPB", _percent)),
    ),
    Property("fu_brain_mouse", "unbound in mouse brain", "1", "logit", (_rx("MBPB", _percent),)),
    Property("fu_muscle_mouse", "unbound in mouse muscle", "1", "logit", (_rx("MGMB", _percent),)),
    Property(
        "solubility",
        "solubility in buffer near pH 7",
        "mol/L",
        "log10",
        (_az("solubility_AZ-sol", "logS", _same), _rx("KSOL", lambda x: log10(x * 1e-6))),
    ),
    Property(
        "caco2",
        "apparent permeability, Caco-2",
        "cm/s",
        "log10",
        (
            _az("permeability_CSU-Caco2", "logPapp", _same),
            _rx("Caco-2 Permeability Papp A>B", lambda x: log10(x * 1e-6)),
        ),
    ),
    Property(
        "efflux",
        "efflux ratio, Caco-2 and MDCK-MDR1",
        "1",
        "log10",
        (_rx("Caco-2 Permeability Efflux", log10), _fang("LOG MDR1-MDCK ER (B-A/A-B)", _same)),
    ),
    Property(
        "clint_hlm",
        "intrinsic clearance, human microsomes",
        "uL/min/mg",
        "log10",
        (
            _fang("LOG HLM_CLint (mL/min/kg)", _shifted(PER_MG_HUMAN)),
            _az("microsomal_AZ-hLM", "LOG HLM_CLint (mL/min/g)", _same),
            _rx("HLM CLint", log10),
        ),
    ),
    Property(
        "clint_rlm",
        "intrinsic clearance, rat microsomes",
        "uL/min/mg",
        "log10",
        (_fang("LOG RLM_CLint (mL/min/kg)", _shifted(PER_MG_RAT)),),
    ),
    Property("clint_mlm", "intrinsic clearance, mouse microsomes", "uL/min/mg", "log10", (_rx("MLM CLint", log10),)),
    Property(
        "clint_hepatocytes",
        "intrinsic clearance, human hepatocytes",
        "uL/min/10^6cells",
        "log10",
        (_az("hepatocyte_AZ-hH", "LOG HH_CLint (uL/min/1E6 cells)", _same),),
    ),
    Property("vss", "volume at steady state in man", "L/kg", "log10", (_human("human_VDss_L_kg", log10),)),
    Property("clearance", "plasma clearance in man", "mL/min/kg", "log10", (_human("human_CL_mL_min_kg", log10),)),
    Property("thalf", "half-life in man", "h", "log10", (_human("human_thalf", log10),)),
)


@dataclass(frozen=True)
class MeasuredProperty:
    """One row: its SMILES as written, the learned value, the index of its source."""

    smiles: str
    value: float
    source: int


def read_rows(wanted: Property, folder: Path) -> list[MeasuredProperty]:
    """Every row of every source. Raises Refusal where a file is absent."""
    found = []
    for k, source in enumerate(wanted.sources):
        path = folder / source.path
        if not path.exists():
            raise Refusal(
                RefusalCode.PRECONDITION,
                f"training data {source.path} is not there; set TWIN_REFERENCE_DIR to the reference folder",
                field="reference",
                reason="NO_TRAINING_DATA",
            )
        with path.open(encoding="utf-8") as file:
            for row in csv.DictReader(file):
                try:
                    value = source.scale(float(row[source.column]))
                except ValueError:
                    continue
                if np.isfinite(value):
                    found.append(MeasuredProperty(row[source.smiles], value, k))
    return found


def digest_of(folder: Path) -> str:
    """SHA-256 over every training file, by name."""
    paths = sorted({s.path for p in PROPERTIES for s in p.sources})
    whole = hashlib.sha256()
    for path in paths:
        whole.update(path.encode() + (folder / path).read_bytes())
    return whole.hexdigest()
