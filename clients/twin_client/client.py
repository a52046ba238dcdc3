"""`TwinClient`: one tenant's view of the service. Answers are the contract's own messages, typed by their stubs."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from types import TracebackType

import grpc

from twin_client.calls import Answer, call
from twin_client.events import hours, timestamp
from twin_service.v1 import (
    cohort_pb2,
    cohort_pb2_grpc,
    common_pb2,
    event_pb2,
    library_pb2,
    library_pb2_grpc,
    simulation_pb2,
    simulation_pb2_grpc,
    trial_pb2,
    trial_pb2_grpc,
    twin_pb2,
    twin_pb2_grpc,
)

MESSAGE_BYTES_MAX = 32 * 1024 * 1024


class TwinClient:
    """Calls with deadlines and retries; every write carries a request_id, so a retry is applied once.

    address     "host:port"
    tenant      whose patients these are
    token       bearer token, sent with every call
    tls         channel credentials; None: an unencrypted channel (loopback, or behind a proxy that encrypts)
    timeout_s   bound of each call, retries included
    """

    def __init__(
        self,
        address: str,
        tenant: str,
        *,
        token: str = "",
        tls: grpc.ChannelCredentials | None = None,
        timeout_s: float = 30.0,
    ) -> None:
        limits = [("grpc.max_receive_message_length", MESSAGE_BYTES_MAX)]
        self._channel = (
            grpc.insecure_channel(address, limits) if tls is None else grpc.secure_channel(address, tls, limits)
        )
        self._tenant, self._timeout_s = tenant, timeout_s
        self._metadata = (("authorization", f"Bearer {token}"),) if token else ()
        self._twins = twin_pb2_grpc.TwinServiceStub(self._channel)
        self._simulations = simulation_pb2_grpc.SimulationServiceStub(self._channel)
        self._trials = trial_pb2_grpc.TrialServiceStub(self._channel)
        self._cohorts = cohort_pb2_grpc.CohortServiceStub(self._channel)
        self._library = library_pb2_grpc.LibraryServiceStub(self._channel)

    def __enter__(self) -> TwinClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._channel.close()

    def wait_until_ready(self, timeout_s: float = 30.0) -> None:
        """Return when the server accepts connections; raises grpc.FutureTimeoutError after `timeout_s`."""
        grpc.channel_ready_future(self._channel).result(timeout=timeout_s)

    def name_of(self, patient: str) -> str:
        return f"tenants/{self._tenant}/patients/{patient}/twin"

    def create_twin(
        self,
        patient: str,
        *,
        drugs: Sequence[str] = (),
        poppk: str = "",
        effects: Sequence[str] = (),
        epoch: datetime | None = None,
        estimator: common_pb2.Estimator = common_pb2.ESTIMATOR_UNSPECIFIED,
        covariates: dict[str, common_pb2.Quantity] | None = None,
        request_id: str = "",
    ) -> twin_pb2.CreateTwinResponse:
        """A new twin of `patient` made of the named library models."""
        spec = twin_pb2.TwinSpec(
            model=common_pb2.ModelSpec(drugs=drugs, poppk=poppk, effects=effects),
            estimator=estimator,
            covariates=[event_pb2.Covariate(name=n, value=v) for n, v in (covariates or {}).items()],
        )
        if epoch is not None:
            spec.epoch_time.CopyFrom(timestamp(epoch))
        request = twin_pb2.CreateTwinRequest(
            parent=f"tenants/{self._tenant}", patient_id=patient, spec=spec, request_id=request_id or str(uuid.uuid4())
        )
        return self._call(self._twins.CreateTwin, request)

    def record(
        self,
        patient: str,
        events: Iterable[event_pb2.Event],
        *,
        request_id: str = "",
        validate_only: bool = False,
        possible: bool = False,
    ) -> twin_pb2.RecordEventsResponse:
        """Record `events`, all or none; returns when they are durable.

        possible   record what can be taken; the receipt of each event says what became of it
        """
        request = twin_pb2.RecordEventsRequest(
            name=self.name_of(patient),
            events=list(events),
            request_id=request_id or str(uuid.uuid4()),
            validate_only=validate_only,
            acceptance=twin_pb2.ACCEPTANCE_POSSIBLE if possible else twin_pb2.ACCEPTANCE_UNSPECIFIED,
        )
        return self._call(self._twins.RecordEvents, request)

    def twin(self, patient: str, *, min_revision: int = 0) -> twin_pb2.GetTwinResponse:
        """Summary, characteristics and belief, through at least `min_revision` events."""
        return self._call(
            self._twins.GetTwin, twin_pb2.GetTwinRequest(name=self.name_of(patient), min_revision=min_revision)
        )

    def twins(self) -> Iterator[twin_pb2.Twin]:
        """Every twin of the tenant by name, page by page."""
        token = ""
        while True:
            page = self._call(
                self._twins.ListTwins, twin_pb2.ListTwinsRequest(parent=f"tenants/{self._tenant}", page_token=token)
            )
            yield from page.twins
            token = page.next_page_token
            if not token:
                return

    def answer(self, answer_id: str, *, reproduce: bool = False) -> twin_pb2.GetAnswerResponse:
        """The question and basis of an earlier answer; with `reproduce` computed again and compared."""
        name = f"tenants/{self._tenant}/answers/{answer_id}"
        return self._call(self._twins.GetAnswer, twin_pb2.GetAnswerRequest(name=name, reproduce=reproduce))

    def held(self, patient: str) -> list[twin_pb2.HeldEvent]:
        """The events held until someone confirms, corrects or withdraws them, in clinical order."""
        found: list[twin_pb2.HeldEvent] = []
        token = ""
        while True:
            page = self._call(
                self._twins.ListHeldEvents, twin_pb2.ListHeldEventsRequest(name=self.name_of(patient), page_token=token)
            )
            found += page.events
            token = page.next_page_token
            if not token:
                return found

    def withdraw_held(self, patient: str, event_id: str) -> twin_pb2.WithdrawHeldEventResponse:
        """A held event never was true."""
        request = twin_pb2.WithdrawHeldEventRequest(
            name=self.name_of(patient), event_id=event_id, request_id=str(uuid.uuid4())
        )
        return self._call(self._twins.WithdrawHeldEvent, request)

    def delete_twin(self, patient: str) -> twin_pb2.DeleteTwinResponse:
        request = twin_pb2.DeleteTwinRequest(name=self.name_of(patient), request_id=str(uuid.uuid4()))
        return self._call(self._twins.DeleteTwin, request)

    def events(self, patient: str) -> Iterator[event_pb2.RecordedEvent]:
        """Every recorded event in clinical order, page by page."""
        token = ""
        while True:
            page = self._call(
                self._twins.ListEvents, twin_pb2.ListEventsRequest(name=self.name_of(patient), page_token=token)
            )
            yield from page.events
            token = page.next_page_token
            if not token:
                return

    def forecasts(
        self, patient: str, *, analytes: Sequence[str] = (), min_revision: int = 0
    ) -> list[twin_pb2.Forecast]:
        """The forecast kept for every measurement, made before it was seen."""
        found: list[twin_pb2.Forecast] = []
        token = ""
        while True:
            page = self._call(
                self._twins.ListForecasts,
                twin_pb2.ListForecastsRequest(
                    name=self.name_of(patient), analytes=analytes, min_revision=min_revision, page_token=token
                ),
            )
            found += page.forecasts
            token = page.next_page_token
            if not token:
                return found

    def trajectory(
        self,
        patient: str,
        start: datetime,
        end: datetime,
        *,
        step_h: float = 0.0,
        outputs: Sequence[str] = (),
        smoothing: twin_pb2.Smoothing = twin_pb2.SMOOTHING_UNSPECIFIED,
        min_revision: int = 0,
    ) -> twin_pb2.GetTrajectoryResponse:
        """Bands of `outputs` under the recorded doses, with the measurements beside them."""
        return self._call(
            self._twins.GetTrajectory,
            twin_pb2.GetTrajectoryRequest(
                name=self.name_of(patient),
                start_time=timestamp(start),
                end_time=timestamp(end),
                step_h=step_h,
                outputs=outputs,
                smoothing=smoothing,
                min_revision=min_revision,
            ),
        )

    def simulate(
        self,
        patient: str,
        regimens: Sequence[simulation_pb2.Regimen],
        *,
        horizon_h: float,
        start: datetime | None = None,
        targets: Sequence[simulation_pb2.Target] = (),
        outputs: Sequence[str] = (),
        members: int = 0,
        min_revision: int = 0,
    ) -> simulation_pb2.SimulateResponse:
        """What if each of `regimens` were given from `start` (default: the last event)."""
        request = simulation_pb2.SimulateRequest(
            name=self.name_of(patient),
            what_ifs=regimens,
            horizon=hours(horizon_h),
            targets=targets,
            outputs=outputs,
            members=members,
            min_revision=min_revision,
        )
        if start is not None:
            request.start_time.CopyFrom(timestamp(start))
        return self._call(self._simulations.Simulate, request)

    def recommend(
        self,
        patient: str,
        options: Sequence[simulation_pb2.Dispensable],
        targets: Sequence[simulation_pb2.Target],
        *,
        horizon_h: float,
        start: datetime | None = None,
        constraints: Sequence[simulation_pb2.Constraint] = (),
        limits: Sequence[simulation_pb2.ProbabilityLimit] = (),
        max_results: int = 0,
        min_revision: int = 0,
    ) -> simulation_pb2.RecommendResponse:
        """The dispensable regimens, best first, with reasons."""
        request = simulation_pb2.RecommendRequest(
            name=self.name_of(patient),
            options=options,
            targets=targets,
            constraints=constraints,
            limits=limits,
            max_results=max_results,
            horizon=hours(horizon_h),
            min_revision=min_revision,
        )
        if start is not None:
            request.start_time.CopyFrom(timestamp(start))
        return self._call(self._simulations.Recommend, request)

    def simulate_protocol(
        self, question: simulation_pb2.SimulateRequest, protocols: Sequence[simulation_pb2.Protocol], *, patient: str
    ) -> simulation_pb2.SimulateProtocolResponse:
        """Treatment by rule: `question` says start, horizon, targets and plans to compare with; its name is set."""
        request = simulation_pb2.SimulateProtocolRequest(simulate=question, protocols=protocols)
        request.simulate.name = self.name_of(patient)
        return self._call(self._simulations.SimulateProtocol, request)

    def solve_dosing(
        self, patient: str, question: simulation_pb2.SolveDosingRequest
    ) -> simulation_pb2.SolveDosingResponse:
        """The dose, interval or time that gives the exposure `question` names; its name is set here."""
        request = simulation_pb2.SolveDosingRequest()
        request.CopyFrom(question)
        request.name = self.name_of(patient)
        return self._call(self._simulations.SolveDosing, request)

    def average_models(
        self, patient: str, question: simulation_pb2.AverageModelsRequest
    ) -> simulation_pb2.AverageModelsResponse:
        """The patient's record under several models: their weights, and plans under the mixture."""
        request = simulation_pb2.AverageModelsRequest()
        request.CopyFrom(question)
        request.name = self.name_of(patient)
        return self._call(self._simulations.AverageModels, request)

    def assess_toxicity(self, request: trial_pb2.AssessToxicityRequest) -> trial_pb2.AssessToxicityResponse:
        """How likely each harm of a drug and a regimen is, by which mechanism, and with what margin."""
        request.parent = f"tenants/{self._tenant}"
        return self._call(self._trials.AssessToxicity, request)

    def forecast_control_arm(
        self, request: trial_pb2.ForecastControlArmRequest
    ) -> trial_pb2.ForecastControlArmResponse:
        request.parent = f"tenants/{self._tenant}"
        return self._call(self._trials.ForecastControlArm, request)

    def analyze_trial(
        self, rows: Sequence[trial_pb2.TrialRow], *, confidence: float = 0.95, unit: str = ""
    ) -> trial_pb2.AnalyzeTrialResponse:
        """The treatment effect unadjusted and adjusted for the prognostic score of each row."""
        return self._call(
            self._trials.AnalyzeTrial,
            trial_pb2.AnalyzeTrialRequest(
                parent=f"tenants/{self._tenant}", rows=rows, confidence=confidence, unit=unit
            ),
        )

    def generate_population(
        self, request: cohort_pb2.GeneratePopulationRequest
    ) -> cohort_pb2.GeneratePopulationResponse:
        """Ask for a virtual population; it exists when `wait` says that its operation is done."""
        request.parent = f"tenants/{self._tenant}"
        request.request_id = request.request_id or str(uuid.uuid4())
        return self._call(self._cohorts.GeneratePopulation, request)

    def simulate_population(self, request: cohort_pb2.SimulatePopulationRequest) -> common_pb2.Operation:
        """Ask for regimens in everyone of a population; `wait`, then `population_result`."""
        request.request_id = request.request_id or str(uuid.uuid4())
        return self._call(self._cohorts.SimulatePopulation, request).operation

    def wait(self, operation: str, timeout_s: float) -> common_pb2.Operation:
        """The operation once it is done, or as it is after `timeout_s`."""
        end = time.monotonic() + timeout_s
        while True:
            left = end - time.monotonic()
            request = cohort_pb2.WaitOperationRequest(name=operation)
            request.timeout.FromMilliseconds(max(0, int(1000 * min(left, 0.5 * self._timeout_s))))
            found = self._call(self._cohorts.WaitOperation, request).operation
            if found.done or left <= 0:
                return found

    def population_result(self, operation: str) -> cohort_pb2.GetPopulationResultResponse:
        request = cohort_pb2.GetPopulationResultRequest(operation=operation)
        return self._call(self._cohorts.GetPopulationResult, request)

    def drugs(self) -> list[library_pb2.Drug]:
        """The PBPK drugs of the library."""
        return list(self._call(self._library.ListDrugs, library_pb2.ListDrugsRequest()).drugs)

    def describe(
        self, *, drugs: Sequence[str] = (), poppk: str = "", effects: Sequence[str] = ()
    ) -> library_pb2.DescribeModelResponse:
        """What a twin made of these models would know, predict and need."""
        spec = common_pb2.ModelSpec(drugs=drugs, poppk=poppk, effects=effects)
        return self._call(self._library.DescribeModel, library_pb2.DescribeModelRequest(model=spec))

    def _call(self, method: Callable[..., Answer], request: object) -> Answer:
        return call(method, request, timeout_s=self._timeout_s, metadata=self._metadata)
