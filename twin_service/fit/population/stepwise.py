"""Stepwise covariate search: forward by the likelihood ratio, then backward by a stricter one.

    forward   add the relation with the greatest fall of -2 ln L, while it exceeds chi2(1 - forward, 1)
    backward  remove the relation with the smallest rise, while it stays below chi2(1 - backward, 1)

Each candidate is a parameter, a covariate and a law of the library; its coefficient starts where the law says nothing.
Every step is kept with its objective, and written as it is made, so that a search that was killed goes on where it
stopped. Wahlby 2001, doi:10.1023/A:1011570507213.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from scipy.stats import chi2

from twin_service.fit.population.build import BuildOptions, build_problem
from twin_service.fit.population.handles import Freedom
from twin_service.fit.population.search import SearchOptions, search
from twin_service.fit.subject import TableSubject
from twin_service.model.poppk.record import PopPkRecord, parse_model
from twin_service.outcome import Refusal, RefusalCode
from twin_service.solver.tolerances import Deadline

NEUTRAL: Final = {"power": 0.0, "linear": 0.0, "exponential": 0.0, "category": 0.0, "fraction": 0.0, "below": 0.0}
FIRST: Final = 0.1
"""Where a coefficient's search starts: off its neutral value, on the side that is tried first."""


class Relation(NamedTuple):
    """One covariate on one parameter by one law about a reference."""

    parameter: str
    covariate: str
    law: str
    reference: float

    def __str__(self) -> str:
        return f"{self.parameter}~{self.covariate} ({self.law})"


class SearchStep(NamedTuple):
    """One fit: what was added (+) or removed (-), its objective, whether it was kept."""

    direction: str
    relation: str
    objective: float
    change: float
    kept: bool


@dataclass(frozen=True)
class StepwiseOptions:
    """p values; workers fit candidates at once; `diary` is a file of steps that a killed search continues from."""

    forward: float = 0.01
    backward: float = 0.001
    workers: int = 1
    diary: Path | None = None
    deadline: Deadline = field(default_factory=Deadline)


@dataclass(frozen=True)
class StepwiseResult:
    """The record found, its relations and objective, and every step."""

    record: PopPkRecord
    relations: tuple[Relation, ...]
    objective: float
    steps: tuple[SearchStep, ...]


def candidates_of(
    record: PopPkRecord, subjects: Sequence[TableSubject], parameters: Sequence[str] = ()
) -> list[Relation]:
    """Every parameter with an effect by every covariate that differs between subjects; powers about the median for
    positive ones, categories for yes/no."""
    names = [
        q.name for q in record.parameters.values() if q.effect is not None and (not parameters or q.name in parameters)
    ]
    taken = {(q.name, t.covariate) for q in record.parameters.values() for t in q.terms}
    found = []
    for c in record.raw.get("covariate", ()):
        values = np.array([s.covariates[0].get(c["name"], c.get("default", np.nan)) for s in subjects], float)
        values = values[np.isfinite(values)]
        if not len(values) or np.ptp(values) == 0.0:
            continue
        levels = np.unique(values)
        law, reference = ("category", float(levels[-1])) if len(levels) == 2 else ("power", float(np.median(values)))
        if law == "power" and values.min() <= 0.0:
            law = "linear"
        found += [Relation(n, c["name"], law, reference) for n in names if (n, c["name"]) not in taken]
    return found


def with_relations(record: PopPkRecord, relations: Sequence[Relation]) -> PopPkRecord:
    """The record with these relations added, their coefficients to be estimated."""
    table: dict[str, Any] = copy.deepcopy(dict(record.raw))
    for r in relations:
        term = {
            "law": r.law,
            "covariate": r.covariate,
            "coefficient": FIRST,
            "reference": r.reference,
            "estimate": True,
        }
        p = table["parameters"][r.parameter]
        p["covariate_effect"] = [*p.get("covariate_effect", ()), term]
    return parse_model(table)


def stepwise(
    record: PopPkRecord,
    subjects: Sequence[TableSubject],
    candidates: Sequence[Relation],
    options: StepwiseOptions = StepwiseOptions(),
    say: Callable[[str], None] = lambda line: None,
) -> StepwiseResult:
    """The relations that the data ask for. Refuses a candidate whose law has no neutral coefficient."""
    odd = [r for r in candidates if r.law not in NEUTRAL]
    if odd:
        raise Refusal(
            RefusalCode.INVALID,
            f"{odd[0]}: law {odd[0].law!r} cannot be searched; known: {', '.join(NEUTRAL)}",
            field="candidates",
            reason="BAD_CANDIDATE",
        )
    fits = _Fits(record, tuple(subjects), options, _read(options.diary))
    kept: list[Relation] = []
    steps: list[SearchStep] = []
    now = fits.objective(())
    left = list(candidates)
    while left and not options.deadline.expired:
        tried = fits.all_of([(*kept, r) for r in left])
        best = int(np.argmin(tried))
        good = now - tried[best] > chi2.ppf(1.0 - options.forward, 1)
        steps += [
            SearchStep("+", str(r), o, o - now, good and k == best)
            for k, (r, o) in enumerate(zip(left, tried, strict=True))
        ]
        say(f"+ {left[best]}: {tried[best] - now:+.2f}" + ("" if good else " (not enough)"))
        if not good:
            break
        now = tried[best]
        kept.append(left.pop(best))
    while kept and not options.deadline.expired:
        tried = fits.all_of([tuple(r for r in kept if r != out) for out in kept])
        best = int(np.argmin(tried))
        good = tried[best] - now < chi2.ppf(1.0 - options.backward, 1)
        steps += [
            SearchStep("-", str(r), o, o - now, good and k == best)
            for k, (r, o) in enumerate(zip(kept, tried, strict=True))
        ]
        if not good:
            break
        say(f"- {kept[best]}: {tried[best] - now:+.2f}")
        now = tried[best]
        kept.pop(best)
    return StepwiseResult(with_relations(record, kept), tuple(kept), now, tuple(steps))


@dataclass(frozen=True)
class _Fits:
    """Objectives of models by their relations; each is fitted once and written to the diary."""

    record: PopPkRecord
    subjects: tuple[TableSubject, ...]
    options: StepwiseOptions
    known: dict[str, float]

    def objective(self, relations: tuple[Relation, ...]) -> float:
        key = " + ".join(sorted(map(str, relations)))
        if key not in self.known:
            built = build_problem(with_relations(self.record, relations), self.subjects, BuildOptions(Freedom()))
            found = search(
                built.problem, built.start, options=SearchOptions(restarts=2, deadline=self.options.deadline)
            )
            self.known[key] = found.found.value if found.found.outcome.ok else np.inf
            if self.options.diary is not None:
                with self.options.diary.open("a", encoding="utf-8") as f:
                    f.write(json.dumps({"model": key, "objective": self.known[key]}) + "\n")
        return self.known[key]

    def all_of(self, models: Sequence[tuple[Relation, ...]]) -> list[float]:
        if self.options.workers <= 1:
            return [self.objective(m) for m in models]
        with ThreadPoolExecutor(self.options.workers) as pool:
            return list(pool.map(self.objective, models))


def _read(diary: Path | None) -> dict[str, float]:
    """What an earlier, perhaps killed, search has fitted; a last line cut short is fitted again."""
    found: dict[str, float] = {}
    if diary is None or not diary.exists():
        return found
    for line in diary.read_text(encoding="utf-8").splitlines():
        try:
            row = json.loads(line)
            found[str(row["model"])] = float(row["objective"])
        except (ValueError, KeyError):
            continue
    return found
