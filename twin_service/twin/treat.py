"""Treatment protocols beside plans without rules, on one grid and the same members: what the rules change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twin_service.outcome import Refusal, RefusalCode
from twin_service.scenario.grid import Grid
from twin_service.scenario.regimen import Regimen, planned_doses
from twin_service.scenario.target import Target
from twin_service.solver.schedule import Dose
from twin_service.solver.simulate import Deadline
from twin_service.twin.fold import Folded
from twin_service.twin.follow import FollowedMembers, follow, possible_doses
from twin_service.twin.protocol import Protocol, check_protocol
from twin_service.twin.responses import CategoryQuestion, check, marks
from twin_service.twin.simulate import FutureStart, WhatIf, future, grid_for, start_from, summarized
from twin_service.twin.trajectory import resolve_outputs

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class TreatedMembers:
    """One protocol: the forecast of members each treated by its own decisions, and what each of them got."""

    protocol: Protocol
    what_if: WhatIf
    followed: FollowedMembers

    @property
    def intensity(self) -> dict[str, FloatArray]:
        """Dose given over dose planned within the horizon, (N,) by drug; drugs planned for later are left out."""
        f = self.followed
        return {d: f.given_mg[d] / mg for d, mg in f.planned_mg.items() if mg > 0}


def treat(
    folded: Folded,
    protocols: Sequence[Protocol],
    plans: Sequence[Regimen] = (),
    *,
    start_h: float,
    horizon_h: float,
    targets: Sequence[Target] = (),
    outputs: Sequence[str] = (),
    categories: Sequence[CategoryQuestion] = (),
    members: int = 256,
    step_h: float = 0.0,
    deadline: Deadline | None = None,
) -> tuple[list[TreatedMembers], list[WhatIf]]:
    """Every protocol and every plan from `start_h` over `horizon_h` hours, on a grid that sees all their doses."""
    for i, p in enumerate(protocols):
        try:
            check_protocol(folded.model, p, horizon_h)
        except Refusal as refusal:
            raise Refusal(
                refusal.code, refusal.message, field=f"protocols[{i}].{refusal.field}", reason=refusal.reason
            ) from None
    if protocols and any(t.metric == "auc_interval" for t in targets):
        raise Refusal(
            RefusalCode.INVALID,
            "under rules each member has its own intervals; ask for auc or auc_day",
            field="targets",
            reason="BAD_TARGET",
        )
    check(folded, categories, horizon_h)
    names = resolve_outputs(folded, outputs)
    asked = [*names, *(t.output for t in targets), *(r.output for p in protocols for r in p.rules)]
    start = start_from(folded, start_h, members, outputs=asked, free_until_h=horizon_h, deadline=deadline)
    grid = _common_grid(
        folded, start, protocols, plans, horizon_h=horizon_h, targets=targets, step_h=step_h, marks_h=marks(categories)
    )
    treated = [
        _treated(folded, start, p, grid, targets=targets, names=names, categories=categories, deadline=deadline)
        for p in protocols
    ]
    plain = [
        future(
            folded,
            start,
            r,
            horizon_h=horizon_h,
            targets=targets,
            names=names,
            categories=categories,
            grid=grid,
            deadline=deadline,
        )
        for r in plans
    ]
    return treated, plain


def _treated(
    folded: Folded,
    start: FutureStart,
    protocol: Protocol,
    grid: Grid,
    *,
    targets: Sequence[Target],
    names: Sequence[str],
    categories: Sequence[CategoryQuestion],
    deadline: Deadline | None,
) -> TreatedMembers:
    followed = follow(folded, start, protocol, grid, deadline=deadline)
    found = summarized(
        folded,
        start,
        protocol.plan,
        grid,
        outputs=followed.outputs,
        given_h=followed.given_h,
        targets=targets,
        names=names,
        outcome=followed.outcome,
        categories=categories,
    )
    return TreatedMembers(protocol, found, followed)


def _common_grid(
    folded: Folded,
    start: FutureStart,
    protocols: Sequence[Protocol],
    plans: Sequence[Regimen],
    *,
    horizon_h: float,
    targets: Sequence[Target],
    step_h: float,
    marks_h: Sequence[float],
) -> Grid:
    doses = {d for r in plans for d in planned_doses(folded.model, r, start.time_h)}
    for p in protocols:
        # exact times of the plan first: a shifted dose may fall on one of them
        doses |= set(planned_doses(folded.model, p.plan, start.time_h))
        doses |= {Dose(start.time_h + t, "", 0.0, over) for t, over in possible_doses(p, horizon_h)}
    visits = [v for p in protocols for v in p.visits(horizon_h)]
    name = protocols[0].plan.name if protocols else ""
    return grid_for(
        name, sorted(doses), start.time_h, horizon_h, targets=targets, step_h=step_h, marks_h=[*marks_h, *visits]
    )
