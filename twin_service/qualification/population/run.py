"""All figures of `twin bench population`, in one run on this machine; peers' times only where the peer runs here.

What a set's absent file or an absent peer leaves out is said, not filled in.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from twin_service.qualification.population.convergence import convergence_figures
from twin_service.qualification.population.million import million_figures
from twin_service.qualification.population.peers import peer_figures
from twin_service.qualification.population.published import theophylline_figures, wang_figures
from twin_service.qualification.population.replicates import replicate_figures
from twin_service.qualification.population.speed import speed_figures
from twin_service.qualification.reference import reference_folder

Report = Callable[[str], None]


def run(report: Report, *, quick: bool = False, folder: Path | None = None) -> dict[str, float]:
    """Figures by name. `quick` leaves out the studies of many replicates and shortens the population of a million."""
    reference = reference_folder(folder)
    figures: dict[str, float] = {}
    if (reference / "mipd").is_dir():
        figures |= wang_figures(reference, report)
        figures |= theophylline_figures(reference, report, starts=40 if quick else 200)
        figures |= convergence_figures(reference, report)
        figures |= speed_figures(reference, report)
        figures |= peer_figures(reference, report, figures)
    else:
        report(f"{reference} holds no mipd folder: set TWIN_REFERENCE_DIR; published figures are left out")
    figures |= replicate_figures(report, replicates=20 if quick else 200)
    figures |= million_figures(report, people=100_000 if quick else 1_000_000)
    return figures
