"""The page on children: bias and scatter by drug, and figures that agree with it."""

from __future__ import annotations

import math

import pytest

from twin_service.qualification.pbpk.children import Child, bias_removed, by_drug, children_figures
from twin_service.qualification.pbpk.children_page import children_section
from twin_service.qualification.pbpk.scores import gmfe, split
from twin_service.report.page import Page, render

ROWS = [
    Child("midazolam 1 to 2 y", 1.0, 2.0, "midazolam", 1.5, True),
    Child("midazolam A", 1.0, 0.5, "midazolam", 5.0, False),
    Child("digoxin B", 0.2, 0.3, "digoxin", 0.02, False),
    Child("digoxin C", 0.4, 0.6, "digoxin", 3.0, False),
]


def test_bias_is_the_geometric_mean_and_scatter_what_it_leaves() -> None:
    even, biased = split([2.0, 0.5]), split([1.5, 1.5])
    assert even.bias == pytest.approx(1.0) and even.scatter == pytest.approx(2.0) and even.gmfe == pytest.approx(2.0)
    assert (
        biased.bias == pytest.approx(1.5) and biased.scatter == pytest.approx(1.0) and biased.cv == pytest.approx(0.0)
    )
    mixed = split([1.0, 2.0, 4.0])
    assert mixed.bias == pytest.approx(2.0) and mixed.cv == pytest.approx(math.sqrt(math.exp(math.log(2.0) ** 2) - 1.0))


def test_no_row_or_one_has_no_spread() -> None:
    assert split([]).n == 0 and math.isnan(split([]).bias)
    assert split([1.2]).n == 1 and math.isnan(split([1.2]).cv) and split([1.2]).scatter == pytest.approx(1.0)


def test_each_drug_loses_its_own_bias() -> None:
    assert list(by_drug(ROWS)) == ["digoxin", "midazolam"]
    assert gmfe(bias_removed(ROWS)) == pytest.approx(math.sqrt(2.0))
    assert sorted(bias_removed(ROWS)) == pytest.approx([0.5, 1.0, 1.0, 2.0])


def test_figures_tell_unseen_drugs_from_those_a_curve_was_drawn_from() -> None:
    figures = children_figures(ROWS)
    assert figures["pbpk.pediatric_n"] == 4.0 and figures["pbpk.pediatric_groups_n"] == 1.0
    assert figures["pbpk.pediatric_unseen_n"] == 2.0
    assert figures["pbpk.pediatric_unseen_cl_gmfe"] == pytest.approx(1.5)
    assert figures["pbpk.pediatric_bias.digoxin"] == pytest.approx(1.5)
    assert figures["pbpk.pediatric_cl_gmfe.midazolam"] == pytest.approx(2.0)
    assert children_figures([]) == {}


def test_the_page_draws_every_row_twice_and_names_every_drug() -> None:
    page = render(Page("Children", [], children_section(ROWS)))
    assert page.count("<svg") == 2 and page.count(f"<td>{ROWS[0].name}</td>") == 1
    for said in ("digoxin", "midazolam", "1.5", "maturation curve", "predicted over observed by age", "age, years"):
        assert said in page, said
    assert children_section([]) == []
