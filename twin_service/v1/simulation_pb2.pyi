import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from twin_service.v1 import common_pb2 as _common_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Metric(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    METRIC_UNSPECIFIED: _ClassVar[Metric]
    METRIC_TROUGH: _ClassVar[Metric]
    METRIC_PEAK: _ClassVar[Metric]
    METRIC_AVERAGE: _ClassVar[Metric]
    METRIC_AUC: _ClassVar[Metric]
    METRIC_FRACTION_ABOVE: _ClassVar[Metric]
    METRIC_MINIMUM: _ClassVar[Metric]
    METRIC_MAXIMUM: _ClassVar[Metric]
    METRIC_FINAL: _ClassVar[Metric]
    METRIC_AUC_DAY: _ClassVar[Metric]
    METRIC_AUC_INTERVAL: _ClassVar[Metric]
    METRIC_AUC_OVER_MIC: _ClassVar[Metric]
    METRIC_TIME_ABOVE_MIC: _ClassVar[Metric]
    METRIC_PEAK_OVER_MIC: _ClassVar[Metric]

class RuleAction(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RULE_ACTION_UNSPECIFIED: _ClassVar[RuleAction]
    RULE_ACTION_HOLD: _ClassVar[RuleAction]
    RULE_ACTION_ADJUST: _ClassVar[RuleAction]
    RULE_ACTION_STOP: _ClassVar[RuleAction]
    RULE_ACTION_RESCUE: _ClassVar[RuleAction]

class RuleLook(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RULE_LOOK_UNSPECIFIED: _ClassVar[RuleLook]
    RULE_LOOK_NOW: _ClassVar[RuleLook]
    RULE_LOOK_WORST: _ClassVar[RuleLook]

class RuleSide(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RULE_SIDE_UNSPECIFIED: _ClassVar[RuleSide]
    RULE_SIDE_BELOW: _ClassVar[RuleSide]
    RULE_SIDE_ABOVE: _ClassVar[RuleSide]

class HeldDose(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    HELD_DOSE_UNSPECIFIED: _ClassVar[HeldDose]
    HELD_DOSE_DELAYED: _ClassVar[HeldDose]
    HELD_DOSE_OMITTED: _ClassVar[HeldDose]
METRIC_UNSPECIFIED: Metric
METRIC_TROUGH: Metric
METRIC_PEAK: Metric
METRIC_AVERAGE: Metric
METRIC_AUC: Metric
METRIC_FRACTION_ABOVE: Metric
METRIC_MINIMUM: Metric
METRIC_MAXIMUM: Metric
METRIC_FINAL: Metric
METRIC_AUC_DAY: Metric
METRIC_AUC_INTERVAL: Metric
METRIC_AUC_OVER_MIC: Metric
METRIC_TIME_ABOVE_MIC: Metric
METRIC_PEAK_OVER_MIC: Metric
RULE_ACTION_UNSPECIFIED: RuleAction
RULE_ACTION_HOLD: RuleAction
RULE_ACTION_ADJUST: RuleAction
RULE_ACTION_STOP: RuleAction
RULE_ACTION_RESCUE: RuleAction
RULE_LOOK_UNSPECIFIED: RuleLook
RULE_LOOK_NOW: RuleLook
RULE_LOOK_WORST: RuleLook
RULE_SIDE_UNSPECIFIED: RuleSide
RULE_SIDE_BELOW: RuleSide
RULE_SIDE_ABOVE: RuleSide
HELD_DOSE_UNSPECIFIED: HeldDose
HELD_DOSE_DELAYED: HeldDose
HELD_DOSE_OMITTED: HeldDose

class PlannedDoses(_message.Message):
    __slots__ = ("drug", "route", "amount", "interval", "count", "duration", "delay", "loading")
    DRUG_FIELD_NUMBER: _ClassVar[int]
    ROUTE_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    INTERVAL_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    DURATION_FIELD_NUMBER: _ClassVar[int]
    DELAY_FIELD_NUMBER: _ClassVar[int]
    LOADING_FIELD_NUMBER: _ClassVar[int]
    drug: str
    route: str
    amount: _common_pb2.Quantity
    interval: _common_pb2.Quantity
    count: int
    duration: _common_pb2.Quantity
    delay: _common_pb2.Quantity
    loading: _common_pb2.Quantity
    def __init__(self, drug: _Optional[str] = ..., route: _Optional[str] = ..., amount: _Optional[_Union[_common_pb2.Quantity, _Mapping]] = ..., interval: _Optional[_Union[_common_pb2.Quantity, _Mapping]] = ..., count: _Optional[int] = ..., duration: _Optional[_Union[_common_pb2.Quantity, _Mapping]] = ..., delay: _Optional[_Union[_common_pb2.Quantity, _Mapping]] = ..., loading: _Optional[_Union[_common_pb2.Quantity, _Mapping]] = ...) -> None: ...

class Regimen(_message.Message):
    __slots__ = ("name", "doses")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DOSES_FIELD_NUMBER: _ClassVar[int]
    name: str
    doses: _containers.RepeatedCompositeFieldContainer[PlannedDoses]
    def __init__(self, name: _Optional[str] = ..., doses: _Optional[_Iterable[_Union[PlannedDoses, _Mapping]]] = ...) -> None: ...

class MicShare(_message.Message):
    __slots__ = ("mic", "share")
    MIC_FIELD_NUMBER: _ClassVar[int]
    SHARE_FIELD_NUMBER: _ClassVar[int]
    mic: _common_pb2.Quantity
    share: float
    def __init__(self, mic: _Optional[_Union[_common_pb2.Quantity, _Mapping]] = ..., share: _Optional[float] = ...) -> None: ...

class Target(_message.Message):
    __slots__ = ("name", "output", "metric", "low", "high", "window_start", "window_end", "threshold", "mics", "unbound_fraction")
    NAME_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    METRIC_FIELD_NUMBER: _ClassVar[int]
    LOW_FIELD_NUMBER: _ClassVar[int]
    HIGH_FIELD_NUMBER: _ClassVar[int]
    WINDOW_START_FIELD_NUMBER: _ClassVar[int]
    WINDOW_END_FIELD_NUMBER: _ClassVar[int]
    THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    MICS_FIELD_NUMBER: _ClassVar[int]
    UNBOUND_FRACTION_FIELD_NUMBER: _ClassVar[int]
    name: str
    output: str
    metric: Metric
    low: _common_pb2.Quantity
    high: _common_pb2.Quantity
    window_start: _common_pb2.Quantity
    window_end: _common_pb2.Quantity
    threshold: _common_pb2.Quantity
    mics: _containers.RepeatedCompositeFieldContainer[MicShare]
    unbound_fraction: float
    def __init__(self, name: _Optional[str] = ..., output: _Optional[str] = ..., metric: _Optional[_Union[Metric, str]] = ..., low: _Optional[_Union[_common_pb2.Quantity, _Mapping]] = ..., high: _Optional[_Union[_common_pb2.Quantity, _Mapping]] = ..., window_start: _Optional[_Union[_common_pb2.Quantity, _Mapping]] = ..., window_end: _Optional[_Union[_common_pb2.Quantity, _Mapping]] = ..., threshold: _Optional[_Union[_common_pb2.Quantity, _Mapping]] = ..., mics: _Optional[_Iterable[_Union[MicShare, _Mapping]]] = ..., unbound_fraction: _Optional[float] = ...) -> None: ...

class MicAttainment(_message.Message):
    __slots__ = ("mic", "share", "probability")
    MIC_FIELD_NUMBER: _ClassVar[int]
    SHARE_FIELD_NUMBER: _ClassVar[int]
    PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    mic: float
    share: float
    probability: float
    def __init__(self, mic: _Optional[float] = ..., share: _Optional[float] = ..., probability: _Optional[float] = ...) -> None: ...

class TargetAttainment(_message.Message):
    __slots__ = ("target", "probability", "metric", "unit", "by_mic")
    TARGET_FIELD_NUMBER: _ClassVar[int]
    PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    METRIC_FIELD_NUMBER: _ClassVar[int]
    UNIT_FIELD_NUMBER: _ClassVar[int]
    BY_MIC_FIELD_NUMBER: _ClassVar[int]
    target: str
    probability: float
    metric: _common_pb2.Spread
    unit: str
    by_mic: _containers.RepeatedCompositeFieldContainer[MicAttainment]
    def __init__(self, target: _Optional[str] = ..., probability: _Optional[float] = ..., metric: _Optional[_Union[_common_pb2.Spread, _Mapping]] = ..., unit: _Optional[str] = ..., by_mic: _Optional[_Iterable[_Union[MicAttainment, _Mapping]]] = ...) -> None: ...

class EndpointProbability(_message.Message):
    __slots__ = ("endpoint", "title", "probability", "harmful", "threshold", "grade", "serious", "baseline_probability", "attributable_probability")
    ENDPOINT_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    HARMFUL_FIELD_NUMBER: _ClassVar[int]
    THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    GRADE_FIELD_NUMBER: _ClassVar[int]
    SERIOUS_FIELD_NUMBER: _ClassVar[int]
    BASELINE_PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    ATTRIBUTABLE_PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    endpoint: str
    title: str
    probability: float
    harmful: bool
    threshold: _common_pb2.Quantity
    grade: int
    serious: bool
    baseline_probability: float
    attributable_probability: float
    def __init__(self, endpoint: _Optional[str] = ..., title: _Optional[str] = ..., probability: _Optional[float] = ..., harmful: _Optional[bool] = ..., threshold: _Optional[_Union[_common_pb2.Quantity, _Mapping]] = ..., grade: _Optional[int] = ..., serious: _Optional[bool] = ..., baseline_probability: _Optional[float] = ..., attributable_probability: _Optional[float] = ...) -> None: ...

class CategoryQuestion(_message.Message):
    __slots__ = ("analyte", "times", "baseline")
    ANALYTE_FIELD_NUMBER: _ClassVar[int]
    TIMES_FIELD_NUMBER: _ClassVar[int]
    BASELINE_FIELD_NUMBER: _ClassVar[int]
    analyte: str
    times: _containers.RepeatedCompositeFieldContainer[_common_pb2.Quantity]
    baseline: _common_pb2.Quantity
    def __init__(self, analyte: _Optional[str] = ..., times: _Optional[_Iterable[_Union[_common_pb2.Quantity, _Mapping]]] = ..., baseline: _Optional[_Union[_common_pb2.Quantity, _Mapping]] = ...) -> None: ...

class CategoryProbability(_message.Message):
    __slots__ = ("analyte", "label", "time_h", "probability", "overall")
    ANALYTE_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    TIME_H_FIELD_NUMBER: _ClassVar[int]
    PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    OVERALL_FIELD_NUMBER: _ClassVar[int]
    analyte: str
    label: str
    time_h: float
    probability: float
    overall: bool
    def __init__(self, analyte: _Optional[str] = ..., label: _Optional[str] = ..., time_h: _Optional[float] = ..., probability: _Optional[float] = ..., overall: _Optional[bool] = ...) -> None: ...

class WhatIf(_message.Message):
    __slots__ = ("name", "regimen", "bands", "targets", "joint_probability", "endpoints", "verdict", "categories")
    NAME_FIELD_NUMBER: _ClassVar[int]
    REGIMEN_FIELD_NUMBER: _ClassVar[int]
    BANDS_FIELD_NUMBER: _ClassVar[int]
    TARGETS_FIELD_NUMBER: _ClassVar[int]
    JOINT_PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    ENDPOINTS_FIELD_NUMBER: _ClassVar[int]
    VERDICT_FIELD_NUMBER: _ClassVar[int]
    CATEGORIES_FIELD_NUMBER: _ClassVar[int]
    name: str
    regimen: Regimen
    bands: _common_pb2.Bands
    targets: _containers.RepeatedCompositeFieldContainer[TargetAttainment]
    joint_probability: float
    endpoints: _containers.RepeatedCompositeFieldContainer[EndpointProbability]
    verdict: _common_pb2.Verdict
    categories: _containers.RepeatedCompositeFieldContainer[CategoryProbability]
    def __init__(self, name: _Optional[str] = ..., regimen: _Optional[_Union[Regimen, _Mapping]] = ..., bands: _Optional[_Union[_common_pb2.Bands, _Mapping]] = ..., targets: _Optional[_Iterable[_Union[TargetAttainment, _Mapping]]] = ..., joint_probability: _Optional[float] = ..., endpoints: _Optional[_Iterable[_Union[EndpointProbability, _Mapping]]] = ..., verdict: _Optional[_Union[_common_pb2.Verdict, _Mapping]] = ..., categories: _Optional[_Iterable[_Union[CategoryProbability, _Mapping]]] = ...) -> None: ...

class SimulateRequest(_message.Message):
    __slots__ = ("name", "what_ifs", "start_time", "horizon", "targets", "outputs", "step_h", "members", "min_revision", "as_of_revision", "categories")
    NAME_FIELD_NUMBER: _ClassVar[int]
    WHAT_IFS_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    HORIZON_FIELD_NUMBER: _ClassVar[int]
    TARGETS_FIELD_NUMBER: _ClassVar[int]
    OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    STEP_H_FIELD_NUMBER: _ClassVar[int]
    MEMBERS_FIELD_NUMBER: _ClassVar[int]
    MIN_REVISION_FIELD_NUMBER: _ClassVar[int]
    AS_OF_REVISION_FIELD_NUMBER: _ClassVar[int]
    CATEGORIES_FIELD_NUMBER: _ClassVar[int]
    name: str
    what_ifs: _containers.RepeatedCompositeFieldContainer[Regimen]
    start_time: _timestamp_pb2.Timestamp
    horizon: _common_pb2.Quantity
    targets: _containers.RepeatedCompositeFieldContainer[Target]
    outputs: _containers.RepeatedScalarFieldContainer[str]
    step_h: float
    members: int
    min_revision: int
    as_of_revision: int
    categories: _containers.RepeatedCompositeFieldContainer[CategoryQuestion]
    def __init__(self, name: _Optional[str] = ..., what_ifs: _Optional[_Iterable[_Union[Regimen, _Mapping]]] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., horizon: _Optional[_Union[_common_pb2.Quantity, _Mapping]] = ..., targets: _Optional[_Iterable[_Union[Target, _Mapping]]] = ..., outputs: _Optional[_Iterable[str]] = ..., step_h: _Optional[float] = ..., members: _Optional[int] = ..., min_revision: _Optional[int] = ..., as_of_revision: _Optional[int] = ..., categories: _Optional[_Iterable[_Union[CategoryQuestion, _Mapping]]] = ...) -> None: ...

class SimulateResponse(_message.Message):
    __slots__ = ("what_ifs", "basis")
    WHAT_IFS_FIELD_NUMBER: _ClassVar[int]
    BASIS_FIELD_NUMBER: _ClassVar[int]
    what_ifs: _containers.RepeatedCompositeFieldContainer[WhatIf]
    basis: _common_pb2.Basis
    def __init__(self, what_ifs: _Optional[_Iterable[_Union[WhatIf, _Mapping]]] = ..., basis: _Optional[_Union[_common_pb2.Basis, _Mapping]] = ...) -> None: ...

class StreamSimulateRequest(_message.Message):
    __slots__ = ("simulate",)
    SIMULATE_FIELD_NUMBER: _ClassVar[int]
    simulate: SimulateRequest
    def __init__(self, simulate: _Optional[_Union[SimulateRequest, _Mapping]] = ...) -> None: ...

class StreamSimulateResponse(_message.Message):
    __slots__ = ("what_if", "basis")
    WHAT_IF_FIELD_NUMBER: _ClassVar[int]
    BASIS_FIELD_NUMBER: _ClassVar[int]
    what_if: WhatIf
    basis: _common_pb2.Basis
    def __init__(self, what_if: _Optional[_Union[WhatIf, _Mapping]] = ..., basis: _Optional[_Union[_common_pb2.Basis, _Mapping]] = ...) -> None: ...

class CompareRequest(_message.Message):
    __slots__ = ("simulate", "reference")
    SIMULATE_FIELD_NUMBER: _ClassVar[int]
    REFERENCE_FIELD_NUMBER: _ClassVar[int]
    simulate: SimulateRequest
    reference: str
    def __init__(self, simulate: _Optional[_Union[SimulateRequest, _Mapping]] = ..., reference: _Optional[str] = ...) -> None: ...

class Comparison(_message.Message):
    __slots__ = ("name", "joint_probability_difference", "endpoint_difference", "metric_median_difference", "attainment_difference")
    class EndpointDifferenceEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    class MetricMedianDifferenceEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    class AttainmentDifferenceEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    NAME_FIELD_NUMBER: _ClassVar[int]
    JOINT_PROBABILITY_DIFFERENCE_FIELD_NUMBER: _ClassVar[int]
    ENDPOINT_DIFFERENCE_FIELD_NUMBER: _ClassVar[int]
    METRIC_MEDIAN_DIFFERENCE_FIELD_NUMBER: _ClassVar[int]
    ATTAINMENT_DIFFERENCE_FIELD_NUMBER: _ClassVar[int]
    name: str
    joint_probability_difference: float
    endpoint_difference: _containers.ScalarMap[str, float]
    metric_median_difference: _containers.ScalarMap[str, float]
    attainment_difference: _containers.ScalarMap[str, float]
    def __init__(self, name: _Optional[str] = ..., joint_probability_difference: _Optional[float] = ..., endpoint_difference: _Optional[_Mapping[str, float]] = ..., metric_median_difference: _Optional[_Mapping[str, float]] = ..., attainment_difference: _Optional[_Mapping[str, float]] = ...) -> None: ...

class CompareResponse(_message.Message):
    __slots__ = ("comparisons", "what_ifs", "basis")
    COMPARISONS_FIELD_NUMBER: _ClassVar[int]
    WHAT_IFS_FIELD_NUMBER: _ClassVar[int]
    BASIS_FIELD_NUMBER: _ClassVar[int]
    comparisons: _containers.RepeatedCompositeFieldContainer[Comparison]
    what_ifs: _containers.RepeatedCompositeFieldContainer[WhatIf]
    basis: _common_pb2.Basis
    def __init__(self, comparisons: _Optional[_Iterable[_Union[Comparison, _Mapping]]] = ..., what_ifs: _Optional[_Iterable[_Union[WhatIf, _Mapping]]] = ..., basis: _Optional[_Union[_common_pb2.Basis, _Mapping]] = ...) -> None: ...

class Dispensable(_message.Message):
    __slots__ = ("drug", "route", "amounts", "intervals", "durations", "loadings", "targets", "model", "max_single", "max_daily")
    DRUG_FIELD_NUMBER: _ClassVar[int]
    ROUTE_FIELD_NUMBER: _ClassVar[int]
    AMOUNTS_FIELD_NUMBER: _ClassVar[int]
    INTERVALS_FIELD_NUMBER: _ClassVar[int]
    DURATIONS_FIELD_NUMBER: _ClassVar[int]
    LOADINGS_FIELD_NUMBER: _ClassVar[int]
    TARGETS_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    MAX_SINGLE_FIELD_NUMBER: _ClassVar[int]
    MAX_DAILY_FIELD_NUMBER: _ClassVar[int]
    drug: str
    route: str
    amounts: _containers.RepeatedCompositeFieldContainer[_common_pb2.Quantity]
    intervals: _containers.RepeatedCompositeFieldContainer[_common_pb2.Quantity]
    durations: _containers.RepeatedCompositeFieldContainer[_common_pb2.Quantity]
    loadings: _containers.RepeatedCompositeFieldContainer[_common_pb2.Quantity]
    targets: _containers.RepeatedCompositeFieldContainer[Target]
    model: _common_pb2.ModelSpec
    max_single: _common_pb2.Quantity
    max_daily: _common_pb2.Quantity
    def __init__(self, drug: _Optional[str] = ..., route: _Optional[str] = ..., amounts: _Optional[_Iterable[_Union[_common_pb2.Quantity, _Mapping]]] = ..., intervals: _Optional[_Iterable[_Union[_common_pb2.Quantity, _Mapping]]] = ..., durations: _Optional[_Iterable[_Union[_common_pb2.Quantity, _Mapping]]] = ..., loadings: _Optional[_Iterable[_Union[_common_pb2.Quantity, _Mapping]]] = ..., targets: _Optional[_Iterable[_Union[Target, _Mapping]]] = ..., model: _Optional[_Union[_common_pb2.ModelSpec, _Mapping]] = ..., max_single: _Optional[_Union[_common_pb2.Quantity, _Mapping]] = ..., max_daily: _Optional[_Union[_common_pb2.Quantity, _Mapping]] = ...) -> None: ...

class HarmCost(_message.Message):
    __slots__ = ("endpoint", "cost")
    ENDPOINT_FIELD_NUMBER: _ClassVar[int]
    COST_FIELD_NUMBER: _ClassVar[int]
    endpoint: str
    cost: float
    def __init__(self, endpoint: _Optional[str] = ..., cost: _Optional[float] = ...) -> None: ...

class ProbabilityLimit(_message.Message):
    __slots__ = ("target", "probability_min", "probability_max")
    TARGET_FIELD_NUMBER: _ClassVar[int]
    PROBABILITY_MIN_FIELD_NUMBER: _ClassVar[int]
    PROBABILITY_MAX_FIELD_NUMBER: _ClassVar[int]
    target: Target
    probability_min: float
    probability_max: float
    def __init__(self, target: _Optional[_Union[Target, _Mapping]] = ..., probability_min: _Optional[float] = ..., probability_max: _Optional[float] = ...) -> None: ...

class Constraint(_message.Message):
    __slots__ = ("endpoint", "probability_max")
    ENDPOINT_FIELD_NUMBER: _ClassVar[int]
    PROBABILITY_MAX_FIELD_NUMBER: _ClassVar[int]
    endpoint: str
    probability_max: float
    def __init__(self, endpoint: _Optional[str] = ..., probability_max: _Optional[float] = ...) -> None: ...

class RecommendRequest(_message.Message):
    __slots__ = ("name", "options", "targets", "constraints", "start_time", "horizon", "max_results", "members", "min_revision", "as_of_revision", "limits", "floor", "harm_max", "costs")
    NAME_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    TARGETS_FIELD_NUMBER: _ClassVar[int]
    CONSTRAINTS_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    HORIZON_FIELD_NUMBER: _ClassVar[int]
    MAX_RESULTS_FIELD_NUMBER: _ClassVar[int]
    MEMBERS_FIELD_NUMBER: _ClassVar[int]
    MIN_REVISION_FIELD_NUMBER: _ClassVar[int]
    AS_OF_REVISION_FIELD_NUMBER: _ClassVar[int]
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    FLOOR_FIELD_NUMBER: _ClassVar[int]
    HARM_MAX_FIELD_NUMBER: _ClassVar[int]
    COSTS_FIELD_NUMBER: _ClassVar[int]
    name: str
    options: _containers.RepeatedCompositeFieldContainer[Dispensable]
    targets: _containers.RepeatedCompositeFieldContainer[Target]
    constraints: _containers.RepeatedCompositeFieldContainer[Constraint]
    start_time: _timestamp_pb2.Timestamp
    horizon: _common_pb2.Quantity
    max_results: int
    members: int
    min_revision: int
    as_of_revision: int
    limits: _containers.RepeatedCompositeFieldContainer[ProbabilityLimit]
    floor: float
    harm_max: float
    costs: _containers.RepeatedCompositeFieldContainer[HarmCost]
    def __init__(self, name: _Optional[str] = ..., options: _Optional[_Iterable[_Union[Dispensable, _Mapping]]] = ..., targets: _Optional[_Iterable[_Union[Target, _Mapping]]] = ..., constraints: _Optional[_Iterable[_Union[Constraint, _Mapping]]] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., horizon: _Optional[_Union[_common_pb2.Quantity, _Mapping]] = ..., max_results: _Optional[int] = ..., members: _Optional[int] = ..., min_revision: _Optional[int] = ..., as_of_revision: _Optional[int] = ..., limits: _Optional[_Iterable[_Union[ProbabilityLimit, _Mapping]]] = ..., floor: _Optional[float] = ..., harm_max: _Optional[float] = ..., costs: _Optional[_Iterable[_Union[HarmCost, _Mapping]]] = ...) -> None: ...

class RankedRegimen(_message.Message):
    __slots__ = ("rank", "what_if", "benefit_probability", "harm_probability", "admissible", "reason", "harm_endpoint", "harm_title", "harm_grade", "limits", "model_id", "utility", "utility_se", "tie", "efficient", "harm_added")
    RANK_FIELD_NUMBER: _ClassVar[int]
    WHAT_IF_FIELD_NUMBER: _ClassVar[int]
    BENEFIT_PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    HARM_PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    ADMISSIBLE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    HARM_ENDPOINT_FIELD_NUMBER: _ClassVar[int]
    HARM_TITLE_FIELD_NUMBER: _ClassVar[int]
    HARM_GRADE_FIELD_NUMBER: _ClassVar[int]
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    MODEL_ID_FIELD_NUMBER: _ClassVar[int]
    UTILITY_FIELD_NUMBER: _ClassVar[int]
    UTILITY_SE_FIELD_NUMBER: _ClassVar[int]
    TIE_FIELD_NUMBER: _ClassVar[int]
    EFFICIENT_FIELD_NUMBER: _ClassVar[int]
    HARM_ADDED_FIELD_NUMBER: _ClassVar[int]
    rank: int
    what_if: WhatIf
    benefit_probability: float
    harm_probability: float
    admissible: bool
    reason: str
    harm_endpoint: str
    harm_title: str
    harm_grade: int
    limits: _containers.RepeatedCompositeFieldContainer[TargetAttainment]
    model_id: str
    utility: float
    utility_se: float
    tie: bool
    efficient: bool
    harm_added: float
    def __init__(self, rank: _Optional[int] = ..., what_if: _Optional[_Union[WhatIf, _Mapping]] = ..., benefit_probability: _Optional[float] = ..., harm_probability: _Optional[float] = ..., admissible: _Optional[bool] = ..., reason: _Optional[str] = ..., harm_endpoint: _Optional[str] = ..., harm_title: _Optional[str] = ..., harm_grade: _Optional[int] = ..., limits: _Optional[_Iterable[_Union[TargetAttainment, _Mapping]]] = ..., model_id: _Optional[str] = ..., utility: _Optional[float] = ..., utility_se: _Optional[float] = ..., tie: _Optional[bool] = ..., efficient: _Optional[bool] = ..., harm_added: _Optional[float] = ...) -> None: ...

class WorthDrawing(_message.Message):
    __slots__ = ("analyte", "time_h", "gain")
    ANALYTE_FIELD_NUMBER: _ClassVar[int]
    TIME_H_FIELD_NUMBER: _ClassVar[int]
    GAIN_FIELD_NUMBER: _ClassVar[int]
    analyte: str
    time_h: float
    gain: float
    def __init__(self, analyte: _Optional[str] = ..., time_h: _Optional[float] = ..., gain: _Optional[float] = ...) -> None: ...

class RecommendResponse(_message.Message):
    __slots__ = ("ranked", "recommended", "considered", "basis", "message", "worth_drawing", "recommended_without_surprises", "surprising_event_ids")
    RANKED_FIELD_NUMBER: _ClassVar[int]
    RECOMMENDED_FIELD_NUMBER: _ClassVar[int]
    CONSIDERED_FIELD_NUMBER: _ClassVar[int]
    BASIS_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    WORTH_DRAWING_FIELD_NUMBER: _ClassVar[int]
    RECOMMENDED_WITHOUT_SURPRISES_FIELD_NUMBER: _ClassVar[int]
    SURPRISING_EVENT_IDS_FIELD_NUMBER: _ClassVar[int]
    ranked: _containers.RepeatedCompositeFieldContainer[RankedRegimen]
    recommended: str
    considered: int
    basis: _common_pb2.Basis
    message: str
    worth_drawing: _containers.RepeatedCompositeFieldContainer[WorthDrawing]
    recommended_without_surprises: str
    surprising_event_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, ranked: _Optional[_Iterable[_Union[RankedRegimen, _Mapping]]] = ..., recommended: _Optional[str] = ..., considered: _Optional[int] = ..., basis: _Optional[_Union[_common_pb2.Basis, _Mapping]] = ..., message: _Optional[str] = ..., worth_drawing: _Optional[_Iterable[_Union[WorthDrawing, _Mapping]]] = ..., recommended_without_surprises: _Optional[str] = ..., surprising_event_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class TreatmentRule(_message.Message):
    __slots__ = ("id", "output", "side", "threshold", "look", "action", "drugs", "resume", "factor", "share_min", "share_max", "rescue", "times_max", "relative_to_baseline")
    ID_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    SIDE_FIELD_NUMBER: _ClassVar[int]
    THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    LOOK_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    DRUGS_FIELD_NUMBER: _ClassVar[int]
    RESUME_FIELD_NUMBER: _ClassVar[int]
    FACTOR_FIELD_NUMBER: _ClassVar[int]
    SHARE_MIN_FIELD_NUMBER: _ClassVar[int]
    SHARE_MAX_FIELD_NUMBER: _ClassVar[int]
    RESCUE_FIELD_NUMBER: _ClassVar[int]
    TIMES_MAX_FIELD_NUMBER: _ClassVar[int]
    RELATIVE_TO_BASELINE_FIELD_NUMBER: _ClassVar[int]
    id: str
    output: str
    side: RuleSide
    threshold: _common_pb2.Quantity
    look: RuleLook
    action: RuleAction
    drugs: _containers.RepeatedScalarFieldContainer[str]
    resume: _common_pb2.Quantity
    factor: float
    share_min: float
    share_max: float
    rescue: PlannedDoses
    times_max: int
    relative_to_baseline: bool
    def __init__(self, id: _Optional[str] = ..., output: _Optional[str] = ..., side: _Optional[_Union[RuleSide, str]] = ..., threshold: _Optional[_Union[_common_pb2.Quantity, _Mapping]] = ..., look: _Optional[_Union[RuleLook, str]] = ..., action: _Optional[_Union[RuleAction, str]] = ..., drugs: _Optional[_Iterable[str]] = ..., resume: _Optional[_Union[_common_pb2.Quantity, _Mapping]] = ..., factor: _Optional[float] = ..., share_min: _Optional[float] = ..., share_max: _Optional[float] = ..., rescue: _Optional[_Union[PlannedDoses, _Mapping]] = ..., times_max: _Optional[int] = ..., relative_to_baseline: _Optional[bool] = ...) -> None: ...

class Protocol(_message.Message):
    __slots__ = ("plan", "rules", "visit_interval", "held", "delay_max")
    PLAN_FIELD_NUMBER: _ClassVar[int]
    RULES_FIELD_NUMBER: _ClassVar[int]
    VISIT_INTERVAL_FIELD_NUMBER: _ClassVar[int]
    HELD_FIELD_NUMBER: _ClassVar[int]
    DELAY_MAX_FIELD_NUMBER: _ClassVar[int]
    plan: Regimen
    rules: _containers.RepeatedCompositeFieldContainer[TreatmentRule]
    visit_interval: _common_pb2.Quantity
    held: HeldDose
    delay_max: _common_pb2.Quantity
    def __init__(self, plan: _Optional[_Union[Regimen, _Mapping]] = ..., rules: _Optional[_Iterable[_Union[TreatmentRule, _Mapping]]] = ..., visit_interval: _Optional[_Union[_common_pb2.Quantity, _Mapping]] = ..., held: _Optional[_Union[HeldDose, str]] = ..., delay_max: _Optional[_Union[_common_pb2.Quantity, _Mapping]] = ...) -> None: ...

class MemberDosing(_message.Message):
    __slots__ = ("relative_dose_intensity", "given_mg", "holds", "adjustments", "rescues", "stopped_h")
    class RelativeDoseIntensityEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    class GivenMgEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    RELATIVE_DOSE_INTENSITY_FIELD_NUMBER: _ClassVar[int]
    GIVEN_MG_FIELD_NUMBER: _ClassVar[int]
    HOLDS_FIELD_NUMBER: _ClassVar[int]
    ADJUSTMENTS_FIELD_NUMBER: _ClassVar[int]
    RESCUES_FIELD_NUMBER: _ClassVar[int]
    STOPPED_H_FIELD_NUMBER: _ClassVar[int]
    relative_dose_intensity: _containers.ScalarMap[str, float]
    given_mg: _containers.ScalarMap[str, float]
    holds: int
    adjustments: int
    rescues: int
    stopped_h: float
    def __init__(self, relative_dose_intensity: _Optional[_Mapping[str, float]] = ..., given_mg: _Optional[_Mapping[str, float]] = ..., holds: _Optional[int] = ..., adjustments: _Optional[int] = ..., rescues: _Optional[int] = ..., stopped_h: _Optional[float] = ...) -> None: ...

class RuleUse(_message.Message):
    __slots__ = ("rule", "members_share", "times_mean")
    RULE_FIELD_NUMBER: _ClassVar[int]
    MEMBERS_SHARE_FIELD_NUMBER: _ClassVar[int]
    TIMES_MEAN_FIELD_NUMBER: _ClassVar[int]
    rule: str
    members_share: float
    times_mean: float
    def __init__(self, rule: _Optional[str] = ..., members_share: _Optional[float] = ..., times_mean: _Optional[float] = ...) -> None: ...

class SimulateProtocolRequest(_message.Message):
    __slots__ = ("simulate", "protocols")
    SIMULATE_FIELD_NUMBER: _ClassVar[int]
    PROTOCOLS_FIELD_NUMBER: _ClassVar[int]
    simulate: SimulateRequest
    protocols: _containers.RepeatedCompositeFieldContainer[Protocol]
    def __init__(self, simulate: _Optional[_Union[SimulateRequest, _Mapping]] = ..., protocols: _Optional[_Iterable[_Union[Protocol, _Mapping]]] = ...) -> None: ...

class ProtocolOutcome(_message.Message):
    __slots__ = ("what_if", "rules", "relative_dose_intensity", "members", "stopped_share", "held_share", "adjusted_share")
    class RelativeDoseIntensityEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: _common_pb2.Spread
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[_common_pb2.Spread, _Mapping]] = ...) -> None: ...
    WHAT_IF_FIELD_NUMBER: _ClassVar[int]
    RULES_FIELD_NUMBER: _ClassVar[int]
    RELATIVE_DOSE_INTENSITY_FIELD_NUMBER: _ClassVar[int]
    MEMBERS_FIELD_NUMBER: _ClassVar[int]
    STOPPED_SHARE_FIELD_NUMBER: _ClassVar[int]
    HELD_SHARE_FIELD_NUMBER: _ClassVar[int]
    ADJUSTED_SHARE_FIELD_NUMBER: _ClassVar[int]
    what_if: WhatIf
    rules: _containers.RepeatedCompositeFieldContainer[RuleUse]
    relative_dose_intensity: _containers.MessageMap[str, _common_pb2.Spread]
    members: _containers.RepeatedCompositeFieldContainer[MemberDosing]
    stopped_share: float
    held_share: float
    adjusted_share: float
    def __init__(self, what_if: _Optional[_Union[WhatIf, _Mapping]] = ..., rules: _Optional[_Iterable[_Union[RuleUse, _Mapping]]] = ..., relative_dose_intensity: _Optional[_Mapping[str, _common_pb2.Spread]] = ..., members: _Optional[_Iterable[_Union[MemberDosing, _Mapping]]] = ..., stopped_share: _Optional[float] = ..., held_share: _Optional[float] = ..., adjusted_share: _Optional[float] = ...) -> None: ...

class SimulateProtocolResponse(_message.Message):
    __slots__ = ("protocols", "what_ifs", "basis")
    PROTOCOLS_FIELD_NUMBER: _ClassVar[int]
    WHAT_IFS_FIELD_NUMBER: _ClassVar[int]
    BASIS_FIELD_NUMBER: _ClassVar[int]
    protocols: _containers.RepeatedCompositeFieldContainer[ProtocolOutcome]
    what_ifs: _containers.RepeatedCompositeFieldContainer[WhatIf]
    basis: _common_pb2.Basis
    def __init__(self, protocols: _Optional[_Iterable[_Union[ProtocolOutcome, _Mapping]]] = ..., what_ifs: _Optional[_Iterable[_Union[WhatIf, _Mapping]]] = ..., basis: _Optional[_Union[_common_pb2.Basis, _Mapping]] = ...) -> None: ...

class DoseQuestion(_message.Message):
    __slots__ = ("plan", "target", "goal", "horizon", "amount_min", "amount_max")
    PLAN_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    GOAL_FIELD_NUMBER: _ClassVar[int]
    HORIZON_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_MIN_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_MAX_FIELD_NUMBER: _ClassVar[int]
    plan: PlannedDoses
    target: Target
    goal: _common_pb2.Quantity
    horizon: _common_pb2.Quantity
    amount_min: _common_pb2.Quantity
    amount_max: _common_pb2.Quantity
    def __init__(self, plan: _Optional[_Union[PlannedDoses, _Mapping]] = ..., target: _Optional[_Union[Target, _Mapping]] = ..., goal: _Optional[_Union[_common_pb2.Quantity, _Mapping]] = ..., horizon: _Optional[_Union[_common_pb2.Quantity, _Mapping]] = ..., amount_min: _Optional[_Union[_common_pb2.Quantity, _Mapping]] = ..., amount_max: _Optional[_Union[_common_pb2.Quantity, _Mapping]] = ...) -> None: ...

class IntervalQuestion(_message.Message):
    __slots__ = ("plan", "output", "trough", "interval_min", "interval_max")
    PLAN_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    TROUGH_FIELD_NUMBER: _ClassVar[int]
    INTERVAL_MIN_FIELD_NUMBER: _ClassVar[int]
    INTERVAL_MAX_FIELD_NUMBER: _ClassVar[int]
    plan: PlannedDoses
    output: str
    trough: _common_pb2.Quantity
    interval_min: _common_pb2.Quantity
    interval_max: _common_pb2.Quantity
    def __init__(self, plan: _Optional[_Union[PlannedDoses, _Mapping]] = ..., output: _Optional[str] = ..., trough: _Optional[_Union[_common_pb2.Quantity, _Mapping]] = ..., interval_min: _Optional[_Union[_common_pb2.Quantity, _Mapping]] = ..., interval_max: _Optional[_Union[_common_pb2.Quantity, _Mapping]] = ...) -> None: ...

class WaitQuestion(_message.Message):
    __slots__ = ("output", "level", "within")
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    LEVEL_FIELD_NUMBER: _ClassVar[int]
    WITHIN_FIELD_NUMBER: _ClassVar[int]
    output: str
    level: _common_pb2.Quantity
    within: _common_pb2.Quantity
    def __init__(self, output: _Optional[str] = ..., level: _Optional[_Union[_common_pb2.Quantity, _Mapping]] = ..., within: _Optional[_Union[_common_pb2.Quantity, _Mapping]] = ...) -> None: ...

class SolveDosingRequest(_message.Message):
    __slots__ = ("name", "dose", "interval", "wait", "quantile", "start_time", "members", "min_revision", "as_of_revision")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DOSE_FIELD_NUMBER: _ClassVar[int]
    INTERVAL_FIELD_NUMBER: _ClassVar[int]
    WAIT_FIELD_NUMBER: _ClassVar[int]
    QUANTILE_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    MEMBERS_FIELD_NUMBER: _ClassVar[int]
    MIN_REVISION_FIELD_NUMBER: _ClassVar[int]
    AS_OF_REVISION_FIELD_NUMBER: _ClassVar[int]
    name: str
    dose: DoseQuestion
    interval: IntervalQuestion
    wait: WaitQuestion
    quantile: float
    start_time: _timestamp_pb2.Timestamp
    members: int
    min_revision: int
    as_of_revision: int
    def __init__(self, name: _Optional[str] = ..., dose: _Optional[_Union[DoseQuestion, _Mapping]] = ..., interval: _Optional[_Union[IntervalQuestion, _Mapping]] = ..., wait: _Optional[_Union[WaitQuestion, _Mapping]] = ..., quantile: _Optional[float] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., members: _Optional[int] = ..., min_revision: _Optional[int] = ..., as_of_revision: _Optional[int] = ...) -> None: ...

class SolveDosingResponse(_message.Message):
    __slots__ = ("found", "quantile", "verdict", "basis")
    FOUND_FIELD_NUMBER: _ClassVar[int]
    QUANTILE_FIELD_NUMBER: _ClassVar[int]
    VERDICT_FIELD_NUMBER: _ClassVar[int]
    BASIS_FIELD_NUMBER: _ClassVar[int]
    found: _common_pb2.Quantity
    quantile: float
    verdict: _common_pb2.Verdict
    basis: _common_pb2.Basis
    def __init__(self, found: _Optional[_Union[_common_pb2.Quantity, _Mapping]] = ..., quantile: _Optional[float] = ..., verdict: _Optional[_Union[_common_pb2.Verdict, _Mapping]] = ..., basis: _Optional[_Union[_common_pb2.Basis, _Mapping]] = ...) -> None: ...

class AverageModelsRequest(_message.Message):
    __slots__ = ("name", "models", "prior_weights", "what_ifs", "start_time", "horizon", "targets", "analytes", "members", "min_revision", "as_of_revision")
    NAME_FIELD_NUMBER: _ClassVar[int]
    MODELS_FIELD_NUMBER: _ClassVar[int]
    PRIOR_WEIGHTS_FIELD_NUMBER: _ClassVar[int]
    WHAT_IFS_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    HORIZON_FIELD_NUMBER: _ClassVar[int]
    TARGETS_FIELD_NUMBER: _ClassVar[int]
    ANALYTES_FIELD_NUMBER: _ClassVar[int]
    MEMBERS_FIELD_NUMBER: _ClassVar[int]
    MIN_REVISION_FIELD_NUMBER: _ClassVar[int]
    AS_OF_REVISION_FIELD_NUMBER: _ClassVar[int]
    name: str
    models: _containers.RepeatedCompositeFieldContainer[_common_pb2.ModelSpec]
    prior_weights: _containers.RepeatedScalarFieldContainer[float]
    what_ifs: _containers.RepeatedCompositeFieldContainer[Regimen]
    start_time: _timestamp_pb2.Timestamp
    horizon: _common_pb2.Quantity
    targets: _containers.RepeatedCompositeFieldContainer[Target]
    analytes: _containers.RepeatedScalarFieldContainer[str]
    members: int
    min_revision: int
    as_of_revision: int
    def __init__(self, name: _Optional[str] = ..., models: _Optional[_Iterable[_Union[_common_pb2.ModelSpec, _Mapping]]] = ..., prior_weights: _Optional[_Iterable[float]] = ..., what_ifs: _Optional[_Iterable[_Union[Regimen, _Mapping]]] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., horizon: _Optional[_Union[_common_pb2.Quantity, _Mapping]] = ..., targets: _Optional[_Iterable[_Union[Target, _Mapping]]] = ..., analytes: _Optional[_Iterable[str]] = ..., members: _Optional[int] = ..., min_revision: _Optional[int] = ..., as_of_revision: _Optional[int] = ...) -> None: ...

class ModelWeight(_message.Message):
    __slots__ = ("model", "weight", "log_evidence", "rrmse", "left_out")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_FIELD_NUMBER: _ClassVar[int]
    LOG_EVIDENCE_FIELD_NUMBER: _ClassVar[int]
    RRMSE_FIELD_NUMBER: _ClassVar[int]
    LEFT_OUT_FIELD_NUMBER: _ClassVar[int]
    model: _common_pb2.ModelSpec
    weight: float
    log_evidence: float
    rrmse: float
    left_out: str
    def __init__(self, model: _Optional[_Union[_common_pb2.ModelSpec, _Mapping]] = ..., weight: _Optional[float] = ..., log_evidence: _Optional[float] = ..., rrmse: _Optional[float] = ..., left_out: _Optional[str] = ...) -> None: ...

class AverageModelsResponse(_message.Message):
    __slots__ = ("models", "readings", "what_ifs", "basis")
    MODELS_FIELD_NUMBER: _ClassVar[int]
    READINGS_FIELD_NUMBER: _ClassVar[int]
    WHAT_IFS_FIELD_NUMBER: _ClassVar[int]
    BASIS_FIELD_NUMBER: _ClassVar[int]
    models: _containers.RepeatedCompositeFieldContainer[ModelWeight]
    readings: int
    what_ifs: _containers.RepeatedCompositeFieldContainer[WhatIf]
    basis: _common_pb2.Basis
    def __init__(self, models: _Optional[_Iterable[_Union[ModelWeight, _Mapping]]] = ..., readings: _Optional[int] = ..., what_ifs: _Optional[_Iterable[_Union[WhatIf, _Mapping]]] = ..., basis: _Optional[_Union[_common_pb2.Basis, _Mapping]] = ...) -> None: ...
