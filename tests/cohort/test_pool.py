"""A killed worker changes nothing; the caller can stop. (This file imports little: workers are spawned from it.)"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from twin_service.cohort.pool import Pool, Processes, Threads, each_block, pool_of
from twin_service.outcome import Refusal
from twin_service.solver.tolerances import Deadline


@dataclass(frozen=True)
class Deadly:
    """Squares; the worker of block 3 kills itself once (the file remembers), or always."""

    mark: str
    always: bool = False

    def prepare(self) -> Callable[[int], int]:
        def task(block: int) -> int:
            if block == 3 and (self.always or not Path(self.mark).exists()):
                Path(self.mark).touch()
                os.kill(os.getpid(), signal.SIGKILL)
            return block * block

        return task


@dataclass(frozen=True)
class Plain:
    def prepare(self) -> Callable[[int], int]:
        return lambda block: block * block


@pytest.mark.parametrize("pool", [Processes(2)])
def test_a_killed_worker_is_replaced_and_the_answer_is_the_same(tmp_path: Path, pool: Pool) -> None:
    found = list(each_block(pool, Deadly(str(tmp_path / "mark")), 12))
    assert found == [k * k for k in range(12)] and (tmp_path / "mark").exists()


def test_a_block_that_always_kills_its_worker_is_refused_by_number(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="block 3 ended 3 workers"):
        list(each_block(Processes(1), Deadly(str(tmp_path / "mark"), always=True), 5))


def test_the_caller_can_stop_and_hears_of_progress() -> None:
    deadline, heard = Deadline(), []
    blocks = each_block(Threads(2), Plain(), 10, deadline=deadline, tell=heard.append)
    assert next(blocks) == 0
    deadline.cancel()
    with pytest.raises(Refusal, match="stopped after 2 of 10"):
        list(blocks)
    assert heard == [0.1]


def test_an_unknown_pool_is_refused_with_the_known_ones() -> None:
    with pytest.raises(Refusal, match="threads, processes, ray"):
        pool_of("gpu")
