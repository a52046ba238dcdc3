"""From a model file to the coordinates an estimator moves: handles, their typical values, how effects enter.

    P = exp(h), expit(h) or h;   h = mu(beta, covariates) + sum of scale * eta        (mu-referenced)

Covariates that do not change within anybody belong to mu, so that the structural model is a function of few handles;
those that change stay in the structural model. Effects that do not simply add to a handle (proportional, Box-Cox, and
logit effects under changing covariates) get a handle of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from twin_service.model.poppk.covariates import DERIVED, LAWS
from twin_service.model.poppk.record import CovariateTerm, PopPkRecord, TypicalParameter, effects_of
from twin_service.outcome import Refusal, RefusalCode
from twin_service.solver import functions as fn
from twin_service.solver.expression import Expression, expression, symbol, symbols_of


@dataclass(frozen=True)
class LogScale:
    """theta = exp(w)"""

    def value(self, w: Any) -> Any:
        return fn.exp(w)

    def inverse(self, theta: float) -> float:
        return float(np.log(theta))


@dataclass(frozen=True)
class BoundedScale:
    """theta = low + (high - low) expit(w)"""

    low: float = 0.0
    high: float = 1.0

    def value(self, w: Any) -> Any:
        return self.low + (self.high - self.low) / (1.0 + fn.exp(-w))

    def inverse(self, theta: float) -> float:
        share = min(max((theta - self.low) / (self.high - self.low), 1e-9), 1.0 - 1e-9)
        return float(np.log(share / (1.0 - share)))


@dataclass(frozen=True)
class PlainScale:
    """theta = w"""

    def value(self, w: Any) -> Any:
        return w

    def inverse(self, theta: float) -> float:
        return theta


Scale = LogScale | BoundedScale | PlainScale


@dataclass(frozen=True)
class Beta:
    """One searched number of the typical model; `place` is where the file states it."""

    name: str
    scale: Scale
    start: float
    unit: str
    place: tuple[str, ...]
    fixed: bool = False


@dataclass(frozen=True)
class Handle:
    """mu in symbols of beta and constant covariates; effect -> scale with which it adds."""

    name: str
    mu: Expression
    effects: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Handles:
    """betas, handles and individual parameters (in symbols of handles and changing covariates)."""

    betas: tuple[Beta, ...]
    handles: tuple[Handle, ...]
    parameters: Mapping[str, Expression]


@dataclass(frozen=True)
class Freedom:
    """What is searched beyond typical values of `record`: coefficients of covariates, all or none; names held fixed."""

    coefficients: bool = False
    fixed: frozenset[str] = field(default_factory=frozenset)


def handles_of(record: PopPkRecord, changing: frozenset[str], freedom: Freedom) -> Handles:
    """The handles of a file. `changing`: covariates that change within somebody."""
    covariates: dict[str, Any] = {c["name"]: symbol(c["name"]) for c in record.raw.get("covariate", ())}
    for name in record.raw.get("derived", ()):
        covariates[name] = DERIVED[name][0](covariates)
    every = effects_of(record)
    betas: list[Beta] = []
    handles: list[Handle] = []
    parameters: dict[str, Expression] = {}
    for q in record.parameters.values():
        made = _Made(record, q, covariates, changing, freedom)
        betas += made.betas
        added, parameters[q.name] = made.individual()
        handles += added
    used = {h for handle in handles for h in handle.effects}
    occasions = [
        Handle(f"eta_{n}_occasion{k}", expression(0.0), {f"{n} (occasion {k})": 1.0})
        for n, e in every.items()
        for k in range(1, e.occasions + 1)
    ]
    own = [Handle(f"eta_{n}", expression(0.0), {n: 1.0}) for n in every if n not in used]
    needed = symbols_of(list(parameters.values()))
    kept = [h for h in (*handles, *own, *occasions) if h.name in needed]
    return Handles(tuple(betas), tuple(kept), parameters)


@dataclass(frozen=True)
class _Made:
    """One parameter on its way from the file to handles."""

    record: PopPkRecord
    q: TypicalParameter
    covariates: Mapping[str, Any]
    changing: frozenset[str]
    freedom: Freedom

    @property
    def scale(self) -> Scale:
        stated = self.record.raw["parameters"][self.q.name].get("bounds")
        if stated:
            factor = self.q.value / float(self.record.raw["parameters"][self.q.name]["value"]) if self.q.value else 1.0
            return BoundedScale(float(stated[0]) * factor, float(stated[1]) * factor)
        if self.q.effect is not None and self.q.effect.kind in ("logit", "boxcox_logit"):
            return BoundedScale()
        return LogScale() if self.q.value > 0.0 else PlainScale()

    @property
    def betas(self) -> list[Beta]:
        q, raw = self.q, self.record.raw["parameters"][self.q.name]
        found = [Beta(q.name, self.scale, q.value, q.unit, (q.name,), self._held(q.name, raw))]
        for k, t in enumerate(q.terms):
            stated = raw["covariate_effect"][k]
            name = coefficient_name(q, k)
            free = stated.get("estimate", self.freedom.coefficients) and not stated.get("fixed", False)
            found.append(
                Beta(name, PlainScale(), t.coefficient, "1", (q.name, str(k)), not free or self._held(name, {}))
            )
        return found

    def _held(self, name: str, raw: Mapping[str, Any]) -> bool:
        return bool(raw.get("fixed", False)) or name in self.freedom.fixed

    def individual(self) -> tuple[list[Handle], Expression]:
        """The handles of this parameter and the parameter in their symbols."""
        q, name = self.q, f"h_{self.q.name}"
        w = self.scale.value(symbol(q.name))
        moving = [(k, t) for k, t in enumerate(q.terms) if self._changes(t)]
        simple = not any(t.adds for t in q.terms) or not moving
        if not simple:
            raise Refusal(
                RefusalCode.UNSUPPORTED,
                f"{self.record.where} parameters.{q.name}: a covariate that is added to the value changes within a "
                "subject; state it as a factor (law = 'linear')",
                field=f"parameters.{q.name}",
                reason="COVARIATE_CHANGES",
            )
        free = [k for k, t in moving if not self.betas[1 + k].fixed]
        typical: Any = w
        for k, t in enumerate(q.terms):
            if not self._changes(t):
                law = LAWS[t.law](self.covariates[t.covariate], symbol(coefficient_name(q, k)), t.reference)  # type: ignore[arg-type]
                typical = typical + law if t.adds else typical * law
        extra = [Handle(f"h_{coefficient_name(q, k)}", symbol(coefficient_name(q, k))) for k in free]
        factor: Any = 1.0
        for k, t in moving:
            coefficient = symbol(f"h_{coefficient_name(q, k)}") if k in free else t.coefficient
            factor = factor * LAWS[t.law](self.covariates[t.covariate], coefficient, t.reference)  # type: ignore[arg-type]
        return self._entered(name, typical, factor, extra)

    def _changes(self, t: CovariateTerm) -> bool:
        return bool(symbols_of([expression(self.covariates[t.covariate])]) & self.changing)

    def _entered(self, name: str, typical: Any, factor: Any, extra: list[Handle]) -> tuple[list[Handle], Expression]:
        e, h = self.q.effect, symbol(name)
        kind = "none" if e is None else e.kind
        within: Any = 0.0
        for k in range(1, e.occasions + 1) if e is not None else ():
            chosen = fn.equal(symbol("occasion"), float(k))
            within = within + fn.where(chosen, symbol(f"eta_{e.name}_occasion{k}"), 0.0)  # type: ignore[union-attr]
        effects = {e.name: e.scale} if e is not None else {}
        positive = isinstance(self.scale, LogScale) or (isinstance(self.scale, BoundedScale) and self.scale.low >= 0.0)
        if kind in ("none", "exponential") and positive:
            return [Handle(name, _log(typical), effects), *extra], expression(fn.exp(h + within) * factor)
        if kind in ("none", "additive") and factor == 1.0:
            return [Handle(name, expression(typical), effects), *extra], expression(h + within)
        if kind == "logit" and factor == 1.0:
            mu = fn.log(typical / (1.0 - typical))
            return [Handle(name, expression(mu), effects), *extra], expression(1.0 / (1.0 + fn.exp(-(h + within))))
        return self._apart(name, typical, factor, (extra, within))

    def _apart(
        self, name: str, typical: Any, factor: Any, more: tuple[list[Handle], Any]
    ) -> tuple[list[Handle], Expression]:
        """The effect gets a handle of its own."""
        (extra, within), e = more, self.q.effect
        value = symbol(name) * factor
        handles = [Handle(name, expression(typical)), *extra]
        if e is None:
            return handles, expression(value)
        eta = e.scale * symbol(f"eta_{e.name}") + within
        if e.kind == "exponential":
            return handles, expression(value * fn.exp(eta))
        if e.kind == "proportional":
            return handles, expression(value * (1.0 + eta))
        if e.kind == "additive":
            return handles, expression(value + eta)
        if e.kind == "boxcox_logit":
            eta = (fn.exp(e.shape * eta) - 1.0) / e.shape
        return handles, expression(1.0 / (1.0 + (1.0 - value) / value * fn.exp(-eta)))


def coefficient_name(q: TypicalParameter, k: int) -> str:
    """The name of a covariate's coefficient: parameter, covariate, and a number where one covariate enters twice."""
    before = sum(t.covariate == q.terms[k].covariate for t in q.terms[:k])
    return f"{q.name}~{q.terms[k].covariate}" + (f"~{before + 1}" if before else "")


def _log(typical: Any) -> Expression:
    """ln of a product, taken apart so that no value is formed only to be undone."""
    e = expression(typical)
    if e.op == "exp":
        return e.args[0]
    if e.op == "mul":
        return _log(e.args[0]) + _log(e.args[1])
    if e.op == "pow" and e.args[0].op != "const":
        return e.args[1] * expression(fn.log(e.args[0]))
    return expression(fn.log(e))
