"""Who is looked at: a named person, or many drawn from ranges and the drugs' random effects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from difflib import get_close_matches
from typing import NamedTuple

import numpy as np

from twin_service.fit.predict.figures import Exposure
from twin_service.fit.predict.plan import DosePlan, Floats
from twin_service.model.pbpk.elimination import activity_covariate
from twin_service.model.pbpk.library import Library
from twin_service.model.pbpk.people import draw_people
from twin_service.model.pbpk.record import SpeciesRecord
from twin_service.model.structure import PatientModel
from twin_service.outcome import Refusal, RefusalCode

Ranges = Mapping[str, tuple[float, float]]
YES_NO = ("sex_female", "smoker", "fed")
# The middle of each KDIGO 2012 stage of eGFR, mL/min.
CKD_EGFR = {"1": 105.0, "2": 75.0, "3a": 52.0, "3": 45.0, "3b": 37.0, "4": 22.0, "5": 10.0}


def check_person(model: PatientModel, person: Mapping[str, float], ranges: Ranges, population: int) -> None:
    """Raises Refusal for an unknown characteristic, a value outside its range, a range without a population."""
    known = {c.name: c for c in model.covariates}
    if ranges and not population:
        raise Refusal(
            RefusalCode.INVALID, "ranges need a population above 0", field="population", reason="NO_POPULATION"
        )
    for name, value in [*person.items(), *((n, v) for n, span in ranges.items() for v in span)]:
        if name not in known and name.endswith("_activity"):
            used = [n.removesuffix("_activity").upper() for n in known if n.endswith("_activity")]
            raise Refusal(
                RefusalCode.INVALID,
                f"no drug here is cleared by {name.removesuffix('_activity').upper()}; "
                f"cleared by: {', '.join(used) or 'no named enzyme'}",
                field=name,
                reason="UNKNOWN_COVARIATE",
            )
        if name not in known:
            near = get_close_matches(name, known, 1, 0.6)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise Refusal(
                RefusalCode.INVALID,
                f"covariate {name!r} is unknown; {hint}known: {', '.join(known)}",
                field=name,
                reason="UNKNOWN_COVARIATE",
            )
        c = known[name]
        if not (np.isfinite(value) and c.low <= value <= c.high):
            raise Refusal(
                RefusalCode.OUT_OF_RANGE,
                f"{name} is {value} {c.unit}; expected {c.low:g} to {c.high:g}",
                field=name,
                reason="COVARIATE_OUT_OF_RANGE",
            )


class People(NamedTuple):
    """Parameter rows (N, np) and the characteristics each was made of."""

    rows: Floats
    characteristics: tuple[Mapping[str, float], ...]


def members(
    model: PatientModel,
    person: Mapping[str, float],
    plan: DosePlan,
    ranges: Ranges,
    *,
    body: SpeciesRecord | None = None,
) -> People:
    """The typical person, or `plan.population` people with effects and covariates drawn.

    body    a species: what neither `person` nor `ranges` say of size, blood and filtration varies as between its people
    """
    if plan.population == 0:
        return People(model.values(person)[None, :], (dict(person),))
    rng = np.random.default_rng(plan.seed)
    if len(model.effects):
        eta = rng.multivariate_normal(np.zeros(len(model.effects)), model.omega, plan.population, method="cholesky")
    else:
        eta = np.zeros((plan.population, 0))
    if not ranges and body is None:
        return People(model.members(person, eta), (dict(person),) * plan.population)
    drawn = {n: _draw(rng, n, span, plan.population) for n, span in ranges.items()}
    people = [{**person, **{n: float(v[i]) for n, v in drawn.items()}} for i in range(plan.population)]
    if body is not None:
        people = [draw_people(body, p, 1, rng)[0] for p in people]
    rows = np.array([model.members(p, eta[i : i + 1])[0] for i, p in enumerate(people)])
    return People(rows, tuple(people))


def individuals(people: People, each: Sequence[Exposure], plan: DosePlan) -> dict[str, list[dict[str, float]]]:
    """Every person of a population: number, characteristics, exposure; nothing for the typical one."""
    if not plan.population:
        return {}
    found = []
    for i, (person, exposure) in enumerate(zip(people.characteristics, each, strict=True)):
        row = {"person": i + 1, **person, **asdict(exposure)}
        found.append({k: float(v) for k, v in row.items() if np.isfinite(v)})
    return {"individuals": found}


def _draw(rng: np.random.Generator, name: str, span: tuple[float, float], n: int) -> Floats:
    """Evenly over the range; a yes or no with the range's middle as the share of yes."""
    if name in YES_NO:
        return (rng.random(n) < 0.5 * (span[0] + span[1])).astype(float)
    return rng.uniform(span[0], span[1], n)


def genotype_covariate(word: str, library: Library) -> tuple[str, float]:
    """`CYP2D6=poor` or `CYP2D6=0.5` (an activity score) as the covariate that scales the enzyme.

    Raises Refusal naming the genes, and the gene's phenotypes and scores.
    """
    gene, _, value = word.partition("=")
    found = library.genotypes.get(gene)
    if found is None:
        raise Refusal(
            RefusalCode.NOT_FOUND,
            f"gene {gene!r} is unknown; known: {', '.join(library.genotypes)}; write GENE=phenotype or GENE=score",
            field="genotype",
            reason="UNKNOWN_GENE",
        )
    scores = found.activity
    if value not in scores:
        raise Refusal(
            RefusalCode.INVALID,
            f"{gene} {value!r} is unknown; known: {', '.join(scores)}",
            field="genotype",
            reason="UNKNOWN_GENOTYPE",
        )
    return activity_covariate(found.enzyme), float(scores[value])
