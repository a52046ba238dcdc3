import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Estimator(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ESTIMATOR_UNSPECIFIED: _ClassVar[Estimator]
    ESTIMATOR_UNSCENTED: _ClassVar[Estimator]
    ESTIMATOR_ENSEMBLE: _ClassVar[Estimator]
    ESTIMATOR_LAPLACE: _ClassVar[Estimator]
    ESTIMATOR_POLICY: _ClassVar[Estimator]
ESTIMATOR_UNSPECIFIED: Estimator
ESTIMATOR_UNSCENTED: Estimator
ESTIMATOR_ENSEMBLE: Estimator
ESTIMATOR_LAPLACE: Estimator
ESTIMATOR_POLICY: Estimator

class Quantity(_message.Message):
    __slots__ = ("value", "unit")
    VALUE_FIELD_NUMBER: _ClassVar[int]
    UNIT_FIELD_NUMBER: _ClassVar[int]
    value: float
    unit: str
    def __init__(self, value: _Optional[float] = ..., unit: _Optional[str] = ...) -> None: ...

class ModelSpec(_message.Message):
    __slots__ = ("drugs", "poppk", "effects")
    DRUGS_FIELD_NUMBER: _ClassVar[int]
    POPPK_FIELD_NUMBER: _ClassVar[int]
    EFFECTS_FIELD_NUMBER: _ClassVar[int]
    drugs: _containers.RepeatedScalarFieldContainer[str]
    poppk: str
    effects: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, drugs: _Optional[_Iterable[str]] = ..., poppk: _Optional[str] = ..., effects: _Optional[_Iterable[str]] = ...) -> None: ...

class Verdict(_message.Message):
    __slots__ = ("code", "detail", "usable")
    CODE_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    USABLE_FIELD_NUMBER: _ClassVar[int]
    code: str
    detail: str
    usable: bool
    def __init__(self, code: _Optional[str] = ..., detail: _Optional[str] = ..., usable: _Optional[bool] = ...) -> None: ...

class Basis(_message.Message):
    __slots__ = ("answer_id", "twin", "model_id", "model_version", "model_digest", "library_versions", "timeline_digest", "belief_digest", "timeline_revision", "belief_revision", "estimator", "estimator_reason", "assumptions", "warnings", "used_event_ids", "unused_event_ids", "members", "software_digest", "software_version", "computed_time", "verdict", "not_modelled", "spec_revision")
    class LibraryVersionsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    ANSWER_ID_FIELD_NUMBER: _ClassVar[int]
    TWIN_FIELD_NUMBER: _ClassVar[int]
    MODEL_ID_FIELD_NUMBER: _ClassVar[int]
    MODEL_VERSION_FIELD_NUMBER: _ClassVar[int]
    MODEL_DIGEST_FIELD_NUMBER: _ClassVar[int]
    LIBRARY_VERSIONS_FIELD_NUMBER: _ClassVar[int]
    TIMELINE_DIGEST_FIELD_NUMBER: _ClassVar[int]
    BELIEF_DIGEST_FIELD_NUMBER: _ClassVar[int]
    TIMELINE_REVISION_FIELD_NUMBER: _ClassVar[int]
    BELIEF_REVISION_FIELD_NUMBER: _ClassVar[int]
    ESTIMATOR_FIELD_NUMBER: _ClassVar[int]
    ESTIMATOR_REASON_FIELD_NUMBER: _ClassVar[int]
    ASSUMPTIONS_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    USED_EVENT_IDS_FIELD_NUMBER: _ClassVar[int]
    UNUSED_EVENT_IDS_FIELD_NUMBER: _ClassVar[int]
    MEMBERS_FIELD_NUMBER: _ClassVar[int]
    SOFTWARE_DIGEST_FIELD_NUMBER: _ClassVar[int]
    SOFTWARE_VERSION_FIELD_NUMBER: _ClassVar[int]
    COMPUTED_TIME_FIELD_NUMBER: _ClassVar[int]
    VERDICT_FIELD_NUMBER: _ClassVar[int]
    NOT_MODELLED_FIELD_NUMBER: _ClassVar[int]
    SPEC_REVISION_FIELD_NUMBER: _ClassVar[int]
    answer_id: str
    twin: str
    model_id: str
    model_version: str
    model_digest: str
    library_versions: _containers.ScalarMap[str, str]
    timeline_digest: str
    belief_digest: str
    timeline_revision: int
    belief_revision: int
    estimator: Estimator
    estimator_reason: str
    assumptions: _containers.RepeatedScalarFieldContainer[str]
    warnings: _containers.RepeatedScalarFieldContainer[str]
    used_event_ids: _containers.RepeatedScalarFieldContainer[str]
    unused_event_ids: _containers.RepeatedScalarFieldContainer[str]
    members: int
    software_digest: str
    software_version: str
    computed_time: _timestamp_pb2.Timestamp
    verdict: Verdict
    not_modelled: _containers.RepeatedScalarFieldContainer[str]
    spec_revision: int
    def __init__(self, answer_id: _Optional[str] = ..., twin: _Optional[str] = ..., model_id: _Optional[str] = ..., model_version: _Optional[str] = ..., model_digest: _Optional[str] = ..., library_versions: _Optional[_Mapping[str, str]] = ..., timeline_digest: _Optional[str] = ..., belief_digest: _Optional[str] = ..., timeline_revision: _Optional[int] = ..., belief_revision: _Optional[int] = ..., estimator: _Optional[_Union[Estimator, str]] = ..., estimator_reason: _Optional[str] = ..., assumptions: _Optional[_Iterable[str]] = ..., warnings: _Optional[_Iterable[str]] = ..., used_event_ids: _Optional[_Iterable[str]] = ..., unused_event_ids: _Optional[_Iterable[str]] = ..., members: _Optional[int] = ..., software_digest: _Optional[str] = ..., software_version: _Optional[str] = ..., computed_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., verdict: _Optional[_Union[Verdict, _Mapping]] = ..., not_modelled: _Optional[_Iterable[str]] = ..., spec_revision: _Optional[int] = ...) -> None: ...

class QuantileSeries(_message.Message):
    __slots__ = ("level", "values")
    LEVEL_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    level: float
    values: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, level: _Optional[float] = ..., values: _Optional[_Iterable[float]] = ...) -> None: ...

class Series(_message.Message):
    __slots__ = ("output", "unit", "mean", "median", "quantiles", "reading_quantiles", "level_quantiles")
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    UNIT_FIELD_NUMBER: _ClassVar[int]
    MEAN_FIELD_NUMBER: _ClassVar[int]
    MEDIAN_FIELD_NUMBER: _ClassVar[int]
    QUANTILES_FIELD_NUMBER: _ClassVar[int]
    READING_QUANTILES_FIELD_NUMBER: _ClassVar[int]
    LEVEL_QUANTILES_FIELD_NUMBER: _ClassVar[int]
    output: str
    unit: str
    mean: _containers.RepeatedScalarFieldContainer[float]
    median: _containers.RepeatedScalarFieldContainer[float]
    quantiles: _containers.RepeatedCompositeFieldContainer[QuantileSeries]
    reading_quantiles: _containers.RepeatedCompositeFieldContainer[QuantileSeries]
    level_quantiles: _containers.RepeatedCompositeFieldContainer[QuantileSeries]
    def __init__(self, output: _Optional[str] = ..., unit: _Optional[str] = ..., mean: _Optional[_Iterable[float]] = ..., median: _Optional[_Iterable[float]] = ..., quantiles: _Optional[_Iterable[_Union[QuantileSeries, _Mapping]]] = ..., reading_quantiles: _Optional[_Iterable[_Union[QuantileSeries, _Mapping]]] = ..., level_quantiles: _Optional[_Iterable[_Union[QuantileSeries, _Mapping]]] = ...) -> None: ...

class Bands(_message.Message):
    __slots__ = ("origin_time", "times_h", "series", "verdict")
    ORIGIN_TIME_FIELD_NUMBER: _ClassVar[int]
    TIMES_H_FIELD_NUMBER: _ClassVar[int]
    SERIES_FIELD_NUMBER: _ClassVar[int]
    VERDICT_FIELD_NUMBER: _ClassVar[int]
    origin_time: _timestamp_pb2.Timestamp
    times_h: _containers.RepeatedScalarFieldContainer[float]
    series: _containers.RepeatedCompositeFieldContainer[Series]
    verdict: Verdict
    def __init__(self, origin_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., times_h: _Optional[_Iterable[float]] = ..., series: _Optional[_Iterable[_Union[Series, _Mapping]]] = ..., verdict: _Optional[_Union[Verdict, _Mapping]] = ...) -> None: ...

class Spread(_message.Message):
    __slots__ = ("mean", "sd", "q05", "q50", "q95")
    MEAN_FIELD_NUMBER: _ClassVar[int]
    SD_FIELD_NUMBER: _ClassVar[int]
    Q05_FIELD_NUMBER: _ClassVar[int]
    Q50_FIELD_NUMBER: _ClassVar[int]
    Q95_FIELD_NUMBER: _ClassVar[int]
    mean: float
    sd: float
    q05: float
    q50: float
    q95: float
    def __init__(self, mean: _Optional[float] = ..., sd: _Optional[float] = ..., q05: _Optional[float] = ..., q50: _Optional[float] = ..., q95: _Optional[float] = ...) -> None: ...

class Operation(_message.Message):
    __slots__ = ("name", "kind", "done", "progress", "create_time", "end_time", "error_code", "error_message")
    NAME_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    DONE_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    ERROR_CODE_FIELD_NUMBER: _ClassVar[int]
    ERROR_MESSAGE_FIELD_NUMBER: _ClassVar[int]
    name: str
    kind: str
    done: bool
    progress: float
    create_time: _timestamp_pb2.Timestamp
    end_time: _timestamp_pb2.Timestamp
    error_code: int
    error_message: str
    def __init__(self, name: _Optional[str] = ..., kind: _Optional[str] = ..., done: _Optional[bool] = ..., progress: _Optional[float] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., error_code: _Optional[int] = ..., error_message: _Optional[str] = ...) -> None: ...
