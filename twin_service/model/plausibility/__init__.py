"""Is an event what was meant? Doses and readings against what is given and seen, slips by odds, duplicates."""

from twin_service.model.plausibility.judge import Judgement, Standing, judge_event, judge_events
from twin_service.model.plausibility.ranges import DoseRange, Range, Ranges, load_ranges
from twin_service.model.plausibility.slips import Slip, likely_slips

__all__ = [
    "DoseRange",
    "Judgement",
    "Range",
    "Ranges",
    "Slip",
    "Standing",
    "judge_event",
    "judge_events",
    "likely_slips",
    "load_ranges",
]
