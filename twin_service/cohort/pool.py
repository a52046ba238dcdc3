"""One protocol, three engines: blocks of work on threads, on spawned processes, or on Ray.

A `Recipe` is plain data that travels; each worker prepares its task from it once. Blocks are numbered and independent;
results come back in the order of the numbers, at most `window` of them waiting, so that memory does not grow and what
is folded over them has the same bits whatever the engine and the number of workers. A block whose worker died is done
again (its result does not depend on who does it); a block that kills three workers ends the run with a refusal.
"""

from __future__ import annotations

import multiprocessing
import os
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol, TypeVar

from twin_service.outcome import Refusal, RefusalCode
from twin_service.solver.tolerances import Deadline

R = TypeVar("R", covariant=True)
T = TypeVar("T")
DEATHS_MAX = 3


class Recipe(Protocol[R]):
    """Hashable plain data. `prepare` builds what a worker needs and returns the task of one block."""

    def prepare(self) -> Callable[[int], R]: ...
    def __hash__(self) -> int: ...


@dataclass(frozen=True)
class Threads:
    """Workers that share this process: right where the work leaves the interpreter, as the engine does."""

    workers: int = 0


@dataclass(frozen=True)
class Processes:
    """Spawned processes on this machine; a killed one is replaced."""

    workers: int = 0


@dataclass(frozen=True)
class RayCluster:
    """A Ray cluster (extra `ray`): `address` of a running one, or "" to start one here."""

    workers: int = 0
    address: str = ""


Pool = Threads | Processes | RayCluster


def pool_of(name: str, workers: int = 0, address: str = "") -> Pool:
    """The engine that a setting names: threads, processes or ray."""
    known: dict[str, Pool] = {
        "threads": Threads(workers),
        "processes": Processes(workers),
        "ray": RayCluster(workers, address),
    }
    if name not in known:
        raise Refusal(
            RefusalCode.INVALID, f"pool {name!r} is unknown; known: {', '.join(known)}", field="pool", reason="BAD_POOL"
        )
    return known[name]


def each_block(
    pool: Pool,
    recipe: Recipe[T],
    count: int,
    *,
    deadline: Deadline | None = None,
    tell: Callable[[float], None] = lambda share: None,
) -> Iterator[T]:
    """Results of blocks 0 .. count - 1 in order. Raises Refusal when the deadline passes or the caller cancels."""
    workers = pool.workers or os.cpu_count() or 1
    done = (
        _on_ray(pool, recipe, count, workers) if isinstance(pool, RayCluster) else _here(pool, recipe, count, workers)
    )
    for k, result in enumerate(done, start=1):
        if deadline is not None and deadline.expired:
            done.close()
            raise Refusal(RefusalCode.CANCELLED, f"stopped after {k} of {count} blocks", reason="CANCELLED")
        tell(k / count)
        yield result


@lru_cache(maxsize=4)
def _prepared(recipe: Recipe[T]) -> Callable[[int], T]:
    return recipe.prepare()


def _run(recipe: Recipe[T], block: int) -> T:
    task: Callable[[int], T] = _prepared(recipe)
    return task(block)


def _executor(pool: Pool, workers: int) -> Executor:
    if isinstance(pool, Threads):
        return ThreadPoolExecutor(workers)
    return ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"))


def _here(pool: Pool, recipe: Recipe[T], count: int, workers: int) -> Generator[T, None, None]:
    """Ordered results with a bounded window; a broken pool is replaced and its unfinished blocks go again."""
    waiting: deque[tuple[int, Future[T]]] = deque()
    executor, ahead = _executor(pool, workers), 0
    deaths: dict[int, int] = {}
    task = _prepared(recipe) if isinstance(pool, Threads) else None
    try:
        while ahead < count or waiting:
            while ahead < count and len(waiting) < 2 * workers:
                waiting.append((ahead, _submit(executor, task, recipe, ahead)))
                ahead += 1
            block, future = waiting[0]
            try:
                result = future.result()
            except BrokenProcessPool:
                deaths[block] = deaths.get(block, 0) + 1
                if deaths[block] >= DEATHS_MAX:
                    raise _lost(block) from None
                executor.shutdown(wait=False, cancel_futures=True)
                executor = _executor(pool, workers)
                again = [b for b, f in waiting if not f.done() or f.exception() is not None]
                kept = {b: f for b, f in waiting if b not in again}
                waiting = deque((b, kept.get(b) or _submit(executor, task, recipe, b)) for b, _ in waiting)
                continue
            waiting.popleft()
            yield result
    finally:
        executor.shutdown(wait=True, cancel_futures=True)


def _submit(executor: Executor, task: Callable[[int], T] | None, recipe: Recipe[T], block: int) -> Future[T]:
    if task is not None:
        return executor.submit(task, block)
    try:
        return executor.submit(_run, recipe, block)
    except BrokenProcessPool as broken:
        failed: Future[T] = Future()
        failed.set_exception(broken)
        return failed


def _on_ray(pool: RayCluster, recipe: Recipe[T], count: int, workers: int) -> Generator[T, None, None]:
    try:
        import ray
    except ImportError:
        raise Refusal(
            RefusalCode.UNSUPPORTED,
            "the pool 'ray' needs the extra: pip install 'twin-service[ray]'",
            field="pool",
            reason="EXTRA_MISSING",
        ) from None
    started = not ray.is_initialized()
    if started:
        if pool.address:
            ray.init(address=pool.address, log_to_driver=False)
        else:
            ray.init(num_cpus=workers, include_dashboard=False, log_to_driver=False)
    remote = ray.remote(max_retries=DEATHS_MAX)(_run)
    waiting: deque[ray.ObjectRef[T]] = deque()
    ahead = 0
    try:
        while ahead < count or waiting:
            while ahead < count and len(waiting) < 2 * workers:
                waiting.append(remote.remote(recipe, ahead))
                ahead += 1
            try:
                yield ray.get(waiting.popleft())
            except ray.exceptions.WorkerCrashedError:
                raise _lost(ahead - len(waiting) - 1) from None
    finally:
        for reference in waiting:
            ray.cancel(reference, force=False)
        if started:
            ray.shutdown()


def _lost(block: int) -> Refusal:
    return Refusal(
        RefusalCode.TOO_MUCH,
        f"block {block} ended {DEATHS_MAX} workers; give them more memory or make blocks smaller",
        field="pool",
        reason="WORKER_LOST",
    )
