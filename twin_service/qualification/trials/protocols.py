"""The desk on real trials, from a protocol and tables: the CDISC pilot, ACTG 175, UDCA beside PBC's placebo."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from twin_service.qualification.trials.cases import ReferenceCase
from twin_service.trial.desk import DeskStep, run_step
from twin_service.trial.protocol import file_in, parse_protocol
from twin_service.trial.report.results import StepResult


def step_of(name: str, step: DeskStep, tables: Mapping[str, pd.DataFrame], **words: str) -> StepResult:
    """A step of the protocol `name`.toml of this package; `words` replace {word} in it."""
    text = files("twin_service.qualification.trials").joinpath(f"{name}.toml").read_text(encoding="utf-8")
    for word, said in words.items():
        text = text.replace("{" + word + "}", said)
    given = {n: t.to_csv(index=False).encode() for n, t in tables.items()}
    return run_step(step, parse_protocol(text.encode(), file_in(given), f"{name}.toml")).result


def protocol_cases(folder: Path) -> Iterator[ReferenceCase]:
    """Published and recomputed results of the three trials."""
    yield from _pilot(folder)
    yield from _placebos(folder)


def _pilot(folder: Path) -> Iterator[ReferenceCase]:
    """Table 14-3.01 (ANCOVA, LOCF) to six digits, and the mixed model of observed values (SAS, R)."""
    tables = pilot_tables(folder)
    wanted = json.loads((folder / "sca" / "cdisc_pilot_efficacy.json").read_text())["diff_vs_placebo"]
    found = step_of("cdisc_ancova", DeskStep.ADJUST, tables).values["comparisons"]
    for arm, c in zip(("Low", "High"), _list(found), strict=True):
        e, w = c["effect"], wanted[arm]
        pairs = (("est", "estimate", w["est"]), ("se", "se", w["se"]), ("p", "p", w["p"]))
        ends = (("low", "low", w["ci"][0]), ("high", "high", w["ci"][1]))
        for word, key, value in (*pairs, *ends):
            yield ReferenceCase(f"CDISC ANCOVA {arm} {word}", e[key], value, 2e-6)
    wanted = json.loads((folder / "sca" / "cdisc_pilot_mmrm.json").read_text())
    result = step_of("cdisc_mmrm", DeskStep.ADJUST, tables).values
    deviance = result["minus2_log_likelihood"]
    assert isinstance(deviance, float)
    yield ReferenceCase("CDISC MMRM -2 REML", deviance, wanted["minus2_reml_ll"], 1e-3)
    for got, w in zip(_list(result["comparisons"]), _by_visit(wanted["contrasts"]), strict=True):
        name = f"CDISC MMRM {w['contrast']} week {w['vis']}"
        yield ReferenceCase(name, got["effect"]["estimate"], w["estimate"], 2e-4)
        # Kenward-Roger's error is a little larger than the model's, which the reference prints.
        yield ReferenceCase(f"{name} error", got["effect"]["se"], w["SE"], 0.02)


def _by_visit(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """By arm, then by visit: the desk's order."""
    return [r for arm in ("Low", "High") for r in rows if arm in r["contrast"]]


def pilot_tables(folder: Path) -> dict[str, pd.DataFrame]:
    names = {"adsl.csv": "adam_adsl", "adqsadas.csv": "adam_adqsadas"}
    return {n: pd.read_csv(folder / "cdisc_pilot" / f"{f}.csv.gz", low_memory=False) for n, f in names.items()}


def actg_tables(folder: Path) -> dict[str, pd.DataFrame]:
    """ACTG 175, zidovudine alone and with didanosine; every second control plays an earlier trial."""
    d = pd.read_csv(folder / "patient" / "actg175.csv.gz")
    alone = d[d["arms"] == 0].sort_values("pidnum").assign(arm="zidovudine")
    both = d[d["arms"] == 1].assign(arm="zidovudine + didanosine")
    return {"earlier.csv": alone.iloc[::2], "trial.csv": pd.concat([alone.iloc[1::2], both])}


def udca_tables(folder: Path, *, arms: tuple[int, ...]) -> dict[str, pd.DataFrame]:
    """UDCA's trial (arms by its code) and PBC's placebo patients as controls from outside; death or transplantation."""
    u = pd.read_csv(folder / "patient" / "udca.csv.gz")
    days = {c: pd.to_datetime(u[c]) for c in ("entry.dt", "last.dt", "death.dt", "tx.dt")}
    event = days["death.dt"].combine(days["tx.dt"], lambda a, b: b if pd.isna(a) or a > b else a)
    end = event.fillna(days["last.dt"])
    inside = pd.DataFrame(
        {
            "id": "U" + u["id"].astype(str),
            "arm": np.where(u["trt"] == 1, "UDCA", "placebo"),
            "days": (end - days["entry.dt"]).dt.days,
            "dead": event.notna().astype(int),
            "log_bili": np.log(u["bili"]),
            "late": (u["stage"] >= 3).astype(int) if u["stage"].max() > 1 else u["stage"],
        }
    )[u["trt"].isin(arms)]
    p = pd.read_csv(folder / "patient" / "pbc.csv.gz")
    p = p[p["trt"] == 2]
    outside = pd.DataFrame(
        {
            "id": "P" + p["id"].astype(str),
            "days": p["time"],
            "dead": (p["status"] > 0).astype(int),
            "log_bili": np.log(p["bili"]),
            "late": (p["stage"] >= 3).astype(int),
        }
    )
    return {"udca.csv": inside.dropna(subset=["log_bili"]), "pbc.csv": outside}


def _placebos(folder: Path) -> Iterator[ReferenceCase]:
    """UDCA's placebo patients against PBC's to four years, truth 1, as R's survival gives it."""
    wanted = json.loads((folder / "sca" / "survival_external_control_reference.json").read_text())
    tables = udca_tables(folder, arms=(0, 1))
    found = step_of("udca", DeskStep.EXTERNAL, tables).values
    pair = found["calibration"]
    assert isinstance(pair, dict) and isinstance(pair["naive"], dict)
    hazard_ratio = float(np.exp(float(str(pair["naive"]["estimate"]))))
    # Four years are 1461 days here; the reference does not say its own.
    yield ReferenceCase("placebo against placebo", hazard_ratio, wanted["placebo_vs_placebo_naive"]["HR"], 2e-3)


def protocol_figures(folder: Path, tell: Callable[[str], None] = lambda line: None) -> dict[str, float]:
    """Variance that a forecast saves in ACTG 175 and in the pilot, and whether the two known failures are told."""
    figures = {}
    for name, found in (
        ("actg175", step_of("actg175", DeskStep.ADJUST, actg_tables(folder))),
        ("cdisc_pilot", step_of("cdisc_procova", DeskStep.ADJUST, pilot_tables(folder))),
    ):
        saved = found.values["variance_reduction"]
        assert isinstance(saved, float)
        figures[f"trials.procova_{name}_saved"] = saved
    external = step_of("udca", DeskStep.EXTERNAL, udca_tables(folder, arms=(0, 1)))
    warnings = [f"{n.about}: {n.message}" for n in external.notes if n.warning]
    for line in warnings:
        tell(f"UDCA against PBC's placebo: warning: {line}")
    told = any(w.startswith("control against control") for w in warnings)
    return figures | {"trials.placebo_bias_told": float(told), "trials.external_warnings": float(len(warnings))}


def _list(value: object) -> list[Any]:
    assert isinstance(value, list)
    return value
