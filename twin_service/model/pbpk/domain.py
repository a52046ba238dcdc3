"""What a drug or species file was built for: `[domain]`, a span for each field, and what happens outside it.

age_y = [18, 95]                                     outside: the file's word, else a warning
dose_mg = { range = [1, 100], outside = "refuse" }   outside: refused
outside = "warn"                                     the file's word for fields without their own
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from twin_service.model.pbpk.door import Door
from twin_service.model.pbpk.record import Span
from twin_service.outcome import Refusal, RefusalCode

WORDS = ("warn", "refuse")
BODY_FIELDS = ("age_y", "gestation_week", "weight_kg", "height_cm", "pregnancy_week")
DRUG_FIELDS = (*BODY_FIELDS, "dose_mg", "egfr_ml_min", "child_pugh")


def read_domain(table: Mapping[str, Any], door: Door, fields: Iterable[str]) -> dict[str, Span]:
    """Field -> span of a file's `[domain]`; every mistake is a finding."""
    raw = table.get("domain", {})
    known = (*fields, "outside")
    usual = door.word(raw.get("outside", "warn"), "domain.outside", WORDS)
    found = {}
    for key, said in raw.items():
        if key == "outside":
            continue
        door.word(key, f"domain.{key}", known)
        span, outside = said, usual
        if isinstance(said, Mapping):
            door.known(said, f"domain.{key}", ("range", "outside", "origin"))
            span, outside = said.get("range"), door.word(said.get("outside", usual), f"domain.{key}.outside", WORDS)
        if not _is_span(span):
            door.fault(
                f"domain.{key}", f'is {said!r}; expected [low, high] or {{ range = [low, high], outside = "refuse" }}'
            )
            continue
        found[key] = Span(float(span[0]), float(span[1]), outside == "refuse")
    return found


def _is_span(span: Any) -> bool:
    numbers = isinstance(span, list) and len(span) == 2 and all(isinstance(v, int | float) for v in span)
    return numbers and span[0] < span[1]


def refuse_outside(domain: Mapping[str, Span], values: Mapping[str, float], title: str) -> None:
    """Refusal where a value lies outside a span that says refuse; a covariate that is 0 for "not known" does not."""
    for name, span in domain.items():
        value = values.get(name)
        if value is None or not span.refuses or span.holds(value) or is_unknown(name, value):
            continue
        raise Refusal(
            RefusalCode.OUT_OF_RANGE,
            f"{title}: {name} {value:g} is outside what its file was built for ({span.low:g} to {span.high:g}), and "
            "outside the file says refuse; choose a model whose domain includes it",
            field=name if name == "dose_mg" else f"covariates.{name}",
            reason="OUTSIDE_DOMAIN",
        )


def is_unknown(name: str, value: float) -> bool:
    """0 says "not known" of everything that cannot be 0; an age can, and a dose of nothing harms nobody."""
    return value == 0.0 and name != "age_y"


def warnings_outside(domain: Mapping[str, Span], values: Mapping[str, float], title: str) -> list[str]:
    """A sentence for every value outside its span."""
    return [
        f"{title}: {name} {values[name]:g} is outside what its file was built for ({span.low:g} to {span.high:g})"
        for name, span in domain.items()
        if name in values and not span.holds(values[name]) and not is_unknown(name, values[name])
    ]
