"""The shape of every kind of library file but drugs, whose reader (`pbpk/door`) also converts and judges.

One word for one thing: parameter, covariate, observable, error, endpoint, route, domain. A key that is not here is an
error: it would be read past, and what it was meant to say would silently not hold.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Text = Annotated[str, Field(min_length=1)]
Span = Annotated[list[float], Field(min_length=2, max_length=2)]
# Ranges of validity and their words are read by `model/domain`, which names its own mistakes.
Domain = dict[str, object]


class LibraryTable(BaseModel):
    """A table of a file: no key unknown, no text taken for a number, no NaN."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class Number(LibraryTable):
    """A number with where it comes from."""

    value: float
    unit: Text
    origin: Text
    method: str = ""
    cv: float = 0.0
    note: str = ""


class Error(LibraryTable):
    """How readings scatter; `model/structure.ErrorLaw` says what each kind means."""

    origin: str = ""
    kind: Literal["normal", "log", "power", "sum", "poisson"] = "normal"
    additive: Annotated[float, Field(ge=0)] = 0.0
    proportional: Annotated[float, Field(ge=0)] = 0.0
    power: float = 1.0
    fixed: bool = False


class CovariateTable(LibraryTable):
    name: Text
    unit: Text
    default: float | None = None
    limits: Span | None = None
    caution: Span | None = None
    title: str = ""
    origin: str = ""


class EndpointTable(LibraryTable):
    """A threshold on an output; how badly it harms is `grade` (CTCAE; 0: none) and `serious`."""

    id: Text
    output: Text
    unit: Text
    comparison: Literal["below", "above"]
    threshold: float
    title: Text
    harmful: bool = True
    serious: bool | None = None
    relative_to_baseline: bool = False
    grade: Annotated[int, Field(ge=0, le=5)] = 0
    origin: str = ""


class PopulationTerm(LibraryTable):
    law: Text
    covariate: Text
    coefficient: float
    reference: float = 0.0
    adds: bool = False
    origin: str = ""
    estimate: bool | None = None
    fixed: bool = False


class PopulationEffect(LibraryTable):
    kind: str = "exponential"
    variance: float | None = None
    sd: float | None = None
    shares: str = ""
    scale: float = 1.0
    shape: float = 0.0
    occasion_variance: Annotated[float, Field(ge=0)] = 0.0
    occasions: Annotated[int, Field(ge=0)] = 0
    drift_per_h: Annotated[float, Field(ge=0)] = 0.0
    origin: str = ""
    fixed: bool = False


class PopulationParameter(LibraryTable):
    value: float
    unit: Text
    origin: Text
    method: str = ""
    note: str = ""
    covariate_effect: list[PopulationTerm] = []
    effect: PopulationEffect | None = None
    fixed: bool = False
    bounds: Span | None = None


class PopulationObservable(LibraryTable):
    analyte: Text
    unit: Text
    error: Error
    compartment: str = "central"
    title: str = ""
    molar_mass_g_mol: float | None = None
    lower_limit: float | None = None
    upper_limit: float | None = None


class ResponseTable(LibraryTable):
    law: Text
    direction: str = "inhibition"
    unit: str = "1"


class StructureTable(LibraryTable):
    """Which compartments, absorption and elimination; the laws are in `poppk/structures` and `poppk/responses`."""

    compartments: int = 1
    absorption: str = "none"
    elimination: str = "linear"
    transit_compartments: int | None = None
    route: str = "oral"
    metabolite: bool = False
    response: ResponseTable | None = None


class CovarianceTable(LibraryTable):
    between: Annotated[list[str], Field(min_length=2, max_length=2)]
    value: float
    origin: str = ""


class Head(LibraryTable):
    """What every file begins with."""

    id: Text
    # the name `schema` belongs to pydantic
    schema_version: Literal[2] = Field(2, alias="schema")
    version: Text
    title: str = ""
    notes: str = ""


class PopulationFile(Head):
    """`library/poppk/<id>.toml`."""

    drug: Text
    source: Text
    structure: StructureTable
    parameters: dict[str, PopulationParameter]
    observable: Annotated[list[PopulationObservable], Field(min_length=1)]
    fitted_on: str = ""
    note_to_user: str = ""
    routes: list[str] | None = None
    units_per_mg: float = 1.0
    derived: list[str] = []
    covariate: list[CovariateTable] = []
    covariance: list[CovarianceTable] = []
    endpoint: list[EndpointTable] = []
    molar_mass: Number | None = None
    domain: Domain = {}


class EffectParameter(Number):
    bounds: Span | None = None
    transform: Literal["log", "logit", "none", "fixed"] = "fixed"
    variance: Annotated[float, Field(ge=0)] = 0.0
    drift_per_h: Annotated[float, Field(ge=0)] = 0.0
    spread_origin: str = ""


class PortTable(LibraryTable):
    name: Text
    unit: Text
    wire: str = ""
    drug: str = ""
    note: str = ""
    default: float = 0.0


class RouteTable(LibraryTable):
    drug: Text
    route: Text
    input: Text
    units_per_mg: Annotated[float, Field(gt=0)]


class EffectObservable(LibraryTable):
    analyte: Text
    output: Text
    unit: Text
    error: Error
    title: str = ""
    lower_limit: float | None = None
    upper_limit: float | None = None


class EffectTerm(LibraryTable):
    parameter: Text
    covariate: Text
    law: Literal["power", "linear", "fraction", "broken_line"]
    coefficients: list[float]
    origin: Text
    reference: float = 0.0


class EffectTable(Head):
    """`library/qsp/<id>.toml`: a disease, a toxicity or a response."""

    title: Text
    area: Text
    law: Text
    source: Text
    species: str = ""
    molar_mass: Number | None = None
    parameters: dict[str, EffectParameter]
    port: list[PortTable] = []
    route: list[RouteTable] = []
    covariate: list[CovariateTable] = []
    covariate_effect: list[EffectTerm] = []
    covariance: list[CovarianceTable] = []
    observable: list[EffectObservable] = []
    endpoint: list[EndpointTable] = []
    domain: Domain = {}


class AgeSeries(LibraryTable):
    """A number, or one for each age of the file."""

    value: float | list[float]
    unit: Text
    origin: Text


class OrganTable(LibraryTable):
    id: Text
    drains_to: Text
    composition: Text
    mass_male_kg: AgeSeries | None = None
    mass_female_kg: AgeSeries | None = None
    blood_share: AgeSeries | None = None
    flow_share_male: AgeSeries | None = None
    flow_share_female: AgeSeries | None = None
    height_exponent: AgeSeries | None = None
    closes: bool = False


class CompositionTable(LibraryTable):
    origin: Text
    extracellular_water: float = 0.0
    intracellular_water: float = 0.0
    neutral_lipid: float = 0.0
    neutral_phospholipid: float = 0.0
    acidic_phospholipid_mg_g: float = 0.0
    albumin_ratio: float = 0.0
    lipoprotein_ratio: float = 0.0
    neutral_lipid_pt: float = 0.0
    phospholipid_pt: float = 0.0
    water_pt: float = 0.0
    lipid: float = 0.0
    protein: float = 0.0
    water: float = 0.0


class CoefficientOfVariation(LibraryTable):
    """A coefficient of variation between people, a fraction."""

    cv: Annotated[float, Field(gt=0, lt=1)]
    origin: Text


class SpeciesTable(Head):
    """`library/physiology/<species>.toml`."""

    title: Text
    source: str = ""
    ages_y: list[float] = []
    density_kg_l: Number | float | None = None
    body: dict[str, AgeSeries]
    organ: Annotated[list[OrganTable], Field(min_length=1)]
    composition: dict[str, CompositionTable]
    domain: Domain = {}
    variability: dict[str, CoefficientOfVariation] = {}


class AgeCurve(LibraryTable):
    """[at birth, peak, age at half in years, Hill, cap in years]."""

    value: Annotated[list[float], Field(min_length=4, max_length=5)]
    origin: Text
    age: Literal["postnatal", "postmenstrual"] = "postnatal"


class EnzymeSpread(LibraryTable):
    value: Annotated[float, Field(gt=0)]
    origin: Text


class EnzymeTable(LibraryTable):
    id: Text
    kind: Literal["enzyme", "transporter"] = "enzyme"
    liver: Number | None = None
    gut: Number | None = None
    kdeg_liver: Number | None = None
    kdeg_gut: Number | None = None
    maturation: AgeCurve | None = None
    gut_maturation: AgeCurve | None = None
    kidney_maturation: AgeCurve | None = None
    cv: EnzymeSpread | None = None
    genotype: str = ""


class EnzymesTable(Head):
    """`library/enzymes.toml`."""

    enzyme: Annotated[list[EnzymeTable], Field(min_length=1)]
    defaults: dict[str, Number] = {}


class GeneTable(LibraryTable):
    gene: Text
    enzyme: Text
    origin: Text
    activity: dict[str, float]
    phenotype: dict[str, float] = {}
    frequency: dict[str, float] = {}


class GenotypesTable(Head):
    """`library/genotypes.toml`."""

    gene: Annotated[list[GeneTable], Field(min_length=1)]
