"""Why the twin believes what it believes: surprises with their stories, and each parameter beside the population."""

from __future__ import annotations

from dataclasses import dataclass

from twin_client.web import words
from twin_client.web.sight import Sight

Z90 = 1.6449
WIDE = 3.0


@dataclass(frozen=True)
class SurprisingLevel:
    """A measurement the record does not explain."""

    event_id: str
    words: str
    expected: str
    weight: str
    stories: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class ParameterRow:
    """A parameter in population standard deviations from the typical patient; x from -3 to 3 onto 0 to 240."""

    title: str
    said: str
    x: float
    x_low: float
    x_high: float
    learned: str
    occasion: bool


def surprises(sight: Sight) -> tuple[SurprisingLevel, ...]:
    found = []
    for f in sight.forecasts:
        if not f.surprising:
            continue
        seen = f"{words.name(f.analyte)} {words.amount(f.observed, f.unit)} at {words.clock(words.moment(f.time))}"
        e = f.forecast
        expected = f"{words.number(e.q50)} ({words.number(e.q05)} to {words.number(e.q95)}) {words.unit(f.unit)}"
        stories = tuple((x.story, f"{words.number(x.odds)} times likelier") for x in f.explanations)
        found.append(SurprisingLevel(f.event_id, seen, expected, f"{100 * f.weight:.0f} %", stories))
    return tuple(found)


def parameters(sight: Sight) -> tuple[ParameterRow, ...]:
    """One row for each random effect of the belief."""
    found = []
    for e in sight.twin.belief.effects:
        if e.prior_sd <= 0:
            continue
        z, sd = e.mean / e.prior_sd, e.sd / e.prior_sd
        side = "above" if z >= 0 else "below"
        said = f"{abs(z):.1f} standard deviations {side} the typical patient"
        learned = max(0.0, 1.0 - sd**2)
        found.append(
            ParameterRow(
                words.name(e.title or e.name),
                "as the typical patient" if abs(z) < 0.05 else said,
                _x(z),
                _x(z - Z90 * sd),
                _x(z + Z90 * sd),
                f"{100 * learned:.0f} %",
                e.occasion,
            )
        )
    return tuple(found)


def _x(z: float) -> float:
    return 120.0 + 40.0 * min(max(z, -WIDE), WIDE)
