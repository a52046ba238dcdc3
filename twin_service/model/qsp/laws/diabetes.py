"""Type 1 diabetes: glucose under meals and subcutaneous insulin."""

from __future__ import annotations

from typing import Any

from twin_service.model.qsp.law import Equations, Names, law
from twin_service.solver import functions as fn

GLUCOSE_MG_DL_PER_MMOL_L = 18.0156
PMOL_PER_UNIT = 6000.0


@law(
    "t1d_insulin",
    states={
        "solid": "mg",
        "liquid": "mg",
        "gut": "mg",
        "plasma_glucose": "mg/kg",
        "tissue_glucose": "mg/kg",
        "plasma_insulin": "pmol/kg",
        "remote_insulin": "pmol/L",
        "insulin_delay1": "pmol/L",
        "insulin_delay2": "pmol/L",
        "liver_insulin": "pmol/kg",
        "depot1": "pmol/kg",
        "depot2": "pmol/kg",
        "subcutaneous_glucose": "mg/kg",
    },
    parameters={
        "weight": "kg",
        "kabs": "1/h",
        "kmax": "1/h",
        "kmin": "1/h",
        "b": "1",
        "d": "1",
        "meal": "mg",
        "vg": "dL/kg",
        "vi": "L/kg",
        "vmx": "mg.L/pmol/kg/h",
        "km0": "mg/kg",
        "k1": "1/h",
        "k2": "1/h",
        "p2u": "1/h",
        "m1": "1/h",
        "m2": "1/h",
        "m4": "1/h",
        "m30": "1/h",
        "ki": "1/h",
        "kp1": "mg/kg/h",
        "kp2": "1/h",
        "kp3": "mg.L/pmol/kg/h",
        "f": "1",
        "ke1": "1/h",
        "ke2": "mg/kg",
        "uii": "mg/kg/h",
        "vm0": "mg/kg/h",
        "kd": "1/h",
        "ksc": "1/h",
        "ka1": "1/h",
        "ka2": "1/h",
        "basal": "pmol/kg/h",
        "basal_insulin": "pmol/L",
        "glucose_start": "mg/kg",
        "tissue_start": "mg/kg",
        "insulin_start": "pmol/kg",
        "liver_start": "pmol/kg",
        "depot1_start": "pmol/kg",
        "depot2_start": "pmol/kg",
    },
    outputs={"glucose": "mmol/L", "sensor_glucose": "mmol/L", "insulin": "pmol/L"},
    inputs={"meal": ("solid", "mg"), "insulin": ("depot1", "{U}")},
)
def t1d_insulin(y: Names, p: Names, u: Names, t: Any) -> Equations:
    """Glucose of a person without own insulin: meals through stomach and gut, insulin through two depots.

    Gp' = max(EGP, 0) + Ra - Uii - E - k1 Gp + k2 Gt;   Gt' = k1 Gp - k2 Gt - (Vm0 + Vmx X) Gt / (Km0 + Gt)
    S1' = u - (ka1 + kd) S1;   S2' = kd S1 - ka2 S2;   Ip' = ka1 S1 + ka2 S2 + m1 Il - (m2 + m4) Ip
    Il' = m2 Ip - (m1 + m30) Il;   EGP = kp1 - kp2 Gp - kp3 Id;   E = ke1 max(Gp - ke2, 0)

    Gp, Gt       glucose in plasma and tissue            mg/kg
    Ip, Il, S    insulin in plasma, liver and depots     pmol/kg
    u            basal rate plus boluses (1 U = 6000 pmol)
    Emptying of the stomach as in the meal model, by the size `meal` of the meal.
    Dalla Man 2014, doi:10.1177/1932296813514502
    """
    insulin = y.plasma_insulin / p.vi
    content = y.solid + y.liquid
    wave = fn.tanh(2.5 / (1 - p.b) / p.meal * (content - p.b * p.meal)) - fn.tanh(
        2.5 / p.d / p.meal * (content - p.d * p.meal)
    )
    empty = p.kmin + (p.kmax - p.kmin) / 2 * (wave + 2)
    production = fn.maximum(p.kp1 - p.kp2 * y.plasma_glucose - p.kp3 * y.insulin_delay2, 0.0)
    excretion = p.ke1 * fn.maximum(y.plasma_glucose - p.ke2, 0.0)
    exchange = p.k1 * y.plasma_glucose - p.k2 * y.tissue_glucose
    uptake = (p.vm0 + p.vmx * y.remote_insulin) * y.tissue_glucose / (p.km0 + y.tissue_glucose)
    return Equations(
        rates={
            "solid": -p.kmax * y.solid,
            "liquid": p.kmax * y.solid - empty * y.liquid,
            "gut": empty * y.liquid - p.kabs * y.gut,
            "plasma_glucose": production + p.f * p.kabs * y.gut / p.weight - p.uii - excretion - exchange,
            "tissue_glucose": exchange - uptake,
            "plasma_insulin": p.m1 * y.liver_insulin
            + p.ka1 * y.depot1
            + p.ka2 * y.depot2
            - (p.m2 + p.m4) * y.plasma_insulin,
            "remote_insulin": p.p2u * (insulin - p.basal_insulin - y.remote_insulin),
            "insulin_delay1": p.ki * (insulin - y.insulin_delay1),
            "insulin_delay2": p.ki * (y.insulin_delay1 - y.insulin_delay2),
            "liver_insulin": p.m2 * y.plasma_insulin - (p.m1 + p.m30) * y.liver_insulin,
            "depot1": p.basal - (p.ka1 + p.kd) * y.depot1,
            "depot2": p.kd * y.depot1 - p.ka2 * y.depot2,
            "subcutaneous_glucose": p.ksc * (y.plasma_glucose - y.subcutaneous_glucose),
        },
        initial={
            "solid": 0.0,
            "liquid": 0.0,
            "gut": 0.0,
            "plasma_glucose": p.glucose_start,
            "tissue_glucose": p.tissue_start,
            "plasma_insulin": p.insulin_start,
            "remote_insulin": 0.0,
            "insulin_delay1": p.basal_insulin,
            "insulin_delay2": p.basal_insulin,
            "liver_insulin": p.liver_start,
            "depot1": p.depot1_start,
            "depot2": p.depot2_start,
            "subcutaneous_glucose": p.glucose_start,
        },
        outputs={
            "glucose": y.plasma_glucose / p.vg / GLUCOSE_MG_DL_PER_MMOL_L,
            "sensor_glucose": y.subcutaneous_glucose / p.vg / GLUCOSE_MG_DL_PER_MMOL_L,
            "insulin": insulin,
        },
        bioavailability={"insulin": PMOL_PER_UNIT / p.weight},
    )
