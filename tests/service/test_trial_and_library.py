"""Sponsors' questions against a simulated trial of known effect, and the library as it lies on disk."""

from __future__ import annotations

import grpc
import numpy as np
import pytest

from tests.service.conftest import MODEL, Client, refused
from twin_service.model.pbpk.antibody import antibody_files
from twin_service.model.pbpk.library import drug_files
from twin_service.v1 import library_pb2, trial_pb2, twin_pb2

YEAR_H = 8766.0
EFFECT = -0.4


def trial(n: int, seed: int) -> tuple[list[trial_pb2.Subject], list[float], list[bool], list[trial_pb2.Subject]]:
    """Subjects at their index date, their outcome at one year, their arm, and historical controls; the endpoint is
    linear in time with individual level and slope, and treatment lowers it by 0.4 at one year."""
    rng = np.random.default_rng(seed)
    subjects, outcomes, arms, history = [], [], [], []
    for i in range(2 * n):
        level, slope, age = 2 + rng.normal(0, 1), 0.5 + rng.normal(0, 0.2), rng.uniform(30, 70)
        level += 0.02 * (age - 50)

        def reading(t: float, level: float = level, slope: float = slope) -> float:
            return level + slope * t / YEAR_H + rng.normal(0, 0.2)

        before = [{"time_h": t, "value": reading(t)} for t in (-1000.0, 0.0)]
        if i < n:
            treated = bool(i % 2)
            subjects.append(trial_pb2.Subject(id=f"s{i}", baseline={"age_y": age}, visits=before))
            outcomes.append(reading(YEAR_H) + EFFECT * treated)
            arms.append(treated)
        else:
            after = [{"time_h": t, "value": reading(t)} for t in (YEAR_H / 2, YEAR_H)]
            history.append(trial_pb2.Subject(id=f"h{i}", baseline={"age_y": age}, visits=before + after))
    return subjects, outcomes, arms, history


@pytest.fixture(scope="module")
def forecast(client: Client) -> tuple[trial_pb2.ForecastControlArmResponse, list[float], list[bool]]:
    subjects, outcomes, arms, history = trial(120, 3)
    request = trial_pb2.ForecastControlArmRequest(
        parent="tenants/acme",
        endpoint={"name": "score", "unit": "1", "times_h": [YEAR_H]},
        subjects=subjects,
        historical_controls=history,
    )
    return client.trial.ForecastControlArm(request, timeout=120), outcomes, arms


def test_controls_are_forecast_with_honest_bands(forecast: tuple[object, list[float], list[bool]]) -> None:
    response, outcomes, arms = forecast
    assert isinstance(response, trial_pb2.ForecastControlArmResponse)
    controls = [(f, y) for f, y, w in zip(response.forecasts, outcomes, arms, strict=True) if not w]
    assert all(f.predicted and f.times_h == [YEAR_H] for f, _ in controls)
    covered = np.mean([f.q05[0] <= y <= f.q95[0] for f, y in controls])
    assert covered > 0.8
    assert np.corrcoef([f.mean[0] for f, _ in controls], [y for _, y in controls])[0, 1] > 0.9
    assert response.parameters["slope_per_year.intercept"] == pytest.approx(0.5, abs=0.1)
    assert response.basis.model_digest and response.basis.answer_id


def test_adjustment_finds_the_effect_with_a_smaller_error(
    client: Client, forecast: tuple[object, list[float], list[bool]]
) -> None:
    response, outcomes, arms = forecast
    assert isinstance(response, trial_pb2.ForecastControlArmResponse)
    rows = [
        trial_pb2.TrialRow(subject=f.subject, treated=w, outcome=y, prognostic_score=f.mean[0])
        for f, y, w in zip(response.forecasts, outcomes, arms, strict=True)
    ]
    found = client.trial.AnalyzeTrial(trial_pb2.AnalyzeTrialRequest(parent="tenants/acme", rows=rows, confidence=0.95))
    assert found.adjusted.ci_low < EFFECT < found.adjusted.ci_high
    assert found.adjusted.standard_error < 0.5 * found.unadjusted.standard_error
    assert (found.adjusted.treated, found.adjusted.controls) == (60, 60)
    assert found.variance_reduction == pytest.approx(
        1 - (found.adjusted.standard_error / found.unadjusted.standard_error) ** 2, rel=1e-9
    )
    assert found.effective_sample_ratio == pytest.approx(1 / (1 - found.variance_reduction))
    assert found.score_correlation > 0.9 and not found.warnings
    arm = np.array(arms)
    assert found.unadjusted.estimate == pytest.approx(
        np.mean(np.array(outcomes)[arm]) - np.mean(np.array(outcomes)[~arm])
    )
    kept = twin_pb2.GetAnswerRequest(name=f"tenants/acme/answers/{found.basis.answer_id}", reproduce=True)
    assert client.twins.GetAnswer(kept).identical


def test_a_reading_after_the_index_date_is_refused(client: Client) -> None:
    subjects, _, _, history = trial(6, 1)
    subjects[2].visits.add(time_h=5.0, value=1.0)
    request = trial_pb2.ForecastControlArmRequest(
        parent="tenants/acme",
        endpoint={"name": "score", "times_h": [YEAR_H]},
        subjects=subjects,
        historical_controls=history,
    )
    found = refused(lambda: client.trial.ForecastControlArm(request))
    assert (found.reason, found.fields) == ("AFTER_INDEX_DATE", ["subjects[2].visits[2].time_h"])


def test_no_patient_teaches_his_own_forecast(client: Client) -> None:
    subjects, _, _, history = trial(6, 1)
    subjects[1].id = history[0].id
    request = trial_pb2.ForecastControlArmRequest(
        parent="tenants/acme",
        endpoint={"name": "score", "times_h": [YEAR_H]},
        subjects=subjects,
        historical_controls=history,
    )
    found = refused(lambda: client.trial.ForecastControlArm(request))
    assert (found.reason, found.fields) == ("TEACHES_ITSELF", ["historical_controls"])


def test_a_forecast_beyond_every_follow_up_says_so(client: Client) -> None:
    subjects, _, _, history = trial(60, 1)
    request = trial_pb2.ForecastControlArmRequest(
        parent="tenants/acme",
        endpoint={"name": "score", "times_h": [3.0 * YEAR_H]},
        subjects=subjects,
        historical_controls=history,
    )
    warnings = client.trial.ForecastControlArm(request, timeout=60).forecasts[0].warnings
    assert any("no historical control was followed beyond" in w for w in warnings)


def test_drugs_are_listed_with_every_origin(client: Client) -> None:
    listed, token = [], ""
    while True:
        page = client.library.ListDrugs(library_pb2.ListDrugsRequest(page_size=2, page_token=token))
        listed += [d.id for d in page.drugs]
        token = page.next_page_token
        if not token:
            break
    assert listed == sorted([*drug_files(), *antibody_files()]) and len(listed) >= 5
    drug = client.library.GetDrug(library_pb2.GetDrugRequest(id="midazolam")).drug
    assert drug.molar_mass_g_mol == pytest.approx(325.8, abs=0.1) and len(drug.values) > 3
    assert all(v.origin and v.value.unit for v in drug.values)
    found = refused(lambda: client.library.GetDrug(library_pb2.GetDrugRequest(id="midazolan")))
    assert found.code is grpc.StatusCode.NOT_FOUND and "midazolam" in found.message


def test_a_drug_file_is_checked(client: Client) -> None:
    good = drug_files()["midazolam"].read_text()
    assert not client.library.ValidateDrug(library_pb2.ValidateDrugRequest(toml=good)).mistakes
    bad = good.replace('"CYP3A4"', '"CYP3A"')
    (first, *_) = client.library.ValidateDrug(library_pb2.ValidateDrugRequest(toml=bad)).mistakes
    assert "CYP3A4" in first.message and first.path
    (broken,) = client.library.ValidateDrug(library_pb2.ValidateDrugRequest(toml="id = ")).mistakes
    assert "TOML" in broken.message


def test_models_are_listed_and_described(client: Client) -> None:
    request = library_pb2.ListModelsRequest(kind=library_pb2.MODEL_KIND_POPPK, page_size=1000)
    models = client.library.ListModels(request).models
    assert MODEL in {m.id for m in models} and all(m.version and len(m.digest) == 64 for m in models)
    every = client.library.ListModels(library_pb2.ListModelsRequest(page_size=1000)).models
    assert len(every) > len(models)
    told = client.library.DescribeModel(library_pb2.DescribeModelRequest(model={"poppk": MODEL}))
    assert [e.title for e in told.effects] == ["CL", "V"] and told.routes[0].drug == "phenobarbital"
    weight = next(c for c in told.covariates if c.name == "weight_kg")
    assert weight.required and weight.HasField("low") and weight.low < weight.high
    assert {e.id for e in told.endpoints} == {"subtherapeutic", "toxic"}
    assert next(o for o in told.outputs if o.analyte).analyte == "phenobarbital"
    found = refused(lambda: client.library.DescribeModel(library_pb2.DescribeModelRequest(model={"effects": ["x"]})))
    assert found.code is grpc.StatusCode.INVALID_ARGUMENT and found.fields[0].startswith("model")


def test_analytes_are_listed_with_units_and_codes(client: Client) -> None:
    analytes = client.library.ListAnalytes(library_pb2.ListAnalytesRequest(page_size=1000)).analytes
    creatinine = next(a for a in analytes if a.id == "creatinine")
    assert (creatinine.unit, creatinine.molar_mass_g_mol) == ("umol/L", 113.12) and "2160-0" in creatinine.loinc
    assert next(a for a in analytes if a.id == "weight_kg").covariate
    assert next(a for a in analytes if a.id == "phenobarbital").unit == "mg/L"
