"""The sponsor's desk from a protocol and files of our own making: what comes out is what went in, said exactly."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from twin_service.outcome import Refusal
from twin_service.trial.data.tables import parse_table
from twin_service.trial.desk import DeskStep, run_step
from twin_service.trial.package.build import build_package, rerun
from twin_service.trial.package.log import read_log
from twin_service.trial.protocol import OpenedProtocol, file_in, parse_protocol

HOUR = "2026-01-02T03:04:05"
PROTOCOL = """
schema = 1
id = "own"
title = "A trial of our own"
seed = 3
[data]
subjects = "adsl.csv"
results = "adqs.csv"
[arms]
variable = "TRT01P"
control = "Placebo"
treated = ["Active"]
[endpoint]
label = "Score"
unit = "points"
parameter = "SCORE"
measure = "change"
[[visits]]
name = "Week 4"
number = 4
[[visits]]
name = "Week 8"
number = 8
[estimand]
population = "adults"
treatment = "active against placebo"
variable = "change from baseline at week 8"
summary = "difference of means"
[adjust]
method = "ancova"
covariates = ["AGE"]
errors = "classical"
[forecast]
method = "mixed_model"
covariates = ["AGE"]
folds = 3
[plan]
effect = 2.0
sd = 5.0
correlation = 0.5
simulated_trials = 200
[interim]
looks = [0.5, 1.0]
trials = 500
"""


def tables(effect: float = 3.0, n: int = 120) -> dict[str, pd.DataFrame]:
    """n subjects dealt alternately; the change at week 8 is effect + 0.5 (baseline - 50) + noise."""
    rng = np.random.default_rng(5)
    arm = np.arange(n) % 2
    age, base = rng.normal(60, 8, n).round(1), rng.normal(50, 10, n).round(2)
    week8 = (effect * arm + 0.5 * (base - 50) + rng.normal(0, 3, n)).round(3)
    week4 = (week8 / 2 + rng.normal(0, 2, n)).round(3)
    ids = [f"S{i:03d}" for i in range(n)]
    adsl = pd.DataFrame({"USUBJID": ids, "TRT01P": np.where(arm, "Active", "Placebo"), "AGE": age})
    rows = []
    for visit, change in ((0, np.zeros(n)), (4, week4), (8, week8)):
        rows.append(
            pd.DataFrame(
                {
                    "USUBJID": ids,
                    "PARAMCD": "SCORE",
                    "AVISITN": visit,
                    "BASE": base,
                    "AVAL": base + change,
                    "CHG": change,
                    "DTYPE": "",
                }
            )
        )
    return {"adsl.csv": adsl, "adqs.csv": pd.concat(rows)}


def files(frames: dict[str, pd.DataFrame]) -> dict[str, bytes]:
    return {name: frame.to_csv(index=False).encode() for name, frame in frames.items()}


def opened(text: str = PROTOCOL, given: dict[str, bytes] | None = None) -> OpenedProtocol:
    return parse_protocol(text.encode(), file_in(files(tables()) if given is None else given))


def least_squares(frames: dict[str, pd.DataFrame]) -> tuple[float, float, float]:
    """Estimate, SE and p of the arm at week 8, by the normal equations."""
    last = frames["adqs.csv"].query("AVISITN == 8").merge(frames["adsl.csv"], on="USUBJID")
    X = np.column_stack([np.ones(len(last)), last["TRT01P"] == "Active", last["AGE"], last["BASE"]]).astype(float)
    beta, rss = np.linalg.lstsq(X, last["CHG"].to_numpy(), rcond=None)[:2]
    df = len(X) - 4
    se = float(np.sqrt(rss[0] / df * np.linalg.inv(X.T @ X)[1, 1]))
    return float(beta[1]), se, float(2 * stats.t.sf(abs(beta[1]) / se, df))


def test_the_adjusted_effect_is_that_of_least_squares() -> None:
    (found,) = run_step(DeskStep.ADJUST, opened()).result.values["comparisons"]  # type: ignore[misc,union-attr]
    wanted = least_squares(tables())
    effect = found["effect"]  # type: ignore[index,call-overload]
    assert [effect["estimate"], effect["se"], effect["p"]] == pytest.approx(list(wanted), rel=1e-9)  # type: ignore[index]


@pytest.mark.parametrize("step", list(DeskStep))
def test_each_step_answers_on_a_page_or_says_which_section_is_missing(step: DeskStep) -> None:
    if step in (DeskStep.EXTERNAL, DeskStep.BORROW):
        with pytest.raises(Refusal, match=rf"\[{step.value}\]"):
            run_step(step, opened())
        return
    shares: list[float] = []
    done = run_step(step, opened(), shares.append)
    assert done.result.answer and done.result.answer in done.page and shares[-1] == 1.0
    json.dumps(done.result.values, allow_nan=False)


def as_parquet(frame: pd.DataFrame) -> bytes:
    out = io.BytesIO()
    frame.to_parquet(out, index=False)
    return out.getvalue()


def as_dataset_json(frame: pd.DataFrame) -> bytes:
    columns = [
        {"name": c, "dataType": "string" if frame[c].dtype.kind not in "fiu" else "double"} for c in frame.columns
    ]
    head = {"datasetJSONVersion": "1.1.0", "itemGroupOID": "IG", "name": "X", "columns": columns}
    return json.dumps({**head, "rows": frame.values.tolist()}).encode()


@pytest.mark.parametrize(("ending", "written"), [(".parquet", as_parquet), (".json", as_dataset_json)])
def test_other_formats_give_the_same_answer(ending: str, written: Callable[[pd.DataFrame], bytes]) -> None:
    frames = {n.replace(".csv", ending): f for n, f in tables().items()}
    given = {n: written(f) for n, f in frames.items()}
    other = run_step(DeskStep.ADJUST, opened(PROTOCOL.replace(".csv", ending), given)).result
    assert other.values == run_step(DeskStep.ADJUST, opened()).result.values


BROKEN: list[tuple[str, Callable[[dict[str, pd.DataFrame]], dict[str, pd.DataFrame]], str]] = [
    (
        "an id twice",
        lambda f: f | {"adsl.csv": pd.concat([f["adsl.csv"], f["adsl.csv"].head(1)])},
        "row 122: a subject that is there before",
    ),
    ("no such arm", lambda f: f | {"adsl.csv": f["adsl.csv"].replace("Active", "Activ")}, "Active.*Activ"),
    ("a stranger", lambda f: f | {"adqs.csv": f["adqs.csv"].replace("S001", "S999")}, "1 subjects have results"),
    ("no such visit", lambda f: f | {"adqs.csv": f["adqs.csv"].query("AVISITN < 8")}, "Week 8: nobody was read"),
    ("a visit twice", lambda f: f | {"adqs.csv": pd.concat([f["adqs.csv"], f["adqs.csv"].tail(2)])}, "twice"),
    ("no such column", lambda f: f | {"adsl.csv": f["adsl.csv"].rename(columns={"AGE": "AGEY"})}, "AGE.*AGEY"),
    (
        "three patients",
        lambda f: {n: d[d["USUBJID"].isin(["S000", "S001", "S002"])] for n, d in f.items()},
        "two or more",
    ),
]


@pytest.mark.parametrize(("change", "said"), [b[1:] for b in BROKEN], ids=[b[0] for b in BROKEN])
def test_bad_data_are_named(change: Callable[[dict[str, pd.DataFrame]], dict[str, pd.DataFrame]], said: str) -> None:
    with pytest.raises(Refusal, match=said):
        run_step(DeskStep.ADJUST, opened(given=files(change(tables()))))


def test_every_mistake_of_a_protocol_is_told_at_once() -> None:
    text = PROTOCOL.replace('method = "ancova"', 'method = "anova"').replace("seed = 3", 'seed = "three"\ncolour = 1')
    with pytest.raises(Refusal) as told:
        opened(text)
    assert all(word in told.value.message for word in ("3 mistakes", "did you mean 'ancova'", "seed", "colour"))


def package() -> dict[str, bytes]:
    return dict(build_package(opened(), PROTOCOL, HOUR).files)


def test_the_package_holds_observed_and_predicted_rows_apart() -> None:
    made = package()
    adeff, adsl = (parse_table(n, made[n]).frame for n in ("adeff.xpt", "adsl.xpt"))
    assert len(adsl) == 120 and set(adsl["TRT01PN"]) == {0.0, 1.0}
    predicted = adeff["DTYPE"] == "FORECAST"
    assert (~predicted).sum() == 240 and predicted.sum() == 240
    assert adeff.loc[~predicted, "FCSD"].isna().all() and adeff.loc[predicted, "FCSD"].notna().all()
    read = adeff[~predicted].set_index(["USUBJID", "AVISITN"])["CHG"]
    source = tables()["adqs.csv"].query("AVISITN > 0").set_index(["USUBJID", "AVISITN"])["CHG"]
    assert read.sort_index().to_numpy() == pytest.approx(source.sort_index().to_numpy())
    same = parse_table("adeff.json", made["adeff.json"]).frame
    assert same["CHG"].to_numpy() == pytest.approx(adeff["CHG"].to_numpy()) and list(same) == list(adeff)


def test_define_xml_is_valid_by_cdisc_schema(tmp_path: Path) -> None:
    import odmlib
    import xmlschema

    schema = Path(odmlib.__file__).parent / "schemas" / "define" / "2.1" / "define2-1-0.xsd"
    xmlschema.validate(
        (tmp_path / "define.xml").write_bytes(package()["define.xml"]) and tmp_path / "define.xml", schema
    )


def test_the_log_gives_the_same_bytes_and_knows_other_data() -> None:
    logged = read_log(package()["analysis_log.json"])
    assert set(logged.inputs) == {"adsl.csv", "adqs.csv"}
    found = rerun(logged, file_in(files(tables())))
    assert len(found) == 9 and all(found.values()), found
    with pytest.raises(Refusal, match="is not the file that was analyzed"):
        rerun(logged, file_in(files(tables(effect=2.0))))


def test_the_checklist_leaves_open_what_nobody_said() -> None:
    rows = pd.read_csv(io.BytesIO(package()["checklist.csv"]))
    open_rows = rows[rows["answer"].str.startswith("open")]["question"].tolist()
    assert open_rows == ["Intercurrent events and their strategies", "Training cut-off"]
