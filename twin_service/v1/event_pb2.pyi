import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from twin_service.v1 import common_pb2 as _common_pb2
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Censoring(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CENSORING_UNSPECIFIED: _ClassVar[Censoring]
    CENSORING_NONE: _ClassVar[Censoring]
    CENSORING_BELOW: _ClassVar[Censoring]
    CENSORING_ABOVE: _ClassVar[Censoring]

class DialysisModality(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DIALYSIS_MODALITY_UNSPECIFIED: _ClassVar[DialysisModality]
    DIALYSIS_MODALITY_HEMODIALYSIS: _ClassVar[DialysisModality]
    DIALYSIS_MODALITY_HEMOFILTRATION: _ClassVar[DialysisModality]
    DIALYSIS_MODALITY_PERITONEAL: _ClassVar[DialysisModality]
CENSORING_UNSPECIFIED: Censoring
CENSORING_NONE: Censoring
CENSORING_BELOW: Censoring
CENSORING_ABOVE: Censoring
DIALYSIS_MODALITY_UNSPECIFIED: DialysisModality
DIALYSIS_MODALITY_HEMODIALYSIS: DialysisModality
DIALYSIS_MODALITY_HEMOFILTRATION: DialysisModality
DIALYSIS_MODALITY_PERITONEAL: DialysisModality

class Dose(_message.Message):
    __slots__ = ("drug", "amount", "route", "duration", "formulation", "steady_interval")
    DRUG_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    ROUTE_FIELD_NUMBER: _ClassVar[int]
    DURATION_FIELD_NUMBER: _ClassVar[int]
    FORMULATION_FIELD_NUMBER: _ClassVar[int]
    STEADY_INTERVAL_FIELD_NUMBER: _ClassVar[int]
    drug: str
    amount: _common_pb2.Quantity
    route: str
    duration: _common_pb2.Quantity
    formulation: str
    steady_interval: _common_pb2.Quantity
    def __init__(self, drug: _Optional[str] = ..., amount: _Optional[_Union[_common_pb2.Quantity, _Mapping]] = ..., route: _Optional[str] = ..., duration: _Optional[_Union[_common_pb2.Quantity, _Mapping]] = ..., formulation: _Optional[str] = ..., steady_interval: _Optional[_Union[_common_pb2.Quantity, _Mapping]] = ...) -> None: ...

class Lab(_message.Message):
    __slots__ = ("analyte", "value", "censoring", "after_dose", "method", "loinc")
    ANALYTE_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    CENSORING_FIELD_NUMBER: _ClassVar[int]
    AFTER_DOSE_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    LOINC_FIELD_NUMBER: _ClassVar[int]
    analyte: str
    value: _common_pb2.Quantity
    censoring: Censoring
    after_dose: bool
    method: str
    loinc: str
    def __init__(self, analyte: _Optional[str] = ..., value: _Optional[_Union[_common_pb2.Quantity, _Mapping]] = ..., censoring: _Optional[_Union[Censoring, str]] = ..., after_dose: _Optional[bool] = ..., method: _Optional[str] = ..., loinc: _Optional[str] = ...) -> None: ...

class Image(_message.Message):
    __slots__ = ("analyte", "value", "modality", "lesion", "simulated")
    ANALYTE_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    MODALITY_FIELD_NUMBER: _ClassVar[int]
    LESION_FIELD_NUMBER: _ClassVar[int]
    SIMULATED_FIELD_NUMBER: _ClassVar[int]
    analyte: str
    value: _common_pb2.Quantity
    modality: str
    lesion: str
    simulated: bool
    def __init__(self, analyte: _Optional[str] = ..., value: _Optional[_Union[_common_pb2.Quantity, _Mapping]] = ..., modality: _Optional[str] = ..., lesion: _Optional[str] = ..., simulated: _Optional[bool] = ...) -> None: ...

class Covariate(_message.Message):
    __slots__ = ("name", "value")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    name: str
    value: _common_pb2.Quantity
    def __init__(self, name: _Optional[str] = ..., value: _Optional[_Union[_common_pb2.Quantity, _Mapping]] = ...) -> None: ...

class Genotype(_message.Message):
    __slots__ = ("gene", "diplotype", "phenotype", "activity")
    GENE_FIELD_NUMBER: _ClassVar[int]
    DIPLOTYPE_FIELD_NUMBER: _ClassVar[int]
    PHENOTYPE_FIELD_NUMBER: _ClassVar[int]
    ACTIVITY_FIELD_NUMBER: _ClassVar[int]
    gene: str
    diplotype: str
    phenotype: str
    activity: float
    def __init__(self, gene: _Optional[str] = ..., diplotype: _Optional[str] = ..., phenotype: _Optional[str] = ..., activity: _Optional[float] = ...) -> None: ...

class Dialysis(_message.Message):
    __slots__ = ("modality", "duration", "blood_flow_ml_min", "effluent_l_h", "clearance_ml_min", "drug")
    MODALITY_FIELD_NUMBER: _ClassVar[int]
    DURATION_FIELD_NUMBER: _ClassVar[int]
    BLOOD_FLOW_ML_MIN_FIELD_NUMBER: _ClassVar[int]
    EFFLUENT_L_H_FIELD_NUMBER: _ClassVar[int]
    CLEARANCE_ML_MIN_FIELD_NUMBER: _ClassVar[int]
    DRUG_FIELD_NUMBER: _ClassVar[int]
    modality: DialysisModality
    duration: _common_pb2.Quantity
    blood_flow_ml_min: float
    effluent_l_h: float
    clearance_ml_min: float
    drug: str
    def __init__(self, modality: _Optional[_Union[DialysisModality, str]] = ..., duration: _Optional[_Union[_common_pb2.Quantity, _Mapping]] = ..., blood_flow_ml_min: _Optional[float] = ..., effluent_l_h: _Optional[float] = ..., clearance_ml_min: _Optional[float] = ..., drug: _Optional[str] = ...) -> None: ...

class Finding(_message.Message):
    __slots__ = ("dose", "lab", "image", "covariate", "genotype", "dialysis")
    DOSE_FIELD_NUMBER: _ClassVar[int]
    LAB_FIELD_NUMBER: _ClassVar[int]
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    COVARIATE_FIELD_NUMBER: _ClassVar[int]
    GENOTYPE_FIELD_NUMBER: _ClassVar[int]
    DIALYSIS_FIELD_NUMBER: _ClassVar[int]
    dose: Dose
    lab: Lab
    image: Image
    covariate: Covariate
    genotype: Genotype
    dialysis: Dialysis
    def __init__(self, dose: _Optional[_Union[Dose, _Mapping]] = ..., lab: _Optional[_Union[Lab, _Mapping]] = ..., image: _Optional[_Union[Image, _Mapping]] = ..., covariate: _Optional[_Union[Covariate, _Mapping]] = ..., genotype: _Optional[_Union[Genotype, _Mapping]] = ..., dialysis: _Optional[_Union[Dialysis, _Mapping]] = ...) -> None: ...

class Correction(_message.Message):
    __slots__ = ("target_event_id", "replacement", "replacement_time")
    TARGET_EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    REPLACEMENT_FIELD_NUMBER: _ClassVar[int]
    REPLACEMENT_TIME_FIELD_NUMBER: _ClassVar[int]
    target_event_id: str
    replacement: Finding
    replacement_time: _timestamp_pb2.Timestamp
    def __init__(self, target_event_id: _Optional[str] = ..., replacement: _Optional[_Union[Finding, _Mapping]] = ..., replacement_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class Retraction(_message.Message):
    __slots__ = ("target_event_id", "reason")
    TARGET_EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    target_event_id: str
    reason: str
    def __init__(self, target_event_id: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class Event(_message.Message):
    __slots__ = ("id", "time", "source", "dose", "lab", "image", "covariate", "genotype", "correction", "retraction", "dialysis", "confirm")
    ID_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    DOSE_FIELD_NUMBER: _ClassVar[int]
    LAB_FIELD_NUMBER: _ClassVar[int]
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    COVARIATE_FIELD_NUMBER: _ClassVar[int]
    GENOTYPE_FIELD_NUMBER: _ClassVar[int]
    CORRECTION_FIELD_NUMBER: _ClassVar[int]
    RETRACTION_FIELD_NUMBER: _ClassVar[int]
    DIALYSIS_FIELD_NUMBER: _ClassVar[int]
    CONFIRM_FIELD_NUMBER: _ClassVar[int]
    id: str
    time: _timestamp_pb2.Timestamp
    source: str
    dose: Dose
    lab: Lab
    image: Image
    covariate: Covariate
    genotype: Genotype
    correction: Correction
    retraction: Retraction
    dialysis: Dialysis
    confirm: bool
    def __init__(self, id: _Optional[str] = ..., time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., source: _Optional[str] = ..., dose: _Optional[_Union[Dose, _Mapping]] = ..., lab: _Optional[_Union[Lab, _Mapping]] = ..., image: _Optional[_Union[Image, _Mapping]] = ..., covariate: _Optional[_Union[Covariate, _Mapping]] = ..., genotype: _Optional[_Union[Genotype, _Mapping]] = ..., correction: _Optional[_Union[Correction, _Mapping]] = ..., retraction: _Optional[_Union[Retraction, _Mapping]] = ..., dialysis: _Optional[_Union[Dialysis, _Mapping]] = ..., confirm: _Optional[bool] = ...) -> None: ...

class RecordedEvent(_message.Message):
    __slots__ = ("event", "arrival_time", "timeline_revision", "chain_digest", "canonical_value", "in_force")
    EVENT_FIELD_NUMBER: _ClassVar[int]
    ARRIVAL_TIME_FIELD_NUMBER: _ClassVar[int]
    TIMELINE_REVISION_FIELD_NUMBER: _ClassVar[int]
    CHAIN_DIGEST_FIELD_NUMBER: _ClassVar[int]
    CANONICAL_VALUE_FIELD_NUMBER: _ClassVar[int]
    IN_FORCE_FIELD_NUMBER: _ClassVar[int]
    event: Event
    arrival_time: _timestamp_pb2.Timestamp
    timeline_revision: int
    chain_digest: str
    canonical_value: _common_pb2.Quantity
    in_force: bool
    def __init__(self, event: _Optional[_Union[Event, _Mapping]] = ..., arrival_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., timeline_revision: _Optional[int] = ..., chain_digest: _Optional[str] = ..., canonical_value: _Optional[_Union[_common_pb2.Quantity, _Mapping]] = ..., in_force: _Optional[bool] = ...) -> None: ...
