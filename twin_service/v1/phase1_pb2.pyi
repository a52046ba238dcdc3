from twin_service.v1 import common_pb2 as _common_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ProposeFirstDoseRequest(_message.Message):
    __slots__ = ("parent", "plan", "seed")
    PARENT_FIELD_NUMBER: _ClassVar[int]
    PLAN_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    parent: str
    plan: str
    seed: int
    def __init__(self, parent: _Optional[str] = ..., plan: _Optional[str] = ..., seed: _Optional[int] = ...) -> None: ...

class DoseRoute(_message.Message):
    __slots__ = ("name", "dose_mg", "dose_mg_per_kg", "how", "reasons")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DOSE_MG_FIELD_NUMBER: _ClassVar[int]
    DOSE_MG_PER_KG_FIELD_NUMBER: _ClassVar[int]
    HOW_FIELD_NUMBER: _ClassVar[int]
    REASONS_FIELD_NUMBER: _ClassVar[int]
    name: str
    dose_mg: float
    dose_mg_per_kg: float
    how: str
    reasons: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, name: _Optional[str] = ..., dose_mg: _Optional[float] = ..., dose_mg_per_kg: _Optional[float] = ..., how: _Optional[str] = ..., reasons: _Optional[_Iterable[str]] = ...) -> None: ...

class ExposureCap(_message.Message):
    __slots__ = ("name", "kind", "value")
    NAME_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    name: str
    kind: str
    value: float
    def __init__(self, name: _Optional[str] = ..., kind: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...

class LadderDose(_message.Message):
    __slots__ = ("dose_mg", "cmax_umol_l", "auc_umol_h_l", "bound", "exceeds")
    DOSE_MG_FIELD_NUMBER: _ClassVar[int]
    CMAX_UMOL_L_FIELD_NUMBER: _ClassVar[int]
    AUC_UMOL_H_L_FIELD_NUMBER: _ClassVar[int]
    BOUND_FIELD_NUMBER: _ClassVar[int]
    EXCEEDS_FIELD_NUMBER: _ClassVar[int]
    dose_mg: float
    cmax_umol_l: _containers.RepeatedScalarFieldContainer[float]
    auc_umol_h_l: _containers.RepeatedScalarFieldContainer[float]
    bound: _containers.RepeatedScalarFieldContainer[float]
    exceeds: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, dose_mg: _Optional[float] = ..., cmax_umol_l: _Optional[_Iterable[float]] = ..., auc_umol_h_l: _Optional[_Iterable[float]] = ..., bound: _Optional[_Iterable[float]] = ..., exceeds: _Optional[_Iterable[float]] = ...) -> None: ...

class ProposeFirstDoseResponse(_message.Message):
    __slots__ = ("start_mg", "maximum_mg", "maximum_reason", "limiting", "routes", "caps", "ladder", "stagger_h", "stopping", "report_html", "basis")
    START_MG_FIELD_NUMBER: _ClassVar[int]
    MAXIMUM_MG_FIELD_NUMBER: _ClassVar[int]
    MAXIMUM_REASON_FIELD_NUMBER: _ClassVar[int]
    LIMITING_FIELD_NUMBER: _ClassVar[int]
    ROUTES_FIELD_NUMBER: _ClassVar[int]
    CAPS_FIELD_NUMBER: _ClassVar[int]
    LADDER_FIELD_NUMBER: _ClassVar[int]
    STAGGER_H_FIELD_NUMBER: _ClassVar[int]
    STOPPING_FIELD_NUMBER: _ClassVar[int]
    REPORT_HTML_FIELD_NUMBER: _ClassVar[int]
    BASIS_FIELD_NUMBER: _ClassVar[int]
    start_mg: float
    maximum_mg: float
    maximum_reason: str
    limiting: str
    routes: _containers.RepeatedCompositeFieldContainer[DoseRoute]
    caps: _containers.RepeatedCompositeFieldContainer[ExposureCap]
    ladder: _containers.RepeatedCompositeFieldContainer[LadderDose]
    stagger_h: float
    stopping: _containers.RepeatedScalarFieldContainer[str]
    report_html: str
    basis: _common_pb2.Basis
    def __init__(self, start_mg: _Optional[float] = ..., maximum_mg: _Optional[float] = ..., maximum_reason: _Optional[str] = ..., limiting: _Optional[str] = ..., routes: _Optional[_Iterable[_Union[DoseRoute, _Mapping]]] = ..., caps: _Optional[_Iterable[_Union[ExposureCap, _Mapping]]] = ..., ladder: _Optional[_Iterable[_Union[LadderDose, _Mapping]]] = ..., stagger_h: _Optional[float] = ..., stopping: _Optional[_Iterable[str]] = ..., report_html: _Optional[str] = ..., basis: _Optional[_Union[_common_pb2.Basis, _Mapping]] = ...) -> None: ...

class OpenEscalationRequest(_message.Message):
    __slots__ = ("parent", "request_id", "escalation_id", "plan")
    PARENT_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    ESCALATION_ID_FIELD_NUMBER: _ClassVar[int]
    PLAN_FIELD_NUMBER: _ClassVar[int]
    parent: str
    request_id: str
    escalation_id: str
    plan: str
    def __init__(self, parent: _Optional[str] = ..., request_id: _Optional[str] = ..., escalation_id: _Optional[str] = ..., plan: _Optional[str] = ...) -> None: ...

class OpenEscalationResponse(_message.Message):
    __slots__ = ("name", "decision")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DECISION_FIELD_NUMBER: _ClassVar[int]
    name: str
    decision: EscalationDecision
    def __init__(self, name: _Optional[str] = ..., decision: _Optional[_Union[EscalationDecision, _Mapping]] = ...) -> None: ...

class EscalationEvent(_message.Message):
    __slots__ = ("kind", "id", "day", "dose", "patients", "patient", "toxic", "of", "to", "reason")
    KIND_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    DAY_FIELD_NUMBER: _ClassVar[int]
    DOSE_FIELD_NUMBER: _ClassVar[int]
    PATIENTS_FIELD_NUMBER: _ClassVar[int]
    PATIENT_FIELD_NUMBER: _ClassVar[int]
    TOXIC_FIELD_NUMBER: _ClassVar[int]
    OF_FIELD_NUMBER: _ClassVar[int]
    TO_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    kind: str
    id: str
    day: float
    dose: float
    patients: _containers.RepeatedScalarFieldContainer[str]
    patient: str
    toxic: bool
    of: str
    to: EscalationEvent
    reason: str
    def __init__(self, kind: _Optional[str] = ..., id: _Optional[str] = ..., day: _Optional[float] = ..., dose: _Optional[float] = ..., patients: _Optional[_Iterable[str]] = ..., patient: _Optional[str] = ..., toxic: _Optional[bool] = ..., of: _Optional[str] = ..., to: _Optional[_Union[EscalationEvent, _Mapping]] = ..., reason: _Optional[str] = ...) -> None: ...

class DoseView(_message.Message):
    __slots__ = ("dose", "patients", "toxicities", "pending", "risk", "low", "high", "in_target", "overdose", "barred")
    DOSE_FIELD_NUMBER: _ClassVar[int]
    PATIENTS_FIELD_NUMBER: _ClassVar[int]
    TOXICITIES_FIELD_NUMBER: _ClassVar[int]
    PENDING_FIELD_NUMBER: _ClassVar[int]
    RISK_FIELD_NUMBER: _ClassVar[int]
    LOW_FIELD_NUMBER: _ClassVar[int]
    HIGH_FIELD_NUMBER: _ClassVar[int]
    IN_TARGET_FIELD_NUMBER: _ClassVar[int]
    OVERDOSE_FIELD_NUMBER: _ClassVar[int]
    BARRED_FIELD_NUMBER: _ClassVar[int]
    dose: float
    patients: int
    toxicities: int
    pending: int
    risk: float
    low: float
    high: float
    in_target: float
    overdose: float
    barred: str
    def __init__(self, dose: _Optional[float] = ..., patients: _Optional[int] = ..., toxicities: _Optional[int] = ..., pending: _Optional[int] = ..., risk: _Optional[float] = ..., low: _Optional[float] = ..., high: _Optional[float] = ..., in_target: _Optional[float] = ..., overdose: _Optional[float] = ..., barred: _Optional[str] = ...) -> None: ...

class EscalationDecision(_message.Message):
    __slots__ = ("revision", "day", "current", "next_dose", "ends", "declared", "answer", "reasons", "doses", "late", "notes", "digest")
    REVISION_FIELD_NUMBER: _ClassVar[int]
    DAY_FIELD_NUMBER: _ClassVar[int]
    CURRENT_FIELD_NUMBER: _ClassVar[int]
    NEXT_DOSE_FIELD_NUMBER: _ClassVar[int]
    ENDS_FIELD_NUMBER: _ClassVar[int]
    DECLARED_FIELD_NUMBER: _ClassVar[int]
    ANSWER_FIELD_NUMBER: _ClassVar[int]
    REASONS_FIELD_NUMBER: _ClassVar[int]
    DOSES_FIELD_NUMBER: _ClassVar[int]
    LATE_FIELD_NUMBER: _ClassVar[int]
    NOTES_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    revision: int
    day: float
    current: float
    next_dose: float
    ends: bool
    declared: float
    answer: str
    reasons: _containers.RepeatedScalarFieldContainer[str]
    doses: _containers.RepeatedCompositeFieldContainer[DoseView]
    late: _containers.RepeatedScalarFieldContainer[str]
    notes: _containers.RepeatedScalarFieldContainer[str]
    digest: str
    def __init__(self, revision: _Optional[int] = ..., day: _Optional[float] = ..., current: _Optional[float] = ..., next_dose: _Optional[float] = ..., ends: _Optional[bool] = ..., declared: _Optional[float] = ..., answer: _Optional[str] = ..., reasons: _Optional[_Iterable[str]] = ..., doses: _Optional[_Iterable[_Union[DoseView, _Mapping]]] = ..., late: _Optional[_Iterable[str]] = ..., notes: _Optional[_Iterable[str]] = ..., digest: _Optional[str] = ...) -> None: ...

class ChangedDecision(_message.Message):
    __slots__ = ("cohort", "said", "now")
    COHORT_FIELD_NUMBER: _ClassVar[int]
    SAID_FIELD_NUMBER: _ClassVar[int]
    NOW_FIELD_NUMBER: _ClassVar[int]
    cohort: int
    said: float
    now: float
    def __init__(self, cohort: _Optional[int] = ..., said: _Optional[float] = ..., now: _Optional[float] = ...) -> None: ...

class RecordEscalationEventsRequest(_message.Message):
    __slots__ = ("name", "request_id", "events")
    NAME_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    name: str
    request_id: str
    events: _containers.RepeatedCompositeFieldContainer[EscalationEvent]
    def __init__(self, name: _Optional[str] = ..., request_id: _Optional[str] = ..., events: _Optional[_Iterable[_Union[EscalationEvent, _Mapping]]] = ...) -> None: ...

class RecordEscalationEventsResponse(_message.Message):
    __slots__ = ("decision", "changed")
    DECISION_FIELD_NUMBER: _ClassVar[int]
    CHANGED_FIELD_NUMBER: _ClassVar[int]
    decision: EscalationDecision
    changed: _containers.RepeatedCompositeFieldContainer[ChangedDecision]
    def __init__(self, decision: _Optional[_Union[EscalationDecision, _Mapping]] = ..., changed: _Optional[_Iterable[_Union[ChangedDecision, _Mapping]]] = ...) -> None: ...

class DecideEscalationRequest(_message.Message):
    __slots__ = ("name", "as_of_revision", "report")
    NAME_FIELD_NUMBER: _ClassVar[int]
    AS_OF_REVISION_FIELD_NUMBER: _ClassVar[int]
    REPORT_FIELD_NUMBER: _ClassVar[int]
    name: str
    as_of_revision: int
    report: bool
    def __init__(self, name: _Optional[str] = ..., as_of_revision: _Optional[int] = ..., report: _Optional[bool] = ...) -> None: ...

class DecideEscalationResponse(_message.Message):
    __slots__ = ("decision", "past", "changed", "report_html", "unit")
    DECISION_FIELD_NUMBER: _ClassVar[int]
    PAST_FIELD_NUMBER: _ClassVar[int]
    CHANGED_FIELD_NUMBER: _ClassVar[int]
    REPORT_HTML_FIELD_NUMBER: _ClassVar[int]
    UNIT_FIELD_NUMBER: _ClassVar[int]
    decision: EscalationDecision
    past: _containers.RepeatedCompositeFieldContainer[EscalationDecision]
    changed: _containers.RepeatedCompositeFieldContainer[ChangedDecision]
    report_html: str
    unit: str
    def __init__(self, decision: _Optional[_Union[EscalationDecision, _Mapping]] = ..., past: _Optional[_Iterable[_Union[EscalationDecision, _Mapping]]] = ..., changed: _Optional[_Iterable[_Union[ChangedDecision, _Mapping]]] = ..., report_html: _Optional[str] = ..., unit: _Optional[str] = ...) -> None: ...

class CompareDesignsRequest(_message.Message):
    __slots__ = ("parent", "request_id", "plan", "trials", "seed")
    PARENT_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    PLAN_FIELD_NUMBER: _ClassVar[int]
    TRIALS_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    parent: str
    request_id: str
    plan: str
    trials: int
    seed: int
    def __init__(self, parent: _Optional[str] = ..., request_id: _Optional[str] = ..., plan: _Optional[str] = ..., trials: _Optional[int] = ..., seed: _Optional[int] = ...) -> None: ...

class CompareDesignsResponse(_message.Message):
    __slots__ = ("operation",)
    OPERATION_FIELD_NUMBER: _ClassVar[int]
    operation: _common_pb2.Operation
    def __init__(self, operation: _Optional[_Union[_common_pb2.Operation, _Mapping]] = ...) -> None: ...

class GetDesignComparisonRequest(_message.Message):
    __slots__ = ("operation",)
    OPERATION_FIELD_NUMBER: _ClassVar[int]
    operation: str
    def __init__(self, operation: _Optional[str] = ...) -> None: ...

class DesignCharacteristics(_message.Message):
    __slots__ = ("design", "scenario", "selection", "selection_se", "patients", "toxicities", "overdosed", "days", "exact")
    DESIGN_FIELD_NUMBER: _ClassVar[int]
    SCENARIO_FIELD_NUMBER: _ClassVar[int]
    SELECTION_FIELD_NUMBER: _ClassVar[int]
    SELECTION_SE_FIELD_NUMBER: _ClassVar[int]
    PATIENTS_FIELD_NUMBER: _ClassVar[int]
    TOXICITIES_FIELD_NUMBER: _ClassVar[int]
    OVERDOSED_FIELD_NUMBER: _ClassVar[int]
    DAYS_FIELD_NUMBER: _ClassVar[int]
    EXACT_FIELD_NUMBER: _ClassVar[int]
    design: str
    scenario: str
    selection: _containers.RepeatedScalarFieldContainer[float]
    selection_se: _containers.RepeatedScalarFieldContainer[float]
    patients: _containers.RepeatedScalarFieldContainer[float]
    toxicities: float
    overdosed: float
    days: _containers.RepeatedScalarFieldContainer[float]
    exact: bool
    def __init__(self, design: _Optional[str] = ..., scenario: _Optional[str] = ..., selection: _Optional[_Iterable[float]] = ..., selection_se: _Optional[_Iterable[float]] = ..., patients: _Optional[_Iterable[float]] = ..., toxicities: _Optional[float] = ..., overdosed: _Optional[float] = ..., days: _Optional[_Iterable[float]] = ..., exact: _Optional[bool] = ...) -> None: ...

class RankedDesign(_message.Message):
    __slots__ = ("design", "right", "right_se", "patients", "overdosed", "admissible", "tie")
    DESIGN_FIELD_NUMBER: _ClassVar[int]
    RIGHT_FIELD_NUMBER: _ClassVar[int]
    RIGHT_SE_FIELD_NUMBER: _ClassVar[int]
    PATIENTS_FIELD_NUMBER: _ClassVar[int]
    OVERDOSED_FIELD_NUMBER: _ClassVar[int]
    ADMISSIBLE_FIELD_NUMBER: _ClassVar[int]
    TIE_FIELD_NUMBER: _ClassVar[int]
    design: str
    right: float
    right_se: float
    patients: float
    overdosed: float
    admissible: bool
    tie: bool
    def __init__(self, design: _Optional[str] = ..., right: _Optional[float] = ..., right_se: _Optional[float] = ..., patients: _Optional[float] = ..., overdosed: _Optional[float] = ..., admissible: _Optional[bool] = ..., tie: _Optional[bool] = ...) -> None: ...

class GetDesignComparisonResponse(_message.Message):
    __slots__ = ("chosen", "reason", "ranked", "rows", "report_html")
    CHOSEN_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    RANKED_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    REPORT_HTML_FIELD_NUMBER: _ClassVar[int]
    chosen: str
    reason: str
    ranked: _containers.RepeatedCompositeFieldContainer[RankedDesign]
    rows: _containers.RepeatedCompositeFieldContainer[DesignCharacteristics]
    report_html: str
    def __init__(self, chosen: _Optional[str] = ..., reason: _Optional[str] = ..., ranked: _Optional[_Iterable[_Union[RankedDesign, _Mapping]]] = ..., rows: _Optional[_Iterable[_Union[DesignCharacteristics, _Mapping]]] = ..., report_html: _Optional[str] = ...) -> None: ...

class MarkerRow(_message.Message):
    __slots__ = ("subject", "markers", "responded")
    class MarkersEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    MARKERS_FIELD_NUMBER: _ClassVar[int]
    RESPONDED_FIELD_NUMBER: _ClassVar[int]
    subject: str
    markers: _containers.ScalarMap[str, float]
    responded: bool
    def __init__(self, subject: _Optional[str] = ..., markers: _Optional[_Mapping[str, float]] = ..., responded: _Optional[bool] = ...) -> None: ...

class SelectRespondersRequest(_message.Message):
    __slots__ = ("parent", "rows", "seed")
    PARENT_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    parent: str
    rows: _containers.RepeatedCompositeFieldContainer[MarkerRow]
    seed: int
    def __init__(self, parent: _Optional[str] = ..., rows: _Optional[_Iterable[_Union[MarkerRow, _Mapping]]] = ..., seed: _Optional[int] = ...) -> None: ...

class ResponseAccuracy(_message.Message):
    __slots__ = ("auc", "brier", "calibration_slope", "calibration_intercept")
    AUC_FIELD_NUMBER: _ClassVar[int]
    BRIER_FIELD_NUMBER: _ClassVar[int]
    CALIBRATION_SLOPE_FIELD_NUMBER: _ClassVar[int]
    CALIBRATION_INTERCEPT_FIELD_NUMBER: _ClassVar[int]
    auc: float
    brier: float
    calibration_slope: float
    calibration_intercept: float
    def __init__(self, auc: _Optional[float] = ..., brier: _Optional[float] = ..., calibration_slope: _Optional[float] = ..., calibration_intercept: _Optional[float] = ...) -> None: ...

class LikelyResponder(_message.Message):
    __slots__ = ("subject", "probability", "low", "high", "reasons", "doubts")
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    LOW_FIELD_NUMBER: _ClassVar[int]
    HIGH_FIELD_NUMBER: _ClassVar[int]
    REASONS_FIELD_NUMBER: _ClassVar[int]
    DOUBTS_FIELD_NUMBER: _ClassVar[int]
    subject: str
    probability: float
    low: float
    high: float
    reasons: _containers.RepeatedScalarFieldContainer[str]
    doubts: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, subject: _Optional[str] = ..., probability: _Optional[float] = ..., low: _Optional[float] = ..., high: _Optional[float] = ..., reasons: _Optional[_Iterable[str]] = ..., doubts: _Optional[_Iterable[str]] = ...) -> None: ...

class SelectRespondersResponse(_message.Message):
    __slots__ = ("useful", "verdict", "apparent", "nested", "corrected_auc", "p_value", "threshold", "threshold_interval", "patients", "basis")
    USEFUL_FIELD_NUMBER: _ClassVar[int]
    VERDICT_FIELD_NUMBER: _ClassVar[int]
    APPARENT_FIELD_NUMBER: _ClassVar[int]
    NESTED_FIELD_NUMBER: _ClassVar[int]
    CORRECTED_AUC_FIELD_NUMBER: _ClassVar[int]
    P_VALUE_FIELD_NUMBER: _ClassVar[int]
    THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    THRESHOLD_INTERVAL_FIELD_NUMBER: _ClassVar[int]
    PATIENTS_FIELD_NUMBER: _ClassVar[int]
    BASIS_FIELD_NUMBER: _ClassVar[int]
    useful: bool
    verdict: str
    apparent: ResponseAccuracy
    nested: ResponseAccuracy
    corrected_auc: float
    p_value: float
    threshold: float
    threshold_interval: _containers.RepeatedScalarFieldContainer[float]
    patients: _containers.RepeatedCompositeFieldContainer[LikelyResponder]
    basis: _common_pb2.Basis
    def __init__(self, useful: _Optional[bool] = ..., verdict: _Optional[str] = ..., apparent: _Optional[_Union[ResponseAccuracy, _Mapping]] = ..., nested: _Optional[_Union[ResponseAccuracy, _Mapping]] = ..., corrected_auc: _Optional[float] = ..., p_value: _Optional[float] = ..., threshold: _Optional[float] = ..., threshold_interval: _Optional[_Iterable[float]] = ..., patients: _Optional[_Iterable[_Union[LikelyResponder, _Mapping]]] = ..., basis: _Optional[_Union[_common_pb2.Basis, _Mapping]] = ...) -> None: ...
