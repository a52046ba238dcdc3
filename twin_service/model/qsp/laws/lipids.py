"""LDL cholesterol under statins, ezetimibe and PCSK9 antibodies."""

from __future__ import annotations

from typing import Any

from twin_service.model.qsp.law import Equations, Names, law
from twin_service.solver import functions as fn


@law(
    "statin_ldl",
    states={"ldl": "mmol/L", "statin": "mg", "ezetimibe": "mg"},
    parameters={
        "baseline": "mmol/L",
        "turnover": "1/h",
        "statin_maximum": "1",
        "half_dose": "mg/d",
        "dose_power": "1",
        "ldl_gain": "1",
        "triglyceride_gain": "1",
        "chd_gain": "1",
        "acute_gain": "1",
        "heterozygous_gain": "1",
        "ezetimibe_maximum": "1",
        "ezetimibe_half_dose": "mg/d",
        "overlap": "1",
        "memory": "1/h",
    },
    ports={"statin_dose": "mg/d", "ezetimibe_dose": "mg/d"},
    outputs={"ldl": "mmol/L", "ldl_change": "%", "statin_daily": "mg/d"},
    inputs={"statin": ("statin", "mg"), "ezetimibe": ("ezetimibe", "mg")},
    covariates={
        "ldl_baseline_mg_dl": "mg/dL",
        "triglycerides_mg_dl": "mg/dL",
        "chd_percent": "1",
        "acute_coronary_syndrome": "1",
        "heterozygous_fh": "1",
    },
)
def statin_ldl(y: Names, p: Names, u: Names, t: Any) -> Equations:
    """LDL falls toward the fraction that the daily doses of statin and ezetimibe leave.

    L' = k (L0 (1 - f) - L);   f = fs + fe (1 - 0.523 fs);   fs = Em D^n / (D^n + ED50^n);   fe = 0.184 E / (E + 0.228)
    Em = 0.758 + 0.14 ln(LDL/180) - 0.0506 ln(TG/180) + 0.000649 CHD + 0.117 ACS - 0.127 HeFH

    L, L0    LDL cholesterol, untreated        mmol/L
    D, E     daily doses: the port plus 24 q A, where A' = -q A holds the doses given lately   mg/d
    CHD      share of the arm with coronary disease, percent
    The turnover k and the memory q are not part of the source (steady arms of trials).
    Vargo 2014, model-based meta-analysis of 245 trials
    """
    maximum = (
        p.statin_maximum
        + p.ldl_gain * fn.log(p.ldl_baseline_mg_dl / 180.0)
        + p.triglyceride_gain * fn.log(p.triglycerides_mg_dl / 180.0)
        + p.chd_gain * p.chd_percent
        + p.acute_gain * p.acute_coronary_syndrome
        + p.heterozygous_gain * p.heterozygous_fh
    )
    daily = u.statin_dose + 24 * p.memory * y.statin
    ezetimibe_daily = u.ezetimibe_dose + 24 * p.memory * y.ezetimibe
    dose = fn.maximum(daily, 1e-9) ** p.dose_power
    statin = maximum * dose / (dose + p.half_dose**p.dose_power)
    ezetimibe = p.ezetimibe_maximum * ezetimibe_daily / (ezetimibe_daily + p.ezetimibe_half_dose)
    fall = statin + ezetimibe * (1 - p.overlap * statin)
    return Equations(
        rates={
            "ldl": p.turnover * (p.baseline * (1 - fall) - y.ldl),
            "statin": -p.memory * y.statin,
            "ezetimibe": -p.memory * y.ezetimibe,
        },
        initial={"ldl": p.baseline, "statin": 0.0, "ezetimibe": 0.0},
        outputs={"ldl": y.ldl, "ldl_change": 100 * (y.ldl / p.baseline - 1), "statin_daily": daily},
    )


@law(
    "alirocumab",
    states={"depot": "mg", "central": "mg", "peripheral": "mg", "ldl": "mmol/L"},
    parameters={
        "absorption": "1/h",
        "lag": "h",
        "bioavailability": "1",
        "clearance": "L/h",
        "statin_clearance": "L/h",
        "weight_clearance": "L/{kg}/h",
        "v2": "L",
        "v3": "L",
        "v3_age_power": "1",
        "q": "L/h",
        "vmax": "mg/h",
        "km": "mg/L",
        "ldl_baseline": "mmol/L",
        "ldl_loss": "1/h",
        "ec50_base": "mg/L",
        "ec50_pcsk9": "1",
        "ec50_high_statin": "1",
        "emax_base": "1",
        "emax_pcsk9": "1",
        "emax_female": "1",
        "emax_age_power": "1",
        "emax_weight_power": "1",
        "emax_free": "1",
        "emax_statin": "1",
        "hill_base": "1",
        "hill_free": "1",
    },
    outputs={"concentration": "mg/L", "ldl": "mmol/L", "ldl_change": "%"},
    inputs={"subcutaneous": ("depot", "mg")},
    covariates={
        "weight_kg": "kg",
        "age_y": "a",
        "sex_female": "1",
        "statin": "1",
        "high_dose_statin": "1",
        "pcsk9_total_ng_ml": "ng/mL",
        "pcsk9_total_treated_ng_ml": "ng/mL",
        "pcsk9_free_ng_ml": "ng/mL",
    },
)
def alirocumab(y: Names, p: Names, u: Names, t: Any) -> Equations:
    """Subcutaneous alirocumab with target-mediated loss, and the LDL whose removal it stimulates.

    A1' = -ka A1;   V2 C' = ka A1 - CL C - Vm C/(Km + C) - Q C + Q A3/V3;   A3' = Q C - Q A3/V3
    L' = k L0 - k (1 + Emax C^h / (EC50^h + C^h)) L

    C          antibody in plasma      mg/L
    L, L0      LDL, before treatment   mmol/L
    Martinez 2019, doi:10.1007/s40262-018-0669-y; Nicolas 2019, doi:10.1007/s40262-018-0670-5
    """
    c = y.central / p.v2
    v3 = p.v3 * (p.age_y / 60.0) ** p.v3_age_power
    clearance = p.clearance + p.statin_clearance * p.statin + p.weight_clearance * (p.weight_kg - 82.9)
    exchange = p.q * c - p.q * y.peripheral / v3
    emax, ec50, hill = _antibody_effect(p)
    x = (fn.maximum(c, 1e-12) / ec50) ** hill
    return Equations(
        rates={
            "depot": -p.absorption * y.depot,
            "central": p.absorption * y.depot - clearance * c - p.vmax * c / (p.km + c) - exchange,
            "peripheral": exchange,
            "ldl": p.ldl_loss * (p.ldl_baseline - (1 + emax * x / (1 + x)) * y.ldl),
        },
        initial={"depot": 0.0, "central": 0.0, "peripheral": 0.0, "ldl": p.ldl_baseline},
        outputs={"concentration": c, "ldl": y.ldl, "ldl_change": 100 * (y.ldl / p.ldl_baseline - 1)},
        lag={"subcutaneous": p.lag},
        bioavailability={"subcutaneous": p.bioavailability},
    )


def _antibody_effect(p: Names) -> tuple[Any, Any, Any]:
    """Emax, EC50 (mg/L) and Hill exponent of a patient."""
    free = p.pcsk9_free_ng_ml - 265.0
    ec50 = (p.ec50_base + p.ec50_pcsk9 * p.pcsk9_total_ng_ml) * p.ec50_high_statin**p.high_dose_statin
    core = p.emax_base + p.emax_pcsk9 * (p.pcsk9_total_treated_ng_ml - 3340.0)
    demography = (
        p.emax_female**p.sex_female * (p.age_y / 60.0) ** p.emax_age_power * (p.weight_kg / 82.5) ** p.emax_weight_power
    )
    return core * demography + p.emax_free * free + p.emax_statin * p.statin, ec50, p.hill_base + p.hill_free * free
