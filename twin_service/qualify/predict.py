"""`twin predict FILE`: a drug file, of the library or the user's own, simulated for a named person or a population."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twin_service.model.compose import compose
from twin_service.model.pbpk.body import build_body
from twin_service.model.pbpk.checks import check_file
from twin_service.model.pbpk.individual import disposition, reference_body
from twin_service.model.pbpk.library import Library, load_drug, load_library
from twin_service.model.structure import PatientModel, Route
from twin_service.outcome import Refusal, RefusalCode
from twin_service.solver.schedule import Dose, Schedule
from twin_service.solver.simulate import simulate

Floats = NDArray[np.float64]
QUANTILES = (0.05, 0.5, 0.95)
BEFORE, AFTER = 0.02, 400


@dataclass(frozen=True)
class Plan:
    """`count` doses of `dose_mg` by `route` every `interval_h`, each over `duration_h`; simulated to `horizon_h`.

    population  0: the typical person; n: n people with the drug's random effects (seeded)
    """

    dose_mg: float
    route: str = "oral"
    interval_h: float = 24.0
    count: int = 1
    duration_h: float = 0.0
    formulation: str = ""
    horizon_h: float = 0.0
    population: int = 0
    seed: int = 1


def predict(
    drug: Path | str,
    plan: Plan,
    person: Mapping[str, float] | None = None,
    *,
    library: Library | None = None,
    times_h: list[float] | None = None,
) -> dict[str, Any]:
    """Exposure of `drug` (a library id or a drug file) in `person` (covariates) under `plan`.

    Returns a plain mapping: `figures` (flat: predict.auc_mg_h_l, .cmax_mg_l, .tmax_h, .thalf_h, .clearance_l_h ... and
    quantiles for a population), `time_h`, `concentration_mg_l` (at `times_h` if given), `warnings`, `assumptions`.

    Raises Refusal for a file with mistakes (all of them in the message), an unknown route, a dose that is not positive.
    """
    library = library or load_library()
    record = _record(drug, library)
    _check_plan(plan)
    forms = {record.id: plan.formulation} if plan.formulation else None
    block = build_body([record], library, formulations=forms, routes=("iv", "oral", "sc", "im"))
    model = compose("predict", {"body": block})
    _check_person(model, person or {})
    route = _route(model, record.id, plan.route)
    doses = tuple(
        Dose(k * plan.interval_h, route.input, plan.dose_mg * route.units_per_mg, plan.duration_h)
        for k in range(plan.count)
    )
    grid = _grid(plan, doses, times_h)
    rows = _members(model, person or {}, plan)
    solution = simulate(model.system, rows, Schedule(doses), grid)
    if not solution.ok:
        raise Refusal(
            RefusalCode.PRECONDITION, f"the prediction did not solve: {solution.outcomes[0]}", reason="DID_NOT_SOLVE"
        )
    levels = solution.outputs[:, :, model.system.output_index[f"body.{record.id}_level"]]
    keep = np.isin(grid, times_h) if times_h is not None else np.ones(len(grid), dtype=bool)
    middle = levels[0] if plan.population == 0 else np.median(levels, axis=0)
    figures = _figures(grid, levels, plan) | _disposition(record.id, library, record)
    result: dict[str, Any] = {
        "figures": figures,
        "drug": record.id,
        "time_h": grid[keep].tolist(),
        "concentration_mg_l": middle[keep].tolist(),
        "warnings": model.warnings(dict(person or {})),
        "assumptions": list(record.assumed),
    }
    if plan.population:
        result["quantiles_mg_l"] = {f"q{q:.0%}": np.quantile(levels, q, axis=0)[keep].tolist() for q in QUANTILES}
    return result


def _record(drug: Path | str, library: Library) -> Any:
    path = Path(drug)
    if path.suffix != ".toml":
        return library.drug(str(drug))
    wrong = [f for f in check_file(path, library) if f.severity == "error"]
    if wrong:
        raise Refusal(
            RefusalCode.INVALID, "\n".join(str(f) for f in wrong), field=wrong[0].field, reason="BAD_LIBRARY_FILE"
        )
    return load_drug(path, library)


def _check_plan(plan: Plan) -> None:
    for name, value, low in (
        ("dose_mg", plan.dose_mg, 1e-12),
        ("interval_h", plan.interval_h, 1e-6),
        ("count", plan.count, 1),
        ("duration_h", plan.duration_h, 0.0),
        ("horizon_h", plan.horizon_h, 0.0),
        ("population", plan.population, 0),
    ):
        if not np.isfinite(value) or value < low:
            raise Refusal(
                RefusalCode.INVALID, f"{name} is {value}; expected at least {low:g}", field=name, reason="BAD_NUMBER"
            )
    if plan.population > 10_000:
        raise Refusal(RefusalCode.TOO_MUCH, f"population {plan.population}; at most 10000", field="population")


def _check_person(model: PatientModel, person: Mapping[str, float]) -> None:
    known = {c.name: c for c in model.covariates}
    for name, value in person.items():
        if name not in known:
            raise Refusal(
                RefusalCode.INVALID,
                f"covariate {name!r} is unknown; known: {', '.join(known)}",
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


def _route(model: PatientModel, drug: str, route: str) -> Route:
    found = [r for r in model.routes if r.drug == drug]
    for r in found:
        if r.route == route:
            return r
    raise Refusal(
        RefusalCode.INVALID,
        f"{drug} has no route {route!r}; it has: {', '.join(r.route for r in found)}",
        field="route",
        reason="UNKNOWN_ROUTE",
    )


def _grid(plan: Plan, doses: tuple[Dose, ...], times_h: list[float] | None) -> Floats:
    last = doses[-1].time_h
    end = plan.horizon_h or last + max(plan.interval_h, 72.0)
    after = np.concatenate(
        [d.time_h + np.geomspace(BEFORE, max(end - d.time_h, 0.1), AFTER // min(len(doses), 20)) for d in doses[-20:]]
    )
    grid = np.concatenate(
        [np.linspace(0.0, end, AFTER), after, [d.time_h + d.duration_h for d in doses], times_h or []]
    )
    return np.unique(grid[(grid >= 0) & (grid <= max(end, max(times_h or [0.0])))])


def _members(model: PatientModel, person: Mapping[str, float], plan: Plan) -> Floats:
    if plan.population == 0:
        return model.values(person)[None, :]
    rng = np.random.default_rng(plan.seed)
    eta = rng.multivariate_normal(np.zeros(len(model.effects)), model.omega, plan.population, method="cholesky")
    return model.members(person, eta)


def _figures(t: Floats, levels: Floats, plan: Plan) -> dict[str, float]:
    """Of the last dosing interval for repeated doses, else of the whole course with extrapolation."""
    rows = [_exposure(t, c, plan) for c in levels]
    if plan.population == 0:
        return {f"predict.{k}": v for k, v in rows[0].items()}
    figures = {}
    for key in rows[0]:
        values = np.array([r[key] for r in rows])
        figures |= {
            f"predict.{key}": float(np.nanmedian(values)),
            f"predict.{key}_q05": float(np.nanquantile(values, 0.05)),
            f"predict.{key}_q95": float(np.nanquantile(values, 0.95)),
        }
    return figures


def _exposure(t: Floats, c: Floats, plan: Plan) -> dict[str, float]:
    last = plan.interval_h * (plan.count - 1)
    inside = (t >= last) if plan.count == 1 else (t >= last) & (t <= last + plan.interval_h)
    ts, cs = t[inside], c[inside]
    peak = int(np.argmax(cs))
    tail = t >= t[-1] - 0.15 * (t[-1] - last)
    slope = -float(np.polyfit(t[tail], np.log(np.maximum(c[tail], 1e-300)), 1)[0]) if tail.sum() > 2 else float("nan")
    area = float(np.trapezoid(cs, ts))
    found = {
        "auc_mg_h_l": area,
        "cmax_mg_l": float(cs[peak]),
        "tmax_h": float(ts[peak] - last),
        "ctrough_mg_l": float(cs[-1]),
        "thalf_h": float(np.log(2.0) / slope) if slope > 0 else float("nan"),
    }
    if plan.count == 1 and slope > 0:
        found["auc_inf_mg_h_l"] = area + float(cs[-1]) / slope
    return found


def _disposition(drug: str, library: Library, record: Any) -> dict[str, float]:
    """What the file says of the reference person: Vss, blood:plasma ratio, clearance."""
    from twin_service.model.pbpk.checks import plasma_clearance

    species = library.species["human"]
    body = reference_body(species)
    at = disposition(replace(record), species, body, body)
    return {
        "predict.vss_l_kg": at.vss_l / body.weight_kg,
        "predict.blood_plasma_ratio": at.bp,
        "predict.clearance_l_h": plasma_clearance(record, library),
    }
