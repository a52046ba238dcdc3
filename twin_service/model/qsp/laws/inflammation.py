"""Acute and chronic inflammation, and what interleukin-6 does to drug metabolism."""

from __future__ import annotations

from typing import Any

from twin_service.model.qsp.law import Equations, Names, law
from twin_service.solver import functions as fn


@law(
    "acute_inflammation",
    states={"pathogen": "1", "phagocytes": "1", "damage": "1", "mediator": "1"},
    parameters={
        "kpg": "1/h",
        "p_inf": "1",
        "kpm": "1/h",
        "sm": "1/h",
        "mum": "1/h",
        "kmp": "1/h",
        "kpn": "1/h",
        "snr": "1/h",
        "munr": "1/h",
        "knn": "1/h",
        "knp": "1/h",
        "knd": "1/h",
        "mun": "1/h",
        "kdn": "1/h",
        "xdn": "1",
        "mud": "1/h",
        "c_inf": "1",
        "sc": "1/h",
        "kcn": "1/h",
        "kcnd": "1",
        "muc": "1/h",
        "pathogen_baseline": "1",
        "mediator_baseline": "1",
    },
    outputs={"pathogen": "1", "phagocytes": "1", "damage": "1", "mediator": "1"},
)
def acute_inflammation(y: Names, p: Names, u: Names, t: Any) -> Equations:
    """Pathogen, activated phagocytes, tissue damage and an anti-inflammatory mediator.

    P' = kpg P (1 - P/pinf) - kpm sm P/(mm + kmp P) - kpn f(N) P;   N' = snr R/(mnr + R) - mn N
    D' = kdn f^6/(xdn^6 + f^6) - md D;   A' = sc + kcn f(N + kcnd D)/(1 + f(N + kcnd D)) - mc A
    f(x) = x/(1 + (A/cinf)^2);   R = f(knn N + knp P + knd D)

    P, N, D, A   pathogen, phagocytes, damage, mediator; relative units
    Reynolds 2006, PMID 16584750
    """
    damp = 1 + (y.mediator / p.c_inf) ** 2
    active = y.phagocytes / damp
    recruit = (p.knn * y.phagocytes + p.knp * y.pathogen + p.knd * y.damage) / damp
    alarm = (y.phagocytes + p.kcnd * y.damage) / damp
    growth = p.kpg * y.pathogen * (1 - y.pathogen / p.p_inf)
    local = p.kpm * p.sm * y.pathogen / (p.mum + p.kmp * y.pathogen)
    return Equations(
        rates={
            "pathogen": growth - local - p.kpn * active * y.pathogen,
            "phagocytes": p.snr * recruit / (p.munr + recruit) - p.mun * y.phagocytes,
            "damage": p.kdn * active**6 / (p.xdn**6 + active**6) - p.mud * y.damage,
            "mediator": p.sc + p.kcn * alarm / (1 + alarm) - p.muc * y.mediator,
        },
        initial={"pathogen": p.pathogen_baseline, "phagocytes": 0.0, "damage": 0.0, "mediator": p.mediator_baseline},
        outputs={"pathogen": y.pathogen, "phagocytes": y.phagocytes, "damage": y.damage, "mediator": y.mediator},
    )


@law(
    "il6_cyp3a4",
    states={"enzyme": "1"},
    parameters={"turnover": "1/h", "maximum": "1", "half_il6": "pg/mL"},
    ports={"il6": "pg/mL"},
    outputs={"enzyme": "1"},
)
def il6_cyp3a4(y: Names, p: Names, u: Names, t: Any) -> Equations:
    """Interleukin-6 suppresses the synthesis of CYP3A4.

    E' = k (1 - Emax I/(EC50 + I) - E)

    E   CYP3A4 relative to no interleukin-6   1
    I   interleukin-6                         pg/mL
    Machavaram 2013, doi:10.1038/clpt.2013.79
    """
    target = 1 - p.maximum * u.il6 / (p.half_il6 + u.il6)
    return Equations({"enzyme": p.turnover * (target - y.enzyme)}, {"enzyme": 1.0}, {"enzyme": y.enzyme})


@law(
    "das28",
    states={},
    parameters={
        "baseline": "1",
        "placebo_maximum": "1",
        "placebo_baseline": "1",
        "placebo_duration": "1",
        "placebo_half_time": "h",
        "placebo_power": "1",
        "drug_maximum": "1",
        "drug_half_time": "h",
        "drift": "1/h",
    },
    outputs={"score": "1", "change": "1", "drug_part": "1"},
    covariates={"das28_baseline": "1", "ra_duration_y": "a"},
)
def das28(y: Names, p: Names, u: Names, t: Any) -> Equations:
    """Activity of rheumatoid arthritis after the start of a biologic, from arms of trials.

    D = -(Ep t^n/(tp^n + t^n) + Ed t/(td + t)) + g t;   Ep = 2.4 + 1.60 ln(base/6.2) - 0.133 ln(duration/8.2)

    D   change of DAS28-CRP            1
    t   time since the first dose, which is the model's start   h
    Leil 2021, model-based meta-analysis of 130 trials
    """
    time = fn.maximum(t, 1e-9)
    placebo = (
        p.placebo_maximum
        + p.placebo_baseline * fn.log(p.das28_baseline / 6.2)
        + p.placebo_duration * fn.log(p.ra_duration_y / 8.2)
    )
    power = time**p.placebo_power
    drug = p.drug_maximum * time / (p.drug_half_time + time)
    change = -(placebo * power / (p.placebo_half_time**p.placebo_power + power) + drug) + p.drift * time
    return Equations({}, {}, {"score": p.baseline + change, "change": change, "drug_part": drug})


@law(
    "cytokine_switch",
    states={"anti": "1", "pro": "1"},
    parameters={
        "time_scale": "1/h",
        "loss": "1",
        "basal": "1",
        "feedback": "1",
        "half_anti": "1",
        "induction": "1",
        "anti_baseline": "1",
        "pro_baseline": "1",
    },
    ports={"blockade": "1"},
    outputs={"anti": "1", "pro": "1"},
)
def cytokine_switch(y: Names, p: Names, u: Names, t: Any) -> Equations:
    """Pro- and anti-inflammatory cytokines of the joint: healthy, inflamed, and a switch between.

    a' = -a + a4 q^2/(a3^2 + q^2);   q' = -g q + (a1 + a2 (1 - B) q^2/(1 + q^2))/(1 + a^2)

    a, q   anti-, pro-inflammatory cytokine, relative units; time in units of the anti-inflammatory lifetime
    B      blockade of the pro-inflammatory feedback, 0 to 1 (our port)
    Baker 2013, PMID 23002057
    """
    square = y.pro * y.pro
    feedback = p.feedback * (1 - u.blockade) * square / (1 + square)
    return Equations(
        rates={
            "anti": p.time_scale * (-y.anti + p.induction * square / (p.half_anti * p.half_anti + square)),
            "pro": p.time_scale * (-p.loss * y.pro + (p.basal + feedback) / (1 + y.anti * y.anti)),
        },
        initial={"anti": p.anti_baseline, "pro": p.pro_baseline},
        outputs={"anti": y.anti, "pro": y.pro},
    )
