"""A 30-year-old European man beside the organ table of an established simulator (read, never stored)."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import pytest

from twin_service.model.pbpk.library import load_library
from twin_service.model.pbpk.physiology import create_body

REFERENCE = Path(os.environ.get("TWIN_REFERENCE_DIR", Path(__file__).parents[3] / "shared" / "reference"))
TABLE = REFERENCE / "pbpk" / "pksim" / "european_male_30y_organ_table.csv"
NAMES = {
    "bone": "Bone",
    "brain": "Brain",
    "adipose": "Fat",
    "gonads": "Gonads",
    "heart": "Heart",
    "kidney": "Kidney",
    "stomach": "Stomach",
    "liver": "Liver",
    "lung": "Lung",
    "muscle": "Muscle",
    "pancreas": "Pancreas",
    "skin": "Skin",
    "spleen": "Spleen",
    "small_intestine": "SmallIntestine",
    "large_intestine": "LargeIntestine",
}
ALLOWED = 0.10


@pytest.mark.skipif(not TABLE.exists(), reason="the organ table is absent (TWIN_REFERENCE_DIR)")
def test_volumes_and_flows_are_within_a_tenth() -> None:
    """Flow of an organ: specific flow [L/min per L of tissue] times its volume; the lung takes all of it."""
    with TABLE.open(newline="") as table:
        rows = {r["organ"]: r for r in csv.DictReader(table)}
    body = create_body(
        load_library().species["human"], {"age_y": 30.0, "sex_female": 0.0, "weight_kg": 73.0, "height_cm": 176.0}
    )
    wrong = []
    for organ, theirs in NAMES.items():
        volume = float(rows[theirs]["Volume"])
        flow = 60.0 * volume * float(rows[theirs]["Specific blood flow rate"] or "nan")
        for what, ours, reference in (("volume", body.volume[organ], volume), ("flow", body.flow[organ], flow)):
            if reference == reference and abs(ours / reference - 1.0) > ALLOWED:
                wrong.append(f"{organ} {what}: {ours:.4g} against {reference:.4g}")
    assert not wrong, "\n".join(wrong)
