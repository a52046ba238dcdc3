"""PEtab problems: the Perelson 1996 fit to its published optimum, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from twin_service.fit.parameters.fit import estimate
from twin_service.fit.petab.read import read_petab
from twin_service.outcome import Refusal
from twin_service.solver.expression import constant, symbol
from twin_service.solver.system import Parameter, State, System

# plasma HIV-1 RNA of patient 105, Perelson 1996, doi:10.1126/science.271.5255.1582
TIME_D = (0, 0.105, 0.169, 0.282, 0.492, 0.757, 1.029, 1.253, 1.533, 1.75, 2.038, 3.013, 3.987, 4.968, 5.972, 6.973)
COPIES = (
    1029000,
    1087000,
    2158000,
    1860000,
    2195000,
    1567000,
    3208000,
    2293000,
    1342000,
    1197000,
    987100,
    697300,
    503800,
    282200,
    172700,
    91618.242,
)


def hiv(_: Path) -> System:
    s, p = symbol, Parameter
    infected, infectious, rest = s("Tstar"), s("Vin"), s("Vni")
    return System.create(
        "perelson",
        states=(
            State("Tstar", "1", s("K0") * s("T0") * infectious - s("delta") * infected, constant(15061.32075)),
            State("Vin", "1", -s("c") * infectious, constant(1.86e6)),
            State("Vni", "1", s("NN") * s("delta") * infected - s("c") * rest, constant(0.0)),
        ),
        parameters=(
            p("NN", "1", 480.0),
            p("T0", "1", 11000.0),
            p("c", "1", 2.06),
            p("delta", "1", 0.53),
            p("K0", "1", 3.9e-7),
        ),
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    def write(name: str, *rows: tuple[object, ...]) -> None:
        (tmp_path / name).write_text("\n".join("\t".join(map(str, r)) for r in rows) + "\n")

    write(
        "parameters.tsv",
        ("parameterId", "parameterScale", "lowerBound", "upperBound", "nominalValue", "estimate"),
        ("c", "log10", 1e-5, 1e5, 2.06, 1),
        ("delta", "log10", 1e-5, 1e5, 0.53, 1),
        ("sd", "log10", 1e-10, 1e10, 1.0, 1),
        ("K0", "log10", 1e-9, 1e-5, 3.9e-7, 0),
    )
    write("conditions.tsv", ("conditionId", "NN"), ("drug", 480))
    write(
        "observables.tsv",
        ("observableId", "observableFormula", "noiseFormula", "observableTransformation"),
        ("rna", "Vin + Vni", "noiseParameter1_rna", "log10"),
    )
    write(
        "measurements.tsv",
        ("observableId", "simulationConditionId", "measurement", "time", "noiseParameters"),
        *[("rna", "drug", y, t, "sd") for t, y in zip(TIME_D, COPIES, strict=True)],
    )
    (tmp_path / "p.yaml").write_text(
        "format_version: 1\nparameter_file: parameters.tsv\nproblems:\n- sbml_files: [model.xml]\n"
        "  condition_files: [conditions.tsv]\n  observable_files: [observables.tsv]\n"
        "  measurement_files: [measurements.tsv]\n"
    )
    return tmp_path


def edit(folder: Path, name: str, old: str, new: str) -> None:
    text = (folder / name).read_text()
    assert old in text
    (folder / name).write_text(text.replace(old, new))


def test_perelson_1996_is_fitted_to_its_published_optimum(folder: Path) -> None:
    """c 1.86063, delta 0.547338 per day, SD 0.122832 on log10, -ln L 222.2807."""
    fitted = estimate(read_petab(folder / "p.yaml", hiv), starts=6, rng=np.random.default_rng(3))
    assert fitted.outcome.ok
    assert fitted.objective == pytest.approx(222.2807, abs=1e-3)
    assert fitted.values == pytest.approx({"c": 1.86063, "delta": 0.547338, "sd": 0.122832}, rel=1e-3)
    for interval in fitted.intervals:
        assert interval.identifiable
        assert interval.low < interval.estimate < interval.high


def test_a_condition_sets_a_parameter_and_an_initial_value(folder: Path) -> None:
    edit(folder, "conditions.tsv", "NN\ndrug\t480", "NN\tVin\tTstar\ndrug\t0\t1000\t0")
    problem = read_petab(folder / "p.yaml", hiv)
    values = problem.values(np.log10([2.0, 0.5, 1.0]))
    assert problem.predict(values, "rna", "drug", np.array([0.0, 1.0])) == pytest.approx([1e3, 1e3 * np.exp(-2.0)])


@pytest.mark.parametrize(
    ("name", "old", "new", "said"),
    [
        ("measurements.tsv", "rna\tdrug\t91618.242", "rna\tplacebo\t91618.242", "condition 'placebo' is unknown"),
        ("measurements.tsv", "rna\tdrug\t91618.242", "dna\tdrug\t91618.242", "observable 'dna' is unknown"),
        ("measurements.tsv", "91618.242", "-5", "which log10 cannot take"),
        ("conditions.tsv", "NN", "MM", "column 'MM' is neither"),
        ("observables.tsv", "Vin + Vni", "__import__('os')", "expected arithmetic"),
        ("observables.tsv", "noiseParameter1_rna", "0.1*rna", "neither a number"),
        ("parameters.tsv", "1e-05\t100000.0\t2.06", "3\t5\t2.06", "start between them"),
        ("p.yaml", "measurements.tsv", "nothing.tsv", "nothing.tsv: the file is missing"),
    ],
)
def test_what_cannot_be_read_is_refused_and_named(folder: Path, name: str, old: str, new: str, said: str) -> None:
    edit(folder, name, old, new)
    with pytest.raises(Refusal, match=said):
        read_petab(folder / "p.yaml", hiv)
