"""Every RPC the server answers: each room of handlers says its own, this file only gathers them."""

from __future__ import annotations

from twin_service.service.handlers import (
    answers,
    averaging,
    dosing,
    held,
    library,
    operations,
    phase1,
    populations,
    protocol,
    recommendation,
    recording,
    simulation,
    toxicity,
    trajectory,
    trial_step,
    trials,
    twins,
    watching,
)
from twin_service.service.handlers.route import MethodRoute, OperationKind

ROUTES: tuple[MethodRoute, ...] = (
    *twins.ROUTES,
    *recording.ROUTES,
    *held.ROUTES,
    *watching.ROUTES,
    *trajectory.ROUTES,
    *answers.ROUTES,
    *simulation.ROUTES,
    *recommendation.ROUTES,
    *protocol.ROUTES,
    *dosing.ROUTES,
    *averaging.ROUTES,
    *trials.ROUTES,
    *trial_step.ROUTES,
    *toxicity.ROUTES,
    *phase1.ROUTES,
    *populations.ROUTES,
    *operations.ROUTES,
    *library.ROUTES,
)
KINDS: tuple[OperationKind, ...] = (*populations.KINDS, *phase1.KINDS, *trial_step.KINDS)
"""Every kind of operation."""
