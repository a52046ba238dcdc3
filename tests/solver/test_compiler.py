from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from twin_service.solver import compiler
from twin_service.solver.compiler import cache_directory, compile_module

TEXT = """
define void @store(ptr %x) {{
entry:
  store double {value}, ptr %x, align 8
  ret void
}}
"""


def stored(value: float) -> float:
    import ctypes

    machine = compile_module(TEXT.format(value=f"{value:.1f}"), ("store",))
    cell = ctypes.c_double(0.0)
    ctypes.CFUNCTYPE(None, ctypes.c_void_p)(machine.address["store"])(ctypes.addressof(cell))
    return cell.value


def test_code_is_kept_in_a_private_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TWIN_CACHE_DIR", str(tmp_path / "cache"))
    assert stored(2.0) == 2.0
    directory = cache_directory()
    assert directory == tmp_path / "cache"
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    (kept,) = directory.glob("*.o")
    before = kept.stat().st_mtime_ns
    assert stored(2.0) == 2.0
    assert kept.stat().st_mtime_ns == before
    assert stored(3.0) == 3.0
    assert len(list(directory.glob("*.o"))) == 2


def test_damaged_code_is_compiled_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TWIN_CACHE_DIR", str(tmp_path))
    os.chmod(tmp_path, 0o700)
    assert stored(4.0) == 4.0
    (kept,) = tmp_path.glob("*.o")
    content = bytearray(kept.read_bytes())
    content[-1] ^= 0xFF
    kept.write_bytes(bytes(content))
    assert stored(4.0) == 4.0
    kept.write_bytes(b"")
    assert stored(4.0) == 4.0


def test_a_directory_that_others_may_write_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TWIN_CACHE_DIR", str(tmp_path))
    os.chmod(tmp_path, 0o777)
    assert cache_directory() is None
    assert stored(5.0) == 5.0
    assert not list(tmp_path.glob("*.o"))


def test_importing_the_solver_loads_no_compiler() -> None:
    """Tools that only describe systems must start fast."""
    code = (
        "import sys; import twin_service.solver.simulate, twin_service.solver.system\n"
        "assert 'scipy' not in sys.modules and 'numba' not in sys.modules, 'heavy imports'"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_without_a_place_to_keep_code_the_kernel_is_still_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    from twin_service.solver import lanes

    original = lanes.njit

    def refusing(**how: Any) -> Any:
        if how.get("cache"):
            raise RuntimeError("no locator available")
        return original(**how)

    monkeypatch.setattr(lanes, "njit", refusing)
    assert lanes.njit_kernel(lambda x: x + 1.0)(2.0) == 3.0


def test_without_a_lock_the_work_is_done_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for directory in (None, tmp_path / "absent"):
        monkeypatch.setattr(compiler, "cache_directory", lambda d=directory: d)
        done = []
        with compiler.one_process_at_a_time("kernel"):
            done.append(True)
        assert done


def test_others_wait_while_one_compiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiler, "cache_directory", lambda: tmp_path)
    code = (
        "import fcntl, sys\n"
        "with open(sys.argv[1], 'w') as f:\n"
        "    try: fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB); print('free')\n"
        "    except BlockingIOError: print('held')"
    )

    def seen_from_outside() -> str:
        lock = str(tmp_path / "kernel.lock")
        return subprocess.run(
            [sys.executable, "-c", code, lock], capture_output=True, text=True, check=True
        ).stdout.strip()

    with compiler.one_process_at_a_time("kernel"):
        assert seen_from_outside() == "held"
    assert seen_from_outside() == "free"


def test_the_cache_has_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TWIN_CACHE_DIR", str(tmp_path))
    os.chmod(tmp_path, 0o700)
    monkeypatch.setattr(compiler, "KEPT_OBJECTS", 10)
    for k in range(15):
        assert stored(100.0 + k) == 100.0 + k
    assert 9 <= len(list(tmp_path.glob("*.o"))) <= 11
