"""Blood pressure, heart rate, stroke volume and resistance."""

from __future__ import annotations

import math
from typing import Any

from twin_service.model.qsp.law import Equations, Names, law
from twin_service.solver import functions as fn

PRESSURE = "mm[Hg]"


@law(
    "amlodipine_valsartan",
    states={
        "amlodipine_central": "mg",
        "amlodipine_peripheral": "mg",
        "valsartan_central": "mg",
        "valsartan_peripheral": "mg",
        "amlodipine_site_sbp": "{ng}/mL",
        "amlodipine_site_dbp": "{ng}/mL",
        "valsartan_site": "{ng}/mL",
    },
    parameters={
        "cl_a": "L/h",
        "v1_a": "L",
        "q_a": "L/h",
        "v2_a": "L",
        "d_a": "h",
        "cl_v": "L/h",
        "v1_v": "L",
        "q_v": "L/h",
        "v2_v": "L",
        "d_v": "h",
        "ke0_a_sbp": "1/h",
        "ke0_a_dbp": "1/h",
        "ke0_v": "1/h",
        "maximum": "1",
        "ic50_a_sbp": "{ng}/mL",
        "ic50_a_dbp": "{ng}/mL",
        "ic50_v": "{ng}/mL",
        "systolic_baseline": PRESSURE,
        "diastolic_baseline": PRESSURE,
        "interaction_sbp": "1",
        "interaction_dbp": "1",
    },
    outputs={"systolic": PRESSURE, "diastolic": PRESSURE, "amlodipine": "{ng}/mL", "valsartan": "{ng}/mL"},
    inputs={"amlodipine": ("amlodipine_central", "mg"), "valsartan": ("valsartan_central", "mg")},
    covariates={"weight_kg": "kg"},
)
def amlodipine_valsartan(y: Names, p: Names, u: Names, t: Any) -> Equations:
    """Two antihypertensives, each with two compartments and zero-order absorption, and their joint effect.

    BP = BSL (1 - Pa - Pv - alpha Pa Pv);   Px = Imax Ce/(IC50 + Ce);   Ce' = ke0 (C - Ce)

    Ce, IC50   concentration at the effect site, for half the effect   ng/mL
    Clearances scale with (weight/70)^0.75, volumes with weight/70.
    Heo 2017, amlodipine and valsartan in healthy volunteers
    """
    flow, size = (p.weight_kg / 70.0) ** 0.75, p.weight_kg / 70.0
    ca = 1000 * y.amlodipine_central / (p.v1_a * size)
    cv = 1000 * y.valsartan_central / (p.v1_v * size)
    move_a = flow * p.q_a * (ca / 1000 - y.amlodipine_peripheral / (p.v2_a * size))
    move_v = flow * p.q_v * (cv / 1000 - y.valsartan_peripheral / (p.v2_v * size))
    rates = {
        "amlodipine_central": -flow * p.cl_a * ca / 1000 - move_a,
        "amlodipine_peripheral": move_a,
        "valsartan_central": -flow * p.cl_v * cv / 1000 - move_v,
        "valsartan_peripheral": move_v,
        "amlodipine_site_sbp": p.ke0_a_sbp * (ca - y.amlodipine_site_sbp),
        "amlodipine_site_dbp": p.ke0_a_dbp * (ca - y.amlodipine_site_dbp),
        "valsartan_site": p.ke0_v * (cv - y.valsartan_site),
    }
    pv = p.maximum * y.valsartan_site / (p.ic50_v + y.valsartan_site)
    pa_s = p.maximum * y.amlodipine_site_sbp / (p.ic50_a_sbp + y.amlodipine_site_sbp)
    pa_d = p.maximum * y.amlodipine_site_dbp / (p.ic50_a_dbp + y.amlodipine_site_dbp)
    return Equations(
        rates=rates,
        initial=dict.fromkeys(rates, 0.0),
        outputs={
            "systolic": p.systolic_baseline * (1 - pa_s - pv - p.interaction_sbp * pa_s * pv),
            "diastolic": p.diastolic_baseline * (1 - pa_d - pv - p.interaction_dbp * pa_d * pv),
            "amlodipine": ca,
            "valsartan": cv,
        },
        duration={"amlodipine": p.d_a, "valsartan": p.d_v},
    )


@law(
    "heart_rate_stroke_volume_resistance",
    states={"heart_rate": "/min", "stroke_volume_capacity": "mL", "resistance": "mm[Hg].min/mL", "drug": "1"},
    parameters={
        "rate_baseline": "1/min",
        "pressure_baseline": PRESSURE,
        "output_baseline": "mL/min",
        "feedback": "1/mm[Hg]",
        "rate_loss": "1/h",
        "stroke_loss": "1/h",
        "resistance_loss": "1/h",
        "rate_coupling": "1",
        "amplitude": "1",
        "rate_phase": "h",
        "resistance_phase": "h",
        "drug_loss": "1/h",
        "half_effect": "1",
        "rate_effect": "1",
        "stroke_effect": "1",
        "resistance_effect": "1",
    },
    outputs={"heart_rate": "/min", "cardiac_output": "mL/min", "pressure": PRESSURE},
    inputs={"dose": ("drug", "1")},
)
def heart_rate_stroke_volume_resistance(y: Names, p: Names, u: Names, t: Any) -> Equations:
    """Mean arterial pressure feeds back on heart rate, stroke volume and total peripheral resistance.

    X' = kin_X c_X(t) (1 - f MAP)(1 + E_X) - kout_X X;   SV = SV* (1 - 0.312 ln(HR/HR0));   CO = HR SV;   MAP = CO TPR
    kin_X = kout_X X0 / (1 - f MAP0);   c_X = 1 + A cos(2 pi (t - phase_X)/24) for HR and TPR

    HR, SV*, TPR   heart rate, stroke volume, resistance   1/min, mL, mm[Hg] min/mL
    E_X            drug effect on each                     1
    Snelder 2014, Br J Pharmacol 171:5076; Fu 2023 (rat)
    """
    stroke0 = p.output_baseline / p.rate_baseline
    resistance0 = p.pressure_baseline / p.output_baseline
    stroke = y.stroke_volume_capacity * (1 - p.rate_coupling * fn.log(y.heart_rate / p.rate_baseline))
    output = y.heart_rate * stroke
    pressure = output * y.resistance
    brake = (1 - p.feedback * pressure) / (1 - p.feedback * p.pressure_baseline)
    effect = y.drug / (p.half_effect + y.drug)
    turn = 2 * math.pi / 24.0
    day_rate = 1 + p.amplitude * fn.cos(turn * (t - p.rate_phase))
    day_resistance = 1 + p.amplitude * fn.cos(turn * (t - p.resistance_phase))
    return Equations(
        rates={
            "heart_rate": p.rate_loss
            * (p.rate_baseline * day_rate * brake * (1 + p.rate_effect * effect) - y.heart_rate),
            "stroke_volume_capacity": p.stroke_loss
            * (stroke0 * brake * (1 + p.stroke_effect * effect) - y.stroke_volume_capacity),
            "resistance": p.resistance_loss
            * (resistance0 * day_resistance * brake * (1 + p.resistance_effect * effect) - y.resistance),
            "drug": -p.drug_loss * y.drug,
        },
        initial={
            "heart_rate": p.rate_baseline,
            "stroke_volume_capacity": stroke0,
            "resistance": resistance0,
            "drug": 0.0,
        },
        outputs={"heart_rate": y.heart_rate, "cardiac_output": output, "pressure": pressure},
    )


@law(
    "caffeine_pressor",
    states={"gut": "mg/kg", "central": "mg/L", "peripheral": "mg/L", "site": "mg/L", "tolerance": "mg/L"},
    parameters={
        "absorption": "1/h",
        "bioavailability": "1",
        "lag": "h",
        "volume": "L/kg",
        "k10": "1/h",
        "k12": "1/h",
        "k21": "1/h",
        "effect_rate": "1/h",
        "tolerance_rate": "1/h",
        "baseline": PRESSURE,
        "slope": "mm[Hg].L/mg",
        "half_tolerance": "mg/L",
    },
    outputs={"pressure": PRESSURE, "concentration": "mg/L"},
    inputs={"oral": ("gut", "mg")},
    covariates={"weight_kg": "kg"},
)
def caffeine_pressor(y: Names, p: Names, u: Names, t: Any) -> Equations:
    """The pressor effect of caffeine and the acute tolerance to it.

    E = E0 + S Ce / (1 + Ct/T50);   Ce' = ke0 (C - Ce);   Ct' = ktol (C - Ct)

    C, Ce, Ct   caffeine in plasma, at the effect site, in the tolerance compartment   mg/L
    Shi 1993, PMID 8422743
    """
    return Equations(
        rates={
            "gut": -p.absorption * y.gut,
            "central": p.absorption * p.bioavailability * y.gut / p.volume
            - p.k12 * y.central
            + p.k21 * y.peripheral
            - p.k10 * y.central,
            "peripheral": p.k12 * y.central - p.k21 * y.peripheral,
            "site": p.effect_rate * (y.central - y.site),
            "tolerance": p.tolerance_rate * (y.central - y.tolerance),
        },
        initial=dict.fromkeys(("gut", "central", "peripheral", "site", "tolerance"), 0.0),
        outputs={
            "pressure": p.baseline + p.slope * y.site / (1 + y.tolerance / p.half_tolerance),
            "concentration": y.central,
        },
        lag={"oral": p.lag},
        bioavailability={"oral": 1 / p.weight_kg},
    )
