from twin_service.v1 import common_pb2 as _common_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ModelKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    MODEL_KIND_UNSPECIFIED: _ClassVar[ModelKind]
    MODEL_KIND_POPPK: _ClassVar[ModelKind]
    MODEL_KIND_QSP: _ClassVar[ModelKind]
MODEL_KIND_UNSPECIFIED: ModelKind
MODEL_KIND_POPPK: ModelKind
MODEL_KIND_QSP: ModelKind

class LibraryValue(_message.Message):
    __slots__ = ("path", "value", "origin", "method", "cv")
    PATH_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    CV_FIELD_NUMBER: _ClassVar[int]
    path: str
    value: _common_pb2.Quantity
    origin: str
    method: str
    cv: float
    def __init__(self, path: _Optional[str] = ..., value: _Optional[_Union[_common_pb2.Quantity, _Mapping]] = ..., origin: _Optional[str] = ..., method: _Optional[str] = ..., cv: _Optional[float] = ...) -> None: ...

class Drug(_message.Message):
    __slots__ = ("id", "version", "digest", "molar_mass_g_mol", "values", "toml")
    ID_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    MOLAR_MASS_G_MOL_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    TOML_FIELD_NUMBER: _ClassVar[int]
    id: str
    version: str
    digest: str
    molar_mass_g_mol: float
    values: _containers.RepeatedCompositeFieldContainer[LibraryValue]
    toml: str
    def __init__(self, id: _Optional[str] = ..., version: _Optional[str] = ..., digest: _Optional[str] = ..., molar_mass_g_mol: _Optional[float] = ..., values: _Optional[_Iterable[_Union[LibraryValue, _Mapping]]] = ..., toml: _Optional[str] = ...) -> None: ...

class ListDrugsRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListDrugsResponse(_message.Message):
    __slots__ = ("drugs", "next_page_token")
    DRUGS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    drugs: _containers.RepeatedCompositeFieldContainer[Drug]
    next_page_token: str
    def __init__(self, drugs: _Optional[_Iterable[_Union[Drug, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class GetDrugRequest(_message.Message):
    __slots__ = ("id",)
    ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    def __init__(self, id: _Optional[str] = ...) -> None: ...

class GetDrugResponse(_message.Message):
    __slots__ = ("drug",)
    DRUG_FIELD_NUMBER: _ClassVar[int]
    drug: Drug
    def __init__(self, drug: _Optional[_Union[Drug, _Mapping]] = ...) -> None: ...

class ValidateDrugRequest(_message.Message):
    __slots__ = ("toml",)
    TOML_FIELD_NUMBER: _ClassVar[int]
    toml: str
    def __init__(self, toml: _Optional[str] = ...) -> None: ...

class LibraryMistake(_message.Message):
    __slots__ = ("rule", "path", "message")
    RULE_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    rule: str
    path: str
    message: str
    def __init__(self, rule: _Optional[str] = ..., path: _Optional[str] = ..., message: _Optional[str] = ...) -> None: ...

class ValidateDrugResponse(_message.Message):
    __slots__ = ("mistakes", "id")
    MISTAKES_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    mistakes: _containers.RepeatedCompositeFieldContainer[LibraryMistake]
    id: str
    def __init__(self, mistakes: _Optional[_Iterable[_Union[LibraryMistake, _Mapping]]] = ..., id: _Optional[str] = ...) -> None: ...

class LibraryModel(_message.Message):
    __slots__ = ("id", "kind", "version", "title", "digest")
    ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    id: str
    kind: ModelKind
    version: str
    title: str
    digest: str
    def __init__(self, id: _Optional[str] = ..., kind: _Optional[_Union[ModelKind, str]] = ..., version: _Optional[str] = ..., title: _Optional[str] = ..., digest: _Optional[str] = ...) -> None: ...

class ListModelsRequest(_message.Message):
    __slots__ = ("kind", "page_size", "page_token")
    KIND_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    kind: ModelKind
    page_size: int
    page_token: str
    def __init__(self, kind: _Optional[_Union[ModelKind, str]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListModelsResponse(_message.Message):
    __slots__ = ("models", "next_page_token")
    MODELS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    models: _containers.RepeatedCompositeFieldContainer[LibraryModel]
    next_page_token: str
    def __init__(self, models: _Optional[_Iterable[_Union[LibraryModel, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class DescribeModelRequest(_message.Message):
    __slots__ = ("model",)
    MODEL_FIELD_NUMBER: _ClassVar[int]
    model: _common_pb2.ModelSpec
    def __init__(self, model: _Optional[_Union[_common_pb2.ModelSpec, _Mapping]] = ...) -> None: ...

class EffectInfo(_message.Message):
    __slots__ = ("name", "title", "sd", "occasion")
    NAME_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    SD_FIELD_NUMBER: _ClassVar[int]
    OCCASION_FIELD_NUMBER: _ClassVar[int]
    name: str
    title: str
    sd: float
    occasion: bool
    def __init__(self, name: _Optional[str] = ..., title: _Optional[str] = ..., sd: _Optional[float] = ..., occasion: _Optional[bool] = ...) -> None: ...

class OutputInfo(_message.Message):
    __slots__ = ("name", "unit", "analyte")
    NAME_FIELD_NUMBER: _ClassVar[int]
    UNIT_FIELD_NUMBER: _ClassVar[int]
    ANALYTE_FIELD_NUMBER: _ClassVar[int]
    name: str
    unit: str
    analyte: str
    def __init__(self, name: _Optional[str] = ..., unit: _Optional[str] = ..., analyte: _Optional[str] = ...) -> None: ...

class RouteInfo(_message.Message):
    __slots__ = ("drug", "route")
    DRUG_FIELD_NUMBER: _ClassVar[int]
    ROUTE_FIELD_NUMBER: _ClassVar[int]
    drug: str
    route: str
    def __init__(self, drug: _Optional[str] = ..., route: _Optional[str] = ...) -> None: ...

class CovariateInfo(_message.Message):
    __slots__ = ("name", "unit", "required", "default_value", "low", "high")
    NAME_FIELD_NUMBER: _ClassVar[int]
    UNIT_FIELD_NUMBER: _ClassVar[int]
    REQUIRED_FIELD_NUMBER: _ClassVar[int]
    DEFAULT_VALUE_FIELD_NUMBER: _ClassVar[int]
    LOW_FIELD_NUMBER: _ClassVar[int]
    HIGH_FIELD_NUMBER: _ClassVar[int]
    name: str
    unit: str
    required: bool
    default_value: float
    low: float
    high: float
    def __init__(self, name: _Optional[str] = ..., unit: _Optional[str] = ..., required: _Optional[bool] = ..., default_value: _Optional[float] = ..., low: _Optional[float] = ..., high: _Optional[float] = ...) -> None: ...

class EndpointInfo(_message.Message):
    __slots__ = ("id", "title", "output", "comparison", "threshold", "harmful")
    ID_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    COMPARISON_FIELD_NUMBER: _ClassVar[int]
    THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    HARMFUL_FIELD_NUMBER: _ClassVar[int]
    id: str
    title: str
    output: str
    comparison: str
    threshold: _common_pb2.Quantity
    harmful: bool
    def __init__(self, id: _Optional[str] = ..., title: _Optional[str] = ..., output: _Optional[str] = ..., comparison: _Optional[str] = ..., threshold: _Optional[_Union[_common_pb2.Quantity, _Mapping]] = ..., harmful: _Optional[bool] = ...) -> None: ...

class DescribeModelResponse(_message.Message):
    __slots__ = ("id", "digest", "states", "effects", "outputs", "routes", "covariates", "endpoints", "library_versions")
    class LibraryVersionsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    ID_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    STATES_FIELD_NUMBER: _ClassVar[int]
    EFFECTS_FIELD_NUMBER: _ClassVar[int]
    OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    ROUTES_FIELD_NUMBER: _ClassVar[int]
    COVARIATES_FIELD_NUMBER: _ClassVar[int]
    ENDPOINTS_FIELD_NUMBER: _ClassVar[int]
    LIBRARY_VERSIONS_FIELD_NUMBER: _ClassVar[int]
    id: str
    digest: str
    states: int
    effects: _containers.RepeatedCompositeFieldContainer[EffectInfo]
    outputs: _containers.RepeatedCompositeFieldContainer[OutputInfo]
    routes: _containers.RepeatedCompositeFieldContainer[RouteInfo]
    covariates: _containers.RepeatedCompositeFieldContainer[CovariateInfo]
    endpoints: _containers.RepeatedCompositeFieldContainer[EndpointInfo]
    library_versions: _containers.ScalarMap[str, str]
    def __init__(self, id: _Optional[str] = ..., digest: _Optional[str] = ..., states: _Optional[int] = ..., effects: _Optional[_Iterable[_Union[EffectInfo, _Mapping]]] = ..., outputs: _Optional[_Iterable[_Union[OutputInfo, _Mapping]]] = ..., routes: _Optional[_Iterable[_Union[RouteInfo, _Mapping]]] = ..., covariates: _Optional[_Iterable[_Union[CovariateInfo, _Mapping]]] = ..., endpoints: _Optional[_Iterable[_Union[EndpointInfo, _Mapping]]] = ..., library_versions: _Optional[_Mapping[str, str]] = ...) -> None: ...

class Analyte(_message.Message):
    __slots__ = ("id", "unit", "molar_mass_g_mol", "low", "high", "loinc", "covariate")
    ID_FIELD_NUMBER: _ClassVar[int]
    UNIT_FIELD_NUMBER: _ClassVar[int]
    MOLAR_MASS_G_MOL_FIELD_NUMBER: _ClassVar[int]
    LOW_FIELD_NUMBER: _ClassVar[int]
    HIGH_FIELD_NUMBER: _ClassVar[int]
    LOINC_FIELD_NUMBER: _ClassVar[int]
    COVARIATE_FIELD_NUMBER: _ClassVar[int]
    id: str
    unit: str
    molar_mass_g_mol: float
    low: float
    high: float
    loinc: _containers.RepeatedScalarFieldContainer[str]
    covariate: bool
    def __init__(self, id: _Optional[str] = ..., unit: _Optional[str] = ..., molar_mass_g_mol: _Optional[float] = ..., low: _Optional[float] = ..., high: _Optional[float] = ..., loinc: _Optional[_Iterable[str]] = ..., covariate: _Optional[bool] = ...) -> None: ...

class ListAnalytesRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListAnalytesResponse(_message.Message):
    __slots__ = ("analytes", "next_page_token")
    ANALYTES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    analytes: _containers.RepeatedCompositeFieldContainer[Analyte]
    next_page_token: str
    def __init__(self, analytes: _Optional[_Iterable[_Union[Analyte, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...
