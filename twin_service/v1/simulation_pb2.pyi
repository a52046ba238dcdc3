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
METRIC_UNSPECIFIED: Metric
METRIC_TROUGH: Metric
METRIC_PEAK: Metric
METRIC_AVERAGE: Metric
METRIC_AUC: Metric
METRIC_FRACTION_ABOVE: Metric
METRIC_MINIMUM: Metric
METRIC_MAXIMUM: Metric
METRIC_FINAL: Metric

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

class Target(_message.Message):
    __slots__ = ("name", "output", "metric", "low", "high", "window_start", "window_end", "threshold")
    NAME_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    METRIC_FIELD_NUMBER: _ClassVar[int]
    LOW_FIELD_NUMBER: _ClassVar[int]
    HIGH_FIELD_NUMBER: _ClassVar[int]
    WINDOW_START_FIELD_NUMBER: _ClassVar[int]
    WINDOW_END_FIELD_NUMBER: _ClassVar[int]
    THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    name: str
    output: str
    metric: Metric
    low: _common_pb2.Quantity
    high: _common_pb2.Quantity
    window_start: _common_pb2.Quantity
    window_end: _common_pb2.Quantity
    threshold: _common_pb2.Quantity
    def __init__(self, name: _Optional[str] = ..., output: _Optional[str] = ..., metric: _Optional[_Union[Metric, str]] = ..., low: _Optional[_Union[_common_pb2.Quantity, _Mapping]] = ..., high: _Optional[_Union[_common_pb2.Quantity, _Mapping]] = ..., window_start: _Optional[_Union[_common_pb2.Quantity, _Mapping]] = ..., window_end: _Optional[_Union[_common_pb2.Quantity, _Mapping]] = ..., threshold: _Optional[_Union[_common_pb2.Quantity, _Mapping]] = ...) -> None: ...

class TargetAttainment(_message.Message):
    __slots__ = ("target", "probability", "metric", "unit")
    TARGET_FIELD_NUMBER: _ClassVar[int]
    PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    METRIC_FIELD_NUMBER: _ClassVar[int]
    UNIT_FIELD_NUMBER: _ClassVar[int]
    target: str
    probability: float
    metric: _common_pb2.Spread
    unit: str
    def __init__(self, target: _Optional[str] = ..., probability: _Optional[float] = ..., metric: _Optional[_Union[_common_pb2.Spread, _Mapping]] = ..., unit: _Optional[str] = ...) -> None: ...

class EndpointProbability(_message.Message):
    __slots__ = ("endpoint", "title", "probability", "harmful", "threshold")
    ENDPOINT_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    HARMFUL_FIELD_NUMBER: _ClassVar[int]
    THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    endpoint: str
    title: str
    probability: float
    harmful: bool
    threshold: _common_pb2.Quantity
    def __init__(self, endpoint: _Optional[str] = ..., title: _Optional[str] = ..., probability: _Optional[float] = ..., harmful: _Optional[bool] = ..., threshold: _Optional[_Union[_common_pb2.Quantity, _Mapping]] = ...) -> None: ...

class WhatIf(_message.Message):
    __slots__ = ("name", "regimen", "bands", "targets", "joint_probability", "endpoints", "verdict")
    NAME_FIELD_NUMBER: _ClassVar[int]
    REGIMEN_FIELD_NUMBER: _ClassVar[int]
    BANDS_FIELD_NUMBER: _ClassVar[int]
    TARGETS_FIELD_NUMBER: _ClassVar[int]
    JOINT_PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    ENDPOINTS_FIELD_NUMBER: _ClassVar[int]
    VERDICT_FIELD_NUMBER: _ClassVar[int]
    name: str
    regimen: Regimen
    bands: _common_pb2.Bands
    targets: _containers.RepeatedCompositeFieldContainer[TargetAttainment]
    joint_probability: float
    endpoints: _containers.RepeatedCompositeFieldContainer[EndpointProbability]
    verdict: _common_pb2.Verdict
    def __init__(self, name: _Optional[str] = ..., regimen: _Optional[_Union[Regimen, _Mapping]] = ..., bands: _Optional[_Union[_common_pb2.Bands, _Mapping]] = ..., targets: _Optional[_Iterable[_Union[TargetAttainment, _Mapping]]] = ..., joint_probability: _Optional[float] = ..., endpoints: _Optional[_Iterable[_Union[EndpointProbability, _Mapping]]] = ..., verdict: _Optional[_Union[_common_pb2.Verdict, _Mapping]] = ...) -> None: ...

class SimulateRequest(_message.Message):
    __slots__ = ("name", "what_ifs", "start_time", "horizon", "targets", "outputs", "step_h", "members", "min_revision", "as_of_revision")
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
    def __init__(self, name: _Optional[str] = ..., what_ifs: _Optional[_Iterable[_Union[Regimen, _Mapping]]] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., horizon: _Optional[_Union[_common_pb2.Quantity, _Mapping]] = ..., targets: _Optional[_Iterable[_Union[Target, _Mapping]]] = ..., outputs: _Optional[_Iterable[str]] = ..., step_h: _Optional[float] = ..., members: _Optional[int] = ..., min_revision: _Optional[int] = ..., as_of_revision: _Optional[int] = ...) -> None: ...

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
    __slots__ = ("drug", "route", "amounts", "intervals", "durations", "loadings")
    DRUG_FIELD_NUMBER: _ClassVar[int]
    ROUTE_FIELD_NUMBER: _ClassVar[int]
    AMOUNTS_FIELD_NUMBER: _ClassVar[int]
    INTERVALS_FIELD_NUMBER: _ClassVar[int]
    DURATIONS_FIELD_NUMBER: _ClassVar[int]
    LOADINGS_FIELD_NUMBER: _ClassVar[int]
    drug: str
    route: str
    amounts: _containers.RepeatedCompositeFieldContainer[_common_pb2.Quantity]
    intervals: _containers.RepeatedCompositeFieldContainer[_common_pb2.Quantity]
    durations: _containers.RepeatedCompositeFieldContainer[_common_pb2.Quantity]
    loadings: _containers.RepeatedCompositeFieldContainer[_common_pb2.Quantity]
    def __init__(self, drug: _Optional[str] = ..., route: _Optional[str] = ..., amounts: _Optional[_Iterable[_Union[_common_pb2.Quantity, _Mapping]]] = ..., intervals: _Optional[_Iterable[_Union[_common_pb2.Quantity, _Mapping]]] = ..., durations: _Optional[_Iterable[_Union[_common_pb2.Quantity, _Mapping]]] = ..., loadings: _Optional[_Iterable[_Union[_common_pb2.Quantity, _Mapping]]] = ...) -> None: ...

class Constraint(_message.Message):
    __slots__ = ("endpoint", "probability_max")
    ENDPOINT_FIELD_NUMBER: _ClassVar[int]
    PROBABILITY_MAX_FIELD_NUMBER: _ClassVar[int]
    endpoint: str
    probability_max: float
    def __init__(self, endpoint: _Optional[str] = ..., probability_max: _Optional[float] = ...) -> None: ...

class RecommendRequest(_message.Message):
    __slots__ = ("name", "options", "targets", "constraints", "start_time", "horizon", "max_results", "members", "min_revision", "as_of_revision")
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
    def __init__(self, name: _Optional[str] = ..., options: _Optional[_Iterable[_Union[Dispensable, _Mapping]]] = ..., targets: _Optional[_Iterable[_Union[Target, _Mapping]]] = ..., constraints: _Optional[_Iterable[_Union[Constraint, _Mapping]]] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., horizon: _Optional[_Union[_common_pb2.Quantity, _Mapping]] = ..., max_results: _Optional[int] = ..., members: _Optional[int] = ..., min_revision: _Optional[int] = ..., as_of_revision: _Optional[int] = ...) -> None: ...

class RankedRegimen(_message.Message):
    __slots__ = ("rank", "what_if", "benefit_probability", "harm_probability", "admissible", "reason")
    RANK_FIELD_NUMBER: _ClassVar[int]
    WHAT_IF_FIELD_NUMBER: _ClassVar[int]
    BENEFIT_PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    HARM_PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    ADMISSIBLE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    rank: int
    what_if: WhatIf
    benefit_probability: float
    harm_probability: float
    admissible: bool
    reason: str
    def __init__(self, rank: _Optional[int] = ..., what_if: _Optional[_Union[WhatIf, _Mapping]] = ..., benefit_probability: _Optional[float] = ..., harm_probability: _Optional[float] = ..., admissible: _Optional[bool] = ..., reason: _Optional[str] = ...) -> None: ...

class RecommendResponse(_message.Message):
    __slots__ = ("ranked", "recommended", "considered", "basis")
    RANKED_FIELD_NUMBER: _ClassVar[int]
    RECOMMENDED_FIELD_NUMBER: _ClassVar[int]
    CONSIDERED_FIELD_NUMBER: _ClassVar[int]
    BASIS_FIELD_NUMBER: _ClassVar[int]
    ranked: _containers.RepeatedCompositeFieldContainer[RankedRegimen]
    recommended: str
    considered: int
    basis: _common_pb2.Basis
    def __init__(self, ranked: _Optional[_Iterable[_Union[RankedRegimen, _Mapping]]] = ..., recommended: _Optional[str] = ..., considered: _Optional[int] = ..., basis: _Optional[_Union[_common_pb2.Basis, _Mapping]] = ...) -> None: ...
