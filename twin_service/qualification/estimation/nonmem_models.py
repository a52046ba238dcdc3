"""Published test models whose answers by NONMEM and other programs are known, written in this project's own terms.

Model numbers are those of the validation of mapbayr (Le Louedec 2021, doi:10.1002/psp4.12689); the dosing model is that
of the comparison of mrgsolve with NONMEM.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from twin_service.fit.event_table import ColumnReading, subjects_of
from twin_service.fit.subject import TableSubject
from twin_service.model.compose import compose
from twin_service.model.poppk.build import build_poppk
from twin_service.model.poppk.record import parse_model
from twin_service.model.structure import Block, Covariate, DoseRoute, Effect, ErrorLaw, Observable, PatientModel
from twin_service.solver import functions as fn
from twin_service.solver.expression import TIME, constant, symbol
from twin_service.solver.system import Input, Output, Parameter, SystemState


def table(
    structure: Mapping[str, Any],
    parameters: Mapping[str, Any],
    omega: Sequence[Sequence[float]],
    varied: Sequence[str],
    *,
    error: Mapping[str, Any],
    covariates: Sequence[str] = (),
    observables: Sequence[tuple[str, str]] = (("drug", "central"),),
) -> PatientModel:
    """A population PK model from a table as the library's files hold.

    `parameters` are (value, unit) or (value, unit, further keys); `varied` gives the order of NONMEM's etas."""
    order = [*varied, *(p for p in parameters if p not in varied)]
    records: dict[str, Any] = {}
    for name in order:
        value, unit, *more = parameters[name]
        records[name] = {
            "value": value,
            "unit": unit,
            "origin": "model of the reference case",
            **(more[0] if more else {}),
        }
        if name in varied:
            k = varied.index(name)
            records[name]["effect"] = {"variance": omega[k][k], **records[name].get("effect", {})}
    raw = {
        "id": "case",
        "schema": 2,
        "version": "1",
        "drug": "drug",
        "source": "reference case",
        "structure": structure,
        "parameters": records,
        "covariance": [
            {"between": [varied[i], varied[j]], "value": omega[i][j]}
            for i in range(len(varied))
            for j in range(i)
            if omega[i][j] != 0.0
        ],
        "covariate": [{"name": c, "unit": "1"} for c in covariates],
        "observable": [{"analyte": a, "compartment": c, "unit": "mg/L", "error": error} for a, c in observables],
    }
    return compose("case", {"d": build_poppk(parse_model(raw))})


CL, V, KA = (4.0, "L/h"), (70.0, "L"), (1.0, "1/h")
ORAL = {"compartments": 1, "absorption": "first_order", "elimination": "linear"}
PROPORTIONAL = {"kind": "normal", "proportional": 0.05**0.5}


def standard_model(number: str, omega: Sequence[Sequence[float]]) -> PatientModel | None:
    """The models that the library's file format covers."""
    base = {"CL": CL, "V": V, "KA": KA}
    varied = ["CL", "V", "KA"]
    saturable = {"VMAX": (10000.0, "mg/h"), "V": V, "KA": KA, "KM": (2500.0, "mg/L")}
    if number in ("001", "002", "501", "502", "503", "511"):
        return table(ORAL, base, omega, varied, error=PROPORTIONAL)
    if number == "003":
        return table(ORAL, {**base, "LAG": (1.0, "h")}, omega, [*varied, "LAG"], error=PROPORTIONAL)
    if number == "005":
        return table(ORAL, {**base, "D1": (1.0, "h")}, omega, [*varied, "D1"], error=PROPORTIONAL)
    if number == "008":
        f = (0.5, "1", {"effect": {"kind": "logit"}})
        return table(ORAL, {**base, "F": f}, omega, [*varied, "F"], error=PROPORTIONAL)
    if number == "101":
        p = {"CL": CL, "V1": V, "KA": KA, "V2": (50.0, "L"), "Q": (4.0, "L/h")}
        return table({**ORAL, "compartments": 2}, p, omega, ["CL", "V1", "KA", "V2"], error=PROPORTIONAL)
    if number in ("201", "202"):
        s = {**ORAL, "elimination": "michaelis_menten"}
        return table(s, saturable, omega, ["VMAX", "V", "KA", "KM"], error=PROPORTIONAL)
    if number in ("204", "205", "207"):
        order = {
            "204": ["CL", "V", "KA", "KM"],
            "205": ["CL", "V", "KA", "VMAX"],
            "207": ["VMAX", "V", "KA", "KM", "CL"],
        }[number]
        return table({**ORAL, "elimination": "mixed"}, {**saturable, "CL": CL}, omega, order, error=PROPORTIONAL)
    if number == "301":
        terms = [
            {"law": "power", "covariate": "bw", "coefficient": 1.5, "reference": 75.0},
            {"law": "factor", "covariate": "sex", "coefficient": 0.75},
        ]
        p301 = {**base, "CL": (4.0, "L/h", {"covariate_effect": terms})}
        return table(ORAL, p301, omega, varied, error=PROPORTIONAL, covariates=("bw", "sex"))
    if number in ("401", "402"):
        p401 = {**base, "CLM": (2.5, "L/h"), "VM": (60.0, "L"), "FM": (0.7, "1")}
        return table(
            {**ORAL, "metabolite": True},
            p401,
            omega,
            [*varied, "CLM", "VM"],
            error=PROPORTIONAL,
            observables=(("drug", "central"), ("metabolite", "metabolite")),
        )
    if number in ("403", "404"):
        return table(ORAL, base, omega, varied, error={"additive": 5000.0**0.5})
    if number == "406":
        return table(ORAL, base, omega, varied, error={"additive": 5000.0**0.5, "proportional": 0.05**0.5})
    if number == "408":
        return table(ORAL, base, omega, varied, error={"kind": "log", "proportional": 0.05**0.5})
    if number == "901":
        bsa = {"covariate_effect": [{"law": "proportional", "covariate": "bsa", "coefficient": 1.0}]}
        p901 = {"CL": (6.38, "L/h"), "V1": (9.5, "L", bsa), "V2": (9.56, "L"), "Q": (2.7, "L/h")}
        return table(
            {"compartments": 2, "absorption": "none"},
            p901,
            omega,
            ["CL", "V1", "V2"],
            error={"proportional": 0.0381**0.5},
            covariates=("bsa",),
        )
    return None


def _closed(
    states: Mapping[str, Any],
    outputs: Mapping[str, Any],
    inputs: Sequence[Input],
    omega: Any,
    errors: Sequence[ErrorLaw],
    covariates: Sequence[str] = (),
) -> PatientModel:
    """A model written directly as equations, for structures outside the file format."""
    omega = np.asarray(omega, dtype=float)
    effects = tuple(Effect(f"eta{k + 1}", float(omega[k, k])) for k in range(len(omega)))
    return compose(
        "case",
        {
            "d": Block(
                "case",
                "1",
                tuple(SystemState(n, "mg", r) for n, r in states.items()),
                tuple(Parameter(e.name, "1", 0.0) for e in effects),
                tuple(Output(n, "mg/L", e) for n, e in outputs.items()),
                tuple(inputs),
                effects=effects,
                omega=omega,
                observables=tuple(Observable(n, n, "mg/L", e) for n, e in zip(outputs, errors, strict=True)),
                routes=tuple(DoseRoute("drug", u.name, u.name, 1.0) for u in inputs),
                covariates=tuple(Covariate(c, "1") for c in covariates),
            )
        },
    )


def _e(k: int) -> Any:
    return fn.exp(symbol(f"eta{k}"))


def dual_absorption(omega: Any) -> PatientModel:
    cl, v, ka1, ka3 = 4.0 * _e(1), 70.0 * _e(2), 1.0 * _e(3), 0.25 * _e(4)
    a1, a2, a3 = symbol("a1"), symbol("a2"), symbol("a3")
    return _closed(
        {"a1": -ka1 * a1, "a2": ka1 * a1 + ka3 * a3 - cl / v * a2, "a3": -ka3 * a3},
        {"drug": a2 / v},
        [Input("in1", "mg", "a1", constant(0.2)), Input("in3", "mg", "a3", constant(0.8))],
        omega,
        [ErrorLaw(proportional=0.05**0.5)],
    )


def pazopanib(omega: Any) -> PatientModel:
    """Yu 2017, doi:10.1007/s40262-016-0443-y: dual absorption, dose- and time-dependent bioavailability."""
    cycle = symbol("cycle_next")
    occasion = fn.where(fn.equal(cycle, 1.0), symbol("eta5"), 0.0) + fn.where(fn.equal(cycle, 2.0), symbol("eta6"), 0.0)

    # NONMEM takes the bioavailability of a lagged dose from the record in force when it arrives: the next one
    ft = 1.0 - 0.501 + 0.501 * fn.exp(-(0.15 / 24.0) * symbol("tola_next"))
    extra = symbol("aola_next") - 200.0
    available = (1.0 - extra / (480.0 + extra)) * ft * fn.exp(symbol("eta4") + occasion)
    cl, v2, kaf, kas, q, v4 = 0.27 * _e(1), 2.43, 0.40 * _e(2), 0.12, 0.99, 25.1 * _e(3)
    a1, a2, a3, a4 = (symbol(f"a{k}") for k in range(1, 5))
    return _closed(
        {
            "a1": -kaf * a1,
            "a2": kaf * a1 + kas * a3 - (cl + q) / v2 * a2 + q / v4 * a4,
            "a3": -kas * a3,
            "a4": q / v2 * a2 - q / v4 * a4,
        },
        {"drug": a2 / v2},
        [
            Input("in1", "mg", "a1", 0.361 * available, constant(1e-6)),
            Input("in3", "mg", "a3", 0.639 * available, constant(0.98)),
        ],
        omega,
        [ErrorLaw(additive=9.61**0.5, proportional=0.08)],
        ("cycle_next", "aola_next", "tola_next"),
    )


def sunitinib(omega: Any) -> PatientModel:
    """Yu 2015, doi:10.1111/bcp.12550: parent and active metabolite with hepatic extraction."""
    size = symbol("wt") / 70.0
    qh, cls, vcs = 80.0 * size**0.75, 35.7 * size**0.75 * _e(4), 1360.0 * size * _e(1)
    clm, vcm, vpm, q = 17.1 * size**0.75 * _e(3), 635.0 * size * _e(2), 388.0 * size, 20.1 * size**0.75
    a1, a2, a3, a4 = (symbol(f"a{k}") for k in range(1, 5))
    liver = (0.34 * a1 + qh * a2 / vcs) / (qh + cls)
    return _closed(
        {
            "a1": -0.34 * a1,
            "a2": qh * liver - qh * a2 / vcs,
            "a3": 0.21 * cls * liver - clm * a3 / vcm - q / vcm * a3 + q / vpm * a4,
            "a4": q / vcm * a3 - q / vpm * a4,
        },
        {"drug": 1000.0 * a2 / vcs, "metabolite": 1000.0 * a3 / vcm},
        [Input("in1", "mg", "a1")],
        omega,
        [ErrorLaw(proportional=0.043**0.5), ErrorLaw(proportional=0.023**0.5)],
        ("wt",),
    )


def voriconazole(omega: Any) -> PatientModel:
    """Friberg 2012, doi:10.1128/AAC.05761-11: elimination whose capacity falls with time, logit bioavailability."""
    size = symbol("wt") / 70.0
    s = size**0.75
    km, vmax0 = 1150.0 * _e(1), 114000.0 * fn.exp(0.584 * symbol("eta1")) * s
    cl, v2, v3, q, ka = 6.16 * _e(2) * s, 79.0 * _e(3) * size, 103.0 * _e(4) * size, 15.5 * _e(5) * s, 100.0 * _e(7)
    boxcox = (fn.exp(0.367 * symbol("eta6")) - 1.0) / 0.367
    available = 1.0 / (1.0 + (1.0 - 0.585) / 0.585 * fn.exp(-boxcox))
    inhibited = 1.0 / (1.0 + np.exp(-1.5)) * ((TIME - 1.0) / ((TIME - 1.0) + 1.41))
    a1, a2, a3 = (symbol(f"a{k}") for k in range(1, 4))
    c = a2 / v2
    return _closed(
        {
            "a1": -ka * a1,
            "a2": ka * a1 - (cl + q) / v2 * a2 + q / v3 * a3 - vmax0 * (1.0 - inhibited) * c / (c + km),
            "a3": q / v2 * a2 - q / v3 * a3,
        },
        {"drug": c},
        [Input("in1", "mg", "a1", available, constant(0.949))],
        omega,
        [ErrorLaw(proportional=0.017424**0.5, kind="log")],
        ("wt",),
    )


DIRECT = {"007": dual_absorption, "921": pazopanib, "941": sunitinib, "962": voriconazole}


def model_of(case: Mapping[str, Any]) -> PatientModel:
    number = case["model_id"]
    found = standard_model(number, case["omega"]) or (DIRECT[number](case["omega"]) if number in DIRECT else None)
    assert found is not None, f"reference model {number} is not written yet"
    return found


def subject_of(case: Mapping[str, Any], patient: Mapping[str, Any], model: PatientModel) -> TableSubject:
    """The patient's records as an event table; an observation row without a value stays an empty row."""
    number = case["model_id"]
    known = set(model.system.input_index)
    if "d.in1" in known:
        inputs = {"1": "d.in1", **({"3": "d.in3"} if "d.in3" in known else {})}
    else:
        inputs = {"1": "d.oral" if "d.oral" in known else "d.iv", "2": "d.iv"}
    analytes = {"2": "drug", "3": "metabolite"} if "metabolite" in model.observables else {}
    rows = [{"ID": patient["id"], **{k.upper(): v for k, v in r.items()}} for r in patient["records"]]
    for row in rows:
        row["CMT"] = str(int(row["CMT"]))
    if number == "921":
        _with_arrivals(rows)
    return subjects_of(rows, model, ColumnReading(inputs=inputs, analytes=analytes))[0]


def _with_arrivals(rows: list[dict[str, Any]]) -> None:
    for row in rows:
        later = next((r for r in rows if r["TIME"] > row["TIME"]), row)
        row |= {f"{name}_NEXT": later[name] for name in ("AOLA", "TOLA", "CYCLE")}


def dosing_model() -> PatientModel:
    """One compartment, CL 1.1 L/h, V 20 L, KA 1.5 /h; lag and bioavailability of the central input are covariates."""
    depot, central = symbol("depot"), symbol("central")
    lag, f = symbol("lagt"), symbol("bioav")
    return compose(
        "dosing",
        {
            "d": Block(
                "dosing",
                "1",
                (
                    SystemState("depot", "mg", -symbol("KA") * depot),
                    SystemState("central", "mg", symbol("KA") * depot - symbol("CL") / symbol("V") * central),
                ),
                (Parameter("CL", "L/h", 1.1), Parameter("V", "L", 20.0), Parameter("KA", "1/h", 1.5)),
                (Output("cp", "ug/L", 1000.0 * central / symbol("V")),),
                (
                    Input("depot", "mg", "depot"),
                    Input("central", "mg", "central", f, lag),
                    Input("modelled", "mg", "central", f, lag, symbol("dur2")),
                ),
                observables=(Observable("drug", "cp", "ug/L", ErrorLaw(proportional=0.1)),),
                routes=(DoseRoute("drug", "depot", "depot", 1.0), DoseRoute("drug", "central", "central", 1.0)),
                covariates=(Covariate("lagt", "h", 0.0), Covariate("bioav", "1", 1.0), Covariate("dur2", "h", 2.0)),
            )
        },
    )


def dosing_rows(scenario: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The scenario's records in time order; at one time doses come before readings."""
    rows = [
        {"ID": 1, **{k.upper(): v for k, v in e.items() if k != "cmt"}, "CMT": int(e["cmt"])}
        for e in scenario["events"]
    ]
    for row in rows:
        row["ROUTE"] = "modelled" if row["RATE"] == -2.0 else str(row["CMT"])
    last = rows[-1]
    keep = {k: last[k] for k in ("LAGT", "BIOAV", "DUR2")}
    rows += [{"ID": 1, "TIME": t, "EVID": 0, "DV": max(cp, 1e-12), **keep} for t, cp in scenario["obs"]]
    return sorted(rows, key=lambda r: (r["TIME"], r["EVID"] == 0))
