"""The plan file of `twin escalate`: the design, how the trial is run, and the scenarios to try it on.

title = "..."   doses = [10, 25, 50]   unit = "mg"   target = 0.3   start = 1
[[design]]      kind = "blrm"   reference, mean, cov, cuts, overdose_max, step_max, enough, confident
                  [[design.co_data]] doses, patients, toxicities;  [design.between] tau_median, tau_spread, robust
                kind = "crm"    skeleton (or halfwidth and guess), sd, intercept, skip, coherent, safety, rolling
                kind = "boin"   elimination, enough, rolling        kind = "3+3"  deescalate
[conduct]       cohort, cohorts, window_days, per_week, dropout, late ("count" or "report")
[conduct.backfill] per_dose, rate_max
[[scenario]]    name, risks; or [scenario.mechanism] drug, endpoint, route, every_h, count, over_h, patients
[constraints]   patients_max, overdosing_max

The first design runs the trial; all are compared.
"""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from pydantic import Field, model_validator

from twin_service.trial.adjust.ancova import refuse
from twin_service.trial.phase1.co_data import Exchangeable, map_prior
from twin_service.trial.phase1.crm import Skeleton, indifference_skeleton
from twin_service.trial.phase1.designs import Blrm, Boin, Crm, EscalationDesign, OverdoseControl, RuleOfThree
from twin_service.trial.phase1.dose_toxicity import DoseOutcomes, LogisticPrior, Surface, logistic_risk
from twin_service.trial.phase1.escalation_rules import boin_table
from twin_service.trial.phase1.plan_file import PlanTable
from twin_service.trial.phase1.simulation import Backfill, EscalationConduct

Share = Annotated[float, Field(gt=0, lt=1)]


class CoDataPart(PlanTable):
    """An earlier trial of the same drug or regimen."""

    doses: tuple[float, ...]
    patients: tuple[int, ...]
    toxicities: tuple[int, ...]


class BetweenPart(PlanTable):
    """How far trials may differ: SD of (log-odds, log slope), its doubt, and the weight of the design's own prior."""

    tau_median: tuple[float, float] = (0.25, 0.125)
    tau_spread: tuple[float, float] = (0.35, 0.35)
    robust: Annotated[float, Field(ge=0, lt=1)] = 0.1


class BlrmPart(PlanTable):
    """Bayesian logistic regression with overdose control."""

    kind: Literal["blrm"]
    name: str = "BLRM"
    reference: Annotated[float, Field(gt=0)]
    mean: tuple[float, float]
    cov: tuple[tuple[float, float], tuple[float, float]]
    cuts: tuple[float, float] = (0.16, 0.33)
    overdose_max: Share = 0.25
    step_max: Annotated[float, Field(gt=1)] = 2.0
    enough: Annotated[int, Field(ge=1)] = 6
    confident: Share = 0.5
    co_data: tuple[CoDataPart, ...] = ()
    between: BetweenPart = BetweenPart()

    def prior(self) -> LogisticPrior | Surface:
        """The stated prior, or what the co-data make of it."""
        own = LogisticPrior(self.reference, self.mean, self.cov)
        if not self.co_data:
            return own
        sd = (float(np.sqrt(self.cov[0][0])), float(np.sqrt(self.cov[1][1])))
        b = self.between
        hyper = Exchangeable(self.reference, self.mean, sd, b.tau_median, b.tau_spread)
        trials = [DoseOutcomes.create(c.doses, c.patients, c.toxicities) for c in self.co_data]
        return map_prior(hyper, trials, vague=own, vague_weight=b.robust)

    def build(self, plan: EscalationPlan) -> Blrm:
        control = OverdoseControl.create(
            cuts=self.cuts,
            overdose_max=self.overdose_max,
            step_max=self.step_max,
            enough=self.enough,
            confident=self.confident,
        )
        return Blrm(plan.doses, self.prior(), control)


class CrmPart(PlanTable):
    """Continual reassessment method."""

    kind: Literal["crm"]
    name: str = "CRM"
    skeleton: tuple[float, ...] | None = None
    guess: Annotated[int, Field(ge=1)] | None = None
    halfwidth: Share = 0.06
    sd: Annotated[float, Field(gt=0)] = float(np.sqrt(1.34))
    intercept: float | None = None
    skip: bool = False
    coherent: bool = True
    safety: Annotated[float, Field(gt=0, le=1)] = 0.95
    rolling: bool = False

    def build(self, plan: EscalationPlan) -> Crm:
        k = len(plan.doses)
        risks = self.skeleton or indifference_skeleton(
            plan.target,
            k,
            prior_level=(self.guess or (k + 1) // 2) - 1,
            halfwidth=self.halfwidth,
            intercept=self.intercept,
        )
        if len(risks) != k:
            raise refuse("design.skeleton", f"expected {k} probabilities, one a dose; it has {len(risks)}")
        skeleton = Skeleton.create(risks, sd=self.sd, intercept=self.intercept)
        return Crm(skeleton, plan.target, self.skip, self.coherent, self.safety)


class BoinPart(PlanTable):
    """Bayesian optimal interval design."""

    kind: Literal["boin"]
    name: str = "BOIN"
    elimination: Share = 0.95
    enough: Annotated[int, Field(ge=0)] = 0
    rolling: bool = False

    def build(self, plan: EscalationPlan) -> Boin:
        size = max(plan.conduct.cohort * plan.conduct.cohorts + 60, 60)
        table = boin_table(plan.target, size, elimination=self.elimination)
        return Boin(len(plan.doses), table, self.enough, self.elimination)


class RuleOfThreePart(PlanTable):
    """3 + 3."""

    kind: Literal["3+3"]
    name: str = "3 + 3"
    deescalate: bool = True

    def build(self, plan: EscalationPlan) -> RuleOfThree:
        if plan.conduct.cohort != 3:
            raise refuse("conduct.cohort", "3 + 3 treats cohorts of three")
        return RuleOfThree(len(plan.doses), self.deescalate)


DesignPart = Annotated[BlrmPart | CrmPart | BoinPart | RuleOfThreePart, Field(discriminator="kind")]


class BackfillPart(PlanTable):
    """Patients put at lower doses while a cohort is watched."""

    per_dose: Annotated[int, Field(ge=1)] = 12
    rate_max: Share = 0.33


class ConductPart(PlanTable):
    """How the trial is run. `late`: whether a toxicity after the window enters the decision."""

    cohort: Annotated[int, Field(ge=1, le=20)] = 3
    cohorts: Annotated[int, Field(ge=1, le=100)] = 12
    window_days: Annotated[float, Field(gt=0)] = 28.0
    per_week: Annotated[float, Field(gt=0)] = 1.0
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    late: Literal["count", "report"] = "count"
    backfill: BackfillPart | None = None

    def build(self, start: int) -> EscalationConduct:
        """`start` from 1."""
        fill = None if self.backfill is None else Backfill(self.backfill.per_dose, self.backfill.rate_max)
        return EscalationConduct(
            self.cohort, self.cohorts, start - 1, self.per_week, self.window_days, self.dropout, fill
        )


class MechanismPart(PlanTable):
    """Risks from virtual patients of a library drug: the share who reach `endpoint`. Doses are then mg."""

    drug: str
    endpoint: str
    route: str = "oral"
    every_h: Annotated[float, Field(gt=0)] = 24.0
    count: Annotated[int, Field(ge=1, le=100)] = 1
    over_h: Annotated[float, Field(ge=0)] = 0.0
    patients: Annotated[int, Field(ge=20, le=10_000)] = 500


class ScenarioPart(PlanTable):
    """True risks, one a dose; or the mechanism that they are drawn from."""

    name: str
    risks: tuple[Annotated[float, Field(ge=0, le=1)], ...] = ()
    mechanism: MechanismPart | None = None


class ConstraintsPart(PlanTable):
    """What a design must keep on average over the scenarios."""

    patients_max: Annotated[float, Field(gt=0)] = 60.0
    overdosing_max: Share = 0.3


class EscalationPlan(PlanTable):
    """The whole file."""

    title: str = ""
    doses: tuple[Annotated[float, Field(gt=0)], ...] = Field(min_length=2)
    unit: str = "mg"
    target: Share = 0.3
    start: Annotated[int, Field(ge=1)] = 1
    design: tuple[DesignPart, ...] = Field(min_length=1)
    conduct: ConductPart = ConductPart()
    scenario: tuple[ScenarioPart, ...] = ()
    constraints: ConstraintsPart = ConstraintsPart()

    @model_validator(mode="after")
    def _fits(self) -> EscalationPlan:
        wrong = [
            f"doses: {b:g} {self.unit} follows {a:g} {self.unit}; put them in rising order"
            for a, b in zip(self.doses, self.doses[1:], strict=False)
            if b <= a
        ]
        if self.start > len(self.doses):
            wrong.append(f"start: dose {self.start} is not among the {len(self.doses)} planned")
        wrong += [
            f"scenario {s.name!r}: expected {len(self.doses)} risks, one a dose; it has {len(s.risks)}"
            for s in self.scenario
            if s.mechanism is None and len(s.risks) != len(self.doses)
        ]
        wrong += [
            f"scenario {s.name!r}: a mechanism takes the place of risks, and its doses are mg"
            for s in self.scenario
            if s.mechanism is not None and (s.risks or self.unit != "mg")
        ]
        if wrong:
            raise ValueError(";; ".join(wrong))
        return self


def running_design(plan: EscalationPlan) -> EscalationDesign:
    """The design that runs the trial. Raises Refusal when its own rule forbids the first dose."""
    part = plan.design[0]
    design = part.build(plan)
    if isinstance(part, BlrmPart):
        (risk,) = logistic_risk(
            part.prior(), DoseOutcomes.create([], [], []), [plan.doses[plan.start - 1]], cuts=part.cuts
        )
        if risk.overdose > part.overdose_max:
            raise refuse(
                "start",
                f"before any patient, {risk.dose:g} {plan.unit} overdoses with probability {risk.overdose:.2f}, above "
                f"the design's own limit of {part.overdose_max:g}; start lower or look at the prior",
            )
    return design


def with_dose(plan: EscalationPlan, dose: float) -> EscalationPlan:
    """The plan with an intermediate dose. A skeleton is interpolated in log-odds over log dose; scenarios are left
    out because their risks say nothing of the new dose."""
    doses = tuple(sorted({*plan.doses, dose}))
    design = tuple(
        d.model_copy(update={"skeleton": _between(d.skeleton, plan.doses, doses)})
        if isinstance(d, CrmPart) and d.skeleton
        else d
        for d in plan.design
    )
    start = doses.index(plan.doses[plan.start - 1]) + 1
    return plan.model_copy(update={"doses": doses, "design": design, "start": start, "scenario": ()})


def _between(skeleton: tuple[float, ...], old: tuple[float, ...], new: tuple[float, ...]) -> tuple[float, ...]:
    s = np.asarray(skeleton)
    odds = np.interp(np.log(new), np.log(old), np.log(s / (1 - s)))
    return tuple(1 / (1 + np.exp(-odds)))
