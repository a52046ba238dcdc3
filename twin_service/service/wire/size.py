"""How large an answer would be, estimated from the question alone, before a dose or a time is expanded."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from twin_service.outcome import Refusal, RefusalCode
from twin_service.scenario.regimen import Regimen
from twin_service.settings import Settings
from twin_service.twin.recommend import Dispensable

BYTES = 8
POINTS = 200
POINTS_PER_DOSE = 2


def check_plans(regimens: Iterable[Regimen], settings: Settings, field: str) -> None:
    """Refuses a plan of more doses than the limit, by its place."""
    for i, plan in enumerate(regimens):
        doses = doses_of(plan)
        if doses > settings.doses_max:
            raise _too_large(f"{doses} doses in one plan; at most {settings.doses_max}", f"{field}[{i}].doses")


def doses_of(plan: Regimen) -> int:
    return sum(d.count + (1 if d.loading_mg > 0 else 0) for d in plan.doses)


def check_options(options: Sequence[Dispensable], horizon_h: float, settings: Settings) -> None:
    """Refuses an option that would be given more often than the limit within the horizon."""
    for i, option in enumerate(options):
        for j, interval_h in enumerate(option.intervals_h):
            # the interval may be zero or denormal: compared, never divided by
            if horizon_h > settings.doses_max * interval_h:
                said = f"every {interval_h:.3g} h for {horizon_h:g} h is more than {settings.doses_max} doses"
                raise _too_large(f"{said}; check the unit", f"options[{i}].intervals[{j}]")


def check_visits(visit_h: float, horizon_h: float, settings: Settings, field: str) -> None:
    # a visit every 0 h is no schedule: whoever reads the protocol refuses it by its field
    if visit_h > 0.0 and horizon_h > settings.doses_max * visit_h:
        raise _too_large(f"a visit every {visit_h:.3g} h is more than {settings.doses_max} visits", field)


def check_memory(members: int, doses: int, outputs: int, settings: Settings) -> None:
    """Refuses an answer whose members would not fit into the memory of one call."""
    estimate = members * (POINTS + POINTS_PER_DOSE * doses) * max(1, outputs) * BYTES
    if estimate > settings.call_bytes_max:
        said = (
            f"{members} members over {doses} doses and {outputs} outputs need about {estimate / 2**20:.0f} MB; "
            f"at most {settings.call_bytes_max / 2**20:.0f} MB. Ask for fewer members, doses or outputs"
        )
        raise _too_large(said, "members")


def _too_large(said: str, field: str) -> Refusal:
    return Refusal(RefusalCode.TOO_MUCH, said, field=field, reason="TOO_LARGE")
