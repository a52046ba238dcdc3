"""Drug interactions against a table of observed AUC ratios: the same victim dose with and without the perpetrator."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from twin_service.model.pbpk.library import Library
from twin_service.model.pbpk.studies import Treatment, course, series
from twin_service.outcome import Refusal
from twin_service.qualification.pbpk.courses import fitted_studies
from twin_service.qualification.pbpk.observed import drug_id, rows
from twin_service.qualification.pbpk.regimens import shorthand_times

# One tenth of the concentration is left after 3.3 half-lives; longer tails add little to an area.
LONGEST_H, STEPS = 120.0, 500
USUAL_MG = {
    "midazolam": 2.0,
    "digoxin": 0.5,
    "alprazolam": 1.0,
    "caffeine": 100.0,
    "felodipine": 5.0,
    "metformin": 500.0,
    "dextromethorphan": 22.0,
    "quinidine": 166.0,
    "verapamil": 80.0,
    "sildenafil": 50.0,
    "metoprolol": 100.0,
    "desipramine": 50.0,
    "atomoxetine": 20.0,
    "furosemide": 40.0,
    "tizanidine": 4.0,
    "s_mephenytoin": 50.0,
    "carbamazepine": 200.0,
    "efavirenz": 400.0,
    "fluvoxamine": 50.0,
    "paroxetine": 20.0,
    "rosuvastatin": 10.0,
    "pravastatin": 40.0,
    "atorvastatin": 20.0,
}
LONG = {"desipramine": 96.0, "digoxin": 96.0, "carbamazepine": 96.0, "fluvoxamine": 72.0, "alprazolam": 72.0}
# Pharmacogenetic groups change the ratio; rows of such groups say so at the end of their grouping.
GENOTYPES = {
    "_PM": 0.0,
    "_IM": 0.25,
    "_NM": 1.0,
    "_fastNM": 1.5,
    "_AS0": 0.0,
    "_AS0.5": 0.25,
    "_AS1": 0.5,
    "_AS1.25": 0.625,
    "_AS2": 1.0,
}
# Jung 2020 (PubMed 33245517) compares carriers of two, one and no CYP2D6*10:
# beside its group of score 1.25 (*wt/*10) the group called "AS0" is *10/*10, score 0.5 (CPIC), not a poor metabolizer.
GENOTYPES_OF_STUDY = {"Jung 2020": {"_AS0": 0.25}}
# Drugs that both arms took and the table does not name: (study, victim) -> drug, mg, hours between doses.
# Schoedel 2012 (PubMed 22283559) gave dextromethorphan as its fixed combination with quinidine, which alone blocks
# CYP2D6; 24.86 mg of base in 30 mg of sulfate, as the table's own row of that study says.
IN_BOTH_ARMS = {("Schoedel 2012", "dextromethorphan"): ("quinidine", 24.86, 12.0)}
# Rows that compare genotypes, not treatments, stand in the same table.
GENOTYPE_ROW = "DDGI Ratios"


@dataclass(frozen=True)
class InteractionResult:
    """One row: observed and predicted AUC ratio (and Cmax ratio where given)."""

    study: str
    victim: str
    perpetrator: str
    mechanism: str
    observed: float
    predicted: float
    observed_cmax: float
    predicted_cmax: float
    fitted: bool = False

    @property
    def fold(self) -> float:
        return self.predicted / self.observed


def run_interactions(path: Path, library: Library, drugs: set[str] | None = None) -> list[InteractionResult]:
    """Every row of the table whose drugs and regimen the library covers."""
    found = []
    fitted = fitted_studies(library)
    seen: set[tuple[str, ...]] = set()
    for row in rows(path):
        if _is_repeated(row, seen):
            continue
        victim, perpetrator = drug_id(row["Victim"]), drug_id(row["Perpetrator"])
        if victim == perpetrator or not {victim, perpetrator} <= set(library.drug_paths):
            continue
        if drugs and not drugs & {victim, perpetrator}:
            continue
        if (
            GENOTYPE_ROW in row["Comment"]
            or not row["AUCR Avg"]
            or row["Compartment"].lower() not in ("plasma", "serum", "")
        ):
            continue
        plan = _plan(row, victim, perpetrator, library)
        if plan is None:
            continue
        try:
            result = _result(row, plan, victim, perpetrator, library)
        except Refusal:
            continue
        built = any(_is_of(row["Study ID"], f) for d in (victim, perpetrator) for f in fitted[d])
        found.append(replace(result, fitted=built))
    return found


def _is_of(study: str, fitted: str) -> bool:
    """Whether a row's study is a building one, written "Belle (2002)", "Belle et al. 2002" or "Belle 2002"."""
    plain, name = (re.sub(r"\bet al\b|[\W_]+", " ", text.lower()).split() for text in (study, fitted))
    return study.startswith(fitted) or (len(plain) >= 2 and plain == name[: len(plain)])


def _is_repeated(row: Mapping[str, str], seen: set[tuple[str, ...]]) -> bool:
    """The table was joined from several: one comparison may stand in it twice, under "Wu 2017" and "Wu et al. 2017"."""
    study = re.sub(r"et al\.?", "", row["Study ID"]).split()
    key = (*study, *(row[c] for c in ("Victim", "Perpetrator", "Route Victim", "Route Perpetrator", "Dose")))
    repeated = "Inhibition" == row["Mechanism"] and key in seen
    seen.add(key)
    return repeated


def _plan(
    row: Mapping[str, str], victim: str, perpetrator: str, library: Library
) -> tuple[Treatment, list[Treatment], float] | None:
    """(victim dose, perpetrator doses, end of the window); None where the row does not say it all."""
    times = shorthand_times(row["Times of Administration"])
    try:
        dose = float(row["Dose"]) * {"mg": 1.0, "g": 1000.0, "µg": 1e-3}.get(row["Dose Unit"], float("nan"))
        start = float(row["t_treatment_0"])
    except ValueError:
        return None
    if not times or not np.isfinite(dose) or dose <= 0 or row["t Unit"] not in ("h", ""):
        return None
    # "inf" (also misspelled) and 9999 mean: to infinity.
    end = _number(row["t_treatment_end"])
    # A window that opens before the perpetrator's first dose is of a victim dosed all along: its last dose that the
    # perpetrator meets is the one to compare. A victim alone at the opening would never meet it.
    if times[0] > start:
        start = max(t for t in times if not np.isfinite(end) or t < end)
    span = end - start if np.isfinite(end) and end < 9000 else min(LONG.get(victim, 48.0), LONGEST_H)
    route = {"IV": "iv", "PO": "oral"}.get(row["Route Victim"].upper()[:2])
    route_p = {"IV": "iv", "PO": "oral"}.get((row["Route Perpetrator"] or row["Route"]).upper()[:2])
    if route is None or route_p is None or span <= 0.5:
        return None
    own = Treatment(victim, route, USUAL_MG.get(victim, 10.0), 24.0, 1, start, 0.1 if route == "iv" else 0.0)
    kept = [t for t in times if t < start + span]
    others = [Treatment(perpetrator, route_p, dose, 24.0, 1, t, 0.5 if route_p == "iv" else 0.0) for t in kept]
    return own, others, span


def _result(
    row: Mapping[str, str],
    plan: tuple[Treatment, list[Treatment], float],
    victim: str,
    perpetrator: str,
    library: Library,
) -> InteractionResult:
    own, others, span = plan
    person = _genotype(row)
    forms = {d: "solution" for d in (victim,) if library.drug(victim).formulations}
    t = own.start_h + np.unique(np.concatenate([np.geomspace(0.02, span, STEPS), np.linspace(0.0, span, STEPS)]))
    both = _in_both_arms(row, own, span)
    together = course([own, *others, *both], person, library, formulations=forms)
    alone = course([own, *both], person, library, formulations=forms)
    with_c, without_c = (series(run, f"{victim}_level", t) for run in (together, alone))
    return InteractionResult(
        row["Study ID"],
        victim,
        perpetrator,
        row["Mechanism"],
        float(row["AUCR Avg"]) / _dose_correction(row),
        float(np.trapezoid(with_c, t) / np.trapezoid(without_c, t)),
        _number(row["CmaxR Avg"]),
        float(with_c.max() / without_c.max()),
    )


def _in_both_arms(row: Mapping[str, str], own: Treatment, span: float) -> list[Treatment]:
    """What the victim was always given with, from hour 0 to the end of the window."""
    known = IN_BOTH_ARMS.get((row["Study ID"], own.drug))
    if known is None:
        return []
    drug, mg, every_h = known
    return [Treatment(drug, "oral", mg, every_h, int((own.start_h + span) // every_h) + 1, 0.0, 0.0)]


def _genotype(row: Mapping[str, str]) -> dict[str, float]:
    """The activity of the group, where its name ends in a phenotype or activity score."""
    known = GENOTYPES | GENOTYPES_OF_STUDY.get(row["Study ID"], {})
    return next(({"cyp2d6_activity": v} for k, v in known.items() if row["Grouping"].endswith(k)), {})


def _dose_correction(row: Mapping[str, str]) -> float:
    """Some tables multiply a ratio by the ratio of doses; the comment says so and the factor stands beside it."""
    factor = _number(row["R Dose correction factor"])
    return (
        factor
        if "Different dose treatment vs control" in row["Comment"] and np.isfinite(factor) and factor > 0
        else 1.0
    )


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")


def by_pair(results: Iterable[InteractionResult]) -> dict[tuple[str, str], list[InteractionResult]]:
    found: dict[tuple[str, str], list[InteractionResult]] = {}
    for r in results:
        found.setdefault((r.perpetrator, r.victim), []).append(r)
    return dict(sorted(found.items()))
