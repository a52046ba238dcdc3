"""A footing: where members stood some time ago, as a function of their effects, learned from members that were solved.

A member redrawn after a measurement has to be solved from hour 0, so that years of treatment would be paid for with
every level. A footing pays once: members spread wider than the belief are solved, and their states at a mark of the
course are fitted by a polynomial of second order in the effects,

    g(x_s(eta)) = c_s0 + sum_i c_si u_i + sum_ij c_sij u_i u_j        u = L^-1 (eta - m),  g = ln or the identity,

with m, L the mean and factor of that spread. It is judged where it is to be used, at least 32 doses or levels later, by
a quarter of the members that were kept from the fit: what a body forgets need not be fitted well, what it keeps must
be. A footing that then misses any state of theirs by more than `TOLERANCE` is not used, and everything is solved from
hour 0. A member beyond the spread begins at its edge, where members out there were shown to be carried well enough;
else it is solved from hour 0, with every level. The spread stays while it holds the belief: its members are remembered
at the marks, and when the footing moves on only the new part of the course is solved.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from twin_service.kalman.belief import Belief
from twin_service.model.structure import PatientModel
from twin_service.outcome import Refusal
from twin_service.solver.expression import symbols_of
from twin_service.solver.simulate import Deadline, simulate
from twin_service.solver.system import System
from twin_service.twin.course import Course
from twin_service.twin.observe import standard_draws
from twin_service.twin.propagate import propagate
from twin_service.twin.remembered import Remembered

FloatArray = NDArray[np.float64]

HAPPENINGS = 64  # doses, changes, measured instants after which a footing pays, and after which it moves on
WIDER = 1.5  # spread of its members over the belief's
NARROWER = 1.15  # the same where a wider footing is refused: it serves the belief as it is, and moves on earlier
REACH = 2.0  # standard deviations of the belief that must lie within `FARTHEST`
FARTHEST = 2.0  # spreads along one axis beyond which a member is solved from hour 0
FARTHER = 3.5  # the same where a member may begin at the edge of the fit, after a test with members out there
MEMBERS = 256
PRODUCTS_MAX = 100  # terms beyond which products of different effects are left out
TOLERANCE = 2e-3  # of a state, or of FLOOR times the greatest value it has had
TOLERANCE_FAR = 2e-2  # the same for the rare members beyond `FARTHEST`: three standard deviations of a belief and more
LOGGED_MIN = 1e-9  # least over greatest of a state among members, below which it is noise to its own logarithm
FLOOR = 1e-3

WITHIN = np.array([0.0, 0.01, 0.03, 0.1, 0.2, 0.4, 0.7, 1.0])  # of the way from one dose to the next

_FOOTINGS: Remembered[FittedFooting | str] = Remembered(bytes_max=64 * 2**20)
REFUSED = "refused"


class FootingDesign(NamedTuple):
    """When (h) a footing is judged, and mean (nx,) and factor (nx, nx) of the spread of its members."""

    time_h: float
    mean: FloatArray
    chol: FloatArray


@dataclass(frozen=True)
class FittedFooting:
    """A footing that was judged good. coefficients (terms, ns); `logged` (ns,): which states are fitted as logarithms.

    States are those at `start_h`; they are good for questions from `time_h` on. A coordinate of u beyond `FARTHEST` is
    out of reach; g stays between `low` and `high` (ns,).
    reach     spreads along one axis within which a member stands on it, `FARTHEST` at least
    doubtful  outputs that rest on a sum that is never forgotten, as what was excreted so far, and was fitted too badly
    """

    design: FootingDesign
    start_h: float
    coefficients: FloatArray
    low: FloatArray
    high: FloatArray
    logged: NDArray[np.bool_]
    doubtful: frozenset[str] = frozenset()
    reach: float = FARTHEST

    @property
    def time_h(self) -> float:
        return self.design.time_h

    def holds(self, eta: FloatArray) -> NDArray[np.bool_]:
        return np.asarray(np.all(np.abs(_standardized(self.design, eta)) <= self.reach, axis=1))

    def states(self, eta: FloatArray) -> FloatArray:
        """A member beyond `FARTHEST` begins where its neighbor at the edge stands, and goes on by its own law."""
        u = np.clip(_standardized(self.design, eta), -FARTHEST, FARTHEST)
        g = np.clip(_terms(u) @ self.coefficients, self.low, self.high)
        return np.where(self.logged, np.exp(np.where(self.logged, g, 0.0)), g)


def next_design(
    model: PatientModel,
    course: Course,
    belief: Belief,
    before: FootingDesign | None,
    *,
    time_h: float,
    deadline: Deadline | None = None,
) -> FootingDesign | None:
    """The design to go on with after `time_h`; a pure function of the course until then and of the beliefs."""
    if not model.effects or course.happened_before(time_h) <= HAPPENINGS or _start_h(course, time_h) is None:
        return None
    if before is not None:
        good = footing_at(model, course, before, deadline) is not None
        contained = _contains(before, belief)
        recent = course.happened_before(time_h) - course.happened_before(before.time_h) < HAPPENINGS
        if recent and (contained or not good):
            return before  # one that was refused is not tried again at once: trying costs what it should save
        if contained and good:
            return FootingDesign(time_h, before.mean, before.chol)
    fresh = FootingDesign(time_h, belief.mean, WIDER * belief.chol)
    wide = footing_at(model, course, fresh, deadline)
    return fresh if wide is not None else FootingDesign(time_h, belief.mean, NARROWER * belief.chol)


def footing_at(
    model: PatientModel, course: Course, design: FootingDesign | None, deadline: Deadline | None = None
) -> FittedFooting | None:
    """The footing of `design`, or None where it is not good enough."""
    if design is None:
        return None
    parts = design.mean.tobytes() + design.chol.tobytes()
    marks = course.marks_until(design.time_h)
    split = course.mark_digest(marks) if marks else ""
    key = (model.digest, split, course.history_digest(design.time_h), design.time_h, parts)
    kept = _FOOTINGS.get(key)
    if kept is None:
        kept = _fitted(model, course, design, deadline) or REFUSED
        if deadline is not None and deadline.expired:
            return None
        _FOOTINGS.keep(key, kept, 1000 if isinstance(kept, str) else kept.coefficients.nbytes + 1000)
    return None if isinstance(kept, str) else kept


def _contains(design: FootingDesign, belief: Belief) -> bool:
    """Whether `REACH` standard deviations of the belief lie within as many of the design's spread, on every axis."""
    shift = np.linalg.solve(design.chol, belief.mean - design.mean)
    spread = np.sqrt(np.sum(np.linalg.solve(design.chol, belief.chol) ** 2, axis=1))
    return bool(np.all(np.abs(shift) + REACH * spread <= FARTHEST))


def _spread(effects: int) -> FloatArray:
    return standard_draws("footing", effects, MEMBERS)[:, :effects]


def _standardized(design: FootingDesign, eta: FloatArray) -> FloatArray:
    return np.asarray(np.linalg.solve(design.chol, (eta - design.mean).T).T)


def _terms(u: FloatArray) -> FloatArray:
    """(N, terms): 1, u_i, u_i u_j; only squares where all products would be more than `PRODUCTS_MAX`."""
    n = u.shape[1]
    i, j = np.triu_indices(n)
    if 1 + n + len(i) > PRODUCTS_MAX:
        i = j = np.arange(n)
    return np.column_stack([np.ones(len(u)), u, u[:, i] * u[:, j]])


def _start_h(course: Course, time_h: float) -> float | None:
    """The last mark but one up to `time_h`, at least 32 happenings before it; None where many happenings at one
    instant leave fewer marks than two."""
    before = course.marks_until(time_h)
    return course.marks[before - 2] if before >= 2 else None


def _fitted(
    model: PatientModel, course: Course, design: FootingDesign, deadline: Deadline | None
) -> FittedFooting | None:
    u = _spread(len(design.mean))
    eta = design.mean + u @ design.chol.T
    start_h = _start_h(course, design.time_h)
    if start_h is None:
        return None
    begun = propagate(model, course, eta, [start_h], deadline=deadline).final
    exact = propagate(model, course, eta, [design.time_h], deadline=deadline).final
    sound = np.isfinite(begun).all(axis=1) & np.isfinite(exact).all(axis=1)
    kept = np.arange(len(u)) % 4 == 0
    learn = sound & ~kept
    judge = sound & kept & (np.abs(u).max(axis=1) <= FARTHEST)
    beyond = sound & (np.abs(u).max(axis=1) > FARTHEST) & (np.abs(u).max(axis=1) <= FARTHER)
    if learn.sum() < 0.7 * len(u):
        return None
    found = _learned(design, start_h, u[learn], begun[learn])
    try:
        run = propagate(model, course, eta[judge], [design.time_h], footing=found, deadline=deadline)
    except Refusal:
        return None
    greatest = FLOOR * _greatest(model, course, design, deadline)
    missed = np.abs(run.final - exact[judge]) / np.maximum(np.abs(exact[judge]), greatest)
    bad = np.any(missed > TOLERANCE, axis=0)
    doubtful = _resting_on(model.system, frozenset(s.name for s, b in zip(model.system.states, bad, strict=True) if b))
    always = {o.output for o in model.observables.values()} | {e.output for e in model.endpoints}
    if doubtful & always:
        return None
    far = replace(found, doubtful=doubtful, reach=FARTHER)
    if beyond.any():
        run = propagate(model, course, eta[beyond], [design.time_h], footing=far, deadline=deadline)
        missed = np.abs(run.final - exact[beyond]) / np.maximum(np.abs(exact[beyond]), greatest)
    good = bool(beyond.any()) and bool(np.all(missed[:, ~bad] <= TOLERANCE_FAR))
    return far if good else replace(far, reach=FARTHEST)


def _resting_on(system: System, states: frozenset[str]) -> frozenset[str]:
    """Outputs that depend on `states`, or on what they drive."""
    driven = set(states)
    while True:
        more = {s.name for s in system.states if s.name not in driven and driven & set(symbols_of([s.rate]))}
        if not more:
            return frozenset(o.name for o in system.outputs if driven & set(symbols_of([o.expression])))
        driven |= more


def _learned(design: FootingDesign, start_h: float, u: FloatArray, states: FloatArray) -> FittedFooting:
    """Least squares; a state is never put beyond what was learned from."""
    least, most = states.min(axis=0), states.max(axis=0)
    logged = (least > 0.0) & (least > LOGGED_MIN * most)
    wanted = np.where(logged, np.log(np.where(logged, states, 1.0)), states)
    coefficients = np.asarray(np.linalg.lstsq(_terms(u), wanted, rcond=None)[0], dtype=np.float64)
    return FittedFooting(design, start_h, coefficients, wanted.min(axis=0), wanted.max(axis=0), logged)


def _greatest(model: PatientModel, course: Course, design: FootingDesign, deadline: Deadline | None) -> FloatArray:
    """(ns,) The greatest size of each state of the design's central member, around its last happenings."""
    ends = np.array([0.0, *course.happenings(design.time_h)[-HAPPENINGS:], design.time_h])
    times = np.unique((ends[:-1, None] + WITHIN * np.diff(ends)[:, None]).ravel())
    run = simulate(
        model.system,
        course.parameters(model, design.mean[None], design.time_h),
        course.schedule(design.time_h),
        times,
        after_dose=np.ones(len(times), dtype=bool),
        keep_states=True,
        deadline=deadline,
    )
    assert run.states is not None
    return np.asarray(np.nan_to_num(np.abs(run.states[0]), nan=0.0).max(axis=0))
