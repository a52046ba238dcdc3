"""What a library file was built for: `[domain]`, a span for each field, and what happens outside it.

    age_y = [18, 95]                                     outside: the file's word, else a warning
    dose_mg = { range = [1, 100], outside = "refuse" }   outside: refused
    outside = "warn"                                     the file's word for fields without their own

Drugs, bodies, population PK models, diseases and toxicities speak the same words. A covariate ends as the limits and
caution of a `Covariate`, a dose as those of a `DoseRoute`; a body refuses while it is built.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from twin_service.model.structure import Covariate, DoseRoute
from twin_service.outcome import Refusal, RefusalCode

WORDS = ("warn", "refuse")
BODY_FIELDS = ("age_y", "gestational_age_wk", "weight_kg", "height_cm", "pregnancy_week")
DRUG_FIELDS = (*BODY_FIELDS, "dose_mg", "egfr_ml_min", "child_pugh")
Fault = Callable[[str, str], None]


class DomainSpan(NamedTuple):
    """What a file was built for. Outside, an answer carries a warning or, where it `refuses`, is refused."""

    low: float
    high: float
    refuses: bool = False

    def holds(self, value: float) -> bool:
        return self.low <= value <= self.high


def read_domain(table: Mapping[str, Any], fields: Iterable[str], fault: Fault) -> dict[str, DomainSpan]:
    """Field -> span of a file's `[domain]`; `fault(place, message)` is told every mistake."""
    raw, known = table.get("domain", {}), (*fields, "outside")
    usual = _word(raw.get("outside", "warn"), "domain.outside", fault)
    found = {}
    for key, said in raw.items():
        if key == "outside":
            continue
        if key not in known:
            fault(f"domain.{key}", f"{key!r} is unknown; known: {', '.join(known)}")
        span, outside = said, usual
        if isinstance(said, Mapping):
            strange = set(said) - {"range", "outside", "origin"}
            if strange:
                fault(f"domain.{key}", f"unknown key {min(strange)!r}; known: range, outside, origin")
            span, outside = said.get("range"), _word(said.get("outside", usual), f"domain.{key}.outside", fault)
        if not _is_span(span):
            wanted = '[low, high] or { range = [low, high], outside = "refuse" }'
            fault(f"domain.{key}", f"is {said!r}; expected {wanted}")
            continue
        found[key] = DomainSpan(float(span[0]), float(span[1]), outside == "refuse")
    return found


def _word(said: Any, place: str, fault: Fault) -> str:
    if said not in WORDS:
        fault(place, f"{said!r} is unknown; known: {', '.join(WORDS)}")
    return str(said)


def _is_span(span: Any) -> bool:
    numbers = isinstance(span, list) and len(span) == 2 and all(isinstance(v, int | float) for v in span)
    return numbers and span[0] < span[1]


def refuse_outside(domain: Mapping[str, DomainSpan], values: Mapping[str, float], title: str) -> None:
    """Refusal where a value lies outside a span that says refuse; a covariate that is 0 for "not known" does not."""
    for name, span in domain.items():
        value = values.get(name)
        if value is None or not span.refuses or span.holds(value) or is_unknown(name, value):
            continue
        raise Refusal(
            RefusalCode.OUT_OF_RANGE,
            f"{title}: {name} {value:g} is outside what its file was built for ({span.low:g} to {span.high:g}), and "
            "outside the file says refuse; choose a model whose domain includes it",
            field=f"covariates.{name}",
            reason="OUTSIDE_DOMAIN",
        )


def is_unknown(name: str, value: float) -> bool:
    """0 says "not known" of everything in a body that cannot be 0; an age can."""
    return value == 0.0 and name != "age_y"


def warnings_outside(domain: Mapping[str, DomainSpan], values: Mapping[str, float], title: str) -> list[str]:
    """A sentence for every value outside its span."""
    return [
        f"{title}: {name} {values[name]:g} is outside what its file was built for ({span.low:g} to {span.high:g})"
        for name, span in domain.items()
        if name in values and not span.holds(values[name]) and not is_unknown(name, values[name])
    ]


def narrowed(covariate: Covariate, domain: Mapping[str, DomainSpan]) -> Covariate:
    """`covariate` with the limits (refuse) or the caution (warn) of its field in `domain`."""
    span = domain.get(covariate.name)
    if span is None:
        return covariate
    if span.refuses:
        return replace(covariate, low=max(covariate.low, span.low), high=min(covariate.high, span.high))
    return replace(
        covariate, caution_low=max(covariate.caution_low, span.low), caution_high=min(covariate.caution_high, span.high)
    )


def with_dose_domain(route: DoseRoute, domain: Mapping[str, DomainSpan]) -> DoseRoute:
    """`route` with the span of `dose_mg`."""
    span = domain.get("dose_mg")
    return route if span is None else replace(route, least_mg=span.low, most_mg=span.high, refuses=span.refuses)


def dose_doubt(route: DoseRoute, amount_mg: float, title: str = "") -> str:
    """A sentence where the dose is outside what the route's file was built for, "" inside; 0 is no dose.

    Raises Refusal where the file says refuse.
    """
    if amount_mg == 0.0 or route.least_mg <= amount_mg <= route.most_mg:
        return ""
    said = (
        f"{title or route.drug}: a dose of {amount_mg:g} mg by {route.route} is outside what its file was built for "
        f"({route.least_mg:g} to {route.most_mg:g} mg)"
    )
    if route.refuses:
        raise Refusal(
            RefusalCode.OUT_OF_RANGE,
            f"{said}, and outside the file says refuse; check its unit, or choose a model whose domain includes it",
            field="dose.amount",
            reason="OUTSIDE_DOMAIN",
        )
    return said
