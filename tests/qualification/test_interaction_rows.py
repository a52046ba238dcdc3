"""Rows of the interaction table: read once, and apart where their study gave a parameter."""

from __future__ import annotations

from dataclasses import replace

import pytest

from twin_service.model.pbpk.library import load_library
from twin_service.qualification.pbpk.interactions import (
    InteractionResult,
    _genotype,
    _in_both_arms,
    _is_of,
    _is_repeated,
    _plan,
    _result,
)
from twin_service.qualification.pbpk.regimens import shorthand_times
from twin_service.qualification.pbpk.run import interaction_figures


def row(study: str, mechanism: str, dose: str = "600") -> dict[str, str]:
    return {
        "Study ID": study,
        "Mechanism": mechanism,
        "Victim": "Rosuvastatin",
        "Perpetrator": "Rifampicin",
        "Route Victim": "PO",
        "Route Perpetrator": "PO",
        "Dose": dose,
    }


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


def test_a_building_study_is_known_however_it_is_written() -> None:
    assert _is_of("Belle 2002", "Belle (2002)") and _is_of("Wu et al. 2017", "Wu 2017")
    assert _is_of("Capon 1996", "Capon 1996 EM, dextromethorphan, n=6")
    assert not _is_of("Wu 2018", "Wu 2017") and not _is_of("Belle", "Belle (2002)")


def test_a_victim_dosed_all_along_is_compared_while_it_meets_the_perpetrator() -> None:
    table = row("Schoedel 2012", "MBI", "20") | {
        "Dose Unit": "mg",
        "t Unit": "h",
        "Route": "",
        "Comment": "",
        "Times of Administration": "S192-T24-R12",
        "t_treatment_0": "0",
        "t_treatment_end": "468",
    }
    plan = _plan(table, "dextromethorphan", "paroxetine", load_library())
    assert plan is not None
    own, others, span = plan
    assert own.start_h == others[-1].start_h == 456.0 and len(others) == 12 and span == 12.0
    later = _plan(table | {"t_treatment_0": "240"}, "dextromethorphan", "paroxetine", load_library())
    assert later is not None and later[0].start_h == 240.0 and later[2] == 228.0


def test_a_drug_of_both_arms_is_given_in_both() -> None:
    """Dextromethorphan came with quinidine in Schoedel 2012: its enzyme was blocked before paroxetine was added."""
    table = row("Schoedel 2012", "MBI", "20") | {
        "Dose Unit": "mg",
        "t Unit": "h",
        "Route": "",
        "Comment": "",
        "Grouping": "PAR-DEX-DDI",
        "Times of Administration": "S192-T24-R12",
        "t_treatment_0": "0",
        "t_treatment_end": "468",
        "AUCR Avg": "1.45",
        "CmaxR Avg": "1.42",
        "R Dose correction factor": "1",
    }
    library = load_library()
    plan = _plan(table, "dextromethorphan", "paroxetine", library)
    assert plan is not None
    (both,) = _in_both_arms(table, plan[0], plan[2])
    assert (both.drug, both.dose_mg, both.interval_h, both.start_h) == ("quinidine", 24.86, 12.0, 0.0)
    assert both.count * 12.0 >= 468.0
    assert _in_both_arms(table | {"Study ID": "Schoedel 2013"}, plan[0], plan[2]) == []
    blocked = _result(table, plan, "dextromethorphan", "paroxetine", library).predicted
    alone = _result(table | {"Study ID": "Other"}, plan, "dextromethorphan", "paroxetine", library).predicted
    assert 1.0 < blocked < 0.6 * alone


def test_the_group_of_jung_2020_without_a_normal_allele_still_has_some_enzyme() -> None:
    assert _genotype({"Study ID": "Jung 2020", "Grouping": "PAR-ATO-DDGI_AS0"}) == {"cyp2d6_activity": 0.25}
    assert _genotype({"Study ID": "Other 2016", "Grouping": "X_AS0"}) == {"cyp2d6_activity": 0.0}
    assert _genotype({"Study ID": "Other 2016", "Grouping": "X_AS0.5"}) == {"cyp2d6_activity": 0.25}
