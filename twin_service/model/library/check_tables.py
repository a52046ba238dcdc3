"""The shape of check files, `<id>.check.toml`: published figures that the file beside it must give."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from twin_service.model.library.tables import LibraryTable, Span, Text

Rung = Literal["published", "closed_form", "reference_run", "recomputed"]
Measure = Literal["auc", "auc_inf", "auc_tau", "cmax", "cmin", "thalf", "tmax", "auc_ratio", "cmax_ratio", "cav", "fe"]


class WantedTable(LibraryTable):
    """A figure and the fold error allowed; `reached`: a miss that is known, and may only shrink."""

    value: Annotated[float, Field(gt=0)]
    unit: Text
    fold: Annotated[float, Field(gt=1)] = 2.0
    reached: Annotated[float, Field(gt=1)] | None = None


class OtherDrug(LibraryTable):
    drug: Text
    route: Text
    dose_mg: Annotated[float, Field(gt=0)]
    interval_h: float = 24.0
    count: int = 1
    start_h: float = 0.0
    duration_h: float = 0.0


class DrugCheck(LibraryTable):
    study: Text
    source: Text
    route: Text
    expect: Annotated[dict[Measure, WantedTable], Field(min_length=1)]
    dose_mg: Annotated[float, Field(gt=0)] | None = None
    dose_mg_kg: Annotated[float, Field(gt=0)] | None = None
    dosed: str = ""
    measured: str = ""
    interval_h: float = 24.0
    count: int = 1
    start_h: float = 0.0
    duration_h: float = 0.0
    person: dict[str, float] = {}
    formulations: dict[str, str] = {}
    window_h: Span | None = None
    with_: list[OtherDrug] = Field([], alias="with")


class DrugCheckFile(LibraryTable):
    check: Annotated[list[DrugCheck], Field(min_length=1)]


class GivenDose(LibraryTable):
    time_h: float
    route: Text
    amount_mg: float
    duration_h: float = 0.0


class LevelTable(LibraryTable):
    analyte: Text
    time_h: float
    value: float
    tolerance: float = 2e-6


class PopulationCheck(LibraryTable):
    id: Text
    rung: Rung
    source: Text
    covariates: dict[str, float] = {}
    doses: list[GivenDose]
    expect: Annotated[list[LevelTable], Field(min_length=1)]


class PopulationCheckFile(LibraryTable):
    check: Annotated[list[PopulationCheck], Field(min_length=1)]


class RampDecay(LibraryTable):
    amplitude: float
    rate_per_h: float
    lag_h: float = 0.0


class PortProfile(LibraryTable):
    unit: str | None = None
    value: float = 0.0
    segments: list[list[float]] = []
    ramp_decay: RampDecay | None = None


class ChangedTable(LibraryTable):
    value: float
    unit: Text


class EffectDose(LibraryTable):
    input: Text
    time: float
    amount: float
    every: float = 0.0
    count: int = 1
    duration: float = 0.0


class Kinetics(LibraryTable):
    port: Text
    cl: float
    v1: float
    v2: float
    q: float


class EffectFigure(LibraryTable):
    output: Text
    measure: Literal[
        "value", "minimum", "maximum", "time_of_minimum", "time_of_maximum", "time_first_above", "time_last_above"
    ]
    unit: Text
    value: float
    time: float | None = None
    window: Span | None = None
    level: float | None = None
    molar_mass: float | None = None
    tolerance: float = 1e-3
    absolute_tolerance: float | None = None


class EffectCheck(LibraryTable):
    id: Text
    rung: Rung
    source: Text
    expect: Annotated[list[EffectFigure], Field(min_length=1)]
    time_unit: str = "h"
    covariates: dict[str, float] = {}
    ports: dict[str, PortProfile] = {}
    parameters: dict[str, ChangedTable] = {}
    doses: list[EffectDose] = []
    kinetics: Kinetics | None = None


class EffectCheckFile(LibraryTable):
    check: Annotated[list[EffectCheck], Field(min_length=1)]
