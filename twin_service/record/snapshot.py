"""A stored belief: what was believed of one patient at one clinical time, and of which timeline it is the fold."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


def _nothing() -> NDArray[np.float64]:
    return np.zeros(0)


@dataclass(frozen=True)
class Snapshot:
    """The anchor from which a twin can be continued.

    time_us         clinical time of the anchor
    prefix_digest   SHA-256 of the effective findings folded into it, in order
    model_digest    which model; a snapshot of another model is never continued
    mean, chol      belief over the effects: (nx,), (nx, nx) lower Cholesky factor
    shape_points, shape_weights   of a belief that is not Gaussian: (M, nx), (M,); empty: Gaussian
    footing_us      clinical time of the footing on which later members start; 0 with empty arrays: none
    footing_mean, footing_chol   spread of its members over the effects: (nx,), (nx, nx)
    """

    time_us: int
    prefix_digest: str
    model_digest: str
    mean: NDArray[np.float64]
    chol: NDArray[np.float64]
    footing_us: int = 0
    footing_mean: NDArray[np.float64] = field(default_factory=_nothing)
    footing_chol: NDArray[np.float64] = field(default_factory=_nothing)
    shape_points: NDArray[np.float64] = field(default_factory=_nothing)
    shape_weights: NDArray[np.float64] = field(default_factory=_nothing)


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
        footing_us=np.int64(snapshot.footing_us),
        footing_mean=snapshot.footing_mean,
        footing_chol=snapshot.footing_chol,
        shape_points=snapshot.shape_points,
        shape_weights=snapshot.shape_weights,
    )
    body = buffer.getvalue()
    return hashlib.sha256(body).digest() + body


def from_bytes(data: bytes) -> Snapshot:
    """Raises ValueError when the bytes are not what `to_bytes` wrote."""
    digest, body = data[:32], data[32:]
    if hashlib.sha256(body).digest() != digest:
        raise ValueError("snapshot: checksum mismatch; the stored row was damaged or altered")
    with np.load(io.BytesIO(body), allow_pickle=False) as z:
        later = {n: z[n] for n in ("footing_mean", "footing_chol", "shape_points", "shape_weights") if n in z.files}
        footing_us = int(z["footing_us"]) if "footing_us" in z.files else 0
        return Snapshot(int(z["time_us"]), str(z["prefix"]), str(z["model"]), z["mean"], z["chol"], footing_us, **later)
