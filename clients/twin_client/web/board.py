"""The work list: every patient of the tenant, those who need a look first, and why."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from twin_client import TwinClient
from twin_client.web import words
from twin_client.web.sight import range_of
from twin_service.v1 import library_pb2, twin_pb2

URGENT, LOOK, NOTE = 3, 2, 1
ROWS_MAX = 500


@dataclass(frozen=True)
class Concern:
    """One reason to look, and how much it weighs."""

    weight: int
    words: str


@dataclass(frozen=True)
class BoardRow:
    """One patient of the list."""

    patient: str
    drugs: str
    last: str
    concerns: tuple[Concern, ...]

    @property
    def weight(self) -> int:
        return max((c.weight for c in self.concerns), default=0)


def board(client: TwinClient, pool: ThreadPoolExecutor) -> list[BoardRow]:
    """At most `ROWS_MAX` patients, most concerning first; raises ClientError."""
    twins = [t for t, _ in zip(client.twins(), range(ROWS_MAX), strict=False)]
    specs = {t.spec.model.SerializeToString(deterministic=True): t.spec.model for t in twins}
    described = dict(
        zip(
            specs,
            pool.map(lambda s: client.describe(drugs=s.drugs, poppk=s.poppk, effects=s.effects), specs.values()),
            strict=True,
        )
    )

    def row(twin: twin_pb2.Twin) -> BoardRow:
        patient = twin.name.split("/")[3]
        model = described[twin.spec.model.SerializeToString(deterministic=True)]
        forecasts = client.forecasts(patient)
        drugs = sorted({r.drug for r in model.routes})
        return BoardRow(
            patient,
            ", ".join(words.name(d) for d in drugs),
            _last(forecasts),
            concerns(twin, model, forecasts, client.held(patient)),
        )

    rows = list(pool.map(row, twins))
    return sorted(rows, key=lambda r: (-r.weight, -len(r.concerns), r.patient))


def _last(forecasts: Sequence[twin_pb2.Forecast]) -> str:
    if not forecasts:
        return "nothing measured yet"
    f = forecasts[-1]
    return f"{words.name(f.analyte)} {words.amount(f.observed, f.unit)}, {words.clock(words.moment(f.time))}"


def concerns(
    twin: twin_pb2.Twin,
    model: library_pb2.DescribeModelResponse,
    forecasts: Sequence[twin_pb2.Forecast],
    held: Sequence[twin_pb2.HeldEvent],
) -> tuple[Concern, ...]:
    """What a person should know first, heaviest first."""
    found: list[Concern] = []
    if twin.meta.HasField("trouble"):
        found.append(Concern(URGENT, f"the twin stands still: {twin.meta.trouble.message}"))
    found += [Concern(URGENT, f"held: {h.faults[0].message if h.faults else 'not recorded'}") for h in held]
    found += _last_levels(model, forecasts)
    if twin.meta.belief_revision < twin.meta.timeline_revision:
        behind = twin.meta.timeline_revision - twin.meta.belief_revision
        found.append(Concern(NOTE, f"{behind} recorded events are not yet in the belief"))
    return tuple(sorted(found, key=lambda c: -c.weight))


def _last_levels(model: library_pb2.DescribeModelResponse, forecasts: Sequence[twin_pb2.Forecast]) -> list[Concern]:
    """Of each analyte the last measurement: outside its range, or not explained by the record."""
    found = []
    outputs = {o.analyte: o.name for o in model.outputs if o.analyte}
    for f in {f.analyte: f for f in forecasts}.values():
        at = f"{words.name(f.analyte)} {words.amount(f.observed, f.unit)}"
        wanted = range_of(model, outputs.get(f.analyte, ""))
        side = wanted.outside(f.observed) if wanted.unit == f.unit else ""
        if side:
            bound = wanted.low if side == "below" else wanted.high
            word = "target" if wanted.both else "limit"
            found.append(Concern(LOOK, f"{at} is {side} the {word} of {bound:g}"))
        if f.surprising:
            found.append(Concern(LOOK, f"{at} surprised the twin: check dose, time and sample"))
    return found
