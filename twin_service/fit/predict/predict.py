"""`twin predict FILE`: a drug file, of the library or the user's own, simulated for a named person or a population.

A library in which the user's own folder takes part: metabolites and further drugs may lie beside the file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from twin_service.fit.predict.figures import (
    Exposure,
    Rest,
    disposition_figures,
    exposures,
    figure_nodes,
    summary,
    unit_of,
    volume_doubt,
    volumes_by_method,
)
from twin_service.fit.predict.first_pass import FirstPass, first_pass, integrals, is_one_pass
from twin_service.fit.predict.linearized import linearized
from twin_service.fit.predict.own_data import compare, doubts, read_levels
from twin_service.fit.predict.people import Ranges, check_person, individuals, members
from twin_service.fit.predict.plan import DosePlan, Floats, check_plan, entry, grid_of, horizon_of, schedule_of, told
from twin_service.fit.predict.quadrature import nodes
from twin_service.fit.predict.user_files import own_library, read_own
from twin_service.model.compose import compose
from twin_service.model.domain import dose_doubt
from twin_service.model.pbpk.animal import drug_in
from twin_service.model.pbpk.antibody import build_antibody, is_antibody
from twin_service.model.pbpk.body import build_body
from twin_service.model.pbpk.library import Library, load_library
from twin_service.model.pbpk.record import DrugRecord
from twin_service.model.structure import Block, PatientModel
from twin_service.outcome import Refusal, RefusalCode
from twin_service.solver.simulate import simulate

Bools = NDArray[np.bool_]
QUANTILES = (0.05, 0.5, 0.95)
Other = tuple[str | Path, DosePlan]

__all__ = ["DosePlan", "predict", "with_data"]


class Setting(NamedTuple):
    """The closed model of everything given, the drug looked at, and its file (None for an antibody)."""

    model: PatientModel
    drug: str
    record: DrugRecord | None
    library: Library
    beside: tuple[DrugRecord, ...] = ()
    species: str = "human"


def predict(
    drug: Path | str,
    plan: DosePlan,
    person: Mapping[str, float] | None = None,
    *,
    others: Sequence[Other] = (),
    ranges: Ranges | None = None,
    library: Library | None = None,
    times_h: list[float] | None = None,
    organs: Sequence[str] = (),
    species: str = "human",
) -> dict[str, Any]:
    """Exposure of `drug` (a library id or a file) in `person` (covariates) under `plan`, with `others` beside it.

    organs  tissues whose course is wanted too (mg/L of the whole tissue with its blood)
    species whose body it is: an animal's own values come from [species.<id>] of the file
    ranges  covariate -> (low, high): drawn evenly for each of a population (a yes or no: the share of yes)

    Returns a plain mapping: `figures` (flat: predict.auc_mg_h_l, .cmax_mg_l, .tmax_h, .thalf_h, .f ... quantiles for a
    population, ratios to the drug alone with others), `time_h`, `concentration_mg_l` (at `times_h` if given), `courses`
    (every drug and metabolite), `warnings`, `assumptions`.

    Raises Refusal for a file with mistakes (all of them in the message), an unknown route, a dose that is not positive.
    """
    check_plan(plan)
    for _, beside in others:
        check_plan(beside)
    setting = _setting(drug, plan, others, library or load_library(), species)
    said, spans = dict(person or {}), dict(ranges or {})
    check_person(setting.model, said, spans, plan.population)
    names = [(setting.drug, plan), *((_id_of(n), p) for n, p in others)]
    half_life = _slowest(setting, said)
    grid, shown = _grid(plan, horizon_of([p for _, p in names], half_life), times_h)
    if species != "human" and (plan.population or ranges):
        raise Refusal(
            RefusalCode.UNSUPPORTED,
            f"a population of {species} is not known: leave out population, or predict in man",
            field="population",
            reason="NO_ANIMAL_POPULATION",
        )
    body = setting.library.species[species] if setting.record is not None else None
    people = members(setting.model, said, plan, spans, body=body)
    levels, final = _levels(setting, people.rows, names, grid, organs=organs)
    each = exposures(grid, levels[setting.drug], plan, _rest(setting, plan, people.rows, final))
    figures = summary(each, plan)
    if plan.is_oral_single and not plan.steady and setting.record is not None and not others:
        figures |= _fractions(setting, said, plan, half_life)
    alone: Floats | None = None
    if others:
        ratios, alone = _ratios(setting, drug, (plan, grid, people.rows), each)
        figures |= ratios
    if setting.record is not None:
        figures |= {k: v for k, v in _at_rest(setting, said).items() if k not in figures}
    volumes = volumes_by_method(setting.record, setting.library, species) if setting.record is not None else {}
    answer = {
        "figures": figures,
        "units": {name: unit_of(name) for name in figures},
        "drug": setting.drug,
        "person": said,
        "species": species,
        "warnings": [
            *_dose_doubts(setting.model, names),
            *_inert(setting),
            *setting.model.warnings(said),
            *(volume_doubt(setting.record, volumes) if setting.record is not None else ()),
            *_unsteady(plan, grid, levels[setting.drug]),
        ],
        "vss_l_kg_by_method": volumes,
        "assumptions": list(setting.record.assumed) if setting.record is not None else [],
    }
    drawn = {d: c[:, shown] for d, c in levels.items()}
    if alone is not None:
        answer["alone_mg_l"] = np.median(alone[:, shown], axis=0)[_kept(grid[shown], times_h)].tolist()
    answer["beside"] = [f"{name}: {told(p)}" for name, p in names[1:]]
    answer["ranges_mg_l"] = [
        {"low": w.low, "high": w.high, "measure": w.measure} for w in (setting.record.windows if setting.record else ())
    ]
    return answer | _courses(setting.drug, drawn, (grid[shown], times_h), plan) | individuals(people, each, plan)


def _at_rest(setting: Setting, person: Mapping[str, float]) -> dict[str, float]:
    assert setting.record is not None
    return disposition_figures(setting.record, setting.library, person, setting.species)


def _grid(plan: DosePlan, end_h: float, times_h: list[float] | None) -> tuple[Floats, Bools]:
    """The times to solve for, and which of them are shown: quadrature points are not."""
    shown = grid_of(plan, end_h, times_h)
    grid = np.unique(np.concatenate([shown, figure_nodes(plan, float(shown[-1])).times_h]))
    return grid, np.isin(grid, shown)


def _rest(setting: Setting, plan: DosePlan, rows: Floats, final: Floats) -> Rest | None:
    """The area to come and the half-life of each member by the linear system; None for an antibody."""
    if setting.record is None:
        return None
    names = (
        entry(setting.model, setting.drug, plan.route).input,
        f"body.{setting.drug}_level",
        f"body__{setting.drug}_",
    )
    system = setting.model.system
    area = linearized(system, names, rows, final).area_to_come(final)
    return Rest(np.maximum(area, 0.0), linearized(system, names, rows).half_lives())


def with_data(
    drug: Path | str, plan: DosePlan, person: Mapping[str, float], data: Path, library: Library | None = None
) -> dict[str, Any]:
    """The levels of `data` beside the prediction: `figures` by study, `observed` for the plots, `warnings`.

    Raises Refusal with every mistake of the file, and for a course too short for it.
    """
    known = library or load_library()
    setting = _setting(drug, plan, (), known)
    mass = setting.record.molar_mass if setting.record is not None else None
    levels = read_levels(data, mass)
    times = sorted({y.time_h for y in levels})
    found = predict(drug, plan, person, library=library, times_h=times)
    at = dict(zip(found["time_h"], found["concentration_mg_l"], strict=True))
    predicted = [at[y.time_h] for y in levels]
    figures = dict[str, float]()
    for s in compare(levels, predicted):
        rows = {k: v for k, v in s._asdict().items() if k != "study" and np.isfinite(v)}
        figures |= {f"predict.data.{s.study}.{k}": float(v) for k, v in rows.items()}
    observed = [{**y._asdict(), "predicted_mg_l": p} for y, p in zip(levels, predicted, strict=True)]
    return {"figures": figures, "observed": observed, "warnings": doubts(levels, predicted)}


def _kept(grid: Floats, wanted: list[float] | None) -> Bools:
    return np.isin(grid, wanted) if wanted is not None else np.ones(len(grid), dtype=bool)


def _courses(
    drug: str, levels: Mapping[str, Floats], times: tuple[Floats, list[float] | None], plan: DosePlan
) -> dict[str, Any]:
    """The course of every drug, its median in a population, at the times wanted."""
    grid, wanted = times
    keep = _kept(grid, wanted)
    middle = {d: np.median(c, axis=0)[keep].tolist() for d, c in levels.items()}
    found: dict[str, Any] = {
        "time_h": grid[keep].tolist(),
        "concentration_mg_l": middle[drug],
        "courses": {d: c for d, c in middle.items() if not d.endswith("_unbound")},
        "unbound_mg_l": middle.get(f"{drug}_unbound", middle[drug]),
    }
    if plan.population:
        found["quantiles_mg_l"] = {f"q{q:.0%}": np.quantile(levels[drug], q, axis=0)[keep].tolist() for q in QUANTILES}
    return found


def _setting(
    drug: Path | str, plan: DosePlan, others: Sequence[Other], library: Library, species: str = "human"
) -> Setting:
    path = Path(drug)
    if is_antibody(drug):
        if others or species != "human":
            raise Refusal(
                RefusalCode.INVALID,
                f"{_id_of(drug)} is an antibody: it is predicted alone, in man",
                field="with",
                reason="ANTIBODY_ALONE",
            )
        block: Block = build_antibody(path if path.suffix == ".toml" else str(drug))
        return Setting(compose("predict", {"body": block}), block.routes[0].drug, None, library)
    library = own_library(library, [path, *(Path(n) for n, _ in others)])
    records = [drug_in(read_own(n, library), species, library) for n in (drug, *(n for n, _ in others))]
    forms = {
        r.id: p.formulation for r, p in zip(records, (plan, *(p for _, p in others)), strict=True) if p.formulation
    }
    block = build_body(records, library, species=species, formulations=forms or None, routes=("iv", "oral", "sc", "im"))
    model = compose("predict", {"body": block})
    return Setting(model, records[0].id, records[0], library, tuple(records[1:]), species)


def _id_of(drug: Path | str) -> str:
    return Path(drug).stem if str(drug).endswith(".toml") else str(drug)


def _levels(
    setting: Setting, rows: Floats, names: Sequence[tuple[str, DosePlan]], grid: Floats, *, organs: Sequence[str] = ()
) -> tuple[dict[str, Floats], Floats]:
    """Level (mg/L) of every drug in the body, and unbound and in `organs` of the first, (N, nt) each; last states."""
    known = [] if setting.record is None else list(setting.library.species[setting.species].organ_ids)
    for organ in organs:
        if organ not in known:
            raise Refusal(
                RefusalCode.INVALID,
                f"organ {organ!r} is unknown; known: {', '.join(known) or 'none'}",
                field="organ",
                reason="UNKNOWN_ORGAN",
            )
    solution = simulate(setting.model.system, rows, schedule_of(setting.model, names), grid)
    if not solution.ok:
        failed = next(o for o in solution.outcomes if not o.ok)
        raise Refusal(RefusalCode.PRECONDITION, f"the prediction did not solve: {failed}", reason="DID_NOT_SOLVE")
    index = setting.model.system.output_index
    drugs = [n.removeprefix("body.").removesuffix("_level") for n in index if n.endswith("_level")]
    found = {d: np.maximum(solution.outputs[:, :, index[f"body.{d}_level"]], 0.0) for d in drugs}
    if setting.record is not None:
        mg = setting.record.molar_mass / 1000.0
        for end, output in (("unbound", "plasma_unbound"), *((o, o) for o in organs)):
            c = solution.outputs[:, :, index[f"body.{setting.drug}_{output}"]]
            found[f"{setting.drug}_{end}"] = np.maximum(c, 0.0) * mg
    return found, solution.final


def _slowest(setting: Setting, person: Mapping[str, float]) -> float:
    """A half-life (h) to see the drug gone: 0.693 Vss/CL; three weeks for an antibody."""
    if setting.record is None:
        return 21.0 * 24.0
    at = disposition_figures(setting.record, setting.library, person, setting.species)
    weight = at["predict.weight_kg"]
    return 0.693 * at["predict.vss_l_kg"] * weight / max(at["predict.clearance_l_h"], 1e-9)


def _ratios(
    setting: Setting, drug: Path | str, run: tuple[DosePlan, Floats, Floats], together: Sequence[Exposure]
) -> tuple[dict[str, float], Floats]:
    """AUC and Cmax with the others over those alone, in the same people, and the course alone (N, nt)."""
    plan, grid, rows = run
    alone = _setting(drug, plan, (), setting.library, setting.species)
    columns = [setting.model.system.parameter_index[p.name] for p in alone.model.system.parameters]
    own = rows[:, columns]
    levels, final = _levels(alone, own, [(setting.drug, plan)], grid)
    before = exposures(grid, levels[setting.drug], plan, _rest(alone, plan, own, final))
    middle, middle_alone = summary(together, plan), summary(before, plan)
    found = dict[str, float]()
    for name, of in (("auc_ratio", "auc_mg_h_l"), ("cmax_ratio", "cmax_mg_l")):
        found[f"predict.{name}"] = middle[f"predict.{of}"] / middle_alone[f"predict.{of}"]
        found[f"predict.{of}_alone"] = middle_alone[f"predict.{of}"]
        if plan.population:
            each = [getattr(a, of) / getattr(b, of) for a, b in zip(together, before, strict=True)]
            found |= {f"predict.{name}_{e}": float(np.quantile(each, q)) for e, q in (("q05", 0.05), ("q95", 0.95))}
    return found, levels[setting.drug]


def _fractions(setting: Setting, person: Mapping[str, float], plan: DosePlan, half_life: float) -> dict[str, float]:
    """F, and how it comes about: absorbed, past the gut wall, past the liver; of the typical person, at this dose."""
    assert setting.record is not None
    model, d = setting.model, setting.drug
    rows = model.values(person)[None, :]
    if is_one_pass(setting.record):
        found = _by_flows(setting, rows, plan, half_life)
        return {"predict.f": found.f, "predict.fa": found.fa, "predict.fg": found.fg, "predict.fh": found.fh}
    areas: dict[str, Exposure] = {}
    for route in (plan.route, "iv"):
        single = replace(plan, route=route, duration_h=0.5 if route == "iv" else 0.0, loading_mg=0.0, meals_h=())
        grid, _ = _grid(single, horizon_of([plan], half_life), None)
        levels, final = _levels(setting, rows, [(d, single)], grid)
        areas[route] = exposures(grid, levels[d], single, _rest(setting, single, rows, final))[0]
    return {"predict.f": areas[plan.route].total_area / areas["iv"].total_area}


def _by_flows(setting: Setting, rows: Floats, plan: DosePlan, half_life: float) -> FirstPass:
    """First pass of one dose by what flows where."""
    assert setting.record is not None
    system, d = setting.model.system, setting.drug
    way = entry(setting.model, d, plan.route)
    end = plan.last_h + horizon_of([plan], half_life)
    at = nodes(0.0, end, [t for t, _ in plan.taken()])
    times = np.append(at.times_h, end)
    solution = simulate(system, rows, schedule_of(setting.model, [(d, plan)]), times, keep_states=True)
    assert solution.states is not None
    linear = linearized(system, (way.input, f"body.{d}_level", f"body__{d}_"), rows, solution.final)
    areas = integrals(system, (at, solution.states[0, :-1], solution.final[0]), linear)
    values = {p.name: float(rows[0, k]) for k, p in enumerate(system.parameters)}
    given = plan.dose_mg * way.units_per_mg
    return first_pass(setting.record, setting.library.species[setting.species], areas, values, given)


def _dose_doubts(model: PatientModel, names: Sequence[tuple[str, DosePlan]]) -> list[str]:
    """Sentences on doses outside what their drug's file was built for; Refusal where it says refuse."""
    said = (dose_doubt(entry(model, d, p.route), mg) for d, p in names for mg in (p.loading_mg, p.dose_mg))
    return [*dict.fromkeys(s for s in said if s)]


def _inert(setting: Setting) -> list[str]:
    """Others whose files say nothing of what clears the drug: their ratio of 1 is an omission, not a finding."""
    if setting.record is None:
        return []
    used = {w.enzyme or w.transporter for w in setting.record.clearances} - {""}
    return [
        f"{other.id}: its file has no [[interaction]] with what clears {setting.drug} ({', '.join(sorted(used))}); a "
        "ratio of 1 says that nothing was entered"
        for other in setting.beside
        if not any(i.target in used for i in other.interactions)
    ]


def _unsteady(plan: DosePlan, grid: Floats, levels: Floats) -> list[str]:
    """Whether the last interval is still far from the steady state."""
    if plan.count < 3:
        return []
    last, before = (plan.start_h + plan.interval_h * k for k in (plan.count - 1, plan.count - 2))
    typical = np.median(levels, axis=0)
    now, then = float(np.interp(last, grid, typical)), float(np.interp(before, grid, typical))
    if now > 0 and abs(now - then) > 0.05 * now:
        return [f"not yet at steady state: the last trough moved by {abs(now - then) / now:.0%}; give more doses"]
    return []
