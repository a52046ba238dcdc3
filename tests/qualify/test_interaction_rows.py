"""Rows of the interaction table: read once, and apart where their study gave a parameter."""

from __future__ import annotations

from dataclasses import replace

import pytest

from twin_service.qualify.interactions import InteractionResult, _is_repeated
from twin_service.qualify.pbpk import interaction_figures
from twin_service.qualify.regimens import shorthand_times


def row(study: str, mechanism: str, dose: str = "600") -> dict[str, str]:
    return {"Study ID": study, "Mechanism": mechanism, "Victim": "Rosuvastatin", "Perpetrator": "Rifampicin",
            "Route Victim": "PO", "Route Perpetrator": "PO", "Dose": dose}  # fmt: skip


def test_a_comparison_that_stands_twice_counts_once() -> None:
    seen: set[tuple[str, ...]] = set()
    assert not _is_repeated(row("Wu 2017", "Reversible_Inhibition"), seen)
    assert _is_repeated(row("Wu et al. 2017", "Inhibition"), seen)
    assert not _is_repeated(row("Wu et al. 2017", "Inhibition", "300"), seen)
    assert not _is_repeated(row("Wu 2017", "Reversible_Inhibition"), seen)


def test_times_are_read_with_any_separator() -> None:
    assert shorthand_times("0;24;48;") == shorthand_times("0-24-48") == shorthand_times("0 + 24 + 48") == [0, 24, 48]
    assert shorthand_times("twice") == []


def test_rows_that_gave_a_parameter_are_not_scored() -> None:
    result = InteractionResult("A 2000", "midazolam", "rifampicin", "Induction", 0.1, 0.12, 0.2, 0.2)
    figures = interaction_figures([result, replace(result, predicted=0.4, fitted=True)])
    assert figures["pbpk.ddi_n"] == figures["pbpk.ddi_build_n"] == 1
    assert figures["pbpk.ddi_auc_gmfe"] == pytest.approx(1.2)
    assert figures["pbpk.ddi_build_auc_gmfe"] == pytest.approx(4.0)
    assert interaction_figures([]) == {}
