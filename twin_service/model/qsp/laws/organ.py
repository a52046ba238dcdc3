"""Organs: liver injury by acetaminophen, its whole-body kinetics, bone turnover, and a generic image measurement."""

from __future__ import annotations

from typing import Any

from twin_service.model.qsp.law import Equations, Names, law


@law(
    "acetaminophen_liver",
    states={"drug": "fmol", "napqi": "fmol", "gsh": "fmol", "sulfate": "fmol", "adducts": "fmol"},
    parameters={
        "dose": "fmol",
        "oxidation": "1/h",
        "reduction": "1/h",
        "glucuronidation": "1/h",
        "sulfation": "1/fmol/h",
        "adduction": "1/h",
        "conjugation": "1/fmol/h",
        "gsh_loss": "1/h",
        "gsh_synthesis": "fmol/h",
        "sulfate_loss": "1/h",
        "sulfate_synthesis": "fmol/h",
    },
    outputs={"gsh_share": "1", "adducts": "fmol", "drug": "fmol"},
    inputs={"uptake": ("drug", "fmol")},
    smallest={"napqi": 1e-12, "gsh": 1e-10, "adducts": 1e-10},
)
def acetaminophen_liver(y: Names, p: Names, u: Names, t: Any) -> Equations:
    """A hepatocyte that oxidizes acetaminophen; glutathione protects until it is used up.

    P' = -k450 P + kN N - kG P - kS P S;   N' = k450 P - kN N - kPSH N - kGSH N G
    G' = bG - dG G - kGSH N G;   S' = bS - dS S - kS P S;   adducts' = kPSH N

    P, N, G, S   acetaminophen, NAPQI, glutathione, sulfate per cell   fmol
    Reddyhoff 2015, PMID 26348886
    """
    bound = p.conjugation * y.napqi * y.gsh
    sulfated = p.sulfation * y.drug * y.sulfate
    adduct = p.adduction * y.napqi
    oxidized, reduced = p.oxidation * y.drug, p.reduction * y.napqi
    gsh0 = p.gsh_synthesis / p.gsh_loss
    return Equations(
        rates={
            "drug": reduced - oxidized - p.glucuronidation * y.drug - sulfated,
            "napqi": oxidized - reduced - adduct - bound,
            "gsh": p.gsh_synthesis - p.gsh_loss * y.gsh - bound,
            "sulfate": p.sulfate_synthesis - p.sulfate_loss * y.sulfate - sulfated,
            "adducts": adduct,
        },
        initial={
            "drug": p.dose,
            "napqi": 0.0,
            "gsh": gsh0,
            "sulfate": p.sulfate_synthesis / p.sulfate_loss,
            "adducts": 0.0,
        },
        outputs={"gsh_share": y.gsh / gsh0, "adducts": y.adducts, "drug": y.drug},
    )


_TISSUES = ("arterial", "gut", "lung", "venous", "rest", "liver", "kidney")


@law(
    "acetaminophen_pbpk",
    states={"lumen": "mmol"} | dict.fromkeys(_TISSUES, "mmol") | {"metabolized": "mmol", "urine": "mmol"},
    parameters={
        "absorption": "1/h",
        "clearance": "1/h",
        "unbound": "1",
        "blood_plasma": "1",
        "kp_liver": "1",
        "kp_kidney": "1",
        "kp_rest": "1",
        "flow_reference": "L/{kg}/h",
        "filtration_reference": "L/{kg}/h",
        "water": "L/{kg}",
        "share_gut_flow": "1",
        "share_liver_flow": "1",
        "share_kidney_flow": "1",
        "share_arterial": "1",
        "share_lung": "1",
        "share_venous": "1",
        "share_gut": "1",
        "share_liver": "1",
        "share_kidney": "1",
    },
    outputs={"venous": "mmol/L", "liver": "mmol/L", "metabolized": "mmol", "urine": "mmol"},
    inputs={"oral": ("lumen", "mmol")},
    covariates={"weight_kg": "kg"},
)
def acetaminophen_pbpk(y: Names, p: Names, u: Names, t: Any) -> Equations:
    """Whole-body kinetics of oral acetaminophen with the equations of the source.

    A' = Q (arterial - A/V bp/(Kp fu)) in a tissue;   metabolism = CL A/(Kp fu) in the liver
    filtration = GFR A/(V Kp) in the kidney

    A, V   amount, volume of a compartment   mmol, L
    Flows scale with weight^0.75, volumes with weight.
    Sluka 2016, PMID 27636091
    """
    flow = p.flow_reference * p.weight_kg**0.75
    gfr = p.filtration_reference * p.weight_kg**0.75
    total = p.water * p.weight_kg
    qg, ql, qk = flow * p.share_gut_flow, flow * p.share_liver_flow, flow * p.share_kidney_flow
    qr = flow - qg - ql - qk
    v = {n: total * getattr(p, f"share_{n}") for n in ("arterial", "lung", "venous", "gut", "liver", "kidney")}
    v["rest"] = total - sum(v.values())
    arterial = y.arterial / v["arterial"]
    leave = p.blood_plasma / p.unbound
    from_rest = qr * y.rest / v["rest"] * leave / p.kp_rest
    from_liver = (ql + qg) * y.liver / v["liver"] * leave / p.kp_liver
    from_kidney = qk * y.kidney / v["kidney"] * leave / p.kp_kidney
    from_gut, lung, venous = qg * y.gut / v["gut"], flow * y.lung / v["lung"], flow * y.venous / v["venous"]
    metabolism = p.clearance * y.liver / (p.kp_liver * p.unbound)
    urine = gfr * y.kidney / v["kidney"] / p.kp_kidney
    return Equations(
        rates={
            "lumen": -p.absorption * y.lumen,
            "arterial": lung - (qg + qr + ql + qk) * arterial,
            "gut": p.absorption * y.lumen + qg * arterial - from_gut,
            "lung": venous - lung,
            "venous": from_rest + from_liver + from_kidney - venous,
            "rest": qr * arterial - from_rest,
            "liver": ql * arterial + from_gut - from_liver - metabolism,
            "kidney": qk * arterial - from_kidney - urine,
            "metabolized": metabolism,
            "urine": urine,
        },
        initial=dict.fromkeys(("lumen", *_TISSUES, "metabolized", "urine"), 0.0),
        outputs={
            "venous": y.venous / v["venous"],
            "liver": y.liver / v["liver"],
            "metabolized": y.metabolized,
            "urine": y.urine,
        },
    )


@law(
    "bone_remodeling",
    states={"responding": "pmol/L", "osteoblasts": "pmol/L", "osteoclasts": "pmol/L"},
    parameters={
        "cs": "pmol/L",
        "osteoclast_death": "1/h",
        "responding_loss": "1/h",
        "osteoclast_birth": "pmol/L/h",
        "responding_birth": "pmol/L/h",
        "basal": "1",
        "rankl": "pmol/L",
        "k1": "L/pmol/h",
        "k2": "1/h",
        "k3": "L/pmol/h",
        "k4": "1/h",
        "k5": "L/pmol/h",
        "k6": "1/h",
        "osteoblast_loss": "1/h",
        "rankl_per_cell": "1",
        "opg_loss": "1/h",
        "opg_per_cell": "1/h",
        "pth_loss": "1/h",
        "rankl_scale": "pmol/L/h",
        "pth_synthesis": "pmol/L/h",
        "r_start": "pmol/L",
        "b_start": "pmol/L",
        "c_start": "pmol/L",
    },
    ports={"pth_rate": "pmol/L/h", "opg_rate": "pmol/L/h", "rankl_rate": "pmol/L/h"},
    outputs={"responding": "pmol/L", "osteoblasts": "pmol/L", "osteoclasts": "pmol/L"},
    smallest=dict.fromkeys(("responding", "osteoblasts", "osteoclasts"), 1e-12),
)
def bone_remodeling(y: Names, p: Names, u: Names, t: Any) -> Equations:
    """Osteoblasts and osteoclasts coupled by RANK, RANKL, OPG and TGF-beta.

    R' = DR pC - DB R/pC;   B' = DB R/pC - kB B;   C' = DC pL - DA pC C
    pC = (C + f0 Cs)/(C + Cs);   pP = (IP/kP + SP/kP)/(IP/kP + k6/k5)
    pL = (k3/k4) KL pP B (1 + IL/rL)/(1 + k3 K/k4 + k1/(k2 kO)(IO + KO R/pP))

    R, B, C      responding osteoblasts, active osteoblasts, osteoclasts   pmol/L
    IP, IO, IL   rates of PTH, OPG and RANKL given                         pmol/L/h
    Lemaire 2004, PMID 15234198
    """
    pi_c = (y.osteoclasts + p.basal * p.cs) / (y.osteoclasts + p.cs)
    pth = u.pth_rate / p.pth_loss
    pi_p = (pth + p.pth_synthesis / p.pth_loss) / (pth + p.k6 / p.k5)
    opg = p.k1 / (p.k2 * p.opg_loss) * (u.opg_rate + p.opg_per_cell * y.responding / pi_p)
    pi_l = p.k3 / p.k4 * p.rankl_per_cell * pi_p * y.osteoblasts * (1 + u.rankl_rate / p.rankl_scale)
    pi_l = pi_l / (1 + p.k3 * p.rankl / p.k4 + opg)
    maturing = p.basal * p.responding_loss * y.responding / pi_c
    return Equations(
        rates={
            "responding": p.responding_birth * pi_c - maturing,
            "osteoblasts": maturing - p.osteoblast_loss * y.osteoblasts,
            "osteoclasts": p.osteoclast_birth * pi_l - p.osteoclast_death * pi_c * y.osteoclasts,
        },
        initial={"responding": p.r_start, "osteoblasts": p.b_start, "osteoclasts": p.c_start},
        outputs={"responding": y.responding, "osteoblasts": y.osteoblasts, "osteoclasts": y.osteoclasts},
    )


def _scalar(y: Names, p: Names) -> Equations:
    return Equations(
        {"value": p.rate * y.value},
        {"value": p.baseline},
        {"value": y.value, "relative": y.value / p.baseline, "change": y.value - p.baseline},
    )


@law(
    "image_percent",
    states={"value": "%"},
    parameters={"baseline": "%", "rate": "1/h"},
    outputs={"value": "%", "relative": "1", "change": "%"},
)
def image_percent(y: Names, p: Names, u: Names, t: Any) -> Equations:
    """One number from an image, in percent, that changes at a constant relative rate: x' = r x.

    x   the measurement (an ejection fraction)   %
    """
    return _scalar(y, p)


@law(
    "image_volume",
    states={"value": "mL"},
    parameters={"baseline": "mL", "rate": "1/h"},
    outputs={"value": "mL", "relative": "1", "change": "mL"},
)
def image_volume(y: Names, p: Names, u: Names, t: Any) -> Equations:
    """One volume from an image that changes at a constant relative rate: x' = r x.

    x   the volume (a hippocampus)   mL
    """
    return _scalar(y, p)
