"""LLVM IR to machine code, kept on disk so that a process that meets a known system does not compile it again.

An object file is trusted code: the directory belongs to this user alone (0700) or the cache is not used.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import stat
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import llvmlite
import llvmlite.binding as llvm

from twin_service.solver.workspace import PROCESS

OPTIMIZATION = 1
"""Level 2 takes twice as long and gives straight-line code nothing."""
KEPT_OBJECTS = 2000
_LOCK = threading.Lock()


class Machine:
    """Machine code of one module: addresses of its functions, alive as long as this object."""

    def __init__(self, engine: Any, names: tuple[str, ...]) -> None:
        self._engine = engine
        self.address = {name: int(engine.get_function_address(name)) for name in names}


def cache_directory() -> Path | None:
    """The private directory for compiled code; None when none can be had."""
    base = os.environ.get("TWIN_CACHE_DIR")
    path = Path(base) if base else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "twin_service"
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = path.stat()
    except OSError:
        return None
    private = status.st_uid == os.getuid() and not stat.S_IMODE(status.st_mode) & 0o022
    return path if private else None


@contextlib.contextmanager
def one_process_at_a_time(name: str) -> Iterator[None]:
    """Let others wait while this process compiles what they all need; they then find it in the cache."""
    directory = cache_directory()
    if directory is None:
        yield
        return
    with contextlib.ExitStack() as stack:
        # Where the lock cannot be had (a read-only disk), each process compiles for itself.
        with contextlib.suppress(OSError):
            lock = stack.enter_context(open(directory / f"{name}.lock", "w"))
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def compile_module(text: str, names: tuple[str, ...]) -> Machine:
    """Machine code for the IR `text`, from the cache or compiled now."""
    with _LOCK:
        target_machine = _target_machine()
        key = _key(text)
        module = llvm.parse_assembly(text)
        engine = llvm.create_mcjit_compiler(module, target_machine)
        directory = cache_directory()
        if directory is not None:
            path = directory / f"{key}.o"
            engine.set_object_cache(lambda _, code: _write(path, code), lambda _: _read(path))
        engine.finalize_object()
        return Machine(engine, names)


def _target() -> Any:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    with contextlib.suppress(RuntimeError):  # where the C library is one file, its functions are there already
        llvm.load_library_permanently("libm.so.6")
    return llvm.Target.from_default_triple()


def _target_machine() -> Any:
    target = PROCESS.kept("target", "", _target, most=1)
    cpu, features = llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()
    return target.create_target_machine(cpu=cpu, features=features, opt=OPTIMIZATION, jit=True)


def _key(text: str) -> str:
    parts = (
        text,
        str(OPTIMIZATION),
        llvm.get_host_cpu_name(),
        llvm.get_host_cpu_features().flatten(),
        llvmlite.__version__,
    )
    return hashlib.sha256("\x00".join(parts).encode()).hexdigest()


def _write(path: Path, code: bytes) -> None:
    """Whole or not at all: another process may read at the same time."""
    with contextlib.suppress(OSError):
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.stem)
        with os.fdopen(handle, "wb") as f:
            f.write(hashlib.sha256(code).digest() + code)
        os.replace(name, path)
        _prune(path.parent)


def _prune(directory: Path) -> None:
    """Forget the objects used least recently, a tenth at a time."""
    kept = list(directory.glob("*.o"))
    if len(kept) > KEPT_OBJECTS:
        for old in sorted(kept, key=lambda f: f.stat().st_atime_ns)[: KEPT_OBJECTS // 10]:
            old.unlink(missing_ok=True)


def _read(path: Path) -> bytes | None:
    try:
        content = path.read_bytes()
    except OSError:
        return None
    digest, code = content[:32], content[32:]
    return code if hashlib.sha256(code).digest() == digest else None
