"""What `twin molecule` claims: errors and coverage on scaffolds left out, from the models' own training run.

molecule.expansion_mara_error   ExpansionRx compounds only, macro mean over end points of MAE / MAE of the mean
molecule.coverage80, 90         every interval with class quantiles from the four other folds, in domain
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np

from twin_service.model.molecule.features import Floats
from twin_service.model.molecule.prediction import FAR_PERCENTILE, conformal
from twin_service.model.molecule.sources import PROPERTIES, RX, Property
from twin_service.model.molecule.store import Models, load_or_build
from twin_service.model.molecule.training import FOLDS, Say, Trained
from twin_service.qualification.reference import trained_folder

RMSE: Final = {"logd": "logd_rmse", "caco2": "caco2_rmse", "solubility": "solubility_rmse", "efflux": "efflux_rmse"}
GMFE: Final = {
    "fup_human": "fup_gmfe",
    "vss": "vdss_gmfe",
    "clearance": "cl_gmfe",
    "thalf": "thalf_gmfe",
    "clint_hlm": "hlm_gmfe",
    "clint_rlm": "rlm_gmfe",
    "clint_hepatocytes": "hepatocytes_gmfe",
}
LEVELS: Final = (0.8, 0.9)


def qualify_molecule(reference: Path, say: Say) -> dict[str, float]:
    """Every figure; the models are built first where there are none."""
    models = load_or_build(reference, say, trained_folder())
    figures: dict[str, float] = {}
    for wanted in PROPERTIES:
        figures |= _errors(wanted, models.trained[wanted.name])
    figures["molecule.expansion_mara_error"] = float(np.mean(list(_expansion(models).values())))
    figures |= {f"molecule.expansion.{k}": v for k, v in _expansion(models).items()}
    return figures | _coverage(models)


def _errors(wanted: Property, trained: Trained) -> dict[str, float]:
    """Without ExpansionRx compounds, whose own figure is apart: they are one project's series."""
    kept = np.array([wanted.sources[s].path != RX for s in trained.table.sources])
    if not kept.any():
        return {}
    predicted, measured = trained.left_out[kept], trained.table.values[kept]
    if wanted.name in RMSE:
        return {f"molecule.{RMSE[wanted.name]}": float(np.sqrt(np.mean((predicted - measured) ** 2)))}
    if wanted.name not in GMFE:
        return {}
    folds = np.abs([np.log10(wanted.value(p) / wanted.value(m)) for p, m in zip(predicted, measured, strict=True)])
    name = GMFE[wanted.name]
    return {
        f"molecule.{name}": float(10.0 ** folds.mean()),
        f"molecule.{name.removesuffix('_gmfe')}_within_2fold": float(np.mean(folds <= np.log10(2.0))),
    }


def _expansion(models: Models) -> dict[str, float]:
    """MAE over that of the mean, end point by end point, on the challenge's scale: log10, of percents too."""
    found = {}
    for wanted in PROPERTIES:
        trained = models.trained[wanted.name]
        own = np.array([wanted.sources[s].path == RX for s in trained.table.sources])
        if own.sum() < 50:
            continue
        predicted, measured = (_scale(wanted, x[own]) for x in (trained.left_out, trained.table.values))
        found[wanted.name] = float(np.mean(np.abs(predicted - measured)) / np.mean(np.abs(measured - measured.mean())))
    return found


def _scale(wanted: Property, learned: Floats) -> Floats:
    return np.log10([wanted.value(x) for x in learned]) if wanted.scale == "logit" else learned


def _coverage(models: Models) -> dict[str, float]:
    inside: dict[float, list[bool]] = {level: [] for level in LEVELS}
    outside: dict[float, list[bool]] = {level: [] for level in LEVELS}
    for trained in models.trained.values():
        folds = models.shared.folds[trained.table.rows]
        near = trained.similarity >= np.percentile(trained.similarity, FAR_PERCENTILE)
        errors = np.abs(trained.left_out - trained.table.values)
        for fold in range(FOLDS):
            others = folds != fold
            for i in np.flatnonzero(~others):
                for level in LEVELS:
                    half = conformal(errors[others], trained.similarity[others], trained.similarity[i], level)
                    (inside if near[i] else outside)[level].append(bool(errors[i] <= half))
    figures = {f"molecule.coverage{100 * v:.0f}": float(np.mean(inside[v])) for v in LEVELS}
    return figures | {f"molecule.coverage{100 * v:.0f}_outside": float(np.mean(outside[v])) for v in LEVELS}
