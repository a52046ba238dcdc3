"""Reference answers of the trial floor, recomputed: each case is what we get beside what others published or computed.

Tolerances are the printed precision of the source, or what its own approximation allows, said beside each.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from twin_service.trial.borrow.borrowing import BetaMixture, map_prior, probability_above, success_probability
from twin_service.trial.borrow.gaussian import (
    NormalMixture,
    Rates,
    commensurate_ratio,
    normal_map,
    normal_success,
    power_prior_ratio,
)
from twin_service.trial.external.matching import nearest_pairs
from twin_service.trial.external.propensity import effective_sample_size, propensity, weights
from twin_service.trial.external.sensitivity import Measure, e_value
from twin_service.trial.interim.bop2 import bop2
from twin_service.trial.interim.futility import crossings, with_futility
from twin_service.trial.interim.group_sequential import (
    GroupSequentialDesign,
    haybittle_peto,
    hwang_shih_decani,
    inflation,
    obrien_fleming,
    pocock,
    power_family,
    shaped_design,
    spending_design,
)
from twin_service.trial.interim.single_arm import predictive_probability, simon_designs
from twin_service.trial.survival.cox import cox
from twin_service.trial.survival.curves import kaplan_meier, log_rank


class ReferenceCase(NamedTuple):
    """`got` against `wanted`, both numbers; passes within `tolerance` (absolute)."""

    name: str
    got: float
    wanted: float
    tolerance: float

    @property
    def passed(self) -> bool:
        return bool(abs(self.got - self.wanted) <= self.tolerance)


def design_cases(folder: Path) -> Iterator[ReferenceCase]:
    """Group-sequential boundaries and inflation (rpact), EAST, Simon, predictive probability, BOP2."""
    for i, c in enumerate(_json(folder / "interim" / "group_sequential_boundaries.json")["cases"]):
        design = _design(c)
        # "Inf": nothing is spent at this look, and no boundary is drawn.
        finite = [k for k, z in enumerate(c["z_crit"]) if not isinstance(z, str)]
        gap = float(np.max(np.abs(design.upper[finite] - np.array([c["z_crit"][k] for k in finite]))))
        # rpact prints Pocock and O'Brien-Fleming constants from a search that stops at 1e-6 of alpha.
        yield ReferenceCase(f"boundary {i} {c['type']} k={c['kMax']}", gap, 0.0, 2e-5)
    for i, c in enumerate(_json(folder / "interim" / "group_sequential_inflation.json")["cases"]):
        t = np.arange(1, c["kMax"] + 1) / c["kMax"]
        design = shaped_design(list(t), delta={"P": 0.5, "OF": 0.0}[c["type"]])
        yield ReferenceCase(f"inflation {i}", inflation(design, 1 - c["beta"]), c["inflation"], 1e-4)
    found = spending_design([0.5, 0.75, 1.0], obrien_fleming)
    for k, z in enumerate((2.963, 2.359, 2.014)):
        yield ReferenceCase(f"OBF spending look {k + 1}", float(found.upper[k]), z, 6e-4)
    yield from _east(folder)
    for i, c in enumerate(_json(folder / "interim" / "simon_two_stage.json")["cases"]):
        both = simon_designs(c["p0"], c["p1"], alpha=c["alpha"], power=1 - c["beta"])
        for kind in ("optimal", "minimax"):
            ours, theirs = getattr(both, kind), c[kind]
            same = (ours.r1, ours.n1, ours.r, ours.n) == tuple(theirs[k] for k in ("r1", "n1", "r", "n"))
            yield ReferenceCase(f"Simon {i} {kind}", float(same), 1.0, 0.0)
    yield from _predictive(folder)
    for i, c in enumerate(_json(folder / "interim" / "bop2_computed.json")["cases"]):
        b = bop2(c["looks"], p0=c["p0"], p1=c["p1"], alpha=c["alpha"])
        yield ReferenceCase(f"BOP2 {i} boundary", float(list(b.boundary) == list(c["bound"].values())), 1.0, 0.0)
        yield ReferenceCase(f"BOP2 {i} power", b.power, c["power"], 1e-9)


def _design(c: dict[str, Any]) -> GroupSequentialDesign:
    t, alpha = [*c["info_rates"][:-1], 1.0], c["alpha_one_sided"]
    kind = c["type"]
    if kind in ("P", "OF", "WT"):
        return shaped_design(t, delta={"P": 0.5, "OF": 0.0}.get(kind, c.get("deltaWT", 0.0)), alpha=alpha)
    if kind == "HP":
        return haybittle_peto(t, alpha=alpha)
    table = {"asOF": obrien_fleming, "asP": pocock}
    if kind in table:
        return spending_design(t, table[kind], alpha=alpha)
    chosen = hwang_shih_decani(c["gamma"]) if kind == "asHSD" else power_family(c["rho"])
    return spending_design(t, chosen, alpha=alpha)


def _east(folder: Path) -> Iterator[ReferenceCase]:
    e = _json(folder / "interim" / "east_group_sequential.json")["pfs_design"]
    design = spending_design([176 / 235, 1.0], obrien_fleming, alpha=e["alpha_one_sided"])
    bounds = with_futility(design, hwang_shih_decani(-10), power=e["power"])
    found = crossings(bounds, bounds.drift)
    yield ReferenceCase("EAST efficacy z", float(bounds.upper[0]), -e["ia"]["z_eff"], 1e-6)
    yield ReferenceCase("EAST final z", float(bounds.upper[1]), -e["fa"]["z_eff"], 1e-6)
    yield ReferenceCase("EAST futility z", float(bounds.lower[0]), -e["ia"]["z_fut"], 1e-4)
    yield ReferenceCase("EAST P efficacy H1", float(found.above[0]), e["ia"]["cross_eff_H1"], 1e-5)
    yield ReferenceCase("EAST P futility H1", float(found.below[0]), e["ia"]["cross_fut_H1"], 1e-5)
    yield ReferenceCase("EAST power", float(found.above.sum()), e["power"], 1e-5)


def _predictive(folder: Path) -> Iterator[ReferenceCase]:
    d = _json(folder / "interim" / "predictive_probability.json")
    pp = predictive_probability(16, 23, 40, p0=0.6, threshold=0.9, prior=(0.6, 0.4))
    yield ReferenceCase("Lee & Liu PP", pp, d["pp"], 1e-9)
    other = predictive_probability(16, 23, 40, p0=0.5, threshold=0.9, prior=(1, 1))
    yield ReferenceCase("ph2bye PP", other, d["ph2bye_example"]["documented"], 1e-7)


def borrowing_cases(folder: Path) -> Iterator[ReferenceCase]:
    """MAP priors (exact quadrature), mixtures and operating characteristics (RBesT), published tables, psborrow2."""
    for i, c in enumerate(_json(folder / "sca" / "map_prior_exact.json")["cases"]):
        table = pd.read_csv(folder / "sca" / c["data"])
        wanted = c["map"]
        if "y" in table:
            prior = normal_map(table["y"], 88 / np.sqrt(table["n"].to_numpy()), tau_scale=44, mean_scale=88).prior
            # Their grid of tau ends earlier: the SD is 0.3 % smaller.
            yield ReferenceCase(f"MAP {i} mean", prior.mean, wanted["mean"], 0.02)
            yield ReferenceCase(f"MAP {i} sd", prior.sd, wanted["sd"], 0.08)
            continue
        scale = 0.5 if "HalfNormal(0.5)" in c["model"] else 1.0
        found = map_prior(table["r"].tolist(), table["n"].tolist(), tau_scale=scale)
        yield ReferenceCase(f"MAP {i} mean", found.mean, wanted["mean"], 2e-3)
        yield ReferenceCase(f"MAP {i} sd", found.sd, wanted["sd"], 2e-3)
        yield ReferenceCase(f"MAP {i} tau", found.tau, c["tau"]["mean"], 5e-3)
    yield from _mixtures(_json(folder / "sca" / "rbest_reference.json"))
    yield from _published(_json(folder / "sca" / "published_bayes_tables.json"))
    yield from _psborrow(_json(folder / "sca" / "psborrow2_reference.json"))


def _mixtures(d: dict[str, Any]) -> Iterator[ReferenceCase]:
    for m in d["beta_mixtures"]:
        mix = BetaMixture.create([tuple(v) for v in m["comps"].values()])
        yield ReferenceCase(f"mean {m['name']}", mix.mean, m["mean"], 1e-7)
        yield ReferenceCase(f"sd {m['name']}", mix.sd, m["sd"], 1e-7)
        yield ReferenceCase(f"ELIR {m['name']}", mix.patients_by_information, m["ess_elir"], 2e-3)
        yield ReferenceCase(f"moment ESS {m['name']}", mix.patients_by_moments, m["ess_moment"], 1e-4)
        for share, q in zip((0.025, 0.5, 0.975), m["q"], strict=True):
            # Their quantiles come from a root finder that stops at 1.2e-4 (R's uniroot): compared as probabilities.
            yield ReferenceCase(f"P(q{share}) {m['name']}", float(mix.cdf(q)), share, 2e-4)
    map2 = BetaMixture.create([(0.6, 18, 54), (0.4, 3.5, 9.5)])
    priors = {"map2": map2, "rob20": map2.robust(0.2)}
    for u in d["posterior_updates"]:
        post = priors[u["prior"]].updated(u["r"], u["n"])
        yield ReferenceCase(f"posterior {u['prior']} {u['r']}/{u['n']} mean", post.mean, u["mean"], 1e-7)
        yield ReferenceCase(
            f"posterior {u['prior']} {u['r']}/{u['n']} P", 1 - float(post.cdf(0.3)), u["p_gt_0.3"], 1e-7
        )
    flat, lancet = BetaMixture.create([(1, 1, 1)]), BetaMixture.create([(1, 11, 32)])
    controls = {"uniform": flat, "lancet": lancet, "map2": map2, "map2_rob20": map2.robust(0.2)}
    treated = BetaMixture.create([(1, 0.5, 1)])
    for o in d["two_sample_oc"]:
        for rate, wanted in zip(o["theta"], o["type1"], strict=True):
            args = (treated, controls[o["prior_control"]], (o["n1"], o["n2"]), (rate, rate))
            yield ReferenceCase(f"OC {o['prior_control']} {rate}", success_probability(*args), wanted, 1e-6)
    post = treated.updated(15, 24)
    for row, prior in zip(d["posterior_difference"], (flat, lancet), strict=True):
        yield ReferenceCase(
            f"P diff {row['control']}", probability_above(post, prior.updated(1, 6)), row["prob_diff_gt0"], 1e-6
        )
    q = NormalMixture.create([(0.5, 0, 2), (0.5, 3, 4)]).updated(2, 10 / np.sqrt(20))
    yield ReferenceCase("normal mixture mean", q.mean, 1.48783909, 1e-7)
    yield ReferenceCase("normal mixture sd", q.sd, 1.83745356, 1e-7)


def _published(d: dict[str, Any]) -> Iterator[ReferenceCase]:
    g = d["gsponer2014_table1"]
    control = NormalMixture.create([(1, 49, 88 / np.sqrt(20))])
    treated = NormalMixture.create([(1, 0, 88 / np.sqrt(0.001))])
    for delta, wanted in zip(g["delta"], g["success_pct"], strict=True):
        got = normal_success(
            treated, control, patients=(20, 10), sigma=88, truth=(49 + delta, 49), rules=[(0, 0.95), (50, 0.5)]
        )
        # Two decimals of a simulation; the source's own tests allow two points.
        yield ReferenceCase(f"Gsponer {delta}", 100 * got, wanted, 1.0)
    s = d["schmidli2014_table2"]
    flat = BetaMixture.create([(1, 1, 1)])
    for name, prior in (("beta_4_16", BetaMixture.create([(1, 4, 16)])), ("unif", flat)):
        for rate, wanted in zip(s["pc"], s[name]["type1_pct"], strict=True):
            sizes = (s["N_treat"], s[name]["n_control"])
            got = success_probability(flat, prior, sizes, (rate, rate), threshold=0.975)
            yield ReferenceCase(f"Schmidli {name} {rate}", 100 * got, wanted, 2.5)


def _psborrow(d: dict[str, Any]) -> Iterator[ReferenceCase]:
    n = d["counts"]
    rates = Rates(*((n[k]["events"], n[k]["time"]) for k in ("(0, 1)", "(0, 0)", "(1, 0)")))
    for power, wanted in d["fixed_power_prior_closed_form"].items():
        found = power_prior_ratio(rates, float(power))
        yield ReferenceCase(f"power prior {power} HR", found.median, wanted["HR"], 1e-9)
        yield ReferenceCase(
            f"power prior {power} events", found.effective_events, wanted["control_events_effective"], 1e-9
        )
    bdb = d["published_vignette"]["BDB_commensurate_exponential"]
    found = commensurate_ratio(rates)
    # Two decimals of an MCMC run.
    yield ReferenceCase("commensurate HR median", found.median, bdb["HR_median"], 0.01)
    yield ReferenceCase("commensurate HR mean", found.mean, bdb["HR_mean"], 0.01)
    yield ReferenceCase("commensurate HR sd", found.sd, bdb["HR_sd"], 0.01)


def comparison_cases(folder: Path) -> Iterator[ReferenceCase]:
    """E-values, Lalonde, and survival (R)."""
    kinds: dict[str, Measure] = {
        "RR": "risk_ratio",
        "HR common outcome": "hazard_ratio",
        "OR common outcome": "odds_ratio",
        "standardised mean difference": "standardized_difference",
    }
    for i, c in enumerate(_json(folder / "sca" / "evalues.json")["cases"]):
        found = e_value(c["est"], c.get("lo"), c.get("hi"), measure=kinds[c["measure"]])
        yield ReferenceCase(f"E-value {i}", found.point, c["evalue_point"], 1e-9)
        if "evalue_ci" in c:
            yield ReferenceCase(f"E-value {i} interval", found.interval, c["evalue_ci"], 1e-9)
    yield from _lalonde(folder)
    yield from _survival(folder)


def _lalonde(folder: Path) -> Iterator[ReferenceCase]:
    ref = _json(folder / "sca" / "lalonde_propensity_reference.json")
    d = pd.read_csv(folder / "patient" / "lalonde_matchit.csv.gz")
    race = [d["race"] == "hispan", d["race"] == "white"]
    x = np.column_stack([d["age"], d["educ"], *race, d["married"], d["nodegree"], d["re74"], d["re75"]]).astype(float)
    y, t = d["re78"].to_numpy(dtype=float), d["treat"].to_numpy(dtype=float)
    fit = propensity(t, x)
    for name, got in zip(ref["ps_coef"], fit.coefficients, strict=True):
        yield ReferenceCase(f"Lalonde {name}", float(got), ref["ps_coef"][name], 1e-7)
    for estimand, key in (("ATT", "att_ipw_hajek"), ("ATE", "ate_ipw_hajek"), ("ATO", "ato_overlap")):
        w = weights(fit, estimand)  # type: ignore[arg-type]
        got = np.average(y[t == 1], weights=w[t == 1]) - np.average(y[t == 0], weights=w[t == 0])
        yield ReferenceCase(f"Lalonde {estimand}", float(got), ref[key], 1e-3)
    yield ReferenceCase("Lalonde ESS", effective_sample_size(weights(fit, "ATT")[t == 0]), ref["ess_control_att"], 1e-5)
    pairs = nearest_pairs(fit)
    att = float(np.mean(y[pairs.treated] - y[pairs.control]))
    yield ReferenceCase("Lalonde matching", att, ref["att_nearest_1to1_greedy_desc_ps"], 1e-6)
    near = nearest_pairs(fit, 0.2)
    wanted = ref["att_nearest_caliper0.2sd_ps"]
    yield ReferenceCase("Lalonde caliper pairs", float(len(near.treated)), wanted["n"], 0.0)
    yield ReferenceCase("Lalonde caliper ATT", float(np.mean(y[near.treated] - y[near.control])), wanted["att"], 1e-6)


def _survival(folder: Path) -> Iterator[ReferenceCase]:
    ref, patient = _json(folder / "sca" / "survival_external_control_reference.json"), folder / "patient"
    gbsg, lung = pd.read_csv(patient / "gbsg.csv.gz"), pd.read_csv(patient / "lung.csv.gz")
    veteran, pbc = pd.read_csv(patient / "veteran.csv.gz"), pd.read_csv(patient / "pbc.csv.gz")
    trial = pbc[pbc["trt"].notna()]
    fits = {
        "gbsg_hormon_cox": cox(gbsg["rfstime"], gbsg["status"], gbsg["hormon"]),
        "lung_sex_cox": cox(lung["time"], lung["status"] - 1, lung["sex"]),
        "veteran_trt_cox": cox(veteran["time"], veteran["status"], veteran["trt"]),
        "pbc_rct_death_cox_trt1_vs2": cox(trial["time"], (trial["status"] == 2) * 1, (trial["trt"] == 1) * 1),
    }
    for name, fit in fits.items():
        yield ReferenceCase(f"{name} coef", float(fit.beta[0]), ref[name]["coef"], 1e-6)
        yield ReferenceCase(f"{name} se", float(np.sqrt(fit.cov[0, 0])), ref[name]["se"], 1e-6)
    test = log_rank(trial["time"], (trial["status"] == 2) * 1, trial["trt"])
    yield ReferenceCase("PBC log-rank", test.statistic, ref["pbc_logrank"]["chisq"], 1e-6)
    used = pbc[["time", "status", "age", "edema", "bili", "protime", "albumin"]].dropna()
    logs = [np.log(used[c]) for c in ("bili", "protime", "albumin")]
    mayo = cox(used["time"], (used["status"] == 2) * 1, np.column_stack([used["age"], used["edema"], *logs]))
    for name, got in zip(ref["mayo_model_pbc418"], mayo.beta, strict=True):
        yield ReferenceCase(f"Mayo {name}", float(got), ref["mayo_model_pbc418"][name], 1e-6)
    tte = pd.read_csv(folder / "cdisc_pilot" / "adam_adtte.csv.gz")
    event = (tte["CNSR"] == 0).to_numpy() * 1
    test = log_rank(tte["AVAL"], event, tte["TRTP"])
    yield ReferenceCase("CDISC log-rank", test.statistic, ref["cdisc_tte_logrank"]["chisq"], 1e-6)
    high = (tte["TRTP"] == "Xanomeline High Dose").to_numpy()
    yield ReferenceCase("CDISC median, high", kaplan_meier(tte["AVAL"][high], event[high]).median, 36.0, 0.0)


def _json(path: Path) -> Any:
    return json.loads(path.read_text())
