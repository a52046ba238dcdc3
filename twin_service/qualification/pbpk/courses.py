"""Every observed course simulated, and scored: concentrations, AUC and Cmax, build and verification apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twin_service.library.files import parse_toml
from twin_service.model.pbpk.library import Library
from twin_service.model.pbpk.studies import course, series
from twin_service.outcome import Refusal
from twin_service.qualification.pbpk.intake import formulation_id
from twin_service.qualification.pbpk.observed import ObservedStudy
from twin_service.qualification.pbpk.scores import gmfe

Floats = NDArray[np.float64]
FLOOR = 0.02


@dataclass(frozen=True)
class CourseResult:
    """One study with its prediction at the observed times; ratios are predicted over observed."""

    study: ObservedStudy
    predicted: Floats
    dense_t: Floats
    dense_c: Floats
    fitted: bool

    @property
    def ratios(self) -> Floats:
        """At times of levels above 2 % of the peak: below that, assays and digitizing dominate."""
        seen = self.study.levels > FLOOR * self.study.levels.max()
        ratios = self.predicted[seen] / self.study.levels[seen]
        return np.asarray(ratios[ratios > 0], float)

    @property
    def auc_ratio(self) -> float:
        t = self.study.times_h
        return float(np.trapezoid(self.predicted, t) / np.trapezoid(self.study.levels, t))

    @property
    def cmax_ratio(self) -> float:
        return float(self.predicted.max() / self.study.levels.max())

    @property
    def gmfe(self) -> float:
        return gmfe(self.ratios)


def run_courses(studies: Sequence[ObservedStudy], library: Library) -> list[CourseResult]:
    """Simulate each study; those that cannot be built (a route missing) are left out."""
    fitted = fitted_studies(library)
    found = []
    for study in studies:
        try:
            found.append(_simulate(study, library, any(_same(study, f) for f in fitted.get(study.drug, ()))))
        except Refusal:
            continue
    return found


def fitted_studies(library: Library) -> dict[str, set[str]]:
    """Drug id -> the studies that gave a parameter of its file."""
    return {d: set(parse_toml(p).get("fitted", [])) for d, p in library.drug_paths.items()}


def _same(study: ObservedStudy, fitted: str) -> bool:
    return study.study.startswith(fitted) or study.name.startswith(fitted)


def _simulate(study: ObservedStudy, library: Library, fitted: bool) -> CourseResult:
    formulations = chosen_formulations(study, library)
    run = course(list(study.treatments), study.person, library, formulations=formulations)
    # A solver's grid must not begin before the first dose; digitized times may.
    t = np.maximum(study.times_h, 0.0)
    dense = np.unique(np.concatenate([t, np.linspace(t[0], t[-1], 200)]))
    c = series(run, f"{study.drug}_level", dense)
    return CourseResult(study, np.interp(t, dense, c), dense, c, fitted)


def chosen_formulations(study: ObservedStudy, library: Library) -> dict[str, str]:
    """Dosage form of each drug by the words of the study's tables; its first where they say nothing."""
    chosen = {d: formulation_id(library.drug(d), study.forms.get(d, "")) for d in {t.drug for t in study.treatments}}
    return {d: form for d, form in chosen.items() if form is not None}
