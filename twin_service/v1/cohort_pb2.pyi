import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from twin_service.v1 import common_pb2 as _common_pb2
from twin_service.v1 import simulation_pb2 as _simulation_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class CovariateSpread(_message.Message):
    __slots__ = ("name", "mean", "sd", "low", "high", "lognormal")
    NAME_FIELD_NUMBER: _ClassVar[int]
    MEAN_FIELD_NUMBER: _ClassVar[int]
    SD_FIELD_NUMBER: _ClassVar[int]
    LOW_FIELD_NUMBER: _ClassVar[int]
    HIGH_FIELD_NUMBER: _ClassVar[int]
    LOGNORMAL_FIELD_NUMBER: _ClassVar[int]
    name: str
    mean: _common_pb2.Quantity
    sd: _common_pb2.Quantity
    low: _common_pb2.Quantity
    high: _common_pb2.Quantity
    lognormal: bool
    def __init__(self, name: _Optional[str] = ..., mean: _Optional[_Union[_common_pb2.Quantity, _Mapping]] = ..., sd: _Optional[_Union[_common_pb2.Quantity, _Mapping]] = ..., low: _Optional[_Union[_common_pb2.Quantity, _Mapping]] = ..., high: _Optional[_Union[_common_pb2.Quantity, _Mapping]] = ..., lognormal: _Optional[bool] = ...) -> None: ...

class CovariateCorrelation(_message.Message):
    __slots__ = ("first", "second", "value")
    FIRST_FIELD_NUMBER: _ClassVar[int]
    SECOND_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    first: str
    second: str
    value: float
    def __init__(self, first: _Optional[str] = ..., second: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...

class MatchTarget(_message.Message):
    __slots__ = ("output", "time", "mean", "sd")
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    MEAN_FIELD_NUMBER: _ClassVar[int]
    SD_FIELD_NUMBER: _ClassVar[int]
    output: str
    time: _common_pb2.Quantity
    mean: _common_pb2.Quantity
    sd: _common_pb2.Quantity
    def __init__(self, output: _Optional[str] = ..., time: _Optional[_Union[_common_pb2.Quantity, _Mapping]] = ..., mean: _Optional[_Union[_common_pb2.Quantity, _Mapping]] = ..., sd: _Optional[_Union[_common_pb2.Quantity, _Mapping]] = ...) -> None: ...

class GeneratePopulationRequest(_message.Message):
    __slots__ = ("parent", "model", "size", "covariates", "matches", "seed", "request_id", "correlations")
    PARENT_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    COVARIATES_FIELD_NUMBER: _ClassVar[int]
    MATCHES_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    CORRELATIONS_FIELD_NUMBER: _ClassVar[int]
    parent: str
    model: _common_pb2.ModelSpec
    size: int
    covariates: _containers.RepeatedCompositeFieldContainer[CovariateSpread]
    matches: _containers.RepeatedCompositeFieldContainer[MatchTarget]
    seed: int
    request_id: str
    correlations: _containers.RepeatedCompositeFieldContainer[CovariateCorrelation]
    def __init__(self, parent: _Optional[str] = ..., model: _Optional[_Union[_common_pb2.ModelSpec, _Mapping]] = ..., size: _Optional[int] = ..., covariates: _Optional[_Iterable[_Union[CovariateSpread, _Mapping]]] = ..., matches: _Optional[_Iterable[_Union[MatchTarget, _Mapping]]] = ..., seed: _Optional[int] = ..., request_id: _Optional[str] = ..., correlations: _Optional[_Iterable[_Union[CovariateCorrelation, _Mapping]]] = ...) -> None: ...

class GeneratePopulationResponse(_message.Message):
    __slots__ = ("operation", "population")
    OPERATION_FIELD_NUMBER: _ClassVar[int]
    POPULATION_FIELD_NUMBER: _ClassVar[int]
    operation: _common_pb2.Operation
    population: str
    def __init__(self, operation: _Optional[_Union[_common_pb2.Operation, _Mapping]] = ..., population: _Optional[str] = ...) -> None: ...

class SimulatePopulationRequest(_message.Message):
    __slots__ = ("population", "regimens", "horizon", "targets", "outputs", "request_id")
    POPULATION_FIELD_NUMBER: _ClassVar[int]
    REGIMENS_FIELD_NUMBER: _ClassVar[int]
    HORIZON_FIELD_NUMBER: _ClassVar[int]
    TARGETS_FIELD_NUMBER: _ClassVar[int]
    OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    population: str
    regimens: _containers.RepeatedCompositeFieldContainer[_simulation_pb2.Regimen]
    horizon: _common_pb2.Quantity
    targets: _containers.RepeatedCompositeFieldContainer[_simulation_pb2.Target]
    outputs: _containers.RepeatedScalarFieldContainer[str]
    request_id: str
    def __init__(self, population: _Optional[str] = ..., regimens: _Optional[_Iterable[_Union[_simulation_pb2.Regimen, _Mapping]]] = ..., horizon: _Optional[_Union[_common_pb2.Quantity, _Mapping]] = ..., targets: _Optional[_Iterable[_Union[_simulation_pb2.Target, _Mapping]]] = ..., outputs: _Optional[_Iterable[str]] = ..., request_id: _Optional[str] = ...) -> None: ...

class SimulatePopulationResponse(_message.Message):
    __slots__ = ("operation",)
    OPERATION_FIELD_NUMBER: _ClassVar[int]
    operation: _common_pb2.Operation
    def __init__(self, operation: _Optional[_Union[_common_pb2.Operation, _Mapping]] = ...) -> None: ...

class GetPopulationResultRequest(_message.Message):
    __slots__ = ("operation",)
    OPERATION_FIELD_NUMBER: _ClassVar[int]
    operation: str
    def __init__(self, operation: _Optional[str] = ...) -> None: ...

class GetPopulationResultResponse(_message.Message):
    __slots__ = ("what_ifs", "members", "effective_sample_size", "basis")
    WHAT_IFS_FIELD_NUMBER: _ClassVar[int]
    MEMBERS_FIELD_NUMBER: _ClassVar[int]
    EFFECTIVE_SAMPLE_SIZE_FIELD_NUMBER: _ClassVar[int]
    BASIS_FIELD_NUMBER: _ClassVar[int]
    what_ifs: _containers.RepeatedCompositeFieldContainer[_simulation_pb2.WhatIf]
    members: int
    effective_sample_size: float
    basis: _common_pb2.Basis
    def __init__(self, what_ifs: _Optional[_Iterable[_Union[_simulation_pb2.WhatIf, _Mapping]]] = ..., members: _Optional[int] = ..., effective_sample_size: _Optional[float] = ..., basis: _Optional[_Union[_common_pb2.Basis, _Mapping]] = ...) -> None: ...

class GetOperationRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class GetOperationResponse(_message.Message):
    __slots__ = ("operation",)
    OPERATION_FIELD_NUMBER: _ClassVar[int]
    operation: _common_pb2.Operation
    def __init__(self, operation: _Optional[_Union[_common_pb2.Operation, _Mapping]] = ...) -> None: ...

class ListOperationsRequest(_message.Message):
    __slots__ = ("parent", "page_size", "page_token")
    PARENT_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    parent: str
    page_size: int
    page_token: str
    def __init__(self, parent: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListOperationsResponse(_message.Message):
    __slots__ = ("operations", "next_page_token")
    OPERATIONS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    operations: _containers.RepeatedCompositeFieldContainer[_common_pb2.Operation]
    next_page_token: str
    def __init__(self, operations: _Optional[_Iterable[_Union[_common_pb2.Operation, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class WaitOperationRequest(_message.Message):
    __slots__ = ("name", "timeout")
    NAME_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    name: str
    timeout: _duration_pb2.Duration
    def __init__(self, name: _Optional[str] = ..., timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class WaitOperationResponse(_message.Message):
    __slots__ = ("operation",)
    OPERATION_FIELD_NUMBER: _ClassVar[int]
    operation: _common_pb2.Operation
    def __init__(self, operation: _Optional[_Union[_common_pb2.Operation, _Mapping]] = ...) -> None: ...

class CancelOperationRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class CancelOperationResponse(_message.Message):
    __slots__ = ("operation",)
    OPERATION_FIELD_NUMBER: _ClassVar[int]
    operation: _common_pb2.Operation
    def __init__(self, operation: _Optional[_Union[_common_pb2.Operation, _Mapping]] = ...) -> None: ...
