"""What every adjusted analysis gives: means by arm and visit, and each arm against control."""

from __future__ import annotations

from typing import NamedTuple

from twin_service.trial.adjust.ancova import TreatmentEffect


class ArmMean(NamedTuple):
    """Least-squares mean of an arm (0: control) at a visit, with its standard error and subjects."""

    arm: int
    visit: int
    mean: float
    se: float
    subjects: int


class ArmComparison(NamedTuple):
    """`effect` of an arm against control at a visit."""

    arm: int
    visit: int
    effect: TreatmentEffect
