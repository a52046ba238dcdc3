"""A result that was amended in the chart reaches the twin as a correction, once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.clients.live import live_client
from twin_client import ClientError, dose, lab, mg, quantity
from twin_client.ehr.amend import record_amended

START = datetime(2024, 5, 1, 8, tzinfo=UTC)


def test_an_amended_level_is_corrected_and_repeats_change_nothing(tmp_path: Path) -> None:
    at = START + timedelta(hours=2)
    given = dose("load", START, "phenobarbital", mg(25.0), route="iv")
    first, amended, other = (lab("l1", at, "phenobarbital", quantity(v, "mg/L")) for v in (50.0, 17.0, 18.0))
    with live_client(tmp_path) as client:
        client.create_twin(
            "p", poppk="phenobarbital_neonate", epoch=START, covariates={"weight_kg": quantity(1.4, "kg")}
        )
        record_amended(client, "p", [given, first], issued=at)
        record_amended(client, "p", [given, amended], issued=at + timedelta(hours=1))
        last = record_amended(client, "p", [given, other], issued=at + timedelta(hours=2)).timeline_revision
        assert last == 4, "dose, level and two corrections"
        again = record_amended(client, "p", [given, other], issued=at + timedelta(hours=2))
        assert again.timeline_revision == last
        (forecast,) = client.forecasts("p", min_revision=last)
        assert forecast.observed == 18.0
        wrong = lab("l2", at, "phenobarbital", quantity(1.0, "furlong"))
        with pytest.raises(ClientError, match="unit"):
            record_amended(client, "p", [wrong], issued=at)
