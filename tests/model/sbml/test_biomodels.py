"""Published models from BioModels: every file loads, and known numbers come out to 1e-3.

Values are facts of the models: libroadrunner's solutions of the same files, or the publication where noted.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("libsbml", reason="python-libsbml is the extra `sbml`")

from twin_service.model.sbml import load, simulate_sbml


@pytest.fixture(scope="module")
def folder(reference_dir: Path) -> Path:
    found = reference_dir / "qsp" / "sbml"
    if not found.is_dir():
        pytest.skip("no qsp/sbml in the reference data")
    return found


CHECKS: list[tuple[str, str, dict[float, float]]] = [
    # Kuznetsov 1994, doi:10.1007/BF02460644
    ("0762", "E", {10: 4.42084e5, 30: 1.12231e6, 50: 2.39935e6, 100: 1.21823e6, 200: 1.58937e6}),
    ("0762", "T", {10: 1.93337e7, 30: 9.34219e7, 50: 4.60039e7, 100: 1.30521e6, 200: 2.97294e6}),
    # Tsur 2019
    ("0838", "M", {30: 133670, 90: 53642, 180: 51723.8, 365: 51710.8}),
    ("0838", "A", {365: 4640.59}),
    ("0838", "T", {365: 2.17223e7}),
    # Stein 2020 (EC50 model of CAR-T cells)
    ("1025", "Expanding_CAR_T_cells", {9.3: 22818.3, 14: 10696.6, 28: 1119.77}),
    ("1025", "Tumor_cells", {9.3: 67.9064, 14: 20.635, 28: 1.36663, 90: 0.0087302}),
    ("1025", "Persistent_CAR_T_cells", {14: 89.4767, 28: 154.733, 90: 133.861}),
    # Kimmel 2021, doi:10.1098/rspb.2021.0229
    ("1041", "Normal_T_cells", {7: 108.645, 14: 295.214, 28: 472.883, 90: 499.583}),
    ("1041", "CAR_T_cells", {7: 30.1088, 14: 8.97463, 28: 2.4865, 90: 0.337699}),
    ("1041", "Antigen_presenting_tumour_cells", {7: 0.521741, 14: 7.89455e-4}),
    # Tham 2008
    ("0234", "Size", {3: 5.7606, 6: 4.9131, 9: 4.2997, 12: 3.8644, 18: 3.3190, 24: 3.4558, 52: 6.1533}),
    # Dalla Man 2007, doi:10.1109/TBME.2007.893506
    ("0379", "G", {60: 162.975, 120: 145.851, 180: 116.212, 240: 101.424, 300: 95.213}),
    # Topp 2000, doi:10.1006/jtbi.2000.2150
    ("0341", "G", {100: 243.461, 365: 104.868}),
    ("0341", "B", {365: 266.190}),
    # Shi 1993
    ("0241", "E", {0.25: 86.817, 0.5: 90.553, 1: 89.668, 2: 87.780, 8: 87.789}),
    # Reynolds 2006
    ("0714", "P", {6: 0.524029, 12: 5.387e-3}),
    ("0714", "D", {6: 1.01636, 24: 3.32717, 96: 2.09381, 168: 0.564656}),
    ("0714", "Nstar", {24: 0.193383}),
    # Nelson 2000, doi:10.1016/S0025-5564(99)00055-3
    ("0875", "V_I", {1: 63831.8, 7: 13032.6}),
    ("0875", "V_NI", {1: 57160.3}),
    # Sluka 2016
    ("0619", "CVen", {2: 1.0218e-4, 4: 6.2749e-5, 8: 2.0948e-5}),
]


@pytest.mark.parametrize(("number", "variable", "values"), CHECKS)
def test_known_numbers(folder: Path, number: str, variable: str, values: dict[float, float]) -> None:
    model = load(folder / f"BIOMD000000{number}.xml")
    end = max(values)
    step = 0.05 if any(t != int(t) for t in values) else 1.0
    table = simulate_sbml(model, 0.0, end, round(end / step), concentrations=[variable])
    rows = [int(np.argmin(np.abs(table["time"] - t))) for t in values]
    np.testing.assert_allclose(table["time"][rows], list(values), atol=1e-9)
    np.testing.assert_allclose(table[variable][rows], list(values.values()), rtol=1e-3)


def test_extremes_of_influenza(folder: Path) -> None:
    """Hancioglu 2007: the viral peak and the fewest healthy cells."""
    table = simulate_sbml(load(folder / "BIOMD0000000711.xml"), 0.0, 8.0, 800)
    virus, healthy = table["Viral_Load__V"], table["Healthy_Epithelial_cells__H"]
    assert virus.max() == pytest.approx(99.08, rel=1e-3)
    assert table["time"][virus.argmax()] == pytest.approx(5.72, abs=0.01)
    assert healthy.min() == pytest.approx(0.00684, rel=1e-3)
    assert table["time"][healthy.argmin()] == pytest.approx(5.80, abs=0.015)


def test_glutathione_falls_after_acetaminophen(folder: Path) -> None:
    """Reddyhoff 2015."""
    table = simulate_sbml(load(folder / "BIOMD0000000609.xml"), 0.0, 24.0, 2400)
    fraction = table["GSH"] / table["GSH"][0]
    assert fraction.min() == pytest.approx(0.2756, rel=1e-3)
    assert table["time"][fraction.argmin()] == pytest.approx(0.36, abs=0.015)


def test_every_file_loads(folder: Path) -> None:
    files = sorted(folder.glob("BIOMD*.xml"))
    assert len(files) == 50
    for path in files:
        assert load(path).system.states
