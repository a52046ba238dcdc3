"""How a drug was taken: dosage form, food and smoking, from what a study's tables say of it.

A data set's own columns (form, food) describe what was swallowed; the form named by its simulation describes what was
simulated, and is second. There "solution" says something only where other courses of the same drug name a plain solid
form: a table that calls every tablet a solution has simplified, and the drug's usual form stands.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable

from twin_service.model.pbpk.record import DrugRecord

RELEASE = re.compile(
    r"\b(er|cr|sr|xr|txr|capsulexr)\b|_er\b|extended|sustained|retard|controlled.release|prolonged|slow.release"
)
SOLUTION = re.compile(r"solution|soultion|syrup|dissolved|suspension|injection|elixir")
SOLID = re.compile(r"tabl|tab\b|caps|drag[eé]e|immediate.release|normal.release|weibull")
FED = re.compile(r"\bfed\b|\bbreakfast\b|\band food\b|\bwith (a )?(meal|food)\b")
FASTED = re.compile(r"fasted|fasting|irrespective")


def form_words(described: str, label: str, *, told_apart: bool) -> str:
    """The words to choose a dosage form by; empty where the tables do not say.

    described   the data set's own column
    label       the form its simulation names
    told_apart  whether labels of this drug also name a plain solid form
    """
    own = described.strip().lower()
    if any(kind.search(own) for kind in (RELEASE, SOLUTION, SOLID)):
        return own
    words = label.lower()
    if RELEASE.search(words) or (SOLID.search(words) and not SOLUTION.search(words)):
        return words
    return words if told_apart else ""


def told_apart(labels: Iterable[tuple[str, str]]) -> set[str]:
    """Drugs that some (drug, label) gives in a plain solid form."""
    found: dict[str, bool] = defaultdict(bool)
    for drug, label in labels:
        words = label.lower()
        found[drug] |= bool(SOLID.search(words)) and not SOLUTION.search(words) and not RELEASE.search(words)
    return {drug for drug, plain in found.items() if plain}


def formulation_id(drug: DrugRecord, words: str) -> str | None:
    """The dosage form of the drug that `words` ask for; None for its first."""
    ids = [f.id for f in drug.formulations]
    if RELEASE.search(words):
        return next((i for i in ids if i in ("extended_release", "controlled_release", "retard")), None)
    if SOLUTION.search(words):
        return "solution"
    if "capsule" in ids and "capsule" in words:
        return "capsule"
    if "gluconate_tablet" in ids and "gluconate" in words:
        return "gluconate_tablet"
    return None


def circumstances(name: str, food: str, label: str) -> dict[str, float]:
    """Covariates `fed` and `smoker` where the name of the data set, its food column or the form named say so."""
    said: dict[str, float] = {}
    # The first that says anything: what a simulation was called is a simplification, as its dosage form may be.
    texts = (re.sub(r"[_.]", " ", t.lower()) for t in (food, name, label))
    eaten = next((t for t in texts if FED.search(t) or FASTED.search(t)), "")
    if FED.search(eaten) and not FASTED.search(eaten):
        said["fed"] = 1.0
    if re.search(r"(?<!non-)(?<!non )(?<!/)\bsmokers?\b(?!/)", name.lower().replace("_", " ").replace(".", " ")):
        said["smoker"] = 1.0
    return said
