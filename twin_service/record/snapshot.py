"""A stored belief: what was believed of one patient at one clinical time, and of which timeline it is the fold."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Snapshot:
    """The anchor from which a twin can be continued.

    time_us         clinical time of the anchor
    prefix_digest   SHA-256 of the effective findings folded into it, in order
    model_digest    which model; a snapshot of another model is never continued
    mean, chol      belief over the effects: (nx,), (nx, nx) lower Cholesky factor
    members         (N, nx) effects of the sigma points or ensemble members
    states          (N, ns) each member's own trajectory at `time_us`, before doses at that time
    """

    time_us: int
    prefix_digest: str
    model_digest: str
    mean: NDArray[np.float64]
    chol: NDArray[np.float64]
    members: NDArray[np.float64]
    states: NDArray[np.float64]


def to_bytes(snapshot: Snapshot) -> bytes:
    """Arrays only (no pickle), preceded by a SHA-256 so that a damaged row is found when it is read."""
    buffer = io.BytesIO()
    np.savez(
        buffer,
        time_us=np.int64(snapshot.time_us),
        prefix=np.array(snapshot.prefix_digest),
        model=np.array(snapshot.model_digest),
        mean=snapshot.mean,
        chol=snapshot.chol,
        members=snapshot.members,
        states=snapshot.states,
    )
    body = buffer.getvalue()
    return hashlib.sha256(body).digest() + body


def from_bytes(data: bytes) -> Snapshot:
    """Raises ValueError when the bytes are not what `to_bytes` wrote."""
    digest, body = data[:32], data[32:]
    if hashlib.sha256(body).digest() != digest:
        raise ValueError("snapshot: checksum mismatch; the stored row was damaged or altered")
    with np.load(io.BytesIO(body), allow_pickle=False) as z:
        return Snapshot(
            int(z["time_us"]), str(z["prefix"]), str(z["model"]), z["mean"], z["chol"], z["members"], z["states"]
        )
