"""A virtual population: characteristics and random effects drawn by block, so that any block can be drawn again alone.

    member i of block b: u = Phi(L Phi^-1(v)), v ~ Philox(seed, b);  x = F^-1(F(low) + u (F(high) - F(low)))
    eta ~ N(0, Omega)

F is the normal or lognormal law of a characteristic, cut off at its limits; L L' is their correlation on the scale on
which they are normal (Gaussian copula: Nelsen 2006, doi:10.1007/0-387-28678-0). Blocks make the same people whatever
the number of workers, and only the block at hand is in memory. Philox: Salmon 2011, doi:10.1145/2063384.2063405.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from twin_service.model.structure import Covariate, PatientModel
from twin_service.outcome import Refusal, RefusalCode

Floats = NDArray[np.float64]
BLOCK = 1000


@dataclass(frozen=True)
class CharacteristicSpread:
    """How one characteristic is spread: `mean` and `sd` of the law before it is cut off at `low` and `high`.

    sd 0: all the same; for a yes/no characteristic (limits 0 and 1, no unit) `mean` is the share with 1.
    """

    name: str
    mean: float
    sd: float = 0.0
    low: float = -np.inf
    high: float = np.inf
    lognormal: bool = False


class CharacteristicCorrelation(NamedTuple):
    """How two characteristics go together: correlation of both where their laws are normal, before they are cut off."""

    first: str
    second: str
    value: float


@dataclass(frozen=True)
class Population:
    """`size` people of `model`, who differ by `spreads` and by the model's random effects; characteristics without a
    `correlation` are independent."""

    model: PatientModel
    size: int
    spreads: tuple[CharacteristicSpread, ...] = ()
    seed: int = 0
    correlations: tuple[CharacteristicCorrelation, ...] = ()

    @property
    def blocks(self) -> int:
        return -(-self.size // BLOCK)


def check_population(population: Population) -> None:
    """Raises Refusal for an unknown or missing characteristic, one given twice, or limits that leave nobody."""
    known = {c.name: c for c in population.model.covariates}
    for i, s in enumerate(population.spreads):
        where = f"covariates[{i}]"
        if s.name not in known:
            raise _refuse(
                f"{s.name!r} is no characteristic of {population.model.id}; it has: {', '.join(known)}", f"{where}.name"
            )
        if s.name in {t.name for t in population.spreads[:i]}:
            raise _refuse(f"{s.name} is given twice", f"{where}.name")
        _check_spread(s, known[s.name], where)
    given = {s.name for s in population.spreads}
    missing = [c.name for c in known.values() if c.default is None and c.name not in given]
    if missing:
        raise _refuse(f"{population.model.id} needs {', '.join(missing)}: say how they are spread", "covariates")

    _check_correlations(population, given)


def _check_correlations(population: Population, given: set[str]) -> None:
    seen: set[frozenset[str]] = set()
    for i, c in enumerate(population.correlations):
        where, pair = f"correlations[{i}]", frozenset((c.first, c.second))
        for side, name in (("first", c.first), ("second", c.second)):
            if name not in given:
                raise _refuse(
                    f"{name!r} is not among the spread characteristics: {', '.join(sorted(given)) or 'none'}",
                    f"{where}.{side}",
                )
        if len(pair) < 2 or pair in seen:
            raise _refuse(f"{c.first} and {c.second}: expected two characteristics, each pair once", where)
        if not -1.0 < c.value < 1.0:
            raise _refuse(
                f"{c.first} with {c.second}: {c.value:g}; expected a number between -1 and 1", f"{where}.value"
            )
        seen.add(pair)
    least = float(np.linalg.eigvalsh(_correlation(population))[0]) if population.spreads else 1.0
    if least < 1e-9:
        raise _refuse(
            "no people can have all of these correlations at once (the matrix is not positive definite, "
            f"least eigenvalue {least:.3g}); weaken one of them",
            "correlations",
        )


def _correlation(population: Population) -> Floats:
    """The matrix of the correlations, in the order of the spreads."""
    place = {s.name: k for k, s in enumerate(population.spreads)}
    matrix = np.eye(len(place))
    for c in population.correlations:
        i, j = place[c.first], place[c.second]
        matrix[i, j] = matrix[j, i] = c.value
    return matrix


def _check_spread(s: CharacteristicSpread, c: Covariate, where: str) -> None:
    low, high = max(s.low, c.low), min(s.high, c.high)
    if not np.isfinite(s.mean) or not np.isfinite(s.sd) or s.sd < 0:
        raise _refuse(f"{s.name}: mean {s.mean:g}, sd {s.sd:g}: expected finite numbers, sd at least 0", f"{where}.sd")
    if s.lognormal and s.mean <= 0:
        raise _refuse(f"{s.name}: a lognormal mean of {s.mean:g}; expected a positive one", f"{where}.mean")
    if not low <= s.mean <= high:
        raise _refuse(f"{s.name}: the mean {s.mean:g} {c.unit} lies outside {low:g} to {high:g}", f"{where}.mean")
    if s.sd > 0 and not _yes_no(c):
        share = _law(s, np.array([low, high]))
        if not share[1] - share[0] > 1e-6:
            raise _refuse(f"{s.name}: no one lies within {low:g} to {high:g} {c.unit}", f"{where}.low")


def draw_block(population: Population, block: int) -> tuple[dict[str, Floats], Floats]:
    """Characteristics, each (n,), and effects (n, nx) of one block; the last block may be smaller."""
    count = min(BLOCK, population.size - block * BLOCK)
    if not 0 < count <= BLOCK:
        raise IndexError(f"block {block} of {population.blocks}")
    rng = np.random.Generator(np.random.Philox(key=[population.seed % 2**64, block]))
    model, nx = population.model, len(population.model.effects)
    limits = {c.name: c for c in model.covariates}
    # drawn whole, so that a smaller last block holds the same people as a full one would
    u = _together(population, np.array([rng.random(BLOCK) for _ in population.spreads]))
    found = {s.name: _drawn(s, limits[s.name], u[k])[:count] for k, s in enumerate(population.spreads)}
    z = rng.standard_normal((BLOCK, nx))[:count]
    return found, z @ _root(model.omega).T if nx else np.zeros((count, 0))


def _together(population: Population, u: Floats) -> Floats:
    """Independent uniform numbers (spreads, n) made to go together; unchanged where nothing is said."""
    if not population.correlations:
        return u
    limits = {c.name: c for c in population.model.covariates}
    # someone is a yes where u is small, so that a yes goes with small numbers unless its sign is turned
    side = np.array([[-1.0 if _yes_no(limits[s.name]) else 1.0] for s in population.spreads])
    z = ndtri(np.clip(u, 1e-300, 1.0 - 1e-16)) * side
    return np.asarray(ndtr(np.linalg.cholesky(_correlation(population)) @ z * side))


def block_rows(model: PatientModel, covariates: Mapping[str, Floats], eta: Floats) -> Floats:
    """Parameter rows (n, np) of members who differ in characteristics (each (n,)) and effects (n, nx)."""
    rows = model.members({k: float(v[0]) for k, v in covariates.items()}, eta)
    if not covariates:
        return rows
    own = {k: float(v[0]) for k, v in covariates.items()}
    if not model.individualize({**{c.name: c.default for c in model.covariates if c.default is not None}, **own}):
        for name, values in covariates.items():
            if name in model.system.parameter_index:
                rows[:, model.system.parameter_index[name]] = values
        return rows
    for k in range(len(eta)):
        rows[k] = model.values({n: float(v[k]) for n, v in covariates.items()})
    rows[:, model.effect_columns] = eta
    return rows


def _drawn(s: CharacteristicSpread, c: Covariate, u: Floats) -> Floats:
    if _yes_no(c):
        return (u < s.mean).astype(np.float64)
    if s.sd == 0:
        return np.full(len(u), s.mean)
    low, high = max(s.low, c.low), min(s.high, c.high)
    a, b = _law(s, np.array([low, high]))
    z = ndtri(np.clip(a + u * (b - a), 1e-300, 1.0 - 1e-16))
    middle, width = _scale(s)
    x = np.exp(middle + width * z) if s.lognormal else middle + width * z
    return np.asarray(np.clip(x, low, high))


def _law(s: CharacteristicSpread, x: Floats) -> Floats:
    """Distribution function of the law before it is cut off."""
    middle, width = _scale(s)
    if s.lognormal:
        with np.errstate(divide="ignore"):
            x = np.log(np.maximum(x, 0.0))
    return np.asarray(ndtr((x - middle) / width))


def _scale(s: CharacteristicSpread) -> tuple[float, float]:
    """Mean and SD on the scale on which the law is normal."""
    if not s.lognormal:
        return s.mean, s.sd
    variance = float(np.log1p((s.sd / s.mean) ** 2))
    return float(np.log(s.mean)) - 0.5 * variance, float(np.sqrt(variance))


def _yes_no(c: Covariate) -> bool:
    return c.unit == "1" and (c.low, c.high) == (0.0, 1.0)


def _root(omega: Floats) -> Floats:
    """A root of Omega that exists also where two effects are fully correlated."""
    values, vectors = np.linalg.eigh(omega)
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0.0)))


def _refuse(message: str, field: str) -> Refusal:
    return Refusal(RefusalCode.INVALID, message, field=field, reason="BAD_POPULATION")
