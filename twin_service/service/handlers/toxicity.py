"""The toxicity panel: a drug and its doses in, every mechanism out, known or not."""

from __future__ import annotations

import numpy as np

from twin_service.outcome import Refusal
from twin_service.service.door import call as calls
from twin_service.service.handlers.context import Service
from twin_service.service.handlers.route import about_tenant
from twin_service.service.wire import toxicity as wire
from twin_service.service.wire.path import moved
from twin_service.service.wire.rpc import rpc
from twin_service.service.wire.toxicity import AssessToxicityRequest, AssessToxicityResponse
from twin_service.trial.toxicity import assess


def assess_toxicity(service: Service, request: AssessToxicityRequest) -> AssessToxicityResponse:
    panel, call = wire.panel_of(request, service.settings), calls.current()
    try:
        found = assess(
            panel.drug,
            panel.regimen,
            rng=np.random.default_rng(panel.seed),
            horizon_h=panel.horizon_h,
            choice=panel.choice,
            covariates=panel.covariates,
            patients=panel.patients,
            deadline=call.deadline,
        )
    except Refusal as refusal:
        raise moved(refusal, refusal.field.replace(f"regimens[{panel.drug}].", "")) from None
    return wire.assessed(found, call.now_us)


def _parent(request: AssessToxicityRequest) -> str:
    return request.parent


ROUTES = (about_tenant(rpc(AssessToxicityRequest, AssessToxicityResponse), _parent, assess_toxicity),)
