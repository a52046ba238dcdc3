"""Viral load: HIV, SARS-CoV-2 and influenza with immunity."""

from __future__ import annotations

from typing import Any

from twin_service.model.qsp.law import Equations, Names, law
from twin_service.solver import functions as fn


@law(
    "perelson_hiv",
    states={"infected": "{cell}/mL", "infectious": "{copies}/mL", "noninfectious": "{copies}/mL"},
    parameters={
        "infection": "mL/{copies}/h",
        "target_cells": "{cell}/mL",
        "burst": "1",
        "infected_loss": "1/h",
        "clearance": "1/h",
        "infected_baseline": "{cell}/mL",
        "virus_baseline": "{copies}/mL",
    },
    outputs={"viral_load": "/mL", "log10_viral_load": "1"},
    smallest={"infected": 1e-6, "infectious": 1e-4, "noninfectious": 1e-4},
)
def perelson_hiv(y: Names, p: Names, u: Names, t: Any) -> Equations:
    """HIV after a fully effective protease inhibitor: all new virus is noninfectious.

    T' = k T0 VI - d T;   VI' = -c VI;   VN' = N d T - c VN;   V = VI + VN

    T, T0    infected cells, target cells (constant)       cell/mL
    VI, VN   infectious, noninfectious virus               copies/mL
    Perelson 1996, doi:10.1126/science.271.5255.1582
    """
    load = y.infectious + y.noninfectious
    return Equations(
        rates={
            "infected": p.infection * p.target_cells * y.infectious - p.infected_loss * y.infected,
            "infectious": -p.clearance * y.infectious,
            "noninfectious": p.burst * p.infected_loss * y.infected - p.clearance * y.noninfectious,
        },
        initial={"infected": p.infected_baseline, "infectious": p.virus_baseline, "noninfectious": 0.0},
        outputs={"viral_load": load, "log10_viral_load": fn.log(fn.maximum(load, 1e-12)) / fn.log(10.0)},
    )


@law(
    "nelson_hiv",
    states={
        "target": "{cell}/mL",
        "infected": "{cell}/mL",
        "infectious": "{copies}/mL",
        "noninfectious": "{copies}/mL",
    },
    parameters={
        "infection": "mL/{copies}/h",
        "target_baseline": "{cell}/mL",
        "target_source": "{cell}/mL/h",
        "target_loss": "1/h",
        "burst": "1",
        "infected_loss": "1/h",
        "clearance": "1/h",
        "infected_baseline": "{cell}/mL",
        "virus_baseline": "{copies}/mL",
    },
    ports={"protease_inhibition": "1", "transcriptase_inhibition": "1"},
    outputs={"viral_load": "/mL", "log10_viral_load": "1", "noninfectious": "{copies}/mL", "infectious": "{copies}/mL"},
    smallest={"infected": 1e-6, "infectious": 1e-4, "noninfectious": 1e-4},
)
def nelson_hiv(y: Names, p: Names, u: Names, t: Any) -> Equations:
    """HIV under reverse-transcriptase and protease inhibitors of any effectiveness.

    T' = s - dT T - k (1 - nr) T VI;   I' = k (1 - nr) T VI - d I
    VI' = (1 - np) N d I - c VI;   VN' = np N d I - c VN

    T, I     target and infected cells                                  cell/mL
    nr, np   effectiveness against reverse transcriptase and protease   0 to 1
    Nelson 2000, doi:10.1016/S0025-5564(99)00055-3
    """
    made = p.burst * p.infected_loss * y.infected
    load = y.infectious + y.noninfectious
    infection = p.infection * (1 - u.transcriptase_inhibition) * y.target * y.infectious
    return Equations(
        rates={
            "target": p.target_source - p.target_loss * y.target - infection,
            "infected": infection - p.infected_loss * y.infected,
            "infectious": (1 - u.protease_inhibition) * made - p.clearance * y.infectious,
            "noninfectious": u.protease_inhibition * made - p.clearance * y.noninfectious,
        },
        initial={
            "target": p.target_baseline,
            "infected": p.infected_baseline,
            "infectious": p.virus_baseline,
            "noninfectious": 0.0,
        },
        outputs={
            "viral_load": load,
            "log10_viral_load": fn.log(fn.maximum(load, 1e-12)) / fn.log(10.0),
            "noninfectious": y.noninfectious,
            "infectious": y.infectious,
        },
    )


@law(
    "target_cell_eclipse",
    states={"target": "{cell}/mL", "eclipse": "{cell}/mL", "productive": "{cell}/mL", "virus": "{copies}/mL"},
    parameters={
        "target_baseline": "{cell}/mL",
        "virus_baseline": "{copies}/mL",
        "reproduction": "1",
        "eclipse_rate": "1/h",
        "infected_loss": "1/h",
        "production": "1/h",
        "clearance": "1/h",
    },
    ports={"infection_inhibition": "1", "production_inhibition": "1"},
    outputs={"viral_load": "/mL", "log10_viral_load": "1", "target_share": "1", "infected": "{cell}/mL"},
    smallest={"eclipse": 1e-9, "productive": 1e-9, "virus": 1e-9},
)
def target_cell_eclipse(y: Names, p: Names, u: Names, t: Any) -> Equations:
    """Respiratory virus with an eclipse phase; a drug blocks infection or production.

    T' = -b (1 - ib) T V;   I1' = b (1 - ib) T V - k I1;   I2' = k I1 - d I2;   V' = r (1 - ir) I2 - c V
    b = R0 d c / (T0 (r - R0 d))

    T, I1, I2   target, eclipse and productive cells    cell/mL
    V           virus                                   copies/mL
    ib, ir      inhibition of infection, production     0 to 1
    Goncalves 2020, doi:10.1002/psp4.12543; Dodds 2021, doi:10.1111/bcp.14486
    """
    born = p.reproduction * p.infected_loss
    infection = born * p.clearance / (p.target_baseline * (p.production - born))
    hit = infection * (1 - u.infection_inhibition) * y.target * y.virus
    made = p.production * (1 - u.production_inhibition) * y.productive
    return Equations(
        rates={
            "target": -hit,
            "eclipse": hit - p.eclipse_rate * y.eclipse,
            "productive": p.eclipse_rate * y.eclipse - p.infected_loss * y.productive,
            "virus": made - p.clearance * y.virus,
        },
        initial={"target": p.target_baseline, "eclipse": 0.0, "productive": 0.0, "virus": p.virus_baseline},
        outputs={
            "viral_load": y.virus,
            "log10_viral_load": fn.log(fn.maximum(y.virus, 1e-12)) / fn.log(10.0),
            "target_share": y.target / p.target_baseline,
            "infected": y.eclipse + y.productive,
        },
    )


_INFLUENZA = (
    "virus",
    "healthy",
    "infected",
    "presenting",
    "interferon",
    "resistant",
    "effector",
    "plasma",
    "antibody",
    "affinity",
)


@law(
    "influenza_immunity",
    states=dict.fromkeys(_INFLUENZA, "1"),
    parameters=dict.fromkeys(
        (
            "gv",
            "gva",
            "gvh",
            "av",
            "av1",
            "bhd",
            "ar",
            "ghv",
            "bhf",
            "bie",
            "ai",
            "bmd",
            "bmv",
            "am",
            "bf",
            "cf",
            "bfh",
            "af",
            "bem",
            "bei",
            "ae",
            "bpm",
            "ap",
            "ba",
            "gav",
            "aa",
            "r",
        ),
        "1/h",
    )
    | {"av2": "1", "virus_baseline": "1", "affinity_baseline": "1"},
    outputs={"virus": "1", "healthy": "1", "damage": "1", "antibody": "1"},
    smallest=dict.fromkeys(_INFLUENZA, 1e-10),
)
def influenza_immunity(y: Names, p: Names, u: Names, t: Any) -> Equations:
    """Influenza A: epithelium, interferon, effector cells and antibodies of growing affinity.

    V' = gV I - gVA S A V - gVH H V - aV V - aV1 V/(1 + aV2 V);   D = 1 - H - R - I
    H' = bHD D (H + R) + aR R - gHV V H - bHF F H;   I' = gHV V H - bIE E I - aI I;   R' = bHF F H - aR R
    M' = (bMD D + bMV V)(1 - M) - aM M;   F' = bF M + cF I - bFH H F - aF F
    E' = bEM M E - bEI I E + aE (1 - E);   P' = bPM M P + aP (1 - P);   A' = bA P - gAV S A V - aA A;   S' = r P (1 - S)

    all relative units
    Hancioglu 2007, PMID 17266989
    """
    damage = 1 - y.healthy - y.resistant - y.infected
    infection = p.ghv * y.virus * y.healthy
    protect = p.bhf * y.interferon * y.healthy
    return Equations(
        rates={
            "virus": p.gv * y.infected
            - p.gva * y.affinity * y.antibody * y.virus
            - p.gvh * y.healthy * y.virus
            - p.av * y.virus
            - p.av1 * y.virus / (1 + p.av2 * y.virus),
            "healthy": p.bhd * damage * (y.healthy + y.resistant) + p.ar * y.resistant - infection - protect,
            "infected": infection - p.bie * y.effector * y.infected - p.ai * y.infected,
            "presenting": (p.bmd * damage + p.bmv * y.virus) * (1 - y.presenting) - p.am * y.presenting,
            "interferon": p.bf * y.presenting
            + p.cf * y.infected
            - p.bfh * y.healthy * y.interferon
            - p.af * y.interferon,
            "resistant": protect - p.ar * y.resistant,
            "effector": p.bem * y.presenting * y.effector - p.bei * y.infected * y.effector + p.ae * (1 - y.effector),
            "plasma": p.bpm * y.presenting * y.plasma + p.ap * (1 - y.plasma),
            "antibody": p.ba * y.plasma - p.gav * y.affinity * y.antibody * y.virus - p.aa * y.antibody,
            "affinity": p.r * y.plasma * (1 - y.affinity),
        },
        initial={
            "virus": p.virus_baseline,
            "healthy": 1.0,
            "infected": 0.0,
            "presenting": 0.0,
            "interferon": 0.0,
            "resistant": 0.0,
            "effector": 1.0,
            "plasma": 1.0,
            "antibody": 1.0,
            "affinity": p.affinity_baseline,
        },
        outputs={"virus": y.virus, "healthy": y.healthy, "damage": damage, "antibody": y.antibody},
    )
