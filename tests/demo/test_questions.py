"""What the demo draws and calls harm."""

from __future__ import annotations

from twin_service.demo.plots import few_ticks
from twin_service.demo.questions import with_recommended
from twin_service.demo.report import harm
from twin_service.report.theme import panels
from twin_service.v1 import simulation_pb2 as sim


def plan(name: str, mg: float) -> sim.Regimen:
    dose = {
        "drug": "quinidine",
        "route": "oral",
        "amount": {"value": mg, "unit": "mg"},
        "interval": {"value": 8, "unit": "h"},
        "count": 9,
    }
    return sim.Regimen(name=name, doses=[dose])


def ranking(best: sim.Regimen, recommended: str) -> sim.RecommendResponse:
    return sim.RecommendResponse(ranked=[{"what_if": {"name": best.name, "regimen": best}}], recommended=recommended)


def test_the_recommended_regimen_is_drawn_once() -> None:
    plans = [sim.Regimen(name="stop"), plan("201 mg every 8 h", 201)]
    other, same = plan("quinidine 166 mg every 8 h", 166), plan("quinidine 201 mg every 8 h", 201)
    assert [p.name for p in with_recommended(plans, ranking(other, other.name))] == [
        "stop",
        "201 mg every 8 h",
        other.name,
    ]
    assert [p.name for p in with_recommended(plans, ranking(same, same.name))] == ["stop", same.name]
    assert with_recommended(plans, ranking(other, "")) == plans, "none is within the limits"


def test_harm_has_a_name_or_is_a_dash() -> None:
    named = sim.RankedRegimen(harm_probability=0.402, harm_endpoint="neutropenia_grade4", harm_grade=4)
    assert harm(named) == "40.2 % neutropenia grade4"
    assert harm(sim.RankedRegimen()) == "\N{EN DASH}"


def test_a_logarithmic_axis_has_few_labels() -> None:
    fig, axes = panels(1, width=3, height=3)
    (ax,) = axes
    ax.loglog([6, 80], [6, 80])
    few_ticks(ax, [5.5, 90.0])
    ax.set(xlim=(5.5, 90), ylim=(5.5, 90))
    fig.canvas.draw()
    labels = [t.get_text() for t in (*ax.get_xticklabels(), *ax.get_xticklabels(minor=True)) if t.get_text()]
    assert labels == ["10", "20", "50"]
