import datetime

from google.protobuf import any_pb2 as _any_pb2
from google.protobuf import field_mask_pb2 as _field_mask_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from twin_service.v1 import common_pb2 as _common_pb2
from twin_service.v1 import event_pb2 as _event_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Acceptance(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ACCEPTANCE_UNSPECIFIED: _ClassVar[Acceptance]
    ACCEPTANCE_ALL: _ClassVar[Acceptance]
    ACCEPTANCE_POSSIBLE: _ClassVar[Acceptance]

class EventState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    EVENT_STATE_UNSPECIFIED: _ClassVar[EventState]
    EVENT_STATE_TAKEN: _ClassVar[EventState]
    EVENT_STATE_HELD: _ClassVar[EventState]
    EVENT_STATE_REFUSED: _ClassVar[EventState]

class Smoothing(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SMOOTHING_UNSPECIFIED: _ClassVar[Smoothing]
    SMOOTHING_SMOOTHED: _ClassVar[Smoothing]
    SMOOTHING_FILTERED: _ClassVar[Smoothing]
    SMOOTHING_PRIOR: _ClassVar[Smoothing]
ACCEPTANCE_UNSPECIFIED: Acceptance
ACCEPTANCE_ALL: Acceptance
ACCEPTANCE_POSSIBLE: Acceptance
EVENT_STATE_UNSPECIFIED: EventState
EVENT_STATE_TAKEN: EventState
EVENT_STATE_HELD: EventState
EVENT_STATE_REFUSED: EventState
SMOOTHING_UNSPECIFIED: Smoothing
SMOOTHING_SMOOTHED: Smoothing
SMOOTHING_FILTERED: Smoothing
SMOOTHING_PRIOR: Smoothing

class Twin(_message.Message):
    __slots__ = ("name", "spec", "meta")
    NAME_FIELD_NUMBER: _ClassVar[int]
    SPEC_FIELD_NUMBER: _ClassVar[int]
    META_FIELD_NUMBER: _ClassVar[int]
    name: str
    spec: TwinSpec
    meta: TwinMeta
    def __init__(self, name: _Optional[str] = ..., spec: _Optional[_Union[TwinSpec, _Mapping]] = ..., meta: _Optional[_Union[TwinMeta, _Mapping]] = ...) -> None: ...

class TwinSpec(_message.Message):
    __slots__ = ("model", "epoch_time", "estimator", "covariates", "labels")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    MODEL_FIELD_NUMBER: _ClassVar[int]
    EPOCH_TIME_FIELD_NUMBER: _ClassVar[int]
    ESTIMATOR_FIELD_NUMBER: _ClassVar[int]
    COVARIATES_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    model: _common_pb2.ModelSpec
    epoch_time: _timestamp_pb2.Timestamp
    estimator: _common_pb2.Estimator
    covariates: _containers.RepeatedCompositeFieldContainer[_event_pb2.Covariate]
    labels: _containers.ScalarMap[str, str]
    def __init__(self, model: _Optional[_Union[_common_pb2.ModelSpec, _Mapping]] = ..., epoch_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., estimator: _Optional[_Union[_common_pb2.Estimator, str]] = ..., covariates: _Optional[_Iterable[_Union[_event_pb2.Covariate, _Mapping]]] = ..., labels: _Optional[_Mapping[str, str]] = ...) -> None: ...

class TwinMeta(_message.Message):
    __slots__ = ("etag", "create_time", "update_time", "timeline_revision", "belief_revision", "trouble")
    ETAG_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    UPDATE_TIME_FIELD_NUMBER: _ClassVar[int]
    TIMELINE_REVISION_FIELD_NUMBER: _ClassVar[int]
    BELIEF_REVISION_FIELD_NUMBER: _ClassVar[int]
    TROUBLE_FIELD_NUMBER: _ClassVar[int]
    etag: str
    create_time: _timestamp_pb2.Timestamp
    update_time: _timestamp_pb2.Timestamp
    timeline_revision: int
    belief_revision: int
    trouble: AssimilationTrouble
    def __init__(self, etag: _Optional[str] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., update_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., timeline_revision: _Optional[int] = ..., belief_revision: _Optional[int] = ..., trouble: _Optional[_Union[AssimilationTrouble, _Mapping]] = ...) -> None: ...

class AssimilationTrouble(_message.Message):
    __slots__ = ("reason", "message", "field", "timeline_revision")
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    FIELD_FIELD_NUMBER: _ClassVar[int]
    TIMELINE_REVISION_FIELD_NUMBER: _ClassVar[int]
    reason: str
    message: str
    field: str
    timeline_revision: int
    def __init__(self, reason: _Optional[str] = ..., message: _Optional[str] = ..., field: _Optional[str] = ..., timeline_revision: _Optional[int] = ...) -> None: ...

class CovariateInForce(_message.Message):
    __slots__ = ("name", "value", "since_time", "event_id", "used")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    SINCE_TIME_FIELD_NUMBER: _ClassVar[int]
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    USED_FIELD_NUMBER: _ClassVar[int]
    name: str
    value: _common_pb2.Quantity
    since_time: _timestamp_pb2.Timestamp
    event_id: str
    used: bool
    def __init__(self, name: _Optional[str] = ..., value: _Optional[_Union[_common_pb2.Quantity, _Mapping]] = ..., since_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., event_id: _Optional[str] = ..., used: _Optional[bool] = ...) -> None: ...

class EffectBelief(_message.Message):
    __slots__ = ("name", "title", "mean", "sd", "prior_sd", "occasion")
    NAME_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    MEAN_FIELD_NUMBER: _ClassVar[int]
    SD_FIELD_NUMBER: _ClassVar[int]
    PRIOR_SD_FIELD_NUMBER: _ClassVar[int]
    OCCASION_FIELD_NUMBER: _ClassVar[int]
    name: str
    title: str
    mean: float
    sd: float
    prior_sd: float
    occasion: bool
    def __init__(self, name: _Optional[str] = ..., title: _Optional[str] = ..., mean: _Optional[float] = ..., sd: _Optional[float] = ..., prior_sd: _Optional[float] = ..., occasion: _Optional[bool] = ...) -> None: ...

class Belief(_message.Message):
    __slots__ = ("effects", "covariance", "time")
    EFFECTS_FIELD_NUMBER: _ClassVar[int]
    COVARIANCE_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    effects: _containers.RepeatedCompositeFieldContainer[EffectBelief]
    covariance: _containers.RepeatedScalarFieldContainer[float]
    time: _timestamp_pb2.Timestamp
    def __init__(self, effects: _Optional[_Iterable[_Union[EffectBelief, _Mapping]]] = ..., covariance: _Optional[_Iterable[float]] = ..., time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class CreateTwinRequest(_message.Message):
    __slots__ = ("parent", "patient_id", "spec", "request_id")
    PARENT_FIELD_NUMBER: _ClassVar[int]
    PATIENT_ID_FIELD_NUMBER: _ClassVar[int]
    SPEC_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    parent: str
    patient_id: str
    spec: TwinSpec
    request_id: str
    def __init__(self, parent: _Optional[str] = ..., patient_id: _Optional[str] = ..., spec: _Optional[_Union[TwinSpec, _Mapping]] = ..., request_id: _Optional[str] = ...) -> None: ...

class CreateTwinResponse(_message.Message):
    __slots__ = ("twin", "warnings")
    TWIN_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    twin: Twin
    warnings: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, twin: _Optional[_Union[Twin, _Mapping]] = ..., warnings: _Optional[_Iterable[str]] = ...) -> None: ...

class GetTwinRequest(_message.Message):
    __slots__ = ("name", "min_revision", "read_mask")
    NAME_FIELD_NUMBER: _ClassVar[int]
    MIN_REVISION_FIELD_NUMBER: _ClassVar[int]
    READ_MASK_FIELD_NUMBER: _ClassVar[int]
    name: str
    min_revision: int
    read_mask: _field_mask_pb2.FieldMask
    def __init__(self, name: _Optional[str] = ..., min_revision: _Optional[int] = ..., read_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ...) -> None: ...

class GetTwinResponse(_message.Message):
    __slots__ = ("twin", "covariates", "belief", "basis")
    TWIN_FIELD_NUMBER: _ClassVar[int]
    COVARIATES_FIELD_NUMBER: _ClassVar[int]
    BELIEF_FIELD_NUMBER: _ClassVar[int]
    BASIS_FIELD_NUMBER: _ClassVar[int]
    twin: Twin
    covariates: _containers.RepeatedCompositeFieldContainer[CovariateInForce]
    belief: Belief
    basis: _common_pb2.Basis
    def __init__(self, twin: _Optional[_Union[Twin, _Mapping]] = ..., covariates: _Optional[_Iterable[_Union[CovariateInForce, _Mapping]]] = ..., belief: _Optional[_Union[Belief, _Mapping]] = ..., basis: _Optional[_Union[_common_pb2.Basis, _Mapping]] = ...) -> None: ...

class ListTwinsRequest(_message.Message):
    __slots__ = ("parent", "page_size", "page_token")
    PARENT_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    parent: str
    page_size: int
    page_token: str
    def __init__(self, parent: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListTwinsResponse(_message.Message):
    __slots__ = ("twins", "next_page_token")
    TWINS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    twins: _containers.RepeatedCompositeFieldContainer[Twin]
    next_page_token: str
    def __init__(self, twins: _Optional[_Iterable[_Union[Twin, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class UpdateTwinRequest(_message.Message):
    __slots__ = ("twin", "update_mask", "etag", "request_id")
    TWIN_FIELD_NUMBER: _ClassVar[int]
    UPDATE_MASK_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    twin: Twin
    update_mask: _field_mask_pb2.FieldMask
    etag: str
    request_id: str
    def __init__(self, twin: _Optional[_Union[Twin, _Mapping]] = ..., update_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ..., etag: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class UpdateTwinResponse(_message.Message):
    __slots__ = ("twin",)
    TWIN_FIELD_NUMBER: _ClassVar[int]
    twin: Twin
    def __init__(self, twin: _Optional[_Union[Twin, _Mapping]] = ...) -> None: ...

class DeleteTwinRequest(_message.Message):
    __slots__ = ("name", "etag", "request_id")
    NAME_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    name: str
    etag: str
    request_id: str
    def __init__(self, name: _Optional[str] = ..., etag: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class DeleteTwinResponse(_message.Message):
    __slots__ = ("erased_events",)
    ERASED_EVENTS_FIELD_NUMBER: _ClassVar[int]
    erased_events: int
    def __init__(self, erased_events: _Optional[int] = ...) -> None: ...

class RecordEventsRequest(_message.Message):
    __slots__ = ("name", "events", "request_id", "validate_only", "acceptance")
    NAME_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    ACCEPTANCE_FIELD_NUMBER: _ClassVar[int]
    name: str
    events: _containers.RepeatedCompositeFieldContainer[_event_pb2.Event]
    request_id: str
    validate_only: bool
    acceptance: Acceptance
    def __init__(self, name: _Optional[str] = ..., events: _Optional[_Iterable[_Union[_event_pb2.Event, _Mapping]]] = ..., request_id: _Optional[str] = ..., validate_only: _Optional[bool] = ..., acceptance: _Optional[_Union[Acceptance, str]] = ...) -> None: ...

class EventFault(_message.Message):
    __slots__ = ("field", "reason", "message", "release")
    FIELD_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    RELEASE_FIELD_NUMBER: _ClassVar[int]
    field: str
    reason: str
    message: str
    release: str
    def __init__(self, field: _Optional[str] = ..., reason: _Optional[str] = ..., message: _Optional[str] = ..., release: _Optional[str] = ...) -> None: ...

class EventReceipt(_message.Message):
    __slots__ = ("event_id", "duplicate", "timeline_revision", "canonical_value", "notes", "state", "faults", "not_modelled", "warnings", "slips", "duplicate_of")
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    DUPLICATE_FIELD_NUMBER: _ClassVar[int]
    TIMELINE_REVISION_FIELD_NUMBER: _ClassVar[int]
    CANONICAL_VALUE_FIELD_NUMBER: _ClassVar[int]
    NOTES_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    FAULTS_FIELD_NUMBER: _ClassVar[int]
    NOT_MODELLED_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    SLIPS_FIELD_NUMBER: _ClassVar[int]
    DUPLICATE_OF_FIELD_NUMBER: _ClassVar[int]
    event_id: str
    duplicate: bool
    timeline_revision: int
    canonical_value: _common_pb2.Quantity
    notes: _containers.RepeatedScalarFieldContainer[str]
    state: EventState
    faults: _containers.RepeatedCompositeFieldContainer[EventFault]
    not_modelled: bool
    warnings: _containers.RepeatedScalarFieldContainer[str]
    slips: _containers.RepeatedCompositeFieldContainer[LikelySlip]
    duplicate_of: str
    def __init__(self, event_id: _Optional[str] = ..., duplicate: _Optional[bool] = ..., timeline_revision: _Optional[int] = ..., canonical_value: _Optional[_Union[_common_pb2.Quantity, _Mapping]] = ..., notes: _Optional[_Iterable[str]] = ..., state: _Optional[_Union[EventState, str]] = ..., faults: _Optional[_Iterable[_Union[EventFault, _Mapping]]] = ..., not_modelled: _Optional[bool] = ..., warnings: _Optional[_Iterable[str]] = ..., slips: _Optional[_Iterable[_Union[LikelySlip, _Mapping]]] = ..., duplicate_of: _Optional[str] = ...) -> None: ...

class LikelySlip(_message.Message):
    __slots__ = ("name", "factor", "meant", "odds")
    NAME_FIELD_NUMBER: _ClassVar[int]
    FACTOR_FIELD_NUMBER: _ClassVar[int]
    MEANT_FIELD_NUMBER: _ClassVar[int]
    ODDS_FIELD_NUMBER: _ClassVar[int]
    name: str
    factor: float
    meant: float
    odds: float
    def __init__(self, name: _Optional[str] = ..., factor: _Optional[float] = ..., meant: _Optional[float] = ..., odds: _Optional[float] = ...) -> None: ...

class HeldEvent(_message.Message):
    __slots__ = ("event", "arrival_time", "faults", "slips", "duplicate_of")
    EVENT_FIELD_NUMBER: _ClassVar[int]
    ARRIVAL_TIME_FIELD_NUMBER: _ClassVar[int]
    FAULTS_FIELD_NUMBER: _ClassVar[int]
    SLIPS_FIELD_NUMBER: _ClassVar[int]
    DUPLICATE_OF_FIELD_NUMBER: _ClassVar[int]
    event: _event_pb2.Event
    arrival_time: _timestamp_pb2.Timestamp
    faults: _containers.RepeatedCompositeFieldContainer[EventFault]
    slips: _containers.RepeatedCompositeFieldContainer[LikelySlip]
    duplicate_of: str
    def __init__(self, event: _Optional[_Union[_event_pb2.Event, _Mapping]] = ..., arrival_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., faults: _Optional[_Iterable[_Union[EventFault, _Mapping]]] = ..., slips: _Optional[_Iterable[_Union[LikelySlip, _Mapping]]] = ..., duplicate_of: _Optional[str] = ...) -> None: ...

class ListHeldEventsRequest(_message.Message):
    __slots__ = ("name", "page_size", "page_token")
    NAME_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    name: str
    page_size: int
    page_token: str
    def __init__(self, name: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListHeldEventsResponse(_message.Message):
    __slots__ = ("events", "next_page_token")
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    events: _containers.RepeatedCompositeFieldContainer[HeldEvent]
    next_page_token: str
    def __init__(self, events: _Optional[_Iterable[_Union[HeldEvent, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class WithdrawHeldEventRequest(_message.Message):
    __slots__ = ("name", "event_id", "request_id")
    NAME_FIELD_NUMBER: _ClassVar[int]
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    name: str
    event_id: str
    request_id: str
    def __init__(self, name: _Optional[str] = ..., event_id: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class WithdrawHeldEventResponse(_message.Message):
    __slots__ = ("event",)
    EVENT_FIELD_NUMBER: _ClassVar[int]
    event: HeldEvent
    def __init__(self, event: _Optional[_Union[HeldEvent, _Mapping]] = ...) -> None: ...

class RecordEventsResponse(_message.Message):
    __slots__ = ("receipts", "timeline_revision", "belief_revision")
    RECEIPTS_FIELD_NUMBER: _ClassVar[int]
    TIMELINE_REVISION_FIELD_NUMBER: _ClassVar[int]
    BELIEF_REVISION_FIELD_NUMBER: _ClassVar[int]
    receipts: _containers.RepeatedCompositeFieldContainer[EventReceipt]
    timeline_revision: int
    belief_revision: int
    def __init__(self, receipts: _Optional[_Iterable[_Union[EventReceipt, _Mapping]]] = ..., timeline_revision: _Optional[int] = ..., belief_revision: _Optional[int] = ...) -> None: ...

class StreamEventsRequest(_message.Message):
    __slots__ = ("batch",)
    BATCH_FIELD_NUMBER: _ClassVar[int]
    batch: RecordEventsRequest
    def __init__(self, batch: _Optional[_Union[RecordEventsRequest, _Mapping]] = ...) -> None: ...

class StreamEventsResponse(_message.Message):
    __slots__ = ("request_id", "result")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    RESULT_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    result: RecordEventsResponse
    def __init__(self, request_id: _Optional[str] = ..., result: _Optional[_Union[RecordEventsResponse, _Mapping]] = ...) -> None: ...

class ListEventsRequest(_message.Message):
    __slots__ = ("name", "start_time", "end_time", "page_size", "page_token")
    NAME_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    name: str
    start_time: _timestamp_pb2.Timestamp
    end_time: _timestamp_pb2.Timestamp
    page_size: int
    page_token: str
    def __init__(self, name: _Optional[str] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListEventsResponse(_message.Message):
    __slots__ = ("events", "next_page_token", "timeline_revision")
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    TIMELINE_REVISION_FIELD_NUMBER: _ClassVar[int]
    events: _containers.RepeatedCompositeFieldContainer[_event_pb2.RecordedEvent]
    next_page_token: str
    timeline_revision: int
    def __init__(self, events: _Optional[_Iterable[_Union[_event_pb2.RecordedEvent, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., timeline_revision: _Optional[int] = ...) -> None: ...

class CorrectEventRequest(_message.Message):
    __slots__ = ("name", "event_id", "time", "correction", "source", "request_id")
    NAME_FIELD_NUMBER: _ClassVar[int]
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    CORRECTION_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    name: str
    event_id: str
    time: _timestamp_pb2.Timestamp
    correction: _event_pb2.Correction
    source: str
    request_id: str
    def __init__(self, name: _Optional[str] = ..., event_id: _Optional[str] = ..., time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., correction: _Optional[_Union[_event_pb2.Correction, _Mapping]] = ..., source: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class CorrectEventResponse(_message.Message):
    __slots__ = ("receipt", "timeline_revision", "belief_revision")
    RECEIPT_FIELD_NUMBER: _ClassVar[int]
    TIMELINE_REVISION_FIELD_NUMBER: _ClassVar[int]
    BELIEF_REVISION_FIELD_NUMBER: _ClassVar[int]
    receipt: EventReceipt
    timeline_revision: int
    belief_revision: int
    def __init__(self, receipt: _Optional[_Union[EventReceipt, _Mapping]] = ..., timeline_revision: _Optional[int] = ..., belief_revision: _Optional[int] = ...) -> None: ...

class RetractEventRequest(_message.Message):
    __slots__ = ("name", "event_id", "time", "retraction", "source", "request_id")
    NAME_FIELD_NUMBER: _ClassVar[int]
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    RETRACTION_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    name: str
    event_id: str
    time: _timestamp_pb2.Timestamp
    retraction: _event_pb2.Retraction
    source: str
    request_id: str
    def __init__(self, name: _Optional[str] = ..., event_id: _Optional[str] = ..., time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., retraction: _Optional[_Union[_event_pb2.Retraction, _Mapping]] = ..., source: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class RetractEventResponse(_message.Message):
    __slots__ = ("receipt", "timeline_revision", "belief_revision")
    RECEIPT_FIELD_NUMBER: _ClassVar[int]
    TIMELINE_REVISION_FIELD_NUMBER: _ClassVar[int]
    BELIEF_REVISION_FIELD_NUMBER: _ClassVar[int]
    receipt: EventReceipt
    timeline_revision: int
    belief_revision: int
    def __init__(self, receipt: _Optional[_Union[EventReceipt, _Mapping]] = ..., timeline_revision: _Optional[int] = ..., belief_revision: _Optional[int] = ...) -> None: ...

class WatchTwinRequest(_message.Message):
    __slots__ = ("name", "resume_token")
    NAME_FIELD_NUMBER: _ClassVar[int]
    RESUME_TOKEN_FIELD_NUMBER: _ClassVar[int]
    name: str
    resume_token: str
    def __init__(self, name: _Optional[str] = ..., resume_token: _Optional[str] = ...) -> None: ...

class WatchTwinResponse(_message.Message):
    __slots__ = ("resume_token", "timeline_revision", "belief_revision", "belief_digest", "trouble", "deleted")
    RESUME_TOKEN_FIELD_NUMBER: _ClassVar[int]
    TIMELINE_REVISION_FIELD_NUMBER: _ClassVar[int]
    BELIEF_REVISION_FIELD_NUMBER: _ClassVar[int]
    BELIEF_DIGEST_FIELD_NUMBER: _ClassVar[int]
    TROUBLE_FIELD_NUMBER: _ClassVar[int]
    DELETED_FIELD_NUMBER: _ClassVar[int]
    resume_token: str
    timeline_revision: int
    belief_revision: int
    belief_digest: str
    trouble: AssimilationTrouble
    deleted: bool
    def __init__(self, resume_token: _Optional[str] = ..., timeline_revision: _Optional[int] = ..., belief_revision: _Optional[int] = ..., belief_digest: _Optional[str] = ..., trouble: _Optional[_Union[AssimilationTrouble, _Mapping]] = ..., deleted: _Optional[bool] = ...) -> None: ...

class GetTrajectoryRequest(_message.Message):
    __slots__ = ("name", "start_time", "end_time", "step_h", "times", "outputs", "smoothing", "as_of_revision", "as_of_time", "min_revision", "members")
    NAME_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    STEP_H_FIELD_NUMBER: _ClassVar[int]
    TIMES_FIELD_NUMBER: _ClassVar[int]
    OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    SMOOTHING_FIELD_NUMBER: _ClassVar[int]
    AS_OF_REVISION_FIELD_NUMBER: _ClassVar[int]
    AS_OF_TIME_FIELD_NUMBER: _ClassVar[int]
    MIN_REVISION_FIELD_NUMBER: _ClassVar[int]
    MEMBERS_FIELD_NUMBER: _ClassVar[int]
    name: str
    start_time: _timestamp_pb2.Timestamp
    end_time: _timestamp_pb2.Timestamp
    step_h: float
    times: _containers.RepeatedCompositeFieldContainer[_timestamp_pb2.Timestamp]
    outputs: _containers.RepeatedScalarFieldContainer[str]
    smoothing: Smoothing
    as_of_revision: int
    as_of_time: _timestamp_pb2.Timestamp
    min_revision: int
    members: int
    def __init__(self, name: _Optional[str] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., step_h: _Optional[float] = ..., times: _Optional[_Iterable[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]]] = ..., outputs: _Optional[_Iterable[str]] = ..., smoothing: _Optional[_Union[Smoothing, str]] = ..., as_of_revision: _Optional[int] = ..., as_of_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., min_revision: _Optional[int] = ..., members: _Optional[int] = ...) -> None: ...

class ObservedPoint(_message.Message):
    __slots__ = ("event_id", "analyte", "time_h", "value", "censoring", "forecast", "simulated")
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    ANALYTE_FIELD_NUMBER: _ClassVar[int]
    TIME_H_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    CENSORING_FIELD_NUMBER: _ClassVar[int]
    FORECAST_FIELD_NUMBER: _ClassVar[int]
    SIMULATED_FIELD_NUMBER: _ClassVar[int]
    event_id: str
    analyte: str
    time_h: float
    value: _common_pb2.Quantity
    censoring: _event_pb2.Censoring
    forecast: Forecast
    simulated: bool
    def __init__(self, event_id: _Optional[str] = ..., analyte: _Optional[str] = ..., time_h: _Optional[float] = ..., value: _Optional[_Union[_common_pb2.Quantity, _Mapping]] = ..., censoring: _Optional[_Union[_event_pb2.Censoring, str]] = ..., forecast: _Optional[_Union[Forecast, _Mapping]] = ..., simulated: _Optional[bool] = ...) -> None: ...

class GetTrajectoryResponse(_message.Message):
    __slots__ = ("bands", "observations", "basis")
    BANDS_FIELD_NUMBER: _ClassVar[int]
    OBSERVATIONS_FIELD_NUMBER: _ClassVar[int]
    BASIS_FIELD_NUMBER: _ClassVar[int]
    bands: _common_pb2.Bands
    observations: _containers.RepeatedCompositeFieldContainer[ObservedPoint]
    basis: _common_pb2.Basis
    def __init__(self, bands: _Optional[_Union[_common_pb2.Bands, _Mapping]] = ..., observations: _Optional[_Iterable[_Union[ObservedPoint, _Mapping]]] = ..., basis: _Optional[_Union[_common_pb2.Basis, _Mapping]] = ...) -> None: ...

class Forecast(_message.Message):
    __slots__ = ("event_id", "analyte", "time", "unit", "observed", "censoring", "prior", "forecast", "history", "nis", "surprising", "weight", "estimator", "verdict", "explanations")
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    ANALYTE_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    UNIT_FIELD_NUMBER: _ClassVar[int]
    OBSERVED_FIELD_NUMBER: _ClassVar[int]
    CENSORING_FIELD_NUMBER: _ClassVar[int]
    PRIOR_FIELD_NUMBER: _ClassVar[int]
    FORECAST_FIELD_NUMBER: _ClassVar[int]
    HISTORY_FIELD_NUMBER: _ClassVar[int]
    NIS_FIELD_NUMBER: _ClassVar[int]
    SURPRISING_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_FIELD_NUMBER: _ClassVar[int]
    ESTIMATOR_FIELD_NUMBER: _ClassVar[int]
    VERDICT_FIELD_NUMBER: _ClassVar[int]
    EXPLANATIONS_FIELD_NUMBER: _ClassVar[int]
    event_id: str
    analyte: str
    time: _timestamp_pb2.Timestamp
    unit: str
    observed: float
    censoring: _event_pb2.Censoring
    prior: _common_pb2.Spread
    forecast: _common_pb2.Spread
    history: int
    nis: float
    surprising: bool
    weight: float
    estimator: str
    verdict: _common_pb2.Verdict
    explanations: _containers.RepeatedCompositeFieldContainer[Explanation]
    def __init__(self, event_id: _Optional[str] = ..., analyte: _Optional[str] = ..., time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., unit: _Optional[str] = ..., observed: _Optional[float] = ..., censoring: _Optional[_Union[_event_pb2.Censoring, str]] = ..., prior: _Optional[_Union[_common_pb2.Spread, _Mapping]] = ..., forecast: _Optional[_Union[_common_pb2.Spread, _Mapping]] = ..., history: _Optional[int] = ..., nis: _Optional[float] = ..., surprising: _Optional[bool] = ..., weight: _Optional[float] = ..., estimator: _Optional[str] = ..., verdict: _Optional[_Union[_common_pb2.Verdict, _Mapping]] = ..., explanations: _Optional[_Iterable[_Union[Explanation, _Mapping]]] = ...) -> None: ...

class Explanation(_message.Message):
    __slots__ = ("story", "odds")
    STORY_FIELD_NUMBER: _ClassVar[int]
    ODDS_FIELD_NUMBER: _ClassVar[int]
    story: str
    odds: float
    def __init__(self, story: _Optional[str] = ..., odds: _Optional[float] = ...) -> None: ...

class ListForecastsRequest(_message.Message):
    __slots__ = ("name", "analytes", "min_revision", "page_size", "page_token")
    NAME_FIELD_NUMBER: _ClassVar[int]
    ANALYTES_FIELD_NUMBER: _ClassVar[int]
    MIN_REVISION_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    name: str
    analytes: _containers.RepeatedScalarFieldContainer[str]
    min_revision: int
    page_size: int
    page_token: str
    def __init__(self, name: _Optional[str] = ..., analytes: _Optional[_Iterable[str]] = ..., min_revision: _Optional[int] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListForecastsResponse(_message.Message):
    __slots__ = ("forecasts", "next_page_token", "basis")
    FORECASTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    BASIS_FIELD_NUMBER: _ClassVar[int]
    forecasts: _containers.RepeatedCompositeFieldContainer[Forecast]
    next_page_token: str
    basis: _common_pb2.Basis
    def __init__(self, forecasts: _Optional[_Iterable[_Union[Forecast, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., basis: _Optional[_Union[_common_pb2.Basis, _Mapping]] = ...) -> None: ...

class GetAnswerRequest(_message.Message):
    __slots__ = ("name", "reproduce")
    NAME_FIELD_NUMBER: _ClassVar[int]
    REPRODUCE_FIELD_NUMBER: _ClassVar[int]
    name: str
    reproduce: bool
    def __init__(self, name: _Optional[str] = ..., reproduce: _Optional[bool] = ...) -> None: ...

class GetAnswerResponse(_message.Message):
    __slots__ = ("method", "request", "basis", "response_digest", "reproduced", "identical")
    METHOD_FIELD_NUMBER: _ClassVar[int]
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    BASIS_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_DIGEST_FIELD_NUMBER: _ClassVar[int]
    REPRODUCED_FIELD_NUMBER: _ClassVar[int]
    IDENTICAL_FIELD_NUMBER: _ClassVar[int]
    method: str
    request: _any_pb2.Any
    basis: _common_pb2.Basis
    response_digest: str
    reproduced: _any_pb2.Any
    identical: bool
    def __init__(self, method: _Optional[str] = ..., request: _Optional[_Union[_any_pb2.Any, _Mapping]] = ..., basis: _Optional[_Union[_common_pb2.Basis, _Mapping]] = ..., response_digest: _Optional[str] = ..., reproduced: _Optional[_Union[_any_pb2.Any, _Mapping]] = ..., identical: _Optional[bool] = ...) -> None: ...
