"""One call with a deadline and retries. Retrying is safe because every write carries its request_id."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from typing import TypeVar

import grpc

from twin_client.errors import from_rpc, retry_delay_s

Answer = TypeVar("Answer")

RETRIED = frozenset({grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.ABORTED})
FIRST_WAIT_S = 0.05
LONGEST_WAIT_S = 2.0


def call(
    method: Callable[..., Answer],
    request: object,
    *,
    timeout_s: float,
    metadata: tuple[tuple[str, str], ...] = (),
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Answer:
    """The answer of `method`, tried again while the server is away or overloaded and time is left.

    `timeout_s` bounds the whole call, waits included. The wait doubles from 50 ms to 2 s, shortened at random by up to
    half so that clients do not return in step; a delay the server asked for is kept. Raises ClientError.
    """
    end = clock() + timeout_s
    wait = FIRST_WAIT_S
    while True:
        try:
            return method(request, timeout=max(end - clock(), 0.001), metadata=metadata)
        except grpc.RpcError as error:
            asked = retry_delay_s(error)
            pause = asked if asked is not None else wait * (1.0 - 0.5 * secrets.randbelow(1000) / 1000)
            if error.code() not in RETRIED or _never(error) or clock() + pause >= end:
                raise from_rpc(error) from error
            sleep(pause)
            wait = min(2.0 * wait, LONGEST_WAIT_S)


def _never(error: grpc.RpcError) -> bool:
    """What is exhausted without a time to retry (a message or question too large) will be as large the next time."""
    if error.code() is not grpc.StatusCode.RESOURCE_EXHAUSTED:
        return False
    return retry_delay_s(error) is None
