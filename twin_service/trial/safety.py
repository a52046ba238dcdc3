"""The toxicity panel of a drug and a regimen: how likely each harm is, by which mechanism, and with what margin.

Two kinds of signal stand side by side. An endpoint of an effect block (QTc above 500 ms, neutropenia grade 4, INR above
4) gets a probability over simulated patients. A margin compares the highest concentration with one that is known to
harm: block of the hERG current (30-fold, Redfern 2003, doi:10.1016/S0008-6363(02)00846-5), inhibition of bile salt
export (Morgan 2010, doi:10.1093/toxsci/kfq177), cytotoxicity at 100 times the maximum (Xu 2008,
doi:10.1093/toxsci/kfn109).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta

from twin_service.model.qsp.build import list_blocks
from twin_service.model.qsp.record import read_block_file
from twin_service.model.structure import Endpoint, PatientModel
from twin_service.outcome import Outcome, Refusal, RefusalCode
from twin_service.scenario.endpoints import crossed
from twin_service.solver.schedule import Schedule
from twin_service.solver.simulate import Deadline, simulate

Floats = NDArray[np.float64]
LEVEL = 0.90
HERG_MARGIN = 30.0
VALUES_MAX = 20_000_000
MECHANISMS = {
    "qtc": "block of the cardiac potassium current prolongs repolarization",
    "net_block": "potassium current blocked more than calcium and late sodium current",
    "neutropenia": "proliferating cells of the marrow are killed",
    "leukopenia": "proliferating cells of the marrow are killed",
    "thrombocytopenia": "megakaryocyte precursors are killed",
    "inr": "clotting factors II, VII, IX and X are not carboxylated: bleeding",
    "pca": "clotting factors are not made: bleeding",
    "glutathione": "a reactive metabolite uses up liver glutathione: liver injury",
    "hypotension": "vasodilation beyond the reserve of the circulation",
    "hypoglycemia": "insulin action beyond glucose supply",
    "lvef": "loss of contractile tissue of the heart",
    "d2": "dopamine D2 receptors of the striatum are blocked",
}


@dataclass(frozen=True)
class Threshold:
    """A concentration that harms (umol/L, unbound unless said), the margin that is called safe, and why."""

    id: str
    concentration_umol_l: float
    safe_margin: float
    mechanism: str
    source: str


@dataclass(frozen=True)
class Risk:
    """One endpoint: probability over patients with its 90 % interval from their effective number."""

    endpoint: Endpoint
    probability: float
    low: float
    high: float
    mechanism: str


@dataclass(frozen=True)
class Margin:
    """One threshold over the 95th percentile of the patients' highest concentrations."""

    threshold: Threshold
    cmax_umol_l: float
    margin: float
    flagged: bool


@dataclass(frozen=True)
class SafetyPanel:
    """Everything known about the harm of one regimen; `notes` say what could not be judged."""

    risks: tuple[Risk, ...]
    margins: tuple[Margin, ...]
    patients: int
    notes: tuple[str, ...]
    outcome: Outcome


def herg_threshold(drug: str) -> Threshold | None:
    """The hERG half-blocking concentration of `drug`, where the library has its channel data."""
    block = f"qt_channels_{drug}"
    if block not in list_blocks():
        return None
    record = read_block_file(block)
    ic50 = next(p.value for p in record.parameters if p.name == "herg_ic50")
    return Threshold("herg", ic50, HERG_MARGIN, MECHANISMS["qtc"], record.file.source)


def toxicity_panel(
    model: PatientModel,
    schedule: Schedule,
    *,
    horizon_h: float,
    rng: np.random.Generator,
    covariates: Mapping[str, float] | None = None,
    patients: int = 500,
    concentration: str = "",
    thresholds: Sequence[Threshold] = (),
    eta: Floats | None = None,
    weights: Floats | None = None,
    endpoints: Sequence[Endpoint] | None = None,
    deadline: Deadline | None = None,
) -> SafetyPanel:
    """Simulate patients (drawn from the model, or `eta` (N, nx) with `weights`) under `schedule` and judge the harm.

    concentration   output in umol/L to hold against `thresholds` ("": margins are not judged)
    endpoints       what to judge; None: every harmful endpoint of the model

    Raises Refusal for an unknown output or one that is not in umol/L.
    """
    _check(model, concentration)
    nx = len(model.effects)
    members = rng.multivariate_normal(np.zeros(nx), model.omega, patients) if eta is None else eta
    w = np.full(len(members), 1.0 / len(members)) if weights is None else np.asarray(weights) / np.sum(weights)
    grid = _grid(schedule, horizon_h)
    judged = [e for e in model.endpoints if e.harmful] if endpoints is None else list(endpoints)
    columns = list(dict.fromkeys([e.output for e in judged] + ([concentration] if concentration else [])))
    seen, failed = _simulated(
        model, model.members(covariates or {}, members), schedule, grid, columns=columns, deadline=deadline
    )
    good = np.all(np.isfinite(seen), axis=(1, 2))
    if not good.any():
        # a probability over nobody would read as 0, the opposite of what is known
        raise Refusal(
            RefusalCode.PRECONDITION, f"{model.id}: no patient could be simulated: {failed}", reason="NOT_SIMULATED"
        )
    w = np.where(good, w, 0.0) / max(float(np.sum(w[good])), 1e-300)
    values = {c: seen[:, :, j] for j, c in enumerate(columns)}
    risks = tuple(_risk(e, values[e.output], w) for e in judged)
    margins = tuple(_margin(t, values[concentration], w) for t in thresholds if concentration)
    notes = [] if risks else [f"{model.id} has no effect block with a harmful endpoint; add one"]
    if thresholds and not concentration:
        notes.append("margins were not judged: name the concentration to hold against the thresholds")
    return SafetyPanel(risks, margins, int(good.sum()), tuple(notes), failed)


def signals(panel: SafetyPanel, *, probability: float = 0.1) -> list[str]:
    """What a safety review should look at first: risks whose interval passes `probability`, margins too small."""
    found = [
        f"{r.endpoint.title}: {100 * r.probability:.0f} % of patients ({r.mechanism})"
        for r in panel.risks
        if r.high >= probability and r.probability > 0
    ]
    found += [
        f"{m.threshold.id}: margin {m.margin:.1f}, {m.threshold.safe_margin:g} is called safe ({m.threshold.mechanism})"
        for m in panel.margins
        if m.flagged
    ]
    return found


def mechanism_of(endpoint: Endpoint) -> str:
    """Why this endpoint is reached, by the first word of its id."""
    if endpoint.id.endswith(("_high", "_low")):
        return "exposure outside the therapeutic range"
    return next((said for start, said in MECHANISMS.items() if endpoint.id.startswith(start)), "not classified")


def _simulated(
    model: PatientModel,
    rows: Floats,
    schedule: Schedule,
    grid: Floats,
    *,
    columns: Sequence[str],
    deadline: Deadline | None,
) -> tuple[Floats, Outcome]:
    """The named outputs of all patients, (N, nt, len(columns)), in blocks whose full outputs fit in memory."""
    at = [model.system.output_index[c] for c in columns]
    block = max(1, VALUES_MAX // (len(grid) * len(model.system.outputs)))
    parts, outcome = [], Outcome()
    for k in range(0, len(rows), block):
        run = simulate(model.system, rows[k : k + block], schedule, grid, deadline=deadline)
        outcome = next((o for o in run.outcomes if not o.ok), outcome)
        # a patient whose solution failed is NaN in every output, so the named ones show it
        parts.append(run.outputs[:, :, at])
    return np.concatenate(parts), outcome


def _risk(endpoint: Endpoint, values: Floats, weights: Floats) -> Risk:
    p = float(np.sum(weights[crossed(endpoint, values)]))
    n = 1.0 / float(np.sum(weights**2))
    # Clopper-Pearson with the effective number of patients
    tail = (1 - LEVEL) / 2
    low = 0.0 if p <= 0 else float(beta.ppf(tail, p * n, (1 - p) * n + 1))
    high = 1.0 if p >= 1 else float(beta.ppf(1 - tail, p * n + 1, (1 - p) * n))
    return Risk(endpoint, min(p, 1.0), low, high, mechanism_of(endpoint))


def _margin(threshold: Threshold, values: Floats, weights: Floats) -> Margin:
    peaks = values.max(axis=1)
    order = np.argsort(peaks)
    at = int(np.searchsorted(np.cumsum(weights[order]), 0.95))
    peak = float(peaks[order[min(at, len(order) - 1)]])
    margin = threshold.concentration_umol_l / peak if peak > 0 else float("inf")
    return Margin(threshold, peak, margin, margin < threshold.safe_margin)


def _grid(schedule: Schedule, horizon_h: float) -> Floats:
    """Times dense enough to see both the peaks after each dose and the slow harm."""
    after = [d.time_h + d.duration_h + x for d in schedule.doses for x in (0.0, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0)]
    grid = np.unique(np.concatenate([np.linspace(0.0, horizon_h, 241), np.array(after, dtype=np.float64)]))
    return np.asarray(grid[grid <= horizon_h])


def _check(model: PatientModel, concentration: str) -> None:
    if not concentration:
        return
    units = {o.name: o.unit for o in model.system.outputs}
    if units.get(concentration) != "umol/L":
        raise Refusal(
            RefusalCode.INVALID,
            f"{concentration!r} is {units.get(concentration, 'no output')!r} of "
            f"{model.id}; expected an output in umol/L: "
            f"{', '.join(n for n, u in units.items() if u == 'umol/L')}",
            field="concentration",
            reason="BAD_CONCENTRATION",
        )
