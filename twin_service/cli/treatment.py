"""The protocol file of `twin treat`: treatment by rule of one patient, who is known as well as the readings allow.

model = "docetaxel+neutropenia_friberg"    library ids joined by '+', or your own population PK file
horizon_h = 3024.0
outputs = ["neutrophils"]                  what to plot
[covariates]                               age_y = 60.0
[visits]                                   every_h = 168.0, held = "delayed" or "omitted", delay_max_h = 504.0
[[plan]]                                   drug, route, dose_mg, every_h, count, over_h, delay_h, loading_mg
[[rule]]                                   id, output, below or above, do = "hold", "adjust", "stop" or "rescue",
                                           look = "now" or "worst", resume, factor, share_min, share_max, drugs,
                                           times_max, relative, [rule.rescue] like a plan
[[target]]                                 output, metric, low, high, from_h, to_h
[[reading]]                                analyte, value, time_h: what was measured before, in the model's unit
[[given]]                                  drug, route, dose_mg, over_h, time_h: what was given before
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from twin_service.cli.models import closed_model
from twin_service.library.files import parse_toml
from twin_service.outcome import Refusal, RefusalCode
from twin_service.record.events import MICROSECONDS_PER_HOUR, CovariateMeasured, DoseGiven, Event, LabMeasured
from twin_service.record.person import ModelChoice, Person, TwinName
from twin_service.record.timeline import Timeline
from twin_service.scenario.regimen import PlannedDoses, Regimen
from twin_service.scenario.target import Target
from twin_service.twin.categories import kind_of, observable_of
from twin_service.twin.fold import Folded, fold
from twin_service.twin.protocol import Protocol, Rule
from twin_service.twin.simulate import WhatIf
from twin_service.twin.treat import TreatedMembers
from twin_service.twin.treat import treat as run

NAME = TwinName("local", "protocol")
KNOWN = {
    "model",
    "horizon_h",
    "start_h",
    "members",
    "outputs",
    "covariates",
    "visits",
    "plan",
    "rule",
    "target",
    "reading",
    "given",
}
DOSE = {"drug", "route", "dose_mg", "every_h", "count", "over_h", "delay_h", "loading_mg"}
RULE = {
    "id",
    "output",
    "below",
    "above",
    "do",
    "look",
    "resume",
    "factor",
    "share_min",
    "share_max",
    "drugs",
    "times_max",
    "relative",
    "rescue",
}


@dataclass(frozen=True)
class ProtocolQuestion:
    """A protocol file, read."""

    twin: Folded
    protocol: Protocol
    targets: tuple[Target, ...]
    outputs: tuple[str, ...]
    start_h: float
    horizon_h: float
    members: int


def treated(question: ProtocolQuestion) -> tuple[TreatedMembers, WhatIf]:
    """The protocol and its plan without rules, in the same members."""
    (ruled,), (plain,) = run(
        question.twin,
        [question.protocol],
        [question.protocol.plan],
        start_h=question.start_h,
        horizon_h=question.horizon_h,
        targets=question.targets,
        outputs=question.outputs,
        members=question.members,
    )
    return ruled, plain


def read_protocol(path: Path) -> ProtocolQuestion:
    """The question in `path`; refuses what it cannot read, naming place and key."""
    table = parse_toml(path, "file")
    _only(table, KNOWN, path.name)
    for key in ("model", "horizon_h", "plan", "visits"):
        _need(table, key, path.name)
    twin = _twin(table)
    visits = table["visits"]
    _only(visits, {"every_h", "held", "delay_max_h"}, "visits")
    held = visits.get("held", "delayed")
    if held not in ("delayed", "omitted"):
        raise _refuse(f"held is {held!r}; expected delayed or omitted", "visits.held")
    plan = Regimen(path.stem, tuple(_doses(d, f"plan[{i}]") for i, d in enumerate(table["plan"])))
    rules = tuple(_rule(r, f"rule[{i}]") for i, r in enumerate(table.get("rule", ())))
    protocol = Protocol(
        plan, rules, float(_need(visits, "every_h", "visits")), held, float(visits.get("delay_max_h", np.inf))
    )
    last = max([0.0, *(float(e["time_h"]) for k in ("reading", "given") for e in table.get(k, ()))])
    return ProtocolQuestion(
        twin,
        protocol,
        tuple(Target(**t) for t in table.get("target", ())),
        tuple(table.get("outputs", ())),
        float(table.get("start_h", last)),
        float(table["horizon_h"]),
        int(table.get("members", 256)),
    )


def lines(ruled: TreatedMembers, plain: WhatIf) -> list[str]:
    """What a person reads: endpoints with and without the rules, what was given, which rules acted."""
    found = [f"{'':48s} {'plan':>8s} {'by rule':>8s}"]
    for a, b in zip(plain.endpoints, ruled.what_if.endpoints, strict=True):
        found.append(f"{a.endpoint.title[:48]:48s} {a.probability:8.1%} {b.probability:8.1%}")
    for x, y in zip(plain.targets, ruled.what_if.targets, strict=True):
        found.append(f"{x.target.label[:48]:48s} {x.probability:8.1%} {y.probability:8.1%}")
    f = ruled.followed
    for drug, share in ruled.intensity.items():
        q = np.quantile(share, (0.05, 0.5, 0.95))
        found.append(f"relative dose intensity of {drug}: median {q[1]:.2f} (90 % {q[0]:.2f} to {q[2]:.2f})")
    shares = [float(np.mean(x)) for x in (f.holds > 0, f.adjustments > 0, f.rescues > 0, np.isfinite(f.stopped_h))]
    found.append("members held {:.0%}, adjusted {:.0%}, rescued {:.0%}, stopped {:.0%}".format(*shares))
    return found + [
        f"rule {r.id}: acted in {np.mean(f.acted[:, i] > 0):.0%}, {np.mean(f.acted[:, i]):.2f} times"
        for i, r in enumerate(ruled.protocol.rules)
    ]


def figures_of(ruled: TreatedMembers, plain: WhatIf) -> dict[str, float]:
    """Flat numbers: `treat.plan.*` without rules, `treat.ruled.*` with them."""
    f = ruled.followed
    found = {
        "treat.members": float(len(f.holds)),
        "treat.held_share": float(np.mean(f.holds > 0)),
        "treat.adjusted_share": float(np.mean(f.adjustments > 0)),
        "treat.rescued_share": float(np.mean(f.rescues > 0)),
        "treat.stopped_share": float(np.mean(np.isfinite(f.stopped_h))),
    }
    found |= {f"treat.intensity.{d}": float(np.median(v)) for d, v in ruled.intensity.items()}
    for name, w in (("plan", plain), ("ruled", ruled.what_if)):
        found |= {f"treat.{name}.{r.endpoint.id}": r.probability for r in w.endpoints}
        found |= {f"treat.{name}.{a.target.label}": a.probability for a in w.targets}
    return found


def told(ruled: TreatedMembers) -> dict[str, object]:
    """What each member was given, and each rule's use, for the JSON file."""
    f = ruled.followed
    members = [
        {
            "intensity": {d: float(v[i]) for d, v in ruled.intensity.items()},
            "given_mg": {d: float(v[i]) for d, v in f.given_mg.items()},
            "rescue_mg": {d: float(v[i]) for d, v in f.rescue_mg.items()},
            "holds": int(f.holds[i]),
            "adjustments": int(f.adjustments[i]),
            "rescues": int(f.rescues[i]),
            "stopped_h": None if np.isnan(f.stopped_h[i]) else float(f.stopped_h[i]),
        }
        for i in range(len(f.holds))
    ]
    rules = {r.id: float(np.mean(f.acted[:, i] > 0)) for i, r in enumerate(ruled.protocol.rules)}
    return {"members": members, "rules": rules, "outcome": str(ruled.what_if.outcome)}


def _twin(table: Mapping[str, Any]) -> Folded:
    model = closed_model(str(table["model"]))
    units = {c.name: c.unit for c in model.covariates}
    events = []
    for name, value in table.get("covariates", {}).items():
        if name not in units:
            raise _refuse(f"{model.id} does not use {name}; it uses {', '.join(units) or 'none'}", f"covariates.{name}")
        events.append(Event(name, 0, CovariateMeasured(name, float(value), units[name], float(value), units[name])))
    for i, r in enumerate(table.get("reading", ())):
        if not kind_of(model, r["analyte"]):
            raise _refuse(f"no part of {model.id} predicts {r['analyte']!r}", f"reading[{i}].analyte")
        unit, value = observable_of(model, r["analyte"]).unit, float(r["value"])
        events.append(Event(f"r{i}", _at(r), LabMeasured(r["analyte"], value, unit, value, unit)))
    for i, g in enumerate(table.get("given", ())):
        over = float(g.get("over_h", 0.0))
        events.append(Event(f"g{i}", _at(g), DoseGiven(g["drug"], float(g["dose_mg"]), g["route"], over)))
    return fold(model, Person(NAME, ModelChoice(poppk=model.id), 0), Timeline.of(events))


def _at(row: Mapping[str, Any]) -> int:
    return round(float(row["time_h"]) * MICROSECONDS_PER_HOUR)


def _doses(d: Mapping[str, Any], where: str) -> PlannedDoses:
    _only(d, DOSE, where)
    for key in ("drug", "route", "dose_mg"):
        _need(d, key, where)
    every, over, delay, loading = (float(d.get(k, 0.0)) for k in ("every_h", "over_h", "delay_h", "loading_mg"))
    return PlannedDoses(d["drug"], d["route"], float(d["dose_mg"]), every, int(d.get("count", 1)), over, delay, loading)


def _rule(r: Mapping[str, Any], where: str) -> Rule:
    _only(r, RULE, where)
    for key in ("id", "output", "do"):
        _need(r, key, where)
    if ("below" in r) == ("above" in r):
        raise _refuse("give either below or above", where)
    side: Literal["below", "above"] = "below" if "below" in r else "above"
    if r["do"] not in ("hold", "adjust", "stop", "rescue"):
        raise _refuse(f"{r['do']!r} is no action; expected hold, adjust, stop or rescue", f"{where}.do")
    factor = float(r.get("factor", 0.75))
    return Rule(
        r["id"],
        r["output"],
        side,
        float(r[side]),
        r["do"],
        r.get("look", "now"),
        tuple(r.get("drugs", ())),
        float(r["resume"]) if "resume" in r else None,
        factor,
        float(r.get("share_min", 0.0)),
        float(r.get("share_max", 1.0 if factor <= 1 else np.inf)),
        _doses(r["rescue"], f"{where}.rescue") if "rescue" in r else None,
        int(r.get("times_max", 0)),
        bool(r.get("relative", False)),
    )


def _only(table: Mapping[str, Any], known: set[str], where: str) -> None:
    extra = sorted(set(table) - known)
    if extra:
        raise _refuse(f"{where}: {', '.join(extra)} is unknown; known: {', '.join(sorted(known))}", where)


def _need(table: Mapping[str, Any], key: str, where: str) -> Any:
    if key not in table:
        raise _refuse(f"{where}: {key} is missing", f"{where}.{key}")
    return table[key]


def _refuse(message: str, field: str) -> Refusal:
    return Refusal(RefusalCode.INVALID, message, field=field, reason="BAD_PROTOCOL_FILE")
