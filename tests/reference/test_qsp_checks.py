"""Every QSP block in the library against its check file, discovered from disk."""

from __future__ import annotations

import pytest

from twin_service.model.qsp.checks import check_block
from twin_service.model.qsp.record import block_files

FILES = block_files()


@pytest.mark.parametrize("block_id", FILES)
def test_block_reproduces_its_check_values(block_id: str) -> None:
    failed = [
        f"{f.check}: {f.measure} {f.got:.6g}, expected {f.expected:.6g} (error {f.error:.2g} > {f.tolerance:g})"
        for f in check_block(FILES[block_id])
        if not f.ok
    ]
    assert not failed, "\n".join(failed)
