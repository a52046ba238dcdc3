"""A treatment protocol: a plan and the rules by which it is changed at visits.

At each visit every rule looks at one output, now or at its worst since the last dose (or visit, if that was earlier):

hold     no dose while it holds; it begins when the rule speaks and ends when the value is back at `resume`
adjust   later doses times `factor`, within [share_min, share_max] of the plan, once for each dose given; the first
         adjusting rule that speaks decides for a drug
stop     no further dose
rescue   `rescue` is given besides, from the visit on
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from twin_service.model.structure import PatientModel
from twin_service.outcome import Refusal, RefusalCode
from twin_service.scenario.bands import outputs_of
from twin_service.scenario.regimen import PlannedDoses, Regimen, route_for

VISITS_MAX = 500
Action = Literal["hold", "adjust", "stop", "rescue"]


@dataclass(frozen=True)
class Rule:
    """Beyond `threshold` of `output`, do `action` to `drugs` (empty: all of the plan).

    `relative`: output, threshold and resume are ratios to the member's own value at the start. `times_max` 0: no limit.
    """

    id: str
    output: str
    side: Literal["below", "above"]
    threshold: float
    action: Action
    look: Literal["now", "worst"] = "now"
    drugs: tuple[str, ...] = ()
    resume: float | None = None
    factor: float = 0.75
    share_min: float = 0.0
    share_max: float = 1.0
    rescue: PlannedDoses | None = None
    times_max: int = 0
    relative: bool = False


@dataclass(frozen=True)
class Protocol:
    """`plan` judged by `rules` every `visit_h`. A held dose is delayed and all later ones with it, or left out; one
    delayed by more than `delay_max_h` ends its drug."""

    plan: Regimen
    rules: tuple[Rule, ...]
    visit_h: float
    held: Literal["delayed", "omitted"] = "delayed"
    delay_max_h: float = np.inf

    def visits(self, horizon_h: float) -> list[float]:
        """Hours of the visits, from the start of the forecast and before its end."""
        return [k * self.visit_h for k in range(int(np.ceil(horizon_h / self.visit_h - 1e-9)))]


def check_protocol(model: PatientModel, protocol: Protocol, horizon_h: float) -> None:
    """Refuse, by name, what cannot be followed: an unknown output or drug, a rule without what its action needs, visits
    that do not meet the doses."""
    if not (np.isfinite(protocol.visit_h) and protocol.visit_h > 0):
        raise _refuse("the time between visits must be positive", "visit_interval")
    if horizon_h / protocol.visit_h > VISITS_MAX:
        raise _refuse(f"{horizon_h / protocol.visit_h:.0f} visits; at most {VISITS_MAX}", "visit_interval")
    ids = [r.id for r in protocol.rules]
    for i, rule in enumerate(protocol.rules):
        where = f"rules[{i}]"
        if rule.id in ids[:i]:
            raise _refuse(f"two rules are named {rule.id!r}", f"{where}.id")
        _check_rule(model, protocol, rule, where)
    for j, dose in enumerate(protocol.plan.doses):
        if protocol.held == "delayed":
            _check_steps(protocol, dose, f"plan.doses[{j}]")


def _check_rule(model: PatientModel, protocol: Protocol, rule: Rule, where: str) -> None:
    try:
        outputs_of(model, [rule.output])
    except Refusal as refusal:
        raise _refuse(f"rule {rule.id}: {refusal.message}", f"{where}.output") from None
    planned = {d.drug for d in protocol.plan.doses}
    unknown = [d for d in rule.drugs if d not in planned]
    if unknown:
        raise _refuse(
            f"rule {rule.id} acts on {', '.join(unknown)}, which the plan does not give; it gives "
            f"{', '.join(sorted(planned)) or 'nothing'}",
            f"{where}.drugs",
        )
    if not np.isfinite(rule.threshold):
        raise _refuse(f"rule {rule.id}: its threshold is not finite", f"{where}.threshold")
    if rule.action == "rescue":
        if rule.rescue is None:
            raise _refuse(f"rule {rule.id} gives a rescue and does not say which", f"{where}.rescue")
        route_for(model, rule.rescue.drug, rule.rescue.route)
    if rule.action == "adjust" and not (np.isfinite(rule.factor) and rule.factor >= 0):
        raise _refuse(f"rule {rule.id}: factor {rule.factor} is not a share", f"{where}.factor")
    if rule.action == "adjust" and rule.share_min > rule.share_max:
        raise _refuse(f"rule {rule.id}: share_min is above share_max", f"{where}.share_min")
    if rule.action == "hold" and rule.resume is not None:
        wrong = rule.resume < rule.threshold if rule.side == "below" else rule.resume > rule.threshold
        if wrong:
            raise _refuse(
                f"rule {rule.id} would go on at {rule.resume:g}, which is worse than where it begins, "
                f"{rule.threshold:g}",
                f"{where}.resume",
            )


def _check_steps(protocol: Protocol, dose: PlannedDoses, where: str) -> None:
    """A delayed dose is given at a visit, so each dose must be due at one."""
    for name, hours in (("delay", dose.delay_h), ("interval", dose.interval_h if dose.count > 1 else 0.0)):
        steps = hours / protocol.visit_h
        if abs(steps - round(steps)) > 1e-6:
            raise _refuse(
                f"{dose.drug}: {name} of {hours:g} h is no multiple of the {protocol.visit_h:g} h between "
                "visits, so a delayed dose would fall between two; shorten the visits or leave held doses "
                "out",
                f"{where}.{name}",
            )


def rules_on(rules: Sequence[Rule], drug: str, action: Action) -> list[int]:
    """Places of the rules of that action which act on `drug`."""
    return [i for i, r in enumerate(rules) if r.action == action and (not r.drugs or drug in r.drugs)]


def _refuse(message: str, field: str) -> Refusal:
    return Refusal(RefusalCode.INVALID, message, field=field, reason="BAD_PROTOCOL")
