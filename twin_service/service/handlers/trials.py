"""Sponsors' questions: control-arm forecasts learned from historical controls, and prognostic adjustment."""

from __future__ import annotations

from twin_service.cohort.learning import CovariateUse
from twin_service.service.door import call as calls
from twin_service.service.handlers.context import Service
from twin_service.service.handlers.route import about_tenant
from twin_service.service.wire import trial as wire
from twin_service.service.wire.path import About, AskedFields
from twin_service.service.wire.rpc import rpc
from twin_service.service.wire.trial import (
    AnalyzeTrialRequest,
    AnalyzeTrialResponse,
    ForecastControlArmRequest,
    ForecastControlArmResponse,
)
from twin_service.trial.adjust.procova import procova
from twin_service.trial.forecast.history import forecast_from_history

MEMBERS = 128


def forecast_control_arm(service: Service, request: ForecastControlArmRequest) -> ForecastControlArmResponse:
    """Learn the course of the historical controls, then forecast each subject from what is known at his index date."""
    arm, call = wire.control_arm_of(request, service.settings), calls.current()
    with AskedFields(names={"candidates": "subjects", "times_h": "endpoint.times_h", "analyte": "endpoint.name"}):
        found = forecast_from_history(
            arm.subjects,
            arm.history,
            arm.times_h,
            analyte=arm.analyte,
            unit=arm.unit,
            learn_scale=arm.scale,
            answer_scale=arm.scale,
            covariates=[CovariateUse(n, "1") for n in arm.covariates],
            members=MEMBERS,
            deadline=call.deadline,
        )
    return wire.forecast_arm(found, arm.covariates, members=MEMBERS, now_us=call.now_us)


def analyze(service: Service, request: AnalyzeTrialRequest) -> AnalyzeTrialResponse:
    """Difference in means beside the ANCOVA with the prognostic score."""
    trial = wire.analysis_of(request, service.settings)
    with About("rows"):
        found = procova(trial.outcome, trial.treated, trial.score, trial.covariates, level=trial.confidence)
    return wire.analyzed(found, calls.current().now_us)


def _parent(request: ForecastControlArmRequest | AnalyzeTrialRequest) -> str:
    return request.parent


ROUTES = (
    about_tenant(rpc(ForecastControlArmRequest, ForecastControlArmResponse), _parent, forecast_control_arm),
    about_tenant(rpc(AnalyzeTrialRequest, AnalyzeTrialResponse), _parent, analyze),
)
