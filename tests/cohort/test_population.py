"""Virtual populations: who is drawn, that blocks are people and not chances, and what regimens do in them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import ks_2samp, kstest, norm, truncnorm

from twin_service.cohort.matching import Match, matching_weights
from twin_service.cohort.population import (
    BLOCK,
    CharacteristicCorrelation,
    CharacteristicSpread,
    Population,
    block_rows,
    check_population,
    draw_block,
)
from twin_service.cohort.simulate import simulate_population, weighted_quantiles
from twin_service.model.structure import PatientModel
from twin_service.outcome import Refusal
from twin_service.record.person import ModelChoice
from twin_service.scenario.regimen import PlannedDoses, Regimen
from twin_service.scenario.target import Target
from twin_service.solver.tolerances import Deadline
from twin_service.twin.assemble import build

NEONATE, VANCOMYCIN = "phenobarbital_neonate", "vancomycin_thomson"
COURSE = Regimen("load", (PlannedDoses("phenobarbital", "iv", 30.0, 12.0, 4),))


def neonates(size: int, **more: object) -> Population:
    spreads = (CharacteristicSpread("weight_kg", 1.5, 0.5, 0.6, 4.0, lognormal=True),)
    return Population(build(ModelChoice(poppk=NEONATE)), size, spreads, **more)  # type: ignore[arg-type]


def test_drawn_people_follow_the_stated_laws() -> None:
    model = build(ModelChoice(poppk=VANCOMYCIN))
    names = {c.name for c in model.covariates}
    spreads = [CharacteristicSpread("weight_kg", 75.0, 20.0, 50.0, 120.0)]
    spreads += [CharacteristicSpread(n, v) for n, v in (("creatinine_umol_l", 90.0), ("age_y", 60.0)) if n in names]
    spreads += [CharacteristicSpread("sex_female", 0.3)] if "sex_female" in names else []
    population = Population(model, 5 * BLOCK, tuple(spreads), seed=5)
    check_population(population)
    blocks = [draw_block(population, b) for b in range(population.blocks)]
    weight = np.concatenate([x["weight_kg"] for x, _ in blocks])
    law = truncnorm((50 - 75) / 20, (120 - 75) / 20, loc=75, scale=20)
    assert kstest(weight, law.cdf).pvalue > 1e-3
    eta = np.concatenate([e for _, e in blocks])
    assert np.cov(eta.T) == pytest.approx(model.omega, abs=4.0 * float(np.max(model.omega)) / np.sqrt(len(eta)))
    assert kstest(eta[:, 0] / np.sqrt(model.omega[0, 0]), norm.cdf).pvalue > 1e-3
    if "sex_female" in names:
        assert np.mean(np.concatenate([x["sex_female"] for x, _ in blocks])) == pytest.approx(0.3, abs=0.03)


def test_a_block_is_the_same_people_alone_and_in_a_larger_population() -> None:
    small, large = neonates(1300, seed=9), neonates(4000, seed=9)
    for b in range(2):
        (x, eta), (y, theirs) = draw_block(small, b), draw_block(large, b)
        n = len(eta)
        assert np.array_equal(eta, theirs[:n])
        assert np.array_equal(x["weight_kg"], y["weight_kg"][:n])
    assert not np.array_equal(draw_block(large, 0)[1], draw_block(large, 1)[1])
    assert not np.array_equal(draw_block(large, 0)[1], draw_block(neonates(4000, seed=10), 0)[1])


@pytest.mark.parametrize("choice", [ModelChoice(poppk=NEONATE), ModelChoice(drugs=("midazolam",))])
def test_rows_of_a_block_are_those_of_its_members_one_by_one(choice: ModelChoice) -> None:
    model = build(choice)
    weights = np.array([3.0, 2.1]) if choice.poppk else np.array([82.0, 55.0])
    eta = np.linspace(-0.5, 0.5, 2 * len(model.effects)).reshape(2, -1)
    rows = block_rows(model, {"weight_kg": weights}, eta)
    for k in range(2):
        alone = model.members({"weight_kg": float(weights[k])}, eta[k : k + 1])[0]
        assert np.array_equal(rows[k], alone)


def test_weighted_quantiles_are_those_of_repeated_values() -> None:
    rng = np.random.default_rng(2)
    values, counts = rng.normal(size=(40, 3)), rng.integers(1, 6, 40)
    repeated = np.repeat(values, counts, axis=0)
    found = weighted_quantiles(values, counts.astype(float), (0.05, 0.5, 0.9))
    assert found == pytest.approx(np.quantile(repeated, (0.05, 0.5, 0.9), axis=0, method="inverted_cdf"))


def typical_trough(model: PatientModel, weight: float) -> float:
    """20 mg/kg-like course in the typical neonate: closed form of one compartment, last trough at 48 h."""
    p = {q.name: q.value for q in model.system.parameters}
    cl, v = p[f"{NEONATE}__CL"] * weight, p[f"{NEONATE}__V"] * weight
    return float(sum(30.0 / v * np.exp(-cl / v * (48.0 - 12.0 * k)) for k in range(4)))


def test_everyone_alike_gives_the_closed_form_and_certain_attainment() -> None:
    model = build(ModelChoice(poppk=NEONATE))
    nobody_differs = Population(model, 3, (CharacteristicSpread("weight_kg", 1.5),), seed=1)
    low, high = Target("phenobarbital", "final", low=0.0, name="any"), Target("phenobarbital", "final", low=1e6)
    (found,) = simulate_population(nobody_differs, [COURSE], horizon_h=48.0, targets=[low, high])
    assert found.targets[0].probability == 1.0 and found.targets[1].probability == 0.0
    assert found.joint_probability == 0.0
    middle = simulate_population(neonates(2000, seed=3), [COURSE], horizon_h=48.0)[0].bands.series[0]
    assert middle.quantiles[2, -1] == pytest.approx(typical_trough(model, 1.42), rel=0.05)


def test_weights_choose_whom_the_answer_is_about() -> None:
    population = neonates(1500, seed=4)
    weight = np.concatenate([draw_block(population, b)[0]["weight_kg"] for b in range(population.blocks)])
    target = Target("phenobarbital", "final", low=30.0, name="high")

    def share(w: np.ndarray | None) -> float:
        return (
            simulate_population(population, [COURSE], horizon_h=48.0, targets=[target], weights=w)[0]
            .targets[0]
            .probability
        )

    small, large = (weight < np.median(weight)).astype(float), (weight >= np.median(weight)).astype(float)
    assert share(small) > share(None) > share(large)
    assert share(None) == pytest.approx(0.5 * (share(small) + share(large)), abs=1e-9)


def test_matched_weights_carry_the_observed_mean_and_sd() -> None:
    model = build(ModelChoice(effects=("neutropenia_generic",)))
    population = Population(model, 4000, seed=6)
    drawn = matching_weights(population, [Match("neutrophils", 0.0, 4.0, 1.0)])
    values, w = drawn.cloud.values[:, 0], drawn.weights[drawn.weights > 0]
    assert float(w @ values) == pytest.approx(4.0, abs=0.1)
    assert float(np.sqrt(w @ (values - w @ values) ** 2)) == pytest.approx(1.0, abs=0.12)
    assert drawn.weights.sum() == pytest.approx(1.0)
    assert 50.0 < drawn.ess < 4000.0


def test_progress_is_told_and_a_cancelled_run_stops() -> None:
    told: list[float] = []
    simulate_population(neonates(2500), [COURSE, Regimen("none")], horizon_h=24.0, tell=told.append)
    assert told == pytest.approx([k / 6 for k in range(1, 7)])
    stop = Deadline()
    with pytest.raises(Refusal, match="broken off"):
        simulate_population(neonates(2500), [COURSE], horizon_h=24.0, deadline=stop, tell=lambda share: stop.cancel())


def correlated(*pairs: CharacteristicCorrelation, size: int = 10 * BLOCK) -> Population:
    spreads = (
        CharacteristicSpread("weight_kg", 75.0, 15.0, lognormal=True),
        CharacteristicSpread("age_y", 55.0, 12.0),
        CharacteristicSpread("creatinine_umol_l", 90.0, 25.0, lognormal=True),
        CharacteristicSpread("sex_female", 0.4),
    )
    return Population(build(ModelChoice(poppk="vancomycin_goti")), size, spreads, 3, pairs)


def test_characteristics_go_together_as_stated_and_keep_their_laws() -> None:
    """Correlations of logarithms where lognormal; a yes with a number: the point-biserial value of a latent normal."""
    population = correlated(
        CharacteristicCorrelation("weight_kg", "age_y", -0.4),
        CharacteristicCorrelation("age_y", "creatinine_umol_l", 0.6),
        CharacteristicCorrelation("weight_kg", "sex_female", -0.7),
    )
    check_population(population)
    drawn = [draw_block(population, b)[0] for b in range(population.blocks)]
    x = {k: np.concatenate([d[k] for d in drawn]) for k in drawn[0]}
    age, weight, creatinine = x["age_y"], np.log(x["weight_kg"]), np.log(x["creatinine_umol_l"])
    assert np.corrcoef(weight, age)[0, 1] == pytest.approx(-0.4, abs=0.03)
    assert np.corrcoef(age, creatinine)[0, 1] == pytest.approx(0.6, abs=0.03)
    assert np.corrcoef(weight, creatinine)[0, 1] == pytest.approx(0.0, abs=0.03)
    # mean of a standard normal below its 40 % quantile, times the correlation
    z = (weight - weight.mean()) / weight.std()
    assert z[x["sex_female"] == 1.0].mean() == pytest.approx(-0.7 * norm.pdf(norm.ppf(0.4)) / 0.4, abs=0.04)
    assert x["sex_female"].mean() == pytest.approx(0.4, abs=0.02)
    alone = correlated()
    for name in ("weight_kg", "age_y", "creatinine_umol_l"):
        ours = np.concatenate([draw_block(alone, b)[0][name] for b in range(alone.blocks)])
        assert ks_2samp(x[name], ours, method="asymp").pvalue > 1e-3


@pytest.mark.parametrize(
    ("pairs", "said"),
    [
        ((CharacteristicCorrelation("weight_kg", "height_cm", 0.5),), "'height_cm' is not among"),
        ((CharacteristicCorrelation("weight_kg", "weight_kg", 0.5),), "two characteristics"),
        (
            (
                CharacteristicCorrelation("weight_kg", "age_y", 0.5),
                CharacteristicCorrelation("age_y", "weight_kg", 0.5),
            ),
            "each pair once",
        ),
        ((CharacteristicCorrelation("weight_kg", "age_y", 1.0),), "between -1 and 1"),
        (
            (
                CharacteristicCorrelation("weight_kg", "age_y", 0.9),
                CharacteristicCorrelation("age_y", "creatinine_umol_l", 0.9),
                CharacteristicCorrelation("weight_kg", "creatinine_umol_l", -0.9),
            ),
            "not positive definite",
        ),
    ],
)
def test_correlations_that_no_people_can_have_are_refused(
    pairs: tuple[CharacteristicCorrelation, ...], said: str
) -> None:
    with pytest.raises(Refusal, match=said):
        check_population(correlated(*pairs, size=10))


@pytest.mark.parametrize(
    ("spreads", "said"),
    [
        ((CharacteristicSpread("weight", 1.5),), "'weight' is no characteristic"),
        ((CharacteristicSpread("weight_kg", 1.5), CharacteristicSpread("weight_kg", 1.6)), "given twice"),
        ((CharacteristicSpread("weight_kg", 1.5, -0.1),), "sd at least 0"),
        ((CharacteristicSpread("weight_kg", float("nan")),), "finite"),
        ((CharacteristicSpread("weight_kg", 400.0, 1.0),), "lies outside"),
        ((), "needs weight_kg"),
    ],
)
def test_an_impossible_population_is_refused_by_name(spreads: tuple[CharacteristicSpread, ...], said: str) -> None:
    with pytest.raises(Refusal, match=said):
        check_population(Population(build(ModelChoice(poppk=NEONATE)), 10, spreads))
