"""The problem that engines are compared on: a stiff, nonlinear model of 40 states given 14 doses over 7 days.

A perfusion-limited PBPK model of 16 compartments, a gut chain of 7, a metabolite in 5, an enzyme pool inactivated by
the metabolite, an effect site, neutropenia (Friberg et al. 2002, doi:10.1200/JCO.2002.02.140) with a growth factor, a
tumor of two populations and two areas under the curve. It is a workload with the shape of our models, not a drug: the
values are round numbers of the right size. Units here: h, L, mg.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from twin_service.solver.expression import Expression, constant, symbol
from twin_service.solver.schedule import Dose, Schedule
from twin_service.solver.system import Input, Output, Parameter, System, SystemState


class Tissue(NamedTuple):
    """volume (L), share of cardiac output before normalization, tissue:plasma ratio, whether it drains to the liver."""

    volume: float
    flow: float
    partition: float
    portal: bool = False


TISSUES: Final = {
    "brain": Tissue(1.45, 0.12, 0.8),
    "heart": Tissue(0.33, 0.04, 1.5),
    "kidney": Tissue(0.31, 0.19, 2.2),
    "muscle": Tissue(29.0, 0.17, 1.1),
    "bone": Tissue(5.0, 0.05, 0.9),
    "skin": Tissue(3.3, 0.05, 1.4),
    "adipose": Tissue(14.5, 0.05, 6.5),
    "thymus": Tissue(0.025, 0.0025, 1.0),
    "pancreas": Tissue(0.14, 0.01, 1.6, portal=True),
    "spleen": Tissue(0.15, 0.03, 1.5, portal=True),
    "stomach": Tissue(0.15, 0.01, 1.3, portal=True),
    "gut": Tissue(1.02, 0.15, 1.7, portal=True),
}
LUNG: Final = Tissue(0.50, 0.0, 1.2)
LIVER: Final = Tissue(1.8, 0.065, 3.1)
ABSORBING: Final = (1.0, 1.0, 0.9, 0.7, 0.4, 0.15)
"""Relative absorption along the six segments of the gut."""

PARAMETERS: Final = {
    "CO": (336.0, "L/h", 0.15),
    "Vmax3A4": (45.0, "mg/h", 0.5),
    "Km3A4": (1.2, "mg/L", 0.2),
    "Vmax2D6": (9.0, "mg/h", 0.7),
    "Km2D6": (0.25, "mg/L", 0.2),
    "CLugt": (4.0, "L/h", 0.4),
    "fu": (0.12, "1", 0.2),
    "CLr": (1.5, "L/h", 0.3),
    "ka": (2.4, "1/h", 0.5),
    "kst": (2.2, "1/h", 0.4),
    "ktr": (1.9, "1/h", 0.25),
    "fg": (0.72, "1", 0.0),
    "BP": (0.85, "1", 0.0),
    "sV": (1.0, "1", 0.15),
    "sKp": (1.0, "1", 0.3),
    "fm": (0.6, "1", 0.0),
    "CLm": (9.0, "L/h", 0.4),
    "Imax": (0.6, "1", 0.0),
    "IC50": (0.8, "mg/L", 0.3),
    "kdeg": (0.03, "1/h", 0.0),
    "ke0": (0.35, "1/h", 0.3),
    "slope": (0.55, "1", 0.4),
    "MTT": (96.0, "h", 0.2),
    "gam": (0.17, "1", 0.0),
    "circ0": (5.2, "1e9/L", 0.25),
    "kgcsf": (0.3, "1/h", 0.0),
    "lam": (0.0045, "1/h", 0.3),
    "kkill": (0.009, "L/mg/h", 0.4),
    "kdmg": (0.05, "1/h", 0.0),
    "Tmax": (900.0, "mL", 0.0),
    "w0": (40.0, "mL", 0.3),
}
"""name: value, unit, standard deviation of its logarithm between patients."""

VARYING: Final = tuple(name for name, (_, _, omega) in PARAMETERS.items() if omega > 0.0)
INTERVAL_H: Final = 12.0
DOSES: Final = 14
DOSE_MG: Final = 120.0
ATOL: Final = 1e-7
SAMPLES_H: Final = (0.5, 1.0, 2.0, 4.0, 6.0, 9.0, 12.0)

Rates = dict[str, Expression]


def reference_system() -> System:
    """The 40-state model with outputs VEN, Mb, circ and Tp."""
    p = {name: symbol(name) for name in PARAMETERS}
    rates: Rates = {}
    metabolized = _body(rates, p)
    _metabolite(rates, p, metabolized)
    _effects(rates, p)
    initial = {"E3A4": constant(1.0), "gcsf": constant(1.0), "Tp": p["w0"]}
    initial.update({name: p["circ0"] for name in ("prol", "tr1", "tr2", "tr3", "circ")})
    zero = constant(0.0)
    states = tuple(SystemState(n, "mg/L", r, initial.get(n, zero), atol=ATOL) for n, r in rates.items())
    return System.create(
        "reference",
        states=states,
        parameters=tuple(Parameter(n, unit, value) for n, (value, unit, _) in PARAMETERS.items()),
        outputs=tuple(Output(f"out_{n}", "mg/L", symbol(n)) for n in ("VEN", "Mb", "circ", "Tp")),
        inputs=(Input("oral", "mg", "G0"),),
    )


def reference_schedule() -> Schedule:
    return Schedule(tuple(Dose(INTERVAL_H * k, "oral", DOSE_MG) for k in range(DOSES)))


def reference_times() -> NDArray[np.float64]:
    """98 sampling times (h); those at 12 h are just before the next dose."""
    return np.array([INTERVAL_H * k + s for k in range(DOSES) for s in SAMPLES_H])


def reference_population(n: int, seed: int = 1) -> NDArray[np.float64]:
    """Parameters (n, 31) of `n` patients, log-normal about their typical values."""
    values = np.array([v for v, _, _ in PARAMETERS.values()])
    omega = np.array([o for _, _, o in PARAMETERS.values()])
    return np.asarray(values * np.exp(omega * np.random.default_rng(seed).standard_normal((n, len(values)))))


def _body(rates: Rates, p: dict[str, Expression]) -> Expression:
    """Blood, tissues and gut; returns the rate of hepatic metabolism (mg/h)."""
    total = sum(t.flow for t in TISSUES.values()) + LIVER.flow
    flow = {n: t.flow / total * p["CO"] for n, t in TISSUES.items()}
    artery, vein = symbol("ART"), symbol("VEN")
    leaving = {
        n: symbol(f"A_{n}") * p["BP"] / (t.partition * p["sKp"])
        for n, t in {**TISSUES, "lung": LUNG, "liver": LIVER}.items()
    }
    absorbed = [p["ka"] * f * symbol(f"G{i}") for i, f in enumerate(ABSORBING, start=1)]
    rates["A_lung"] = p["CO"] * (vein - leaving["lung"]) / (LUNG.volume * p["sV"])
    for n, t in TISSUES.items():
        gain = flow[n] * (artery - leaving[n])
        if n == "kidney":
            gain = gain - p["CLr"] * p["fu"] * leaving[n] / p["BP"]
        if n == "gut":
            gain = gain + p["fg"] * _sum(absorbed)
        rates[f"A_{n}"] = gain / (t.volume * p["sV"])
    hepatic = LIVER.flow / total * p["CO"]
    portal = [n for n, t in TISSUES.items() if t.portal]
    through = hepatic + _sum([flow[n] for n in portal])
    metabolized = _metabolized(p)
    arriving = hepatic * artery + _sum([flow[n] * leaving[n] for n in portal])
    rates["A_liver"] = (arriving - through * leaving["liver"] - metabolized) / (LIVER.volume * p["sV"])
    direct = _sum([flow[n] * leaving[n] for n, t in TISSUES.items() if not t.portal])
    rates["ART"] = p["CO"] * (leaving["lung"] - artery) / (1.7 * p["sV"])
    rates["VEN"] = (direct + through * leaving["liver"] - p["CO"] * vein) / (3.6 * p["sV"])
    inflow = p["kst"] * symbol("G0")
    rates["G0"] = -inflow
    for i, a in enumerate(absorbed, start=1):
        onward = p["ktr"] * symbol(f"G{i}")
        rates[f"G{i}"] = inflow - onward - a
        inflow = onward
    return metabolized


def _metabolized(p: dict[str, Expression]) -> Expression:
    free = p["fu"] * symbol("A_liver") / (LIVER.partition * p["sKp"])
    by_3a4 = p["Vmax3A4"] * symbol("E3A4") * free / (p["Km3A4"] * 0.1 + free)
    by_2d6 = p["Vmax2D6"] * free / (p["Km2D6"] * 0.1 + free)
    return by_3a4 + by_2d6 + p["CLugt"] * free


def _metabolite(rates: Rates, p: dict[str, Expression], metabolized: Expression) -> None:
    blood = symbol("Mb")
    exchanged = []
    for name, volume, ratio, share in (
        ("Ml", 1.8, 2.0, 0.30),
        ("Mk", 0.31, 1.8, 0.19),
        ("Mr", 4.0, 1.2, 0.25),
        ("Mp", 50.0, 0.6, 0.26),
    ):
        gain = share * p["CO"] * (blood - symbol(name) / ratio)
        exchanged.append(gain)
        if name == "Ml":
            gain = gain + p["fm"] * metabolized
        if name == "Mk":
            gain = gain - p["CLm"] * symbol(name) / ratio
        rates[name] = gain / (volume * p["sV"])
    rates["Mb"] = -_sum(exchanged) / (5.3 * p["sV"])
    enzyme = symbol("E3A4")
    inactivated = p["kdeg"] * p["Imax"] * 4.0 * blood / (p["IC50"] + blood) * enzyme
    rates["E3A4"] = p["kdeg"] * (1.0 - enzyme) - inactivated


def _effects(rates: Rates, p: dict[str, Expression]) -> None:
    plasma, site = symbol("VEN") / p["BP"], symbol("Ce")
    rates["Ce"] = p["ke0"] * (plasma - site)
    transit, circ, gcsf = 4.0 / p["MTT"], symbol("circ"), symbol("gcsf")
    effect = p["slope"] * site / (1.0 + site)
    feedback = (p["circ0"] / circ) ** p["gam"]
    growth = (1.0 - effect) * feedback * (1.0 + 0.2 * (gcsf - 1.0))
    rates["prol"] = transit * symbol("prol") * (growth - 1.0)
    for before, after in (("prol", "tr1"), ("tr1", "tr2"), ("tr2", "tr3"), ("tr3", "circ")):
        rates[after] = transit * (symbol(before) - symbol(after))
    rates["gcsf"] = p["kgcsf"] * (p["circ0"] / circ - gcsf)
    living, dying = symbol("Tp"), symbol("Td")
    killed = p["kkill"] * site * living
    rates["Tp"] = p["lam"] * living * (1.0 - (living + dying) / p["Tmax"]) - killed
    rates["Td"] = killed - p["kdmg"] * dying
    rates["AUC"] = plasma
    rates["AUCm"] = symbol("Mb")


def _sum(terms: list[Expression]) -> Expression:
    total = terms[0]
    for t in terms[1:]:
        total = total + t
    return total
