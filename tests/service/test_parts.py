"""The small parts of the service by themselves: queue, paging, window, keeping, metrics of no one."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import Gauge

from twin_service.outcome import Outcome, Refusal, Verdict
from twin_service.record.events import Censoring
from twin_service.record.person import TwinName
from twin_service.service.door import logs
from twin_service.service.door.name import tenant_of
from twin_service.service.wire import paging
from twin_service.service.wire.answer import spread
from twin_service.service.wire.quantity import number
from twin_service.service.wire.software import software_digest
from twin_service.service.wire.twin import Trouble
from twin_service.service.wire.window import AcceptedTimes
from twin_service.service.work import keeping
from twin_service.service.work.queue import TwinQueue
from twin_service.settings import Settings
from twin_service.twin.course import Sample
from twin_service.twin.forecast import Forecast, ForecastBand

GAUGE = Gauge("test_queue", "twins that wait", registry=None)


def names(n: int) -> list[TwinName]:
    return [TwinName("t", f"p{i}") for i in range(n)]


def test_no_twin_is_worked_on_twice_at_once_and_none_is_forgotten() -> None:
    busy: set[TwinName] = set()
    steps: dict[TwinName, int] = {}
    lock, clash = threading.Lock(), []

    def step(name: TwinName) -> bool:
        with lock:
            if name in busy:
                clash.append(name)
            busy.add(name)
        time.sleep(0.001)
        with lock:
            busy.discard(name)
            steps[name] = steps.get(name, 0) + 1
        return steps[name] < 3

    queue = TwinQueue(step, 4, GAUGE)
    queue.start()
    for name in names(20) * 3:
        queue.add(name)
    for _ in range(500):
        if len(steps) == 20 and all(n >= 3 for n in steps.values()):
            break
        time.sleep(0.01)
    assert queue.alive
    queue.stop()
    assert not clash and len(steps) == 20 and all(n >= 3 for n in steps.values()) and not queue.alive


def test_what_is_added_while_it_is_worked_on_is_worked_on_again() -> None:
    entered, gate, count = threading.Event(), threading.Event(), []

    def step(name: TwinName) -> bool:
        count.append(name)
        entered.set()
        gate.wait(5)
        return False

    queue = TwinQueue(step, 2, GAUGE)
    queue.start()
    (name,) = names(1)
    queue.add(name)
    assert entered.wait(5)
    queue.add(name)
    queue.add(name)
    time.sleep(0.05)
    assert len(count) == 1
    gate.set()
    for _ in range(200):
        if len(count) == 2:
            break
        time.sleep(0.01)
    queue.stop()
    assert len(count) == 2


@given(st.text(max_size=50), st.text(max_size=20))
def test_a_token_goes_back_to_its_place_and_only_for_its_question(place: str, question: str) -> None:
    token = paging.token(place, question)
    assert paging.place(token, question) == place
    with pytest.raises(Refusal):
        paging.place(token, question + "x")


@given(st.text(min_size=1, max_size=60))
def test_any_text_as_a_token_is_a_refusal(text: str) -> None:
    with pytest.raises(Refusal, match="not a token"):
        paging.place(text, "q")


def test_page_sizes_are_limited() -> None:
    settings = Settings(page_size_default=10, page_size_max=50)
    assert [paging.page_size(n, settings) for n in (0, 7, 50, 1000)] == [10, 7, 50, 50]


def test_the_window_is_open_between_a_life_ago_and_tomorrow() -> None:
    window = AcceptedTimes.around(10**15, Settings())
    day = 86_400_000_000
    assert window.check(10**15 + day, "t") == 10**15 + day
    for wrong, reason in ((10**15 + day + 1, "FUTURE_TIME"), (10**15 - 131 * 366 * day, "PAST_TIME")):
        with pytest.raises(Refusal) as caught:
            window.check(wrong, "events[0].time")
        assert (caught.value.reason, caught.value.field) == (reason, "events[0].time")


def forecast(mean: float = 1.0) -> Forecast:
    band = ForecastBand(mean, 0.1, 0.2, 1 / 3, 2.0)
    sample = Sample("e", 1 / 3, "crp", 0.1 + 0.2, Censoring.BELOW, True)
    return Forecast(sample, band, band, 4, 2.5, True, 0.5, "laplace", Outcome(Verdict.SURPRISING, "far"))


def test_a_forecast_is_kept_bit_for_bit() -> None:
    kept = keeping.forecast_bytes(forecast())
    assert keeping.forecast_of(kept) == forecast()
    assert keeping.forecast_bytes(keeping.forecast_of(kept)) == kept
    numpy_numbers = forecast(np.float64(1.0))  # type: ignore[arg-type]
    assert keeping.forecast_bytes(numpy_numbers) == kept
    assert np.isnan(keeping.forecast_of(keeping.forecast_bytes(forecast(np.nan))).band.mean)


def test_trouble_is_kept_as_it_was() -> None:
    assert keeping.trouble_of(keeping.trouble_text("R", "m", "f", 3)) == Trouble("R", "m", "f", 3)


def test_what_is_not_finite_stays_here() -> None:
    assert (number(np.nan), number(np.inf), number(1.5)) == (0.0, 0.0, 1.5)
    assert spread(ForecastBand(np.nan, 1, 1, 1, 1)) is None
    kept = spread(ForecastBand(1, 2, 3, 4, 5))
    assert kept is not None and kept.q95 == 5


def test_tenants_are_read_from_names() -> None:
    assert tenant_of("tenants/a") == tenant_of("tenants/a/patients/p/twin") == "a"
    with pytest.raises(Refusal):
        tenant_of("tenants/")


def test_logs_show_where_and_never_what() -> None:
    try:
        raise ValueError("patient Jane Doe")
    except ValueError as error:
        assert logs.where(error).startswith("ValueError at ") and "Jane" not in logs.where(error)
        assert all("Jane" not in line for line in logs.trace(error))
    assert logs.pseudonym(TwinName("t", "jane")) == logs.pseudonym("tenants/t/patients/jane/twin")


def test_the_software_digest_is_stable() -> None:
    assert software_digest() == software_digest() and len(software_digest()) == 64
