"""The result as a library file of a new version: every number that moved says what it was estimated from."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

from twin_service.fit.population.estimate import PopulationEstimate
from twin_service.fit.population.table import natural


def data_digest(data: Path) -> str:
    """SHA-256 of a data file, first 16 digits: what an origin names."""
    return hashlib.sha256(data.read_bytes()).hexdigest()[:16]


def origin_of(e: PopulationEstimate, source: str, digest: str, day: date) -> str:
    """'estimated from ..., n, date, digest'"""
    n, readings = e.built.problem.size, int(e.built.problem.readings.seen.sum())
    return (
        f"estimated from {source}, n = {n} subjects, {readings} readings, {day.isoformat()}, "
        f"{e.method.value.upper()}, sha256 {digest}"
    )


def estimated_table(e: PopulationEstimate, origin: str) -> dict[str, Any]:
    """The file's table with estimates in place and the version raised."""
    table = copy.deepcopy(dict(e.built.record.raw))
    names, values = natural(e.built, e.found.x)
    found = dict(zip(names, values.tolist(), strict=True))
    fixed = e.built.problem.space.fixed
    for b in e.built.handles.betas:
        if b.name in fixed:
            continue
        p = table["parameters"][b.place[0]]
        if len(b.place) == 1:
            p["value"], p["origin"] = found[b.name], origin
        else:
            p["covariate_effect"][int(b.place[1])]["coefficient"] = found[b.name]
    _spread(table, e, found)
    for o in table["observable"]:
        for part in ("additive", "proportional"):
            name = f"{part}[{o['analyte']}]"
            if name in found and name not in fixed:
                o["error"][part], o["error"]["origin"] = found[name], origin
    table["version"] = _next(str(table["version"]))
    table["fitted_on"] = origin
    return table


def _spread(table: dict[str, Any], e: PopulationEstimate, found: Mapping[str, float]) -> None:
    covariances = []
    for name, value in found.items():
        if name.startswith("cov["):
            first, second = name[4:-1].split(",")
            covariances.append({"between": [first, second], "value": value})
    for name, q in table["parameters"].items():
        effect = q.get("effect")
        if not effect or (effect.get("shares", name) != name and "variance" not in effect and "sd" not in effect):
            continue
        own = effect.get("shares", name)
        if f"omega2[{own}]" in found:
            effect.pop("sd", None)
            effect["variance"] = found[f"omega2[{own}]"]
        within = f"omega2[{own} between occasions]"
        if within in found:
            effect["occasion_variance"] = found[within]
    if covariances:
        table["covariance"] = covariances


def _next(version: str) -> str:
    head, dot, tail = version.rpartition(".")
    return f"{head}{dot}{int(tail) + 1}" if tail.isdigit() else f"{version}.1"


def written(table: Mapping[str, Any]) -> str:
    """TOML of a table of tables, lists and scalars."""
    lines = [f"{k} = {_value(v)}" for k, v in table.items() if not isinstance(v, Mapping) and not _tables(v)]
    for k, v in table.items():
        if k == "parameters":
            for name, p in v.items():
                lines += ["", f"[parameters.{_key(name)}]", *(f"{_key(a)} = {_value(b)}" for a, b in p.items())]
        elif isinstance(v, Mapping):
            lines += ["", f"[{_key(k)}]", *(f"{_key(a)} = {_value(b)}" for a, b in v.items())]
        elif _tables(v):
            for row in v:
                lines += ["", f"[[{_key(k)}]]", *(f"{_key(a)} = {_value(b)}" for a, b in row.items())]
    return "\n".join(lines) + "\n"


def _tables(v: object) -> bool:
    return isinstance(v, list) and bool(v) and all(isinstance(x, Mapping) for x in v)


def _key(k: str) -> str:
    return k if k.replace("_", "").replace("-", "").isalnum() and k.isascii() else _value(k)


def _value(v: object) -> str:
    if isinstance(v, bool):
        return "true" if v else "false"
    if isinstance(v, int):
        return str(v)
    if isinstance(v, float):
        return f"{v:.8g}" if any(c in f"{v:.8g}" for c in ".en") else f"{v:.8g}.0"
    if isinstance(v, str):
        escaped = v.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        return f'"{escaped}"'
    if isinstance(v, list | tuple):
        return "[" + ", ".join(_value(x) for x in v) + "]"
    if isinstance(v, Mapping):
        return "{ " + ", ".join(f"{_key(str(a))} = {_value(b)}" for a, b in v.items()) + " }"
    raise TypeError(type(v))
