"""One posterior for man from all the animals and the liver in vitro: what each source has been worth before.

Log10 values of the compounds measured in man and in any of the sources are rows of one multivariate Student
distribution (`robust_normal`). A source that missed widely has a small weight; sources that err together count once;
a row whose sources disagree has a wider answer. Its location and scatter stand in `library/translation.toml` with the
digest of the data they were fitted to; `learn` writes it anew.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from twin_service.fit.translation.compound import Compound
from twin_service.fit.translation.human_animal import HumanAnimal, read_human_animal
from twin_service.fit.translation.in_vitro import FLOW
from twin_service.fit.translation.robust_normal import Floats, RobustNormal, Student, fit_robust_normal
from twin_service.library.files import FOLDER, parse_toml
from twin_service.outcome import Refusal, RefusalCode

FILE: Final = FOLDER / "translation.toml"
ANIMALS: Final = ("rat", "dog", "monkey")
CLEARANCE: Final = ("human", *ANIMALS, "in vitro")
VOLUME: Final = ("human", *ANIMALS)


@dataclass(frozen=True)
class Evidence:
    """What was learned: clearance (mL/min/kg) and volume (L/kg), log10; sources in the order of the columns.

    bias_log10   how far measured human clearance lies above the well-stirred model's intrinsic clearance, log10
    correlation  of the two left-out errors, clearance with volume
    """

    clearance: RobustNormal
    volume: RobustNormal
    bias_log10: float
    correlation: float
    rows: Mapping[str, int]
    digest: str


@dataclass(frozen=True)
class HumanBelief:
    """A posterior of log10 of a positive quantity and the weight each source had in it."""

    student: Student
    weights: Mapping[str, float]

    def quantile(self, p: float) -> float:
        from scipy.stats import t

        return float(10.0 ** (self.student.location + self.student.scale * t.ppf(p, self.student.degrees)))

    @property
    def median(self) -> float:
        return float(10.0**self.student.location)


def clearance_belief(compound: Compound, evidence: Evidence, in_vitro: float | None = None) -> HumanBelief:
    """Human plasma clearance, mL/min/kg; `in_vitro` is the well-stirred value, uncorrected."""
    row = [np.nan] + [_log(s.clearance_ml_min_kg if (s := compound.study(a)) else None) for a in ANIMALS]
    return _belief(evidence.clearance, np.array([*row, _log(in_vitro)]), CLEARANCE)


def volume_belief(compound: Compound, evidence: Evidence) -> HumanBelief:
    """Human Vss, L/kg."""
    row = [np.nan] + [_log(s.vss_l_kg if (s := compound.study(a)) else None) for a in ANIMALS]
    return _belief(evidence.volume, np.array(row), VOLUME)


def _belief(model: RobustNormal, row: Floats, names: Sequence[str]) -> HumanBelief:
    student, weights = model.given(row, 0)
    return HumanBelief(student, {n: float(w) for n, w in zip(names, weights, strict=True) if w != 0.0})


def _log(value: float | None) -> float:
    return float(np.log10(value)) if value is not None and value > 0.0 else np.nan


def learn(folder: Path) -> Evidence:
    """Fitted to the compounds in `folder` (Animal_PK_data.csv and the in vitro table beside it)."""
    data = read_human_animal(folder)
    clearance, volume = clearance_rows(data), data.vss
    fits = fit_robust_normal(clearance), fit_robust_normal(volume)
    return Evidence(fits[0], fits[1], _bias(data), _correlation(fits, clearance, volume), data.counts(), data.digest)


def clearance_rows(data: HumanAnimal) -> Floats:
    """Man, animals and the well-stirred model, log10 mL/min/kg (n, 5)."""
    return np.column_stack([data.clearance, data.well_stirred])


def _bias(data: HumanAnimal) -> float:
    """Median log10 of intrinsic clearance asked for by man over that measured in vitro (hepatic blood-flow limited
    drugs are left out: there the ratio says nothing)."""
    seen = np.isfinite(data.clearance[:, 0]) & np.isfinite(data.well_stirred)
    man = 10.0 ** data.clearance[seen, 0]
    low = man < 0.7 * FLOW
    vitro = 10.0 ** data.well_stirred[seen]
    back = man / (1.0 - man / FLOW), vitro / (1.0 - np.minimum(vitro, 0.97 * FLOW) / FLOW)
    return float(np.median(np.log10(back[0][low] / back[1][low])))


def _correlation(fits: tuple[RobustNormal, RobustNormal], clearance: Floats, volume: Floats) -> float:
    """Of the residuals of man given the others, rank based (Spearman)."""
    from scipy.stats import spearmanr

    both = [
        i
        for i in range(len(clearance))
        if all(np.isfinite(r[i, 0]) and np.isfinite(r[i, 1:]).any() for r in (clearance, volume))
    ]
    errors = [
        [(r[i, 0] - (s := f.given(r[i], 0)[0]).location) / s.scale for i in both]
        for f, r in zip(fits, (clearance, volume), strict=True)
    ]
    return float(spearmanr(errors[0], errors[1]).statistic)


def load_evidence(path: Path = FILE) -> Evidence:
    """What the library ships. Raises Refusal where the file is absent."""
    if not path.exists():
        raise Refusal(
            RefusalCode.PRECONDITION,
            f"{path.name} is absent; write it with `twin translate --rebuild` from the reference data",
            field="translation",
            reason="NO_EVIDENCE",
        )
    table = parse_toml(path)
    return Evidence(
        _model(table["clearance"]),
        _model(table["volume"]),
        float(table["bias_log10"]),
        float(table["correlation"]),
        dict(table["rows"]),
        str(table["digest"]),
    )


def _model(table: Mapping[str, Any]) -> RobustNormal:
    return RobustNormal(np.array(table["location"]), np.array(table["scatter"]), float(table["degrees"]))


def write_evidence(evidence: Evidence, path: Path = FILE) -> str:
    """Write the file; returns the digest of what was written."""
    lines = [
        "# What animals and the liver in vitro have been worth for man. Written by `twin translate --rebuild`.",
        "schema = 2",
        'id = "translation"',
        'version = "1"',
        'source = "clearance and Vss of rat, dog, monkey and man: PKSmart (Apache-2.0), after Lombardo 2018, '
        'doi:10.1124/dmd.118.082966; in vitro: httk 2.7.4 (MIT), Pearce 2017, doi:10.18637/jss.v079.i04"',
        f'digest = "{evidence.digest}"',
        f"bias_log10 = {evidence.bias_log10:.6f}",
        f"correlation = {evidence.correlation:.6f}",
        "",
        "[rows]",
        *(f'"{k}" = {v}' for k, v in evidence.rows.items()),
    ]
    for name, model, columns in (("clearance", evidence.clearance, CLEARANCE), ("volume", evidence.volume, VOLUME)):
        lines += ["", f"[{name}]", f"columns = {list(columns)}".replace("'", '"'), f"degrees = {model.degrees}"]
        lines.append(f"location = {[round(float(x), 6) for x in model.location]}")
        lines.append(f"scatter = {[[round(float(x), 6) for x in r] for r in model.scatter]}")
    text = "\n".join(lines) + "\n"
    path.write_text(text, encoding="utf-8")
    return hashlib.sha256(text.encode()).hexdigest()
