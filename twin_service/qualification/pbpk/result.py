"""What a qualification of the drug library measured."""

from __future__ import annotations

from dataclasses import dataclass

from twin_service.model.pbpk.studies import StudyFinding
from twin_service.qualification.pbpk.children import Child
from twin_service.qualification.pbpk.courses import CourseResult
from twin_service.qualification.pbpk.interactions import InteractionResult
from twin_service.qualification.pbpk.populations import PopulationRatio
from twin_service.qualification.pbpk.scores import Ratio


@dataclass(frozen=True)
class Qualification:
    """Everything measured, for the report."""

    figures: dict[str, float]
    checks: list[StudyFinding]
    courses: list[CourseResult]
    interactions: list[InteractionResult]
    children: list[Child]
    genotypes: list[Ratio]
    populations: list[PopulationRatio]
    previous: dict[str, float]
