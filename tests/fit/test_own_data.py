"""Own levels beside a prediction: read with every mistake named, compared as by hand."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from twin_service.fit.predict.own_data import ObservedLevel, compare, doubts, read_levels
from twin_service.fit.predict.page import write_prediction
from twin_service.fit.predict.predict import DosePlan, predict, with_data
from twin_service.outcome import Refusal


def data(folder: Path, text: str) -> Path:
    path = folder / "own.csv"
    path.write_text(text)
    return path


def test_levels_are_read_in_any_unit_of_the_dimension(tmp_path: Path) -> None:
    rows = "time_min,value,unit,study\n30,500,ng/mL,a\n60,2,umol/L,a\n90,<0.1,mcg/mL,b\n"
    found = read_levels(data(tmp_path, rows), 250.0)
    assert found[0] == ObservedLevel("a", 0.5, 0.5)
    assert found[1].value_mg_l == pytest.approx(0.5)
    assert found[2].below and found[2].value_mg_l == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("time_h,value,unit\n-1,1,mg/L\n", "line 2: time_h is -1, before the first dose"),
        ("time_h,value,unit\n1,0,mg/L\n", "line 2: value is 0; a level below"),
        ("time_h,value,unit\n1,1,mg\n", "line 2: unit: 'mg' is not a unit"),
        ("time_h,value,unit\n1,x,mg/L\n", "line 2: value is 'x'; expected a number"),
        ("time_h,value,unit\n1,nan,mg/L\n", "expected a finite number"),
        ("time_h,valeu,unit\n1,1,mg/L\n", "unknown column; did you mean 'value'?"),
        ("value,unit\n1,mg/L\n", "one column of time is expected"),
        ("time_h,value,unit\n1,1,mg/L\n1,2,mg/L\n", "two subjects under one name"),
        ("time_h,value,unit\n", "holds no level"),
    ],
)
def test_a_mistake_is_named_with_its_place_and_remedy(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(Refusal) as caught:
        read_levels(data(tmp_path, text), 300.0)
    assert says in caught.value.message


def test_all_mistakes_come_at_once(tmp_path: Path) -> None:
    with pytest.raises(Refusal) as caught:
        read_levels(data(tmp_path, "time_h,value,unit\n-1,1,mg/L\n2,0,mg/L\n"), 300.0)
    assert len(caught.value.message.splitlines()) == 2


def test_figures_are_those_of_a_calculation_by_hand() -> None:
    levels = [ObservedLevel("a", 0.0, 1.0), ObservedLevel("a", 2.0, 2.0), ObservedLevel("a", 4.0, 0.5, True)]
    (found,) = compare(levels, [2.0, 2.0, 0.2])
    assert found.gmfe == pytest.approx(math.sqrt(2.0))
    assert (found.levels, found.below, found.below_agreed) == (2, 1, 1)
    # observed rises in a line: 3 mg h/L; predicted is flat: 4
    assert found.auc_ratio == pytest.approx(4.0 / 3.0)
    assert found.cmax_ratio == pytest.approx(1.0)


def test_a_unit_a_thousandfold_off_is_told() -> None:
    levels = [ObservedLevel("a", float(k), 1e-3) for k in range(4)]
    assert "check the unit" in doubts(levels, [1.0] * 4)[0]
    assert doubts(levels, [1e-3] * 4) == []


def test_a_prediction_lies_on_its_own_points_and_the_page_shows_them(tmp_path: Path) -> None:
    plan, times = DosePlan(300.0), [1.0, 4.0, 12.0]
    own = predict("theophylline", plan, times_h=times)
    rows = "".join(f"{t},{c:.12g},mg/L,mine\n" for t, c in zip(own["time_h"], own["concentration_mg_l"], strict=True))
    found = with_data("theophylline", plan, {}, data(tmp_path, "time_h,value,unit,study\n" + rows))
    assert found["figures"]["predict.data.mine.gmfe"] == pytest.approx(1.0, abs=1e-6)
    assert found["figures"]["predict.data.mine.auc_ratio"] == pytest.approx(1.0, abs=1e-6)
    page = write_prediction(predict("theophylline", plan) | {"observed": found["observed"]}, plan, tmp_path / "out")
    text = page.read_text()
    assert "own levels against the prediction" in text
    assert f"<!-- n {len(times)}, GMFE 1.00" in text  # letters are shapes; what they say stands before them
    assert text.count("<svg") == 2
