"""Ventricular repolarization: QTc against concentration, and block of the channels behind it."""

from __future__ import annotations

from typing import Any

from twin_service.model.qsp.law import Equations, Names, law
from twin_service.solver import functions as fn


@law(
    "qt_linear",
    states={"effect_site": "umol/L"},
    parameters={"baseline": "ms", "slope": "ms.L/umol", "effect_rate": "1/h"},
    ports={"drug_concentration": "umol/L"},
    outputs={"qtc": "ms", "qtc_change": "ms"},
)
def qt_linear(y: Names, p: Names, u: Names, t: Any) -> Equations:
    """Heart-rate corrected QT, linear in the concentration at an effect site.

    Ce' = ke0 (C - Ce);   QTc = QTc0 + s Ce

    QTc, QTc0   heart-rate corrected QT, without drug    ms
    C, Ce       drug in plasma, at the effect site       umol/L
    s, ke0      slope, equilibration                     ms L/umol, 1/h
    Garnett 2018, doi:10.1007/s10928-017-9558-5
    """
    change = p.slope * y.effect_site
    return Equations(
        rates={"effect_site": p.effect_rate * (u.drug_concentration - y.effect_site)},
        initial={"effect_site": 0.0},
        outputs={"qtc": p.baseline + change, "qtc_change": change},
    )


@law(
    "qt_channels",
    states={},
    parameters={
        "herg_ic50": "umol/L",
        "herg_hill": "1",
        "ical_ic50": "umol/L",
        "ical_hill": "1",
        "inal_ic50": "umol/L",
        "inal_hill": "1",
    },
    ports={"free_concentration": "umol/L"},
    outputs={"herg_block": "%", "ical_block": "%", "inal_block": "%", "net_block": "%"},
)
def qt_channels(y: Names, p: Names, u: Names, t: Any) -> Equations:
    """Block of the three currents that decide repolarization, and their balance.

    b_i = 100 C^h / (IC50^h + C^h);   net = b_hERG - (b_ICaL + b_INaL)

    C      unbound concentration        umol/L
    IC50   half-blocking concentration  umol/L
    Crumb 2016, doi:10.1016/j.vascn.2016.03.009 (the currents); Mistry 2018, doi:10.7717/peerj.4352 (the balance)
    """
    c = fn.maximum(u.free_concentration, 0.0)
    herg = _block(c, p.herg_ic50, p.herg_hill)
    ical = _block(c, p.ical_ic50, p.ical_hill)
    inal = _block(c, p.inal_ic50, p.inal_hill)
    return Equations(
        {}, {}, {"herg_block": herg, "ical_block": ical, "inal_block": inal, "net_block": herg - (ical + inal)}
    )


def _block(c: Any, ic50: Any, hill: Any) -> Any:
    x = (c / ic50) ** hill
    return 100 * x / (1 + x)
