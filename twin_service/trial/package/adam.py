"""What was analyzed, as ADaM-like data sets: ADSL, ADEFF (BDS) or ADTTE, and ADWT for controls from outside.

Forecast rows stand in ADEFF beside what was read and are told apart by DTYPE = "FORECAST"; nothing predicted is ever an
observed row. Names keep to SAS transport: eight letters, labels of forty. CDISC ADaM Implementation Guide 1.3.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from twin_service.trial.data.assemble import AnalysisData
from twin_service.trial.external.run import ExternalAnalysis
from twin_service.trial.forecast.crossfit import TrialForecast
from twin_service.trial.forecast.learned import LEVELS
from twin_service.trial.protocol import EndpointKind, EndpointMeasure, TrialProtocol

FORECAST = "FORECAST"
Cell = str | float | None


@dataclass(frozen=True)
class AdamColumn:
    """A variable. `derivation`: how it came to be; empty: as the input says."""

    name: str
    label: str
    is_text: bool
    derivation: str = ""


@dataclass(frozen=True)
class AdamTable:
    """A data set: `rows` hold text, numbers or None, in the order of `columns`; `keys` name a row."""

    name: str
    label: str
    structure: str
    keys: tuple[str, ...]
    columns: tuple[AdamColumn, ...]
    rows: tuple[tuple[Cell, ...], ...]


STUDY = AdamColumn("STUDYID", "Study identifier", True)
SUBJECT = AdamColumn("USUBJID", "Unique subject identifier", True)
ARM = AdamColumn("TRTP", "Planned treatment", True)
ARM_NUMBER = AdamColumn("TRTPN", "Planned treatment (N)", False, "0 is control; others in the protocol's order")
CODE = AdamColumn("PARAMCD", "Parameter code", True)
PARAMETER = AdamColumn("PARAM", "Parameter", True)


def adam_tables(
    p: TrialProtocol, data: AnalysisData, forecast: TrialForecast | None, external: ExternalAnalysis | None
) -> tuple[AdamTable, ...]:
    """Every data set of the analysis."""
    result = _survival(p, data) if p.endpoint.kind is EndpointKind.TIME_TO_EVENT else _effect(p, data, forecast)
    tables = [_subjects(p, data), result]
    if external is not None:
        tables.append(_weights(p, external))
    return tuple(tables)


def short_names(names: Sequence[str], taken: Sequence[str] = ()) -> list[str]:
    """Names of at most eight letters, digits or _, all different: `weight_kg` is WEIGHTKG, a second one WEIGHTK1."""
    used, found = set(taken), []
    for name in names:
        plain = re.sub(r"[^A-Z0-9]", "", name.upper()) or "X"
        base = plain if plain[0].isalpha() else f"X{plain}"
        short, k = base[:8], 0
        while short in used:
            k += 1
            short = f"{base[: 8 - len(str(k))]}{k}"
        used.add(short)
        found.append(short)
    return found


def _study(p: TrialProtocol) -> str:
    return p.id.upper()


def _parameter(p: TrialProtocol) -> str:
    return short_names([p.endpoint.parameter or p.endpoint.label])[0]


def _subjects(p: TrialProtocol, data: AnalysisData) -> AdamTable:
    wanted: list[str] = []
    for part in (p.adjust, p.forecast, p.external):
        wanted += [*part.covariates, *part.factors] if part is not None else []
    names = [n for n in dict.fromkeys(wanted) if n in data.subjects.columns]
    fixed = (
        STUDY,
        SUBJECT,
        AdamColumn("TRT01P", "Planned treatment for period 01", True),
        AdamColumn("TRT01PN", "Planned treatment for period 01 (N)", False, ARM_NUMBER.derivation),
        AdamColumn("ANL01FL", "In the analysis set", True, f"analysis set {p.analysis_set.name!r} of the protocol"),
    )
    shorts = short_names(names, [c.name for c in fixed])
    numeric = {n: pd.api.types.is_numeric_dtype(data.subjects[n]) for n in names}
    columns = [AdamColumn(s, n[:40], not numeric[n]) for n, s in zip(names, shorts, strict=True)]
    rows = tuple(
        (
            _study(p),
            str(subject),
            data.arms[arm],
            float(arm),
            "Y",
            *(_cell(data.subjects[n].iloc[i], numeric[n]) for n in names),
        )
        for i, (subject, arm) in enumerate(zip(data.subjects.index, data.arm, strict=True))
    )
    return AdamTable(
        "ADSL", "Subject-Level Analysis Dataset", "One record per subject", ("USUBJID",), (*fixed, *columns), rows
    )


def _effect(p: TrialProtocol, data: AnalysisData, forecast: TrialForecast | None) -> AdamTable:
    unit = f" ({p.endpoint.unit})" if p.endpoint.unit else ""
    columns = (
        STUDY,
        SUBJECT,
        ARM,
        ARM_NUMBER,
        CODE,
        PARAMETER,
        AdamColumn("AVISIT", "Analysis visit", True),
        AdamColumn("AVISITN", "Analysis visit (N)", False, "order of the visits in the protocol, or its number"),
        AdamColumn("AVAL", f"Analysis value{unit}"[:40], False, "BASE + CHG where the endpoint is a change"),
        AdamColumn("BASE", f"Baseline value{unit}"[:40], False),
        AdamColumn("CHG", f"Change from baseline{unit}"[:40], False, "AVAL - BASE"),
        AdamColumn(
            "DTYPE", "Derivation type", True, f"as in the data; {FORECAST}: predicted from baseline, under control"
        ),
        AdamColumn("FCSD", "SD of the forecast", False, "of one reading of this subject under control"),
        AdamColumn("FCLOW", "5 % quantile of the forecast", False, "conformal, of the same quantity as FCMEAN"),
        AdamColumn("FCHIGH", "95 % quantile of the forecast", False, "conformal, of the same quantity as FCMEAN"),
        AdamColumn("FCMEAN", "Mean of the forecast", False, "of the endpoint as analyzed, under control"),
    )
    rows = tuple([*_read(p, data), *(_forecast(p, data, forecast) if forecast is not None else ())])
    return AdamTable(
        "ADEFF",
        "Efficacy Analysis Dataset",
        "One record per subject, visit and derivation type",
        ("USUBJID", "AVISITN", "DTYPE"),
        columns,
        rows,
    )


def _read(p: TrialProtocol, data: AnalysisData) -> Iterator[tuple[Cell, ...]]:
    column = "change" if p.endpoint.measure is EndpointMeasure.CHANGE else "value"
    rules = {s: dict(zip(r[column], r["derived"], strict=True)) for s, r in _derived(data)}
    for i, subject in enumerate(data.subjects.index):
        for j in range(data.y.shape[1]):
            if not np.isfinite(data.y[i, j]):
                continue
            value, base, change = _three(p, data.y[i, j], data.baseline[i])
            said = rules.get(str(subject), {}).get(data.y[i, j], "DERIVED") if data.derived[i, j] else ""
            yield (*_head(p, data, i), *_visit(data, j), value, base, change, said, None, None, None, None)


def _derived(data: AnalysisData) -> Iterator[tuple[str, pd.DataFrame]]:
    marked = data.results[data.results["derived"] != ""]
    for subject, rows in marked.groupby("subject", sort=False):
        yield str(subject), rows


def _forecast(p: TrialProtocol, data: AnalysisData, found: TrialForecast) -> Iterator[tuple[Cell, ...]]:
    f = found.forecast
    low, high = f.quantiles[LEVELS.index(0.05)], f.quantiles[LEVELS.index(0.95)]
    for i in range(len(data.arm)):
        for j in range(data.y.shape[1]):
            value, base, change = _three(p, f.mean[i, j], data.baseline[i])
            spread = (float(f.sd[i, j]), float(low[i, j]), float(high[i, j]), float(f.mean[i, j]))
            yield (*_head(p, data, i), *_visit(data, j), value, base, change, FORECAST, *spread)


def _three(p: TrialProtocol, y: float, baseline: float) -> tuple[Cell, Cell, Cell]:
    """AVAL, BASE and CHG of an analyzed endpoint; None where unknown."""
    base = float(baseline) if np.isfinite(baseline) else None
    if p.endpoint.measure is EndpointMeasure.CHANGE:
        return (None if base is None else float(base + y)), base, float(y)
    return float(y), base, None if base is None else float(y - base)


def _head(p: TrialProtocol, data: AnalysisData, i: int) -> tuple[Cell, ...]:
    arm = int(data.arm[i])
    return _study(p), str(data.subjects.index[i]), data.arms[arm], float(arm), _parameter(p), p.endpoint.label


def _visit(data: AnalysisData, j: int) -> tuple[str, float]:
    v = data.visits[j]
    return v.name, float(v.number if v.number is not None else j + 1)


def _survival(p: TrialProtocol, data: AnalysisData) -> AdamTable:
    columns = (
        STUDY,
        SUBJECT,
        ARM,
        ARM_NUMBER,
        CODE,
        PARAMETER,
        AdamColumn("AVAL", f"Time to event or censoring ({p.endpoint.unit})"[:40], False),
        AdamColumn("CNSR", "Censor (0 is an event)", False),
    )
    rows = tuple(
        (*_head(p, data, i), float(data.y[i, 0]), float(1 - data.event[i]))
        for i in range(len(data.arm))
        if np.isfinite(data.y[i, 0])
    )
    return AdamTable("ADTTE", "Time-to-Event Analysis Dataset", "One record per subject", ("USUBJID",), columns, rows)


def _weights(p: TrialProtocol, found: ExternalAnalysis) -> AdamTable:
    columns = (
        STUDY,
        SUBJECT,
        AdamColumn("SOURCE", "Where the subject comes from", True, "TRIAL (treated) or EXTERNAL (control)"),
        AdamColumn("PSCORE", "Propensity score", False, "P(treated given the external covariates), logistic"),
        AdamColumn("WEIGHT", "Weight in the comparison", False, f"{p.external.method if p.external else ''}"),
    )
    c, who = found.compared, found.groups.subjects
    assert who is not None
    rows = tuple(
        (_study(p), str(s), "TRIAL" if g else "EXTERNAL", float(e), float(w))
        for s, g, e, w in zip(who, c.group, c.scores, c.weights, strict=True)
    )
    return AdamTable(
        "ADWT", "Weights of the External Comparison", "One record per subject", ("USUBJID",), columns, rows
    )


def _cell(value: object, is_number: bool) -> Cell:
    if value is None or value != value:
        return None if is_number else ""
    return float(value) if is_number else str(value)  # type: ignore[arg-type]
