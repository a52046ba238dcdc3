"""Treatment by rule: each member follows its own decisions, and the plan stands where no rule speaks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.twin.one_compartment import CL, V, one_compartment, person, weight
from twin_service.model.compose import compose
from twin_service.model.qsp.build import build_block
from twin_service.model.qsp.join import two_compartment_block
from twin_service.model.structure import DoseRoute
from twin_service.outcome import Refusal
from twin_service.record.timeline import Timeline
from twin_service.scenario.regimen import PlannedDoses, Regimen
from twin_service.scenario.target import Target
from twin_service.solver.schedule import Dose, Schedule
from twin_service.solver.simulate import simulate
from twin_service.twin.fold import Folded, fold
from twin_service.twin.protocol import Protocol, Rule
from twin_service.twin.simulate import start_from, what_if
from twin_service.twin.trajectory import belief_members
from twin_service.twin.treat import TreatedMembers, treat

DAILY = Regimen("daily", (PlannedDoses("drugx", "iv", 100.0, 24.0, 10),))
NEVER = Rule("never", "drugx", "above", 1e6, "hold")
N = 64


@pytest.fixture(scope="module")
def fresh() -> Folded:
    return fold(one_compartment(), person(), Timeline.of([weight()]))


@pytest.fixture(scope="module")
def cancer() -> Folded:
    drug = two_compartment_block({"cl": 37.8, "v1": 8.0, "v2": 105.0, "q": 12.0}, "umol/L")
    drug = replace(drug, routes=(DoseRoute("docetaxel", "iv", "dose", 1000 / 807.9),))
    model = compose(
        "m", {"anc": build_block("neutropenia_friberg"), "drug": drug}, {"anc.drug_concentration": "drug.level"}
    )
    return fold(model, person(), Timeline.of([]))


def one(folded: Folded, protocol: Protocol, **asked: float) -> TreatedMembers:
    found, _ = treat(folded, [protocol], start_h=0.0, members=N, **{"horizon_h": 240.0, **asked})
    return found[0]


def clearance(folded: Folded) -> np.ndarray:
    return CL * np.exp(belief_members(folded, N, forecast=True)[:, 0])


def test_a_rule_that_never_speaks_gives_the_plain_plan_bit_for_bit(fresh: Folded) -> None:
    target = Target("drugx", "trough", 1.0, 2.0)
    (ruled,), (plain,) = treat(
        fresh, [Protocol(DAILY, (NEVER,), 24.0)], [DAILY], start_h=0.0, horizon_h=240.0, targets=[target], members=N
    )
    assert np.array_equal(ruled.what_if.bands.series[0].quantiles, plain.bands.series[0].quantiles)
    assert ruled.what_if.targets == plain.targets and ruled.what_if.endpoints == plain.endpoints
    assert np.all(ruled.intensity["drugx"] == 1.0) and not ruled.followed.acted.any()
    (alone,) = what_if(fresh, [DAILY], start_h=0.0, horizon_h=240.0, targets=[target], members=N)
    assert alone.targets[0].q50 == pytest.approx(plain.targets[0].q50, rel=1e-6)


def test_a_hold_comes_to_those_who_clear_slowly(fresh: Folded) -> None:
    """Trough before the second dose 100/V exp(-CL/V 24): above 0.5 mg/L exactly when CL < ln(10) V/24."""
    rule = Rule("too high", "drugx", "above", 0.5, "hold")
    found = one(fresh, Protocol(DAILY, (rule,), 24.0, held="omitted"), horizon_h=48.0)
    slow = clearance(fresh) < np.log(100.0 / V / 0.5) * V / 24.0
    assert 0.2 < slow.mean() < 0.8
    assert np.array_equal(found.followed.holds > 0, slow)
    assert np.array_equal(found.followed.given_mg["drugx"], np.where(slow, 100.0, 200.0))
    assert found.followed.planned_mg == {"drugx": 200.0} and found.followed.acted[:, 0].tolist() == slow.tolist()


def test_each_course_is_one_plain_simulation_of_what_was_given(cancer: Folded) -> None:
    """The doses of one member, reconstructed by hand, give its course."""
    plan = Regimen("q3w", (PlannedDoses("docetaxel", "iv", 180.0, 504.0, 4, 1.0),))
    low = Rule("grade4", "neutrophils", "below", 0.5, "adjust", look="worst", factor=0.75, share_min=0.5)
    (found,), (plain,) = treat(
        cancer, [Protocol(plan, (low,), 168.0)], [plan], start_h=0.0, horizon_h=2016.0, members=N
    )
    shares = found.intensity["docetaxel"]
    assert shares.max() == 1.0 and shares.min() < 0.8
    reduced = int(np.argmin(np.abs(shares - (1 + 3 * 0.75) / 4)))
    assert shares[reduced] == pytest.approx((1 + 3 * 0.75) / 4)
    assert found.followed.adjustments[reduced] == 1
    start = start_from(cancer, 0.0, N)
    hours = found.what_if.bands.times_h
    doses = tuple(
        Dose(504.0 * k, "drug.dose", 180.0 * (1.0 if k == 0 else 0.75) * (1000 / 807.9), 1.0) for k in range(4)
    )
    system, cells = cancer.model.system, cancer.model.system.output_index["anc.cells"]
    by_hand = simulate(system, start.rows[[reduced]], Schedule(doses), hours, state=start.states[[reduced]])
    assert found.followed.outputs[reduced, :, cells] == pytest.approx(by_hand.outputs[0, :, cells], rel=1e-6)
    worse = {r.endpoint.id: r.probability for r in plain.endpoints}
    better = {r.endpoint.id: r.probability for r in found.what_if.endpoints}
    assert better["neutropenia_grade4"] <= worse["neutropenia_grade4"]


def test_a_hold_waits_until_the_count_is_back(cancer: Folded) -> None:
    """Grade 4 holds until 1.5; no member is dosed below 1.5, and every delay shifts the later doses."""
    plan = Regimen("q2w", (PlannedDoses("docetaxel", "iv", 200.0, 336.0, 4, 1.0),))
    hold = Rule("hold", "neutrophils", "below", 0.5, "hold", look="worst", resume=1.5)
    found = one(cancer, Protocol(plan, (hold,), 84.0), horizon_h=2016.0)
    f, hours = found.followed, found.what_if.bands.times_h
    assert 0.1 < np.mean(f.holds > 0) < 1.0 and np.all(found.intensity["docetaxel"] == 1.0)
    anc = f.outputs[:, :, cancer.model.system.output_index["anc.cells"]]
    level = f.outputs[:, :, cancer.model.system.output_index["drug.level"]]
    at = np.searchsorted(hours, 336.0)
    grade4 = anc[:, :at].min(axis=1) < 0.5
    waits = grade4 & (anc[:, at] < 1.5)
    rises = level[:, np.searchsorted(hours, 337.0)] > 10 * level[:, at]
    assert np.array_equal(rises, ~waits), "given on time exactly when the count allows it"


def test_delays_beyond_the_longest_end_the_drug(cancer: Folded) -> None:
    plan = Regimen("q2w", (PlannedDoses("docetaxel", "iv", 250.0, 168.0, 6, 1.0),))
    hold = Rule("hold", "neutrophils", "below", 1.5, "hold")
    patient = one(cancer, Protocol(plan, (hold,), 84.0), horizon_h=2016.0).followed
    strict = one(cancer, Protocol(plan, (hold,), 84.0, delay_max_h=84.0), horizon_h=2016.0).followed
    assert not np.isfinite(patient.stopped_h).any() and np.isfinite(strict.stopped_h).any()
    assert np.all(strict.given_mg["docetaxel"] <= patient.given_mg["docetaxel"])


def test_a_stop_ends_one_drug_of_a_combination(fresh: Folded) -> None:
    model = fresh.model
    both = replace(model, routes=(*model.routes, replace(model.routes[0], drug="drugy")))
    twin = replace(fresh, model=both)
    plan = Regimen("both", (*DAILY.doses, PlannedDoses("drugy", "iv", 1.0, 24.0, 10)))
    stop = Rule("toxic", "drugx", "above", 1.0, "stop", drugs=("drugx",))
    f = one(twin, Protocol(plan, (stop,), 24.0)).followed
    stopped = np.isfinite(f.stopped_h)
    assert 0 < stopped.mean() < 1 and np.all(f.given_mg["drugy"] == 10.0)
    assert np.allclose(f.given_mg["drugx"][stopped], 100.0 * f.stopped_h[stopped] / 24.0)
    assert np.all(f.given_mg["drugx"][~stopped] == 1000.0)


def test_a_rescue_is_given_when_the_level_falls(fresh: Folded) -> None:
    """One dose, then a rescue at most twice whenever the level is below 1 mg/L at a visit."""
    single = Regimen("one", (PlannedDoses("drugx", "iv", 100.0, 24.0, 1),))
    rescue = Rule("low", "drugx", "below", 1.0, "rescue", rescue=PlannedDoses("drugx", "iv", 50.0, 0.0, 1), times_max=2)
    f = one(fresh, Protocol(single, (replace(rescue, times_max=0),), 12.0), horizon_h=120.0).followed
    # at hour 0 nothing was given yet, so every member starts with one
    assert np.array_equal(f.rescues > 1, f.rescue_mg["drugx"] > 50.0) and np.all(f.rescues >= 1)
    twice = one(fresh, Protocol(single, (rescue,), 12.0), horizon_h=120.0).followed
    assert twice.rescues.max() == 2 and np.all(twice.rescue_mg["drugx"] == 50.0 * twice.rescues)
    assert np.all(twice.given_mg["drugx"] == 100.0), "a rescue is no part of the planned dose"


def test_a_dose_rises_to_its_ceiling_and_falls_to_its_floor(fresh: Folded) -> None:
    up = Rule("up", "drugx", "below", 1e6, "adjust", factor=1.5, share_max=2.0)
    down = Rule("down", "drugx", "below", 1e6, "adjust", factor=0.5, share_min=0.25)
    for rule, shares in ((up, [1, 1.5, 2.0, 2.0]), (down, [1, 0.5, 0.25, 0.25])):
        f = one(fresh, Protocol(DAILY, (rule,), 24.0), horizon_h=96.0).followed
        assert np.all(f.given_mg["drugx"] == 100.0 * sum(shares)) and np.all(f.adjustments == 2)


def test_only_the_first_adjusting_rule_counts_and_once_for_each_dose(fresh: Folded) -> None:
    rules = tuple(Rule(n, "drugx", "below", 1e6, "adjust", factor=x) for n, x in (("a", 0.5), ("b", 0.1)))
    twice_weekly = Regimen("x", (PlannedDoses("drugx", "iv", 100.0, 48.0, 3),))
    f = one(fresh, Protocol(twice_weekly, rules, 12.0), horizon_h=144.0).followed
    assert np.all(f.given_mg["drugx"] == 100.0 * (1 + 0.5 + 0.25)) and not f.acted[:, 1].any()


def test_a_reduction_in_one_line_of_the_plan_holds_in_the_next(fresh: Folded) -> None:
    """A sequence: three doses of 100, then three of 60 of the same drug."""
    plan = Regimen(
        "sequence",
        (PlannedDoses("drugx", "iv", 100.0, 24.0, 3), PlannedDoses("drugx", "iv", 60.0, 24.0, 3, delay_h=72.0)),
    )
    rule = Rule("once", "drugx", "above", 0.01, "adjust", factor=0.5, share_min=0.5)
    f = one(fresh, Protocol(plan, (rule,), 24.0), horizon_h=144.0).followed
    assert np.all(f.given_mg["drugx"] == 100.0 + 2 * 50.0 + 3 * 30.0)


def test_a_threshold_may_be_relative_to_the_start(cancer: Folded) -> None:
    plan = Regimen("q3w", (PlannedDoses("docetaxel", "iv", 180.0, 504.0, 2, 1.0),))
    absolute, relative = (
        one(
            cancer,
            Protocol(plan, (Rule("r", "neutrophils", "below", x, "adjust", look="worst", relative=r),), 168.0),
            horizon_h=1008.0,
        ).followed
        for x, r in ((0.0, False), (0.2, True))
    )
    anc = absolute.outputs[:, :, cancer.model.system.output_index["anc.cells"]]
    half = anc.shape[1] // 2
    fell = (anc[:, :half] / anc[:, :1]).min(axis=1) < 0.2
    assert not absolute.acted.any() and 0 < fell.mean() < 1 and np.array_equal(relative.acted[:, 0] > 0, fell)


BASE = Rule("r", "drugx", "above", 1.0, "hold")


@pytest.mark.parametrize(
    ("protocol", "field"),
    [
        (Protocol(DAILY, (replace(BASE, output="nothing"),), 24.0), "rules[0].output"),
        (Protocol(DAILY, (BASE, BASE), 24.0), "rules[1].id"),
        (Protocol(DAILY, (replace(BASE, drugs=("aspirin",)),), 24.0), "rules[0].drugs"),
        (Protocol(DAILY, (replace(BASE, resume=2.0),), 24.0), "rules[0].resume"),
        (Protocol(DAILY, (replace(BASE, action="rescue"),), 24.0), "rules[0].rescue"),
        (Protocol(DAILY, (replace(BASE, action="adjust", factor=-1.0),), 24.0), "rules[0].factor"),
        (Protocol(DAILY, (replace(BASE, threshold=float("nan")),), 24.0), "rules[0].threshold"),
        (Protocol(DAILY, (BASE,), 36.0), "plan.doses[0].interval"),
        (Protocol(DAILY, (BASE,), 0.0), "visit_interval"),
        (Protocol(DAILY, (BASE,), 0.1), "visit_interval"),
    ],
)
def test_what_cannot_be_followed_is_refused_by_name(fresh: Folded, protocol: Protocol, field: str) -> None:
    with pytest.raises(Refusal) as refused:
        one(fresh, protocol)
    assert refused.value.field == f"protocols[0].{field}"


def test_an_area_of_an_interval_is_refused_under_rules(fresh: Folded) -> None:
    with pytest.raises(Refusal, match="own intervals"):
        one(fresh, Protocol(DAILY, (BASE,), 24.0), targets=[Target("drugx", "auc_interval")])  # type: ignore[arg-type]
