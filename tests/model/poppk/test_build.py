"""Files become blocks: effects, occasions, units, structures, and refusals that say what is wrong."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

from twin_service.model.compose import compose
from twin_service.model.poppk import build_poppk
from twin_service.model.poppk.record import effects_of, parse_model
from twin_service.model.structure import PatientModel
from twin_service.outcome import Refusal, RefusalCode
from twin_service.solver.schedule import Dose, Schedule
from twin_service.solver.simulate import Tolerances, simulate

ORIGIN = "a number for this test"


def raw(**changes: Any) -> dict[str, Any]:
    table: dict[str, Any] = {
        "id": "t",
        "schema": 2,
        "version": "1",
        "drug": "x",
        "source": "test",
        "structure": {"compartments": 1, "absorption": "first_order", "elimination": "linear"},
        "parameters": {
            "CL": {"value": 5.0, "unit": "L/h", "origin": ORIGIN, "effect": {"variance": 0.09}},
            "V": {"value": 50.0, "unit": "L", "origin": ORIGIN, "effect": {"variance": 0.04}},
            "KA": {"value": 1.0, "unit": "1/h", "origin": ORIGIN},
        },
        "observable": [{"analyte": "x", "unit": "mg/L", "error": {"proportional": 0.1}}],
    }
    table = copy.deepcopy(table)
    for key, value in changes.items():
        target = table
        *path, last = key.split("__")
        for p in path:
            target = target.setdefault(p, {})
        target[last] = value
    return table


def build(table: dict[str, Any]) -> PatientModel:
    return compose("m", {"d": build_poppk(parse_model(table))})


def levels(
    m: PatientModel,
    eta: np.ndarray,
    times: list[float],
    *,
    route: str = "iv",
    amount: float = 100.0,
    covariates: dict[str, float] | None = None,
    output: str = "d.central",
) -> np.ndarray:
    run = simulate(
        m.system,
        m.members(covariates or {}, eta),
        Schedule((Dose(0.0, f"d.{route}", amount),)),
        times,
        tolerances=Tolerances(rtol=1e-9, atol_scale=1e-3),
    )
    assert run.ok
    return run.outputs[:, :, m.system.output_index[output]]


def test_one_compartment_bolus_is_the_closed_form() -> None:
    eta = np.array([[0.0, 0.0], [0.3, -0.2]])
    got = levels(build(raw()), eta, [1.0, 7.0])
    cl, v = 5.0 * np.exp(eta[:, :1]), 50.0 * np.exp(eta[:, 1:])
    np.testing.assert_allclose(got, 100.0 / v * np.exp(-cl / v * np.array([1.0, 7.0])), rtol=1e-9)


def test_first_order_absorption_is_the_closed_form() -> None:
    t, k = np.array([0.5, 3.0, 12.0]), 0.1
    got = levels(
        build(raw(parameters__F={"value": 0.7, "unit": "1", "origin": ORIGIN})), np.zeros((1, 2)), list(t), route="oral"
    )
    np.testing.assert_allclose(got[0], 70.0 / 50.0 / (1.0 - k) * (np.exp(-k * t) - np.exp(-t)), rtol=1e-9)


def test_units_of_the_publication_are_converted() -> None:
    day = build(raw(parameters__CL={"value": 120.0, "unit": "L/day", "origin": ORIGIN, "effect": {"variance": 0.09}}))
    np.testing.assert_allclose(
        levels(day, np.zeros((1, 2)), [4.0]), levels(build(raw()), np.zeros((1, 2)), [4.0]), rtol=1e-12
    )


def test_observables_in_other_units() -> None:
    table = raw(
        observable=[
            {"analyte": "x", "unit": "ug/L", "error": {"proportional": 0.1}},
            {"analyte": "y", "unit": "umol/L", "molar_mass_g_mol": 250.0, "error": {"proportional": 0.1}},
        ]
    )
    m = build(table)
    base = levels(m, np.zeros((1, 2)), [2.0])
    np.testing.assert_allclose(levels(m, np.zeros((1, 2)), [2.0], output="d.central_ug_per_L"), 1000.0 * base)
    np.testing.assert_allclose(levels(m, np.zeros((1, 2)), [2.0], output="d.central_umol_per_L"), 4.0 * base)


@pytest.mark.parametrize(
    ("kind", "extra", "expected"),
    [
        ("exponential", {}, 0.4 * np.exp(0.5)),
        ("proportional", {}, 0.4 * 1.5),
        ("additive", {}, 0.9),
        ("logit", {}, 1.0 / (1.0 + 1.5 * np.exp(-0.5))),
        ("boxcox_logit", {"shape": 0.3}, 1.0 / (1.0 + 1.5 * np.exp(-(np.exp(0.15) - 1.0) / 0.3))),
    ],
)
def test_effect_kinds(kind: str, extra: dict[str, float], expected: float) -> None:
    f = {"value": 0.4, "unit": "1", "origin": ORIGIN, "effect": {"kind": kind, "variance": 0.1, **extra}}
    m = build(raw(parameters__F=f))
    eta = np.array([[0.0, 0.0, 0.5]])
    ratio = levels(m, eta, [2.0], route="oral") / levels(build(raw()), np.zeros((1, 2)), [2.0], route="oral")
    assert ratio[0, 0] == pytest.approx(expected, rel=1e-9)


def test_shared_and_scaled_effect_is_one_effect() -> None:
    v = {"value": 50.0, "unit": "L", "origin": ORIGIN, "effect": {"shares": "CL", "scale": 0.5}}
    m = build(raw(parameters__V=v))
    assert len(m.effects) == 1
    got = levels(m, np.array([[0.4]]), [3.0])
    v_i, cl_i = 50.0 * np.exp(0.2), 5.0 * np.exp(0.4)
    assert got[0, 0] == pytest.approx(100.0 / v_i * np.exp(-cl_i / v_i * 3.0), rel=1e-9)


def test_occasion_effects_act_on_their_occasion_only() -> None:
    cl = {
        "value": 5.0,
        "unit": "L/h",
        "origin": ORIGIN,
        "effect": {"variance": 0.09, "occasion_variance": 0.02, "occasions": 2},
    }
    m = build(raw(parameters__CL=cl))
    assert [e.occasion for e in m.effects] == [False, False, True, True]
    np.testing.assert_allclose(np.diag(m.omega), [0.09, 0.04, 0.02, 0.02])
    eta = np.array([[0.0, 0.0, 0.5, -0.5]])
    by_occasion = [levels(m, eta, [5.0], covariates={"occasion": float(k)})[0, 0] for k in (0, 1, 2, 3)]
    expected = [2.0 * np.exp(-0.1 * np.exp(e) * 5.0) for e in (0.0, 0.5, -0.5, 0.0)]
    np.testing.assert_allclose(by_occasion, expected, rtol=1e-9)


def test_full_covariance() -> None:
    m = build(raw(covariance=[{"between": ["CL", "V"], "value": 0.03}]))
    np.testing.assert_allclose(m.omega, [[0.09, 0.03], [0.03, 0.04]])


def test_zero_order_transit_and_lag_deliver_the_whole_dose() -> None:
    """AUC = F dose / CL whatever the absorption; here by the amount that has left at the end."""
    for structure, extra in (
        ({"absorption": "zero_order"}, {"D1": (3.0, "h")}),
        ({"absorption": "transit", "transit_compartments": 3}, {"MTT": (2.0, "h")}),
        ({"absorption": "transit", "transit_compartments": 1}, {"MTT": (2.0, "h"), "KA": (0.8, "1/h")}),
        ({"absorption": "first_order"}, {"KA": (1.0, "1/h"), "LAG": (1.5, "h")}),
        ({"absorption": "first_order"}, {"KA": (1.0, "1/h"), "D1": (1.5, "h")}),
    ):
        table = raw(structure={"compartments": 2, "elimination": "linear", **structure})
        del table["parameters"]["KA"]
        table["parameters"]["V1"] = table["parameters"].pop("V")
        more = {**extra, "V2": (30.0, "L"), "Q": (4.0, "L/h")}
        table["parameters"] |= {n: {"value": v, "unit": u, "origin": ORIGIN} for n, (v, u) in more.items()}
        t = np.arange(0.0, 400.0, 0.05)
        c = levels(build(table), np.zeros((1, 2)), list(t), route="oral")[0]
        # trapezoid of a curve with a kink: error of the order of step^2
        assert np.trapezoid(c, t) == pytest.approx(20.0, rel=1e-3), structure


def test_micro_constants_equal_clearances() -> None:
    table = raw(structure={"compartments": 2, "absorption": "none", "elimination": "linear"})
    micro = {"K": (0.1, "1/h"), "V": (50.0, "L"), "K12": (0.08, "1/h"), "K21": (0.16, "1/h")}
    flows = {"CL": (5.0, "L/h"), "V1": (50.0, "L"), "Q": (4.0, "L/h"), "V2": (25.0, "L")}
    other = copy.deepcopy(table)
    table["parameters"] = {n: {"value": v, "unit": u, "origin": ORIGIN} for n, (v, u) in micro.items()}
    other["parameters"] = {n: {"value": v, "unit": u, "origin": ORIGIN} for n, (v, u) in flows.items()}
    none = np.zeros((1, 0))
    np.testing.assert_allclose(
        levels(build(table), none, [1.0, 20.0]), levels(build(other), none, [1.0, 20.0]), rtol=1e-10
    )


def test_saturable_elimination_at_low_level_is_linear() -> None:
    table = raw(structure={"compartments": 1, "absorption": "none", "elimination": "michaelis_menten"})
    table["parameters"] |= {
        "VMAX": {"value": 5e4, "unit": "mg/h", "origin": ORIGIN},
        "KM": {"value": 1e4, "unit": "mg/L", "origin": ORIGIN},
    }
    del table["parameters"]["CL"], table["parameters"]["KA"]
    low = levels(build(table), np.zeros((1, 1)), [6.0])[0, 0]
    # CL = VMAX / KM = 5, with an error of the order of C / KM = 2e-4
    assert low == pytest.approx(2.0 * np.exp(-0.6), rel=3e-4)


def test_a_metabolite_takes_its_fraction() -> None:
    table = raw(structure={"compartments": 1, "absorption": "none", "elimination": "linear", "metabolite": True})
    del table["parameters"]["KA"]
    table["parameters"] |= {
        n: {"value": v, "unit": u, "origin": ORIGIN}
        for n, (v, u) in {"FM": (0.6, "1"), "CLM": (2.0, "L/h"), "VM": (20.0, "L")}.items()
    }
    t = np.arange(0.0, 400.0, 0.05)
    c = levels(build(table), np.zeros((1, 2)), list(t), output="d.metabolite")[0]
    assert np.trapezoid(c, t) == pytest.approx(0.6 * 100.0 / 2.0, rel=1e-4)


def test_a_parameter_that_nothing_reads_is_refused_with_what_was_meant() -> None:
    with pytest.raises(Refusal, match="parameters.LAGG: nothing in this structure uses it; did you mean 'LAG'"):
        build(raw(parameters__LAGG={"value": 1.0, "unit": "h", "origin": ORIGIN}))


def test_a_variance_of_zero_is_no_effect() -> None:
    m = build(raw(parameters__V__effect={"kind": "exponential", "variance": 0.0}))
    assert [e.name for e in m.effects] == ["d__eta_CL"]


def test_every_mistake_of_meaning_is_told() -> None:
    table = raw(parameters__CL__unit="gal", parameters__V__effect={"kind": "cubic", "variance": 1.0})
    with pytest.raises(Refusal) as caught:
        build(table)
    assert "unit 'gal'" in caught.value.message and "kind 'cubic'" in caught.value.message


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"parameters__CL__origin": ""}, "parameters.CL.origin: is empty"),
        ({"parameters__CL__unit": "gal/fortnight"}, "unit 'gal/fortnight' is unknown"),
        ({"schema": 3}, "schema: is 3; known: 1, 2"),
        (
            {"parameters__CL__covariate_effect": [{"law": "astrology", "covariate": "weight_kg", "coefficient": 1.0}]},
            "astrology",
        ),
        (
            {"parameters__CL__covariate_effect": [{"law": "power", "covariate": "weight_kg", "coefficient": 1.0}]},
            "not declared",
        ),
        ({"parameters__CL__effect": {"variance": -0.1}}, "variance"),
        ({"parameters__CL__effect": {"kind": "cubic", "variance": 0.1}}, "cubic"),
        ({"structure": {"compartments": 4}}, "expected 1, 2 or 3"),
        ({"structure": {"compartments": 2, "absorption": "none"}}, "needs the parameters"),
        ({"structure": {"compartments": 1, "absorption": "osmosis"}}, "osmosis"),
        ({"structure": {"compartments": 1, "absorption": "none", "response": {"law": "magic"}}}, "magic"),
        ({"covariance": [{"between": ["CL", "V"], "value": 0.5}]}, "not positive definite"),
        ({"covariance": [{"between": ["CL", "Q"], "value": 0.01}]}, "no such effects"),
        ({"derived": ["body_surface_m2"]}, "needs height_cm"),
        ({"derived": ["phase_of_the_moon"]}, "phase_of_the_moon"),
        ({"routes": ["rectal"]}, "rectal"),
        ({"observable": [{"analyte": "x", "compartment": "liver", "unit": "mg/L", "error": {}}]}, "liver"),
        ({"observable": [{"analyte": "x", "unit": "furlong", "error": {}}]}, "furlong"),
        (
            {
                "endpoint": [
                    {"id": "e", "output": "central", "unit": "g", "comparison": "above", "threshold": 1, "title": "t"}
                ]
            },
            "R5",
        ),
    ],
)
def test_a_faulty_file_is_refused_with_its_fault(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(Refusal) as caught:
        build(raw(**changes))
    assert words in caught.value.message
    assert caught.value.code is RefusalCode.INVALID
    assert "poppk/t.toml" in caught.value.message


def test_an_unknown_model_names_the_known_ones() -> None:
    with pytest.raises(Refusal, match="vancomycin_goti") as caught:
        build_poppk("no_such_model")
    assert caught.value.code is RefusalCode.NOT_FOUND


def test_an_effect_stated_by_its_standard_deviation() -> None:
    record = parse_model(raw(parameters__CL__effect={"sd": 0.3}))
    assert effects_of(record)["CL"].variance == pytest.approx(0.09)
