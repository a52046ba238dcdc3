"""PEtab problems: the Perelson 1996 fit to its published optimum, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.stats import laplace, norm

from twin_service.fit.parameters.fit import estimate
from twin_service.fit.parameters.problem import Problem
from twin_service.fit.petab.read import read_petab
from twin_service.model.sbml.export import export
from twin_service.outcome import Refusal
from twin_service.solver.expression import constant, symbol
from twin_service.solver.system import Parameter, System, SystemState

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
            SystemState("Tstar", "1", s("K0") * s("T0") * infectious - s("delta") * infected, constant(15061.32075)),
            SystemState("Vin", "1", -s("c") * infectious, constant(1.86e6)),
            SystemState("Vni", "1", s("NN") * s("delta") * infected - s("c") * rest, constant(0.0)),
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
    (tmp_path / "model.xml").write_text(export(hiv(Path())))

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
    fitted = estimate(read_petab(folder / "p.yaml"), starts=6, rng=np.random.default_rng(3))
    assert fitted.outcome.ok
    assert fitted.objective == pytest.approx(222.2807, abs=1e-3)
    assert fitted.values == pytest.approx({"c": 1.86063, "delta": 0.547338, "sd": 0.122832}, rel=1e-3)
    for interval in fitted.intervals:
        assert interval.identifiable
        assert interval.low < interval.estimate < interval.high


def test_a_condition_sets_a_parameter_and_an_initial_value(folder: Path) -> None:
    edit(folder, "conditions.tsv", "NN\ndrug\t480", "NN\tVin\tTstar\ndrug\t0\t1000\t0")
    problem = read_petab(folder / "p.yaml")
    values = problem.values(np.log10([2.0, 0.5, 1.0]))
    rna = problem.rows[0].observable
    assert problem.predict(values, rna, "drug", np.array([0.0, 1.0])) == pytest.approx([1e3, 1e3 * np.exp(-2.0)])


@pytest.mark.parametrize(
    ("name", "old", "new", "said"),
    [
        ("measurements.tsv", "rna\tdrug\t91618.242", "rna\tplacebo\t91618.242", "condition 'placebo' is unknown"),
        ("measurements.tsv", "rna\tdrug\t91618.242", "dna\tdrug\t91618.242", "observable 'dna' is unknown"),
        ("measurements.tsv", "91618.242", "-5", "which log10 cannot take"),
        ("measurements.tsv", "91618.242", "many", "row 16: measurement is 'many'; expected a number"),
        ("measurements.tsv", "noiseParameters", "noiseParameter", "did you mean 'noiseParameters'"),
        ("conditions.tsv", "NN", "MM", "column 'MM' is neither"),
        ("conditions.tsv", "480", "nobody", "'nobody' is neither a number nor a parameter"),
        ("observables.tsv", "Vin + Vni", "__import__('os')", "cannot read"),
        ("observables.tsv", "Vin + Vni", "Vin + Vna", "'Vna' in 'Vin . Vna' is neither"),
        ("observables.tsv", "noiseParameter1_rna", "noiseParameter2_rna", "needs noiseParameter2_rna"),
        ("parameters.tsv", "1e-05\t100000.0\t2.06", "3\t5\t2.06", "start between them"),
        ("parameters.tsv", "log10\t1e-05\t100000.0\t2.06", "ln\t1e-05\t100000.0\t2.06", "expected lin, log, log10"),
        ("p.yaml", "measurements.tsv", "nothing.tsv", "nothing.tsv: the file is missing"),
        ("p.yaml", "format_version: 1", "format_version: 2.0.0", "version 2.0.0, which is recognized and not read"),
    ],
)
def test_what_cannot_be_read_is_refused_and_named(folder: Path, name: str, old: str, new: str, said: str) -> None:
    edit(folder, name, old, new)
    with pytest.raises(Refusal, match=said):
        read_petab(folder / "p.yaml")


def test_all_mistakes_are_told_at_once(folder: Path) -> None:
    edit(folder, "measurements.tsv", "91618.242", "many")
    edit(folder, "parameters.tsv", "delta\tlog10", "delta\tlog2")
    with pytest.raises(Refusal, match=r"log2.*many"):
        read_petab(folder / "p.yaml")


# One drug in one compartment: A' = -k A, A a concentration or an amount as the file says.
MODEL = """<?xml version="1.0" encoding="UTF-8"?>
<sbml xmlns="http://www.sbml.org/sbml/level3/version1/core" level="3" version="1"><model id="m">
<listOfCompartments><compartment id="V" spatialDimensions="3" size="4" constant="true"/></listOfCompartments>
<listOfSpecies>
<species id="A" compartment="V" initialConcentration="10" hasOnlySubstanceUnits="{amount}" boundaryCondition="false"
 constant="false"/>
</listOfSpecies>
<listOfParameters>
<parameter id="k" value="0.5" constant="true"/><parameter id="s" value="0" constant="true"/>
<parameter id="k2" constant="true"/>
</listOfParameters>
<listOfInitialAssignments><initialAssignment symbol="k2">
<math xmlns="http://www.w3.org/1998/Math/MathML"><apply><times/><cn>2</cn><ci>k</ci></apply></math>
</initialAssignment></listOfInitialAssignments>
<listOfReactions>
<reaction id="out" reversible="false" fast="false"><listOfReactants>
<speciesReference species="A" stoichiometry="1" constant="true"/></listOfReactants>
<kineticLaw><math xmlns="http://www.w3.org/1998/Math/MathML">
<apply><times/><ci>k</ci><ci>A</ci>{volume}</apply></math></kineticLaw></reaction>
<reaction id="in" reversible="false" fast="false"><listOfProducts>
<speciesReference species="A" stoichiometry="1" constant="true"/></listOfProducts>
<kineticLaw><math xmlns="http://www.w3.org/1998/Math/MathML"><ci>s</ci></math></kineticLaw></reaction>
</listOfReactions>{events}</model></sbml>
"""
DOSE = """<listOfEvents><event id="dose" useValuesFromTriggerTime="true"><trigger initialValue="true" persistent="true">
<math xmlns="http://www.w3.org/1998/Math/MathML"><apply><geq/>
<csymbol encoding="text" definitionURL="http://www.sbml.org/sbml/symbols/time">t</csymbol><cn>1</cn></apply></math>
</trigger><listOfEventAssignments><eventAssignment variable="A"><math xmlns="http://www.w3.org/1998/Math/MathML">
<apply><plus/><ci>A</ci><cn>3</cn></apply></math></eventAssignment></listOfEventAssignments></event></listOfEvents>"""
OBSERVABLES = "observableId\tobservableFormula\tnoiseFormula\nlevel\tA\t0.1"


def small(
    folder: Path,
    measurements: str,
    *,
    observables: str = OBSERVABLES,
    conditions: str = "conditionId\nc",
    parameters: str = "k\tlog10\t0.01\t10\t0.5\t1",
    amount: bool = False,
    events: str = "",
) -> Problem:
    volume = "" if amount else "<ci>V</ci>"
    (folder / "m.xml").write_text(MODEL.format(amount=str(amount).lower(), volume=volume, events=events))
    head = "parameterId\tparameterScale\tlowerBound\tupperBound\tnominalValue\testimate"
    (folder / "p.tsv").write_text(f"{head}\n{parameters}\n")
    (folder / "c.tsv").write_text(conditions + "\n")
    (folder / "o.tsv").write_text(observables + "\n")
    (folder / "m.tsv").write_text(measurements + "\n")
    (folder / "p.yaml").write_text(
        "format_version: 1\nparameter_file: [p.tsv]\nproblems:\n- sbml_files: [m.xml]\n"
        "  condition_files: [c.tsv]\n  observable_files: [o.tsv]\n  measurement_files: [m.tsv]\n"
    )
    return read_petab(folder / "p.yaml")


ROWS = "observableId\tsimulationConditionId\ttime\tmeasurement"


def predicted(problem: Problem, **values: float) -> list[float]:
    at = problem.start() | values
    return [float(problem.predict(at, r.observable, r.condition, np.array([r.time]))[0]) for r in problem.rows]


def test_a_species_is_what_its_file_says(tmp_path: Path) -> None:
    rows = f"{ROWS}\nlevel\tc\t0\t1\nlevel\tc\t2\t1"
    fades = 10.0 * np.exp(-1.0)
    assert predicted(small(tmp_path, rows)) == pytest.approx([10.0, fades], rel=1e-6)
    assert predicted(small(tmp_path, rows, amount=True)) == pytest.approx([40.0, 4.0 * fades], rel=1e-6)


def test_the_likelihood_is_the_normal_density(tmp_path: Path) -> None:
    problem = small(tmp_path, f"{ROWS}\nlevel\tc\t0\t9.9\nlevel\tc\t2\t3.8")
    seen = norm.logpdf([9.9, 3.8], [10.0, 10.0 * np.exp(-1.0)], 0.1).sum()
    assert problem.log_likelihood(problem.start()) == pytest.approx(seen, abs=1e-6)


def test_a_laplace_law_and_noise_by_formula(tmp_path: Path) -> None:
    table = OBSERVABLES.replace("noiseFormula", "noiseFormula\tnoiseDistribution").replace(
        "0.1", "0.05 * level + noiseParameter1_level\tlaplace"
    )
    problem = small(tmp_path, f"{ROWS}\tnoiseParameters\nlevel\tc\t0\t9\t0.5\nlevel\tc\t2\t4\t1.5", observables=table)
    f = np.array([10.0, 10.0 * np.exp(-1.0)])
    seen = laplace.logpdf([9.0, 4.0], f, 0.05 * f + [0.5, 1.5]).sum()
    assert problem.log_likelihood(problem.start()) == pytest.approx(seen, abs=1e-6)


def test_parameters_of_one_measurement(tmp_path: Path) -> None:
    table = OBSERVABLES.replace("\tA\t", "\tobservableParameter1_level + observableParameter2_level * A\t")
    problem = small(
        tmp_path,
        f"{ROWS}\tobservableParameters\nlevel\tc\t0\t9\t1;2\nlevel\tc\t0\t9\toff;3",
        observables=table,
        parameters="k\tlog10\t0.01\t10\t0.5\t1\noff\tlin\t-9\t9\t-4\t1",
    )
    assert predicted(problem) == pytest.approx([21.0, 26.0])


def test_log_is_natural(tmp_path: Path) -> None:
    problem = small(
        tmp_path, f"{ROWS}\nlevel\tc\t0\t9", observables=OBSERVABLES.replace("\tA\t", "\tlog(A) + log10(A)\t")
    )
    assert predicted(problem) == pytest.approx([np.log(10.0) + 1.0])


def test_conditions_set_volumes_and_concentrations_and_leave_what_is_empty(tmp_path: Path) -> None:
    problem = small(
        tmp_path,
        f"{ROWS}\nlevel\tc\t0\t1\nlevel\tc\t2\t1\nlevel\td\t0\t1",
        conditions="conditionId\tV\tA\tk\nc\t8\tstart\t0.25\nd\t\tNaN\t",
        parameters="k\tlog10\t0.01\t10\t0.5\t1\nstart\tlin\t0\t9\t6\t0",
        observables=OBSERVABLES.replace("\tA\t", "\tA * V\t"),
    )
    assert predicted(problem) == pytest.approx([48.0, 48.0 * np.exp(-0.5), 40.0], rel=1e-6)


def test_what_is_computed_from_a_fitted_parameter_follows_it(tmp_path: Path) -> None:
    problem = small(tmp_path, f"{ROWS}\nlevel\tc\t0\t1", observables=OBSERVABLES.replace("\tA\t", "\tk2\t"))
    assert predicted(problem) == pytest.approx([1.0])
    assert predicted(problem, k=3.0) == pytest.approx([6.0])


def test_an_event_doses(tmp_path: Path) -> None:
    problem = small(tmp_path, f"{ROWS}\nlevel\tc\t0.5\t1\nlevel\tc\t2\t1", events=DOSE)
    after = (10.0 * np.exp(-0.5) + 3.0) * np.exp(-0.5)
    assert predicted(problem) == pytest.approx([10.0 * np.exp(-0.25), after], rel=1e-6)


def test_preequilibration_and_the_steady_state(tmp_path: Path) -> None:
    """s / (k V) = 2 / (0.25 * 4) = 2 in the first stage; then s is off, and what the second condition sets restarts."""
    head = "observableId\tpreequilibrationConditionId\tsimulationConditionId\ttime\tmeasurement"
    problem = small(
        tmp_path,
        f"{head}\nlevel\tfull\tc\t0\t1\nlevel\tfull\tc\t2\t1\nlevel\tfull\tfresh\t0\t1\nlevel\t\tfull\tinf\t1",
        conditions="conditionId\ts\tk\tA\nfull\t2\t0.25\tNaN\nc\t0\t0.5\tNaN\nfresh\t0\t0.5\t7",
    )
    assert predicted(problem) == pytest.approx([2.0, 2.0 * np.exp(-1.0), 7.0, 2.0], rel=1e-5)


@pytest.mark.parametrize(
    ("prior", "density"),
    [
        ("parameterScaleUniform\t-2;1", np.log(1.0 / 3.0)),
        ("uniform\t0;5", np.log(0.2)),
        ("normal\t1;2", norm.logpdf(0.5, 1.0, 2.0)),
        ("parameterScaleNormal\t0;1", norm.logpdf(np.log10(0.5))),
        ("laplace\t1;2", laplace.logpdf(0.5, 1.0, 2.0)),
        ("parameterScaleLaplace\t0;1", laplace.logpdf(np.log10(0.5))),
        ("logNormal\t0;1", norm.logpdf(np.log(0.5)) - np.log(0.5)),
        ("logLaplace\t0;1", laplace.logpdf(np.log(0.5)) - np.log(0.5)),
    ],
)
def test_a_prior_adds_its_density(tmp_path: Path, prior: str, density: float) -> None:
    problem = small(tmp_path, f"{ROWS}\nlevel\tc\t0\t9")
    (tmp_path / "p.tsv").write_text(
        "parameterId\tparameterScale\tlowerBound\tupperBound\tnominalValue\testimate\tobjectivePriorType\t"
        f"objectivePriorParameters\nk\tlog10\t0.01\t10\t0.5\t1\t{prior}\n"
    )
    plain, judged = problem, read_petab(tmp_path / "p.yaml")
    x = np.log10([0.5])
    assert judged.objective(x) - plain.objective(x) == pytest.approx(-density, abs=1e-9)


def test_without_a_nominal_value_the_search_begins_in_the_middle(tmp_path: Path) -> None:
    problem = small(tmp_path, f"{ROWS}\nlevel\tc\t0\t9", parameters="k\tlog10\t0.01\t1\t\t1")
    assert problem.free[0].start == pytest.approx(0.1)
    assert not problem.free[0].nominal


def test_a_column_that_petab_does_not_know_is_named(tmp_path: Path) -> None:
    problem = small(tmp_path, f"{ROWS}\tremark\nlevel\tc\t0\t9\tfasted")
    assert problem.notes == ("m.tsv: column 'remark' is not of PEtab and was not used",)
