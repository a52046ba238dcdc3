"""Glucose, insulin, weight and glycated hemoglobin."""

from __future__ import annotations

from typing import Any

from twin_service.model.qsp.law import Equations, Names, law
from twin_service.solver import functions as fn

GLUCOSE_MG_DL_PER_MMOL_L = 18.0156


@law(
    "dalla_man",
    states={
        "plasma_glucose": "mg/kg",
        "tissue_glucose": "mg/kg",
        "liver_insulin": "pmol/kg",
        "plasma_insulin": "pmol/kg",
        "solid": "mg",
        "liquid": "mg",
        "gut": "mg",
        "insulin_delay1": "pmol/L",
        "insulin_delay2": "pmol/L",
        "remote_insulin": "pmol/L",
        "portal_insulin": "pmol/kg",
        "secretion": "pmol/kg/h",
    },
    parameters={
        "vg": "dL/kg",
        "k1": "1/h",
        "k2": "1/h",
        "vi": "L/kg",
        "m1": "1/h",
        "m2": "1/h",
        "m4": "1/h",
        "m5": "h.kg/pmol",
        "m6": "1",
        "kmax": "1/h",
        "kmin": "1/h",
        "kabs": "1/h",
        "kgri": "1/h",
        "f": "1",
        "b": "1",
        "d": "1",
        "meal": "mg",
        "weight": "kg",
        "kp1": "mg/kg/h",
        "kp2": "1/h",
        "kp3": "mg.L/pmol/kg/h",
        "kp4": "mg/pmol/h",
        "ki": "1/h",
        "uii": "mg/kg/h",
        "vm0": "mg/kg/h",
        "vmx": "mg.L/pmol/kg/h",
        "km0": "mg/kg",
        "p2u": "1/h",
        "uptake_share": "1",
        "secretion_gain": "pmol.dL/mg/kg",
        "alpha": "1/h",
        "beta": "pmol.dL/mg/kg/h",
        "gamma": "1/h",
        "basal_glucose": "mg/dL",
        "basal_insulin": "pmol/L",
        "basal_secretion": "pmol/kg/h",
        "glucose_start": "mg/kg",
        "tissue_start": "mg/kg",
        "liver_start": "pmol/kg",
        "plasma_start": "pmol/kg",
        "portal_start": "pmol/kg",
    },
    outputs={"glucose": "mmol/L", "insulin": "pmol/L"},
    inputs={"meal": ("solid", "mg")},
)
def dalla_man(y: Names, p: Names, u: Names, t: Any) -> Equations:
    """A meal in a healthy person: gut, glucose, insulin and their feedback.

    Gp' = EGP + Ra - Uii - k1 Gp + k2 Gt;   Gt' = k1 Gp - k2 Gt - Vm(X) Gt / (Km0 + Gt)
    Il' = -(m1 + m3) Il + m2 Ip + S;   Ip' = m1 Il - (m2 + m4) Ip;   stomach and gut: three stages, emptying by tanh
    EGP = kp1 - kp2 Gp - kp3 Id - kp4 Ipo;   Ipo' = Spo - gamma Ipo;   S = gamma Ipo

    Gp, Gt   glucose in plasma and tissue        mg/kg
    Il, Ip   insulin in liver and plasma         pmol/kg
    Id, X    delayed and remote insulin          pmol/L
    Renal loss above 339 mg/kg is 0 here, as in the reference run.
    Dalla Man 2007, doi:10.1109/TBME.2007.893506
    """
    glucose, insulin = y.plasma_glucose / p.vg, y.plasma_insulin / p.vi
    secretion = p.gamma * y.portal_insulin
    extraction = p.m6 - p.m5 * secretion
    m3 = extraction * p.m1 / (1 - extraction)
    production = p.kp1 - p.kp2 * y.plasma_glucose - p.kp3 * y.insulin_delay2 - p.kp4 * y.portal_insulin
    appearance = p.f * p.kabs * y.gut / p.weight
    exchange = p.k1 * y.plasma_glucose - p.k2 * y.tissue_glucose
    rise = production + appearance - p.uii - exchange
    uptake = p.uptake_share * (p.vm0 + p.vmx * y.remote_insulin) * y.tissue_glucose / (p.km0 + y.tissue_glucose)
    empty = _emptying(y, p)
    return Equations(
        rates={
            "plasma_glucose": rise,
            "tissue_glucose": exchange - uptake,
            "liver_insulin": -(p.m1 + m3) * y.liver_insulin + p.m2 * y.plasma_insulin + secretion,
            "plasma_insulin": p.m1 * y.liver_insulin - (p.m2 + p.m4) * y.plasma_insulin,
            "solid": -p.kgri * y.solid,
            "liquid": p.kgri * y.solid - empty * y.liquid,
            "gut": empty * y.liquid - p.kabs * y.gut,
            "insulin_delay1": -p.ki * (y.insulin_delay1 - insulin),
            "insulin_delay2": -p.ki * (y.insulin_delay2 - y.insulin_delay1),
            "remote_insulin": p.p2u * (insulin - p.basal_insulin - y.remote_insulin),
            "portal_insulin": y.secretion + p.secretion_gain * rise / p.vg + p.basal_secretion - secretion,
            "secretion": -p.alpha * (y.secretion - p.beta * (glucose - p.basal_glucose)),
        },
        initial={
            "plasma_glucose": p.glucose_start,
            "tissue_glucose": p.tissue_start,
            "liver_insulin": p.liver_start,
            "plasma_insulin": p.plasma_start,
            "solid": 0.0,
            "liquid": 0.0,
            "gut": 0.0,
            "insulin_delay1": p.basal_insulin,
            "insulin_delay2": p.basal_insulin,
            "remote_insulin": 0.0,
            "portal_insulin": p.portal_start,
            "secretion": 0.0,
        },
        outputs={"glucose": glucose / GLUCOSE_MG_DL_PER_MMOL_L, "insulin": insulin},
    )


def _emptying(y: Names, p: Names) -> Any:
    """Gastric emptying (1/h): fast when the stomach is full or nearly empty, slow between."""
    content = y.solid + y.liquid
    a, c = 2.5 / (1 - p.b) / p.meal, 2.5 / p.d / p.meal
    wave = fn.tanh(a * (content - p.b * p.meal)) - fn.tanh(c * (content - p.d * p.meal))
    return p.kmin + (p.kmax - p.kmin) / 2 * (wave + 2)


@law(
    "topp",
    states={"glucose": "mg/dL", "insulin": "{uU}/mL", "beta_cells": "mg"},
    parameters={
        "production": "mg/dL/h",
        "glucose_effectiveness": "1/h",
        "insulin_sensitivity": "mL/{uU}/h",
        "secretion": "{uU}/mL/mg/h",
        "half_secretion": "mg2/dL2",
        "insulin_loss": "1/h",
        "death": "1/h",
        "growth1": "dL/mg/h",
        "growth2": "dL2/mg2/h",
        "glucose_start": "mg/dL",
        "insulin_start": "{uU}/mL",
        "beta_cell_start": "mg",
    },
    outputs={"glucose": "mmol/L", "insulin": "{uU}/mL", "beta_cells": "mg"},
)
def topp(y: Names, p: Names, u: Names, t: Any) -> Equations:
    """Beta-cell mass, insulin and glucose over months: a healthy state, a saddle and glucotoxicity.

    G' = R0 - (EG0 + SI I) G;   I' = B s G^2 / (a + G^2) - k I;   B' = (-d0 + r1 G - r2 G^2) B

    G, I, B   glucose, insulin, beta-cell mass   mg/dL, uU/mL, mg
    Topp 2000, doi:10.1006/jtbi.2000.2150
    """
    square = y.glucose * y.glucose
    return Equations(
        rates={
            "glucose": p.production - (p.glucose_effectiveness + p.insulin_sensitivity * y.insulin) * y.glucose,
            "insulin": y.beta_cells * p.secretion * square / (p.half_secretion + square) - p.insulin_loss * y.insulin,
            "beta_cells": (-p.death + p.growth1 * y.glucose - p.growth2 * square) * y.beta_cells,
        },
        initial={"glucose": p.glucose_start, "insulin": p.insulin_start, "beta_cells": p.beta_cell_start},
        outputs={"glucose": y.glucose / GLUCOSE_MG_DL_PER_MMOL_L, "insulin": y.insulin, "beta_cells": y.beta_cells},
    )


@law(
    "whig",
    states={"weight": "kg", "hba1c_1": "%", "hba1c_2": "%", "hba1c_3": "%"},
    parameters={
        "baseline_weight": "kg",
        "weight_rate": "1/h",
        "diet": "1",
        "diet_late": "1",
        "drift": "1/h",
        "late_start": "h",
        "sensitivity_logit": "1",
        "sensitivity_weight": "1/kg",
        "beta_logit": "1",
        "beta_decline": "1/h",
        "beta_boost": "1",
        "boost_rate": "1/h",
        "boost_start": "h",
        "boost_fall": "1/h",
        "boost_end": "h",
        "glucose_floor": "mmol/L",
        "glucose_product": "mmol2/L2",
        "secretion": "{uU}.L/mL/mmol",
        "hba1c_rate": "1/h",
        "hba1c_gain": "%.L/mmol/h",
        "hba1c_base": "%/h",
        "placebo_factor": "1",
    },
    outputs={"weight": "kg", "glucose": "mmol/L", "insulin": "{uU}/mL", "hba1c": "%"},
)
def whig(y: Names, p: Names, u: Names, t: Any) -> Equations:
    """Weight, insulin sensitivity, beta-cell function, fasting glucose and HbA1c on diet and exercise.

    W' = kW (E(t) W0 - W);   IS = expit(a)(1 - 0.0514 (W - W0));   B = expit(c - d t)(1 + boost between two times)
    FPG = (3.5 + sqrt(3.5^2 + 4 q / (s IS B))) / 2;   FSI = s B (FPG - 3.5);   HbA1c: three transits fed by FPG

    W     body weight                         kg
    FPG   fasting plasma glucose              mmol/L
    FSI   fasting serum insulin               uU/mL
    t     time since the start of the trial   h
    Choy 2016, CPT Pharmacometrics Syst Pharmacol 5:11
    """
    change = (1 + p.drift * t) * (1 - p.diet - fn.where(t >= p.late_start, p.diet_late, 0.0))
    sensitivity = _expit(p.sensitivity_logit) * (1 - p.sensitivity_weight * (y.weight - p.baseline_weight))
    boost = _expit(p.boost_rate * (t - p.boost_start)) * _expit(-p.boost_fall * (t - p.boost_end))
    beta = _expit(p.beta_logit - p.beta_decline * t) * (1 + p.beta_boost * boost)
    floor = p.glucose_floor
    glucose = (floor + fn.sqrt(floor * floor + 4 * p.glucose_product / (p.secretion * sensitivity * beta))) / 2
    rate = p.hba1c_rate
    feed = p.hba1c_gain * glucose + p.hba1c_base * fn.where(t > 0.0, p.placebo_factor, 1.0)
    sensitivity0, beta0 = _expit(p.sensitivity_logit), _expit(p.beta_logit)
    start = (floor + fn.sqrt(floor * floor + 4 * p.glucose_product / (p.secretion * sensitivity0 * beta0))) / 2
    share = (p.hba1c_gain * start + p.hba1c_base) / rate
    return Equations(
        rates={
            "weight": p.weight_rate * (change * p.baseline_weight - y.weight),
            "hba1c_1": feed - rate * y.hba1c_1,
            "hba1c_2": rate * (y.hba1c_1 - y.hba1c_2),
            "hba1c_3": rate * (y.hba1c_2 - y.hba1c_3),
        },
        initial={"weight": p.baseline_weight, "hba1c_1": share, "hba1c_2": share, "hba1c_3": share},
        outputs={
            "weight": y.weight,
            "glucose": glucose,
            "insulin": p.secretion * beta * (glucose - floor),
            "hba1c": y.hba1c_1 + y.hba1c_2 + y.hba1c_3,
        },
    )


def _expit(x: Any) -> Any:
    # beyond +-500 the exponential leaves the range of a double and the logistic is 0 or 1 anyway
    return 1 / (1 + fn.exp(-fn.maximum(fn.minimum(x, 500.0), -500.0)))
