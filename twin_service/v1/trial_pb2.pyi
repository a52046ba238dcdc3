from twin_service.v1 import common_pb2 as _common_pb2
from twin_service.v1 import simulation_pb2 as _simulation_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class TrialStep(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TRIAL_STEP_UNSPECIFIED: _ClassVar[TrialStep]
    TRIAL_STEP_DATA: _ClassVar[TrialStep]
    TRIAL_STEP_PLAN: _ClassVar[TrialStep]
    TRIAL_STEP_FORECAST: _ClassVar[TrialStep]
    TRIAL_STEP_ADJUST: _ClassVar[TrialStep]
    TRIAL_STEP_EXTERNAL: _ClassVar[TrialStep]
    TRIAL_STEP_BORROW: _ClassVar[TrialStep]
    TRIAL_STEP_INTERIM: _ClassVar[TrialStep]
    TRIAL_STEP_SIMULATE: _ClassVar[TrialStep]
    TRIAL_STEP_REPORT: _ClassVar[TrialStep]

class Transform(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TRANSFORM_UNSPECIFIED: _ClassVar[Transform]
    TRANSFORM_IDENTITY: _ClassVar[Transform]
    TRANSFORM_LOG: _ClassVar[Transform]

class SignalState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SIGNAL_STATE_UNSPECIFIED: _ClassVar[SignalState]
    SIGNAL_STATE_KNOWN: _ClassVar[SignalState]
    SIGNAL_STATE_NOT_KNOWN: _ClassVar[SignalState]
TRIAL_STEP_UNSPECIFIED: TrialStep
TRIAL_STEP_DATA: TrialStep
TRIAL_STEP_PLAN: TrialStep
TRIAL_STEP_FORECAST: TrialStep
TRIAL_STEP_ADJUST: TrialStep
TRIAL_STEP_EXTERNAL: TrialStep
TRIAL_STEP_BORROW: TrialStep
TRIAL_STEP_INTERIM: TrialStep
TRIAL_STEP_SIMULATE: TrialStep
TRIAL_STEP_REPORT: TrialStep
TRANSFORM_UNSPECIFIED: Transform
TRANSFORM_IDENTITY: Transform
TRANSFORM_LOG: Transform
SIGNAL_STATE_UNSPECIFIED: SignalState
SIGNAL_STATE_KNOWN: SignalState
SIGNAL_STATE_NOT_KNOWN: SignalState

class TrialFile(_message.Message):
    __slots__ = ("name", "content")
    NAME_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    name: str
    content: bytes
    def __init__(self, name: _Optional[str] = ..., content: _Optional[bytes] = ...) -> None: ...

class RunTrialStepRequest(_message.Message):
    __slots__ = ("parent", "request_id", "protocol", "step", "files")
    PARENT_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    PROTOCOL_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    FILES_FIELD_NUMBER: _ClassVar[int]
    parent: str
    request_id: str
    protocol: str
    step: TrialStep
    files: _containers.RepeatedCompositeFieldContainer[TrialFile]
    def __init__(self, parent: _Optional[str] = ..., request_id: _Optional[str] = ..., protocol: _Optional[str] = ..., step: _Optional[_Union[TrialStep, str]] = ..., files: _Optional[_Iterable[_Union[TrialFile, _Mapping]]] = ...) -> None: ...

class RunTrialStepResponse(_message.Message):
    __slots__ = ("operation",)
    OPERATION_FIELD_NUMBER: _ClassVar[int]
    operation: _common_pb2.Operation
    def __init__(self, operation: _Optional[_Union[_common_pb2.Operation, _Mapping]] = ...) -> None: ...

class GetTrialStepRequest(_message.Message):
    __slots__ = ("operation",)
    OPERATION_FIELD_NUMBER: _ClassVar[int]
    operation: str
    def __init__(self, operation: _Optional[str] = ...) -> None: ...

class TrialNote(_message.Message):
    __slots__ = ("about", "message", "warning")
    ABOUT_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    WARNING_FIELD_NUMBER: _ClassVar[int]
    about: str
    message: str
    warning: bool
    def __init__(self, about: _Optional[str] = ..., message: _Optional[str] = ..., warning: _Optional[bool] = ...) -> None: ...

class GetTrialStepResponse(_message.Message):
    __slots__ = ("step", "answer", "notes", "values_json", "files", "basis")
    STEP_FIELD_NUMBER: _ClassVar[int]
    ANSWER_FIELD_NUMBER: _ClassVar[int]
    NOTES_FIELD_NUMBER: _ClassVar[int]
    VALUES_JSON_FIELD_NUMBER: _ClassVar[int]
    FILES_FIELD_NUMBER: _ClassVar[int]
    BASIS_FIELD_NUMBER: _ClassVar[int]
    step: TrialStep
    answer: str
    notes: _containers.RepeatedCompositeFieldContainer[TrialNote]
    values_json: str
    files: _containers.RepeatedCompositeFieldContainer[TrialFile]
    basis: _common_pb2.Basis
    def __init__(self, step: _Optional[_Union[TrialStep, str]] = ..., answer: _Optional[str] = ..., notes: _Optional[_Iterable[_Union[TrialNote, _Mapping]]] = ..., values_json: _Optional[str] = ..., files: _Optional[_Iterable[_Union[TrialFile, _Mapping]]] = ..., basis: _Optional[_Union[_common_pb2.Basis, _Mapping]] = ...) -> None: ...

class VisitValue(_message.Message):
    __slots__ = ("time_h", "value")
    TIME_H_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    time_h: float
    value: float
    def __init__(self, time_h: _Optional[float] = ..., value: _Optional[float] = ...) -> None: ...

class Subject(_message.Message):
    __slots__ = ("id", "baseline", "visits")
    class BaselineEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    ID_FIELD_NUMBER: _ClassVar[int]
    BASELINE_FIELD_NUMBER: _ClassVar[int]
    VISITS_FIELD_NUMBER: _ClassVar[int]
    id: str
    baseline: _containers.ScalarMap[str, float]
    visits: _containers.RepeatedCompositeFieldContainer[VisitValue]
    def __init__(self, id: _Optional[str] = ..., baseline: _Optional[_Mapping[str, float]] = ..., visits: _Optional[_Iterable[_Union[VisitValue, _Mapping]]] = ...) -> None: ...

class EndpointSpec(_message.Message):
    __slots__ = ("name", "unit", "times_h", "transform")
    NAME_FIELD_NUMBER: _ClassVar[int]
    UNIT_FIELD_NUMBER: _ClassVar[int]
    TIMES_H_FIELD_NUMBER: _ClassVar[int]
    TRANSFORM_FIELD_NUMBER: _ClassVar[int]
    name: str
    unit: str
    times_h: _containers.RepeatedScalarFieldContainer[float]
    transform: Transform
    def __init__(self, name: _Optional[str] = ..., unit: _Optional[str] = ..., times_h: _Optional[_Iterable[float]] = ..., transform: _Optional[_Union[Transform, str]] = ...) -> None: ...

class ForecastControlArmRequest(_message.Message):
    __slots__ = ("parent", "endpoint", "subjects", "historical_controls", "covariates")
    PARENT_FIELD_NUMBER: _ClassVar[int]
    ENDPOINT_FIELD_NUMBER: _ClassVar[int]
    SUBJECTS_FIELD_NUMBER: _ClassVar[int]
    HISTORICAL_CONTROLS_FIELD_NUMBER: _ClassVar[int]
    COVARIATES_FIELD_NUMBER: _ClassVar[int]
    parent: str
    endpoint: EndpointSpec
    subjects: _containers.RepeatedCompositeFieldContainer[Subject]
    historical_controls: _containers.RepeatedCompositeFieldContainer[Subject]
    covariates: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, parent: _Optional[str] = ..., endpoint: _Optional[_Union[EndpointSpec, _Mapping]] = ..., subjects: _Optional[_Iterable[_Union[Subject, _Mapping]]] = ..., historical_controls: _Optional[_Iterable[_Union[Subject, _Mapping]]] = ..., covariates: _Optional[_Iterable[str]] = ...) -> None: ...

class ControlForecast(_message.Message):
    __slots__ = ("subject", "times_h", "mean", "sd", "q05", "q95", "predicted", "warnings")
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    TIMES_H_FIELD_NUMBER: _ClassVar[int]
    MEAN_FIELD_NUMBER: _ClassVar[int]
    SD_FIELD_NUMBER: _ClassVar[int]
    Q05_FIELD_NUMBER: _ClassVar[int]
    Q95_FIELD_NUMBER: _ClassVar[int]
    PREDICTED_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    subject: str
    times_h: _containers.RepeatedScalarFieldContainer[float]
    mean: _containers.RepeatedScalarFieldContainer[float]
    sd: _containers.RepeatedScalarFieldContainer[float]
    q05: _containers.RepeatedScalarFieldContainer[float]
    q95: _containers.RepeatedScalarFieldContainer[float]
    predicted: bool
    warnings: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, subject: _Optional[str] = ..., times_h: _Optional[_Iterable[float]] = ..., mean: _Optional[_Iterable[float]] = ..., sd: _Optional[_Iterable[float]] = ..., q05: _Optional[_Iterable[float]] = ..., q95: _Optional[_Iterable[float]] = ..., predicted: _Optional[bool] = ..., warnings: _Optional[_Iterable[str]] = ...) -> None: ...

class ForecastControlArmResponse(_message.Message):
    __slots__ = ("forecasts", "parameters", "basis")
    class ParametersEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    FORECASTS_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    BASIS_FIELD_NUMBER: _ClassVar[int]
    forecasts: _containers.RepeatedCompositeFieldContainer[ControlForecast]
    parameters: _containers.ScalarMap[str, float]
    basis: _common_pb2.Basis
    def __init__(self, forecasts: _Optional[_Iterable[_Union[ControlForecast, _Mapping]]] = ..., parameters: _Optional[_Mapping[str, float]] = ..., basis: _Optional[_Union[_common_pb2.Basis, _Mapping]] = ...) -> None: ...

class TrialRow(_message.Message):
    __slots__ = ("subject", "treated", "outcome", "prognostic_score", "covariates")
    class CovariatesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    TREATED_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    PROGNOSTIC_SCORE_FIELD_NUMBER: _ClassVar[int]
    COVARIATES_FIELD_NUMBER: _ClassVar[int]
    subject: str
    treated: bool
    outcome: float
    prognostic_score: float
    covariates: _containers.ScalarMap[str, float]
    def __init__(self, subject: _Optional[str] = ..., treated: _Optional[bool] = ..., outcome: _Optional[float] = ..., prognostic_score: _Optional[float] = ..., covariates: _Optional[_Mapping[str, float]] = ...) -> None: ...

class AnalyzeTrialRequest(_message.Message):
    __slots__ = ("parent", "rows", "confidence", "unit")
    PARENT_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    UNIT_FIELD_NUMBER: _ClassVar[int]
    parent: str
    rows: _containers.RepeatedCompositeFieldContainer[TrialRow]
    confidence: float
    unit: str
    def __init__(self, parent: _Optional[str] = ..., rows: _Optional[_Iterable[_Union[TrialRow, _Mapping]]] = ..., confidence: _Optional[float] = ..., unit: _Optional[str] = ...) -> None: ...

class EffectEstimate(_message.Message):
    __slots__ = ("method", "estimate", "standard_error", "ci_low", "ci_high", "p_value", "degrees_of_freedom", "treated", "controls")
    METHOD_FIELD_NUMBER: _ClassVar[int]
    ESTIMATE_FIELD_NUMBER: _ClassVar[int]
    STANDARD_ERROR_FIELD_NUMBER: _ClassVar[int]
    CI_LOW_FIELD_NUMBER: _ClassVar[int]
    CI_HIGH_FIELD_NUMBER: _ClassVar[int]
    P_VALUE_FIELD_NUMBER: _ClassVar[int]
    DEGREES_OF_FREEDOM_FIELD_NUMBER: _ClassVar[int]
    TREATED_FIELD_NUMBER: _ClassVar[int]
    CONTROLS_FIELD_NUMBER: _ClassVar[int]
    method: str
    estimate: float
    standard_error: float
    ci_low: float
    ci_high: float
    p_value: float
    degrees_of_freedom: float
    treated: int
    controls: int
    def __init__(self, method: _Optional[str] = ..., estimate: _Optional[float] = ..., standard_error: _Optional[float] = ..., ci_low: _Optional[float] = ..., ci_high: _Optional[float] = ..., p_value: _Optional[float] = ..., degrees_of_freedom: _Optional[float] = ..., treated: _Optional[int] = ..., controls: _Optional[int] = ...) -> None: ...

class AnalyzeTrialResponse(_message.Message):
    __slots__ = ("unadjusted", "adjusted", "variance_reduction", "score_correlation", "effective_sample_ratio", "warnings", "basis")
    UNADJUSTED_FIELD_NUMBER: _ClassVar[int]
    ADJUSTED_FIELD_NUMBER: _ClassVar[int]
    VARIANCE_REDUCTION_FIELD_NUMBER: _ClassVar[int]
    SCORE_CORRELATION_FIELD_NUMBER: _ClassVar[int]
    EFFECTIVE_SAMPLE_RATIO_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    BASIS_FIELD_NUMBER: _ClassVar[int]
    unadjusted: EffectEstimate
    adjusted: EffectEstimate
    variance_reduction: float
    score_correlation: float
    effective_sample_ratio: float
    warnings: _containers.RepeatedScalarFieldContainer[str]
    basis: _common_pb2.Basis
    def __init__(self, unadjusted: _Optional[_Union[EffectEstimate, _Mapping]] = ..., adjusted: _Optional[_Union[EffectEstimate, _Mapping]] = ..., variance_reduction: _Optional[float] = ..., score_correlation: _Optional[float] = ..., effective_sample_ratio: _Optional[float] = ..., warnings: _Optional[_Iterable[str]] = ..., basis: _Optional[_Union[_common_pb2.Basis, _Mapping]] = ...) -> None: ...

class AssessToxicityRequest(_message.Message):
    __slots__ = ("parent", "drug", "doses", "horizon", "model", "covariates", "patients", "seed")
    class CovariatesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    PARENT_FIELD_NUMBER: _ClassVar[int]
    DRUG_FIELD_NUMBER: _ClassVar[int]
    DOSES_FIELD_NUMBER: _ClassVar[int]
    HORIZON_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    COVARIATES_FIELD_NUMBER: _ClassVar[int]
    PATIENTS_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    parent: str
    drug: str
    doses: _containers.RepeatedCompositeFieldContainer[_simulation_pb2.PlannedDoses]
    horizon: _common_pb2.Quantity
    model: _common_pb2.ModelSpec
    covariates: _containers.ScalarMap[str, float]
    patients: int
    seed: int
    def __init__(self, parent: _Optional[str] = ..., drug: _Optional[str] = ..., doses: _Optional[_Iterable[_Union[_simulation_pb2.PlannedDoses, _Mapping]]] = ..., horizon: _Optional[_Union[_common_pb2.Quantity, _Mapping]] = ..., model: _Optional[_Union[_common_pb2.ModelSpec, _Mapping]] = ..., covariates: _Optional[_Mapping[str, float]] = ..., patients: _Optional[int] = ..., seed: _Optional[int] = ...) -> None: ...

class ToxicityRisk(_message.Message):
    __slots__ = ("endpoint", "title", "probability", "low", "high", "grade")
    ENDPOINT_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    LOW_FIELD_NUMBER: _ClassVar[int]
    HIGH_FIELD_NUMBER: _ClassVar[int]
    GRADE_FIELD_NUMBER: _ClassVar[int]
    endpoint: str
    title: str
    probability: float
    low: float
    high: float
    grade: int
    def __init__(self, endpoint: _Optional[str] = ..., title: _Optional[str] = ..., probability: _Optional[float] = ..., low: _Optional[float] = ..., high: _Optional[float] = ..., grade: _Optional[int] = ...) -> None: ...

class ExposureMargin(_message.Message):
    __slots__ = ("threshold", "concentration_umol_l", "cmax_umol_l", "margin", "safe_margin", "flagged", "output", "source")
    THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    CONCENTRATION_UMOL_L_FIELD_NUMBER: _ClassVar[int]
    CMAX_UMOL_L_FIELD_NUMBER: _ClassVar[int]
    MARGIN_FIELD_NUMBER: _ClassVar[int]
    SAFE_MARGIN_FIELD_NUMBER: _ClassVar[int]
    FLAGGED_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    threshold: str
    concentration_umol_l: float
    cmax_umol_l: float
    margin: float
    safe_margin: float
    flagged: bool
    output: str
    source: str
    def __init__(self, threshold: _Optional[str] = ..., concentration_umol_l: _Optional[float] = ..., cmax_umol_l: _Optional[float] = ..., margin: _Optional[float] = ..., safe_margin: _Optional[float] = ..., flagged: _Optional[bool] = ..., output: _Optional[str] = ..., source: _Optional[str] = ...) -> None: ...

class ToxicityMechanism(_message.Message):
    __slots__ = ("id", "mechanism", "state", "basis", "risks", "margins")
    ID_FIELD_NUMBER: _ClassVar[int]
    MECHANISM_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    BASIS_FIELD_NUMBER: _ClassVar[int]
    RISKS_FIELD_NUMBER: _ClassVar[int]
    MARGINS_FIELD_NUMBER: _ClassVar[int]
    id: str
    mechanism: str
    state: SignalState
    basis: str
    risks: _containers.RepeatedCompositeFieldContainer[ToxicityRisk]
    margins: _containers.RepeatedCompositeFieldContainer[ExposureMargin]
    def __init__(self, id: _Optional[str] = ..., mechanism: _Optional[str] = ..., state: _Optional[_Union[SignalState, str]] = ..., basis: _Optional[str] = ..., risks: _Optional[_Iterable[_Union[ToxicityRisk, _Mapping]]] = ..., margins: _Optional[_Iterable[_Union[ExposureMargin, _Mapping]]] = ...) -> None: ...

class AssessToxicityResponse(_message.Message):
    __slots__ = ("mechanisms", "exposure", "signals", "patients", "notes", "basis")
    MECHANISMS_FIELD_NUMBER: _ClassVar[int]
    EXPOSURE_FIELD_NUMBER: _ClassVar[int]
    SIGNALS_FIELD_NUMBER: _ClassVar[int]
    PATIENTS_FIELD_NUMBER: _ClassVar[int]
    NOTES_FIELD_NUMBER: _ClassVar[int]
    BASIS_FIELD_NUMBER: _ClassVar[int]
    mechanisms: _containers.RepeatedCompositeFieldContainer[ToxicityMechanism]
    exposure: _containers.RepeatedCompositeFieldContainer[ToxicityRisk]
    signals: _containers.RepeatedScalarFieldContainer[str]
    patients: int
    notes: _containers.RepeatedScalarFieldContainer[str]
    basis: _common_pb2.Basis
    def __init__(self, mechanisms: _Optional[_Iterable[_Union[ToxicityMechanism, _Mapping]]] = ..., exposure: _Optional[_Iterable[_Union[ToxicityRisk, _Mapping]]] = ..., signals: _Optional[_Iterable[str]] = ..., patients: _Optional[int] = ..., notes: _Optional[_Iterable[str]] = ..., basis: _Optional[_Union[_common_pb2.Basis, _Mapping]] = ...) -> None: ...
