"""`trial.toml`: the protocol of an analysis, said once and checked before any outcome is looked at.

Everything a result depends on stands here: which files, who is analyzed, what the endpoint is and when it is read, the
estimand with its intercurrent events (ICH E9(R1)), and for each step (adjust, forecast, external, borrow, interim,
plan) its method. The digest of the file goes into every answer.
"""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from twin_service.library.files import parse_text
from twin_service.outcome import Refusal, RefusalCode
from twin_service.trial.protocol_reader import read_record


class EndpointKind(enum.Enum):
    CONTINUOUS = "continuous"
    BINARY = "binary"
    TIME_TO_EVENT = "time_to_event"


class EndpointMeasure(enum.Enum):
    """What of a visit is analyzed: the value, or its change from baseline."""

    VALUE = "value"
    CHANGE = "change"


class AnalysisMethod(enum.Enum):
    ANCOVA = "ancova"
    PROCOVA = "procova"
    MMRM = "mmrm"
    PROCOVA_MMRM = "procova_mmrm"
    BAYESIAN_PROCOVA = "bayesian_procova"
    LOGISTIC = "logistic"
    COX = "cox"
    RMST = "rmst"


class Imputation(enum.Enum):
    NONE = "none"
    MISSING_AT_RANDOM = "missing_at_random"
    JUMP_TO_REFERENCE = "jump_to_reference"
    COPY_REFERENCE = "copy_reference"


class Strategy(enum.Enum):
    """ICH E9(R1) strategies for an intercurrent event."""

    TREATMENT_POLICY = "treatment_policy"
    HYPOTHETICAL = "hypothetical"
    COMPOSITE = "composite"
    WHILE_ON_TREATMENT = "while_on_treatment"
    PRINCIPAL_STRATUM = "principal_stratum"


class ForecastMethod(enum.Enum):
    MIXED_MODEL = "mixed_model"
    BOOSTING = "boosting"
    STACKED = "stacked"


@dataclass(frozen=True)
class DataSpec:
    """Files, relative to the protocol. `columns` maps a word (subject, visit, day, value, event) to a column."""

    subjects: str
    results: str = ""
    historical: str = ""
    historical_results: str = ""
    external: str = ""
    columns: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ArmSpec:
    """`variable` holds the arm; `treated` lists those compared with `control`; other arms are left out and counted."""

    variable: str
    control: str
    treated: tuple[str, ...]


@dataclass(frozen=True)
class VisitSpec:
    """A visit: its number (AVISITN), or the days in which the value nearest to `target_day` is read."""

    name: str
    number: float | None = None
    target_day: float | None = None
    low_day: float | None = None
    high_day: float | None = None

    def __post_init__(self) -> None:
        if self.number is None and self.target_day is None:
            raise Refusal(RefusalCode.INVALID, "say number, or target_day with low_day and high_day", field="number")
        if self.target_day is not None:
            if self.low_day is None or self.high_day is None or not self.low_day <= self.target_day <= self.high_day:
                raise Refusal(RefusalCode.INVALID, "expected low_day <= target_day <= high_day", field="target_day")


@dataclass(frozen=True)
class EndpointSpec:
    """`parameter` is PARAMCD or xxTESTCD; `where` keeps the records with these values (ANL01FL = "Y")."""

    label: str
    unit: str
    kind: EndpointKind = EndpointKind.CONTINUOUS
    parameter: str = ""
    measure: EndpointMeasure = EndpointMeasure.VALUE
    where: dict[str, str] = field(default_factory=dict)
    responder_at_least: float | None = None
    lower_is_better: bool = False


@dataclass(frozen=True)
class AnalysisSet:
    name: str
    where: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class IntercurrentEvent:
    event: str
    strategy: Strategy
    handling: str


@dataclass(frozen=True)
class EstimandSpec:
    population: str
    treatment: str
    variable: str
    summary: str
    intercurrent: tuple[IntercurrentEvent, ...] = ()


@dataclass(frozen=True)
class AdjustSpec:
    """`covariates` are numbers, `factors` are classes; `baseline` is added for continuous endpoints unless false."""

    method: AnalysisMethod = AnalysisMethod.ANCOVA
    covariates: tuple[str, ...] = ()
    factors: tuple[str, ...] = ()
    baseline: bool = True
    covariance: str = "unstructured"
    degrees_of_freedom: str = "satterthwaite"
    errors: str = "HC3"
    level: float = 0.95
    horizon_day: float | None = None
    imputation: Imputation = Imputation.NONE
    imputations: int = 100
    prior_weight: float = 0.5

    def __post_init__(self) -> None:
        if not 0 < self.level < 1:
            raise Refusal(RefusalCode.INVALID, f"{self.level:g}; expected between 0 and 1", field="level")
        if not 2 <= self.imputations <= 5000:
            raise Refusal(RefusalCode.INVALID, "expected 2 to 5000", field="imputations")


@dataclass(frozen=True)
class ForecastSpec:
    method: ForecastMethod = ForecastMethod.STACKED
    covariates: tuple[str, ...] = ()
    factors: tuple[str, ...] = ()
    folds: int = 5
    draws: int = 500
    training_cutoff: str = ""


@dataclass(frozen=True)
class ExternalSpec:
    """How controls from outside are made comparable, and what an answer needs at least."""

    covariates: tuple[str, ...]
    factors: tuple[str, ...] = ()
    estimand: str = "ATT"
    method: str = "weighting"
    caliper: float = 0.2
    eligibility: dict[str, tuple[float, ...]] = field(default_factory=dict)
    horizon_day: float | None = None
    bootstrap: int = 500
    smallest_ess: float = 20.0
    negative_control: str = ""
    index_date: str = ""
    look_back: str = ""
    washout: str = ""
    follow_up: str = ""


@dataclass(frozen=True)
class BorrowSpec:
    """Earlier control groups (a table with n and r, or n and y) and the new trial's decision rule."""

    history: str
    likelihood: str = "binomial"
    tau_scale: float = 1.0
    sigma: float = 1.0
    robust_weight: float = 0.2
    n_treated: int = 0
    n_control: int = 0
    probability: float = 0.975
    margin: float = 0.0


@dataclass(frozen=True)
class InterimSpec:
    """Looks as fractions of the final information; `alpha` is one-sided."""

    looks: tuple[float, ...]
    spending: str = "obrien_fleming"
    gamma: float = -4.0
    alpha: float = 0.025
    power: float = 0.9
    futility: str = "none"
    futility_gamma: float = -4.0
    binding: bool = False
    observed_z: tuple[float, ...] = ()
    trials: int = 10000


@dataclass(frozen=True)
class PlanSpec:
    effect: float
    sd: float
    correlation: float = 0.0
    deflate: float = 1.0
    inflate: float = 1.0
    dropout: float = 0.0
    share_treated: float = 0.5
    alpha: float = 0.05
    power: float = 0.9
    simulated_trials: int = 2000


@dataclass(frozen=True)
class TrialProtocol:
    """One analysis. Sections that a step does not need may be left out; a step whose section is missing is refused."""

    schema: int
    id: str
    title: str
    data: DataSpec
    arms: ArmSpec
    endpoint: EndpointSpec
    estimand: EstimandSpec
    visits: tuple[VisitSpec, ...] = ()
    analysis_set: AnalysisSet = AnalysisSet("all randomized")
    seed: int = 1
    adjust: AdjustSpec | None = None
    forecast: ForecastSpec | None = None
    external: ExternalSpec | None = None
    borrow: BorrowSpec | None = None
    interim: InterimSpec | None = None
    plan: PlanSpec | None = None

    def __post_init__(self) -> None:
        if self.schema != 1:
            raise Refusal(RefusalCode.INVALID, f"{self.schema}; this version reads 1", field="schema")
        if self.endpoint.kind is not EndpointKind.TIME_TO_EVENT and not self.visits:
            raise Refusal(
                RefusalCode.INVALID, "a continuous or binary endpoint needs at least one visit", field="visits"
            )
        if self.arms.control in self.arms.treated:
            raise Refusal(RefusalCode.INVALID, f"{self.arms.control!r} is the control too", field="arms.treated")


@dataclass(frozen=True)
class OpenedProtocol:
    """A protocol, what reads the files it names, and the SHA-256 of its text."""

    protocol: TrialProtocol
    read_file: Callable[[str], bytes]
    digest: str


def open_protocol(path: Path) -> OpenedProtocol:
    """Raises Refusal for a file that is not there, is not TOML, or has mistakes (all of them in one message)."""

    try:
        return parse_protocol(path.read_bytes(), folder_files(path.parent), path.name)
    except OSError as error:
        raise Refusal(RefusalCode.NOT_FOUND, f"{path.name}: {error.strerror}", field="protocol") from None


def parse_protocol(raw: bytes, read_file: Callable[[str], bytes], name: str = "trial.toml") -> OpenedProtocol:
    """A protocol from its bytes; `read_file` gives the bytes of a file it names."""
    table = parse_text(raw, name, "protocol")
    return OpenedProtocol(read_record(TrialProtocol, table, where=name), read_file, hashlib.sha256(raw).hexdigest())


def folder_files(folder: Path) -> Callable[[str], bytes]:
    """A reader of the files of a folder."""

    def read_file(name: str) -> bytes:
        try:
            return (folder / name).read_bytes()
        except OSError as error:
            raise Refusal(RefusalCode.NOT_FOUND, f"{name}: {error.strerror}", field="data", reason="NO_FILE") from None

    return read_file


def file_in(files: Mapping[str, bytes]) -> Callable[[str], bytes]:
    """A reader of files held in memory."""

    def read_file(name: str) -> bytes:
        if name not in files:
            raise Refusal(RefusalCode.NOT_FOUND, f"{name}: not among the files given", field="data", reason="NO_FILE")
        return files[name]

    return read_file
