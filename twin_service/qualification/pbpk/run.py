"""`twin qualify`: every drug re-run against its check file and, with reference data, against every study it covers."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from twin_service.library.files import FOLDER
from twin_service.model.pbpk.antibody import antibody_files
from twin_service.model.pbpk.library import Library, load_library
from twin_service.model.pbpk.studies import Treatment, check_studies, course
from twin_service.qualification.pbpk.antibodies import antibody_courses, check_antibodies
from twin_service.qualification.pbpk.children import Child, children_figures, relative_clearances, single_clearances
from twin_service.qualification.pbpk.courses import CourseResult, run_courses
from twin_service.qualification.pbpk.individuals import caffeine_alone, theophylline_volunteers
from twin_service.qualification.pbpk.interactions import InteractionResult, run_interactions
from twin_service.qualification.pbpk.observed import observed_studies
from twin_service.qualification.pbpk.page import write_report
from twin_service.qualification.pbpk.people import animal_volumes, genotype_effects, volumes_from_structure
from twin_service.qualification.pbpk.populations import population_figures, population_ratios
from twin_service.qualification.pbpk.result import Qualification
from twin_service.qualification.pbpk.scores import gmfe, median, within
from twin_service.qualification.reference import reference_folder
from twin_service.solver.simulate import simulate

Progress = Callable[[str], None]
THREE = ("midazolam", "itraconazole", "rifampicin")
FIGURES_FILE = "pbpk_figures.json"


def qualify(
    drugs: Iterable[str] | None = None,
    reference_dir: Path | str | None = None,
    report_dir: Path | str | None = None,
    progress: Progress = lambda _: None,
) -> dict[str, float]:
    """Figures by dotted name; with `report_dir`, an HTML report and the figures beside it.

    drugs          ids to qualify (default: the whole library)
    reference_dir  observed data (default: TWIN_REFERENCE_DIR, then ../shared/reference); figures that need it are
                   left out where it is absent

    Raises Refusal for an unknown drug.
    """
    library = load_library(FOLDER)
    chosen = set(drugs) if drugs is not None else None
    for drug in (chosen or set()) - set(antibody_files()):
        library.drug(drug)
    folder = Path(report_dir) if report_dir is not None else None
    result = measure(library, chosen, _reference(reference_dir), progress, previous=_previous(folder))
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        write_report(result, folder / "pbpk.html")
        (folder / FIGURES_FILE).write_text(
            json.dumps(result.figures, indent=1, sort_keys=True) + "\n", encoding="utf-8"
        )
    return result.figures


def measure(
    library: Library, drugs: set[str] | None, reference: Path | None, progress: Progress, *, previous: dict[str, float]
) -> Qualification:
    """Run everything that can be run."""
    wanted = drugs or set(library.drug_paths) | set(antibody_files())
    progress(f"check files of {len(wanted)} drugs")
    checks = [f for d, p in library.drug_paths.items() if d in wanted for f in check_studies(p, library)]
    checks += check_antibodies(drugs)
    figures = {
        "pbpk.drugs": float(len(wanted)),
        "pbpk.check_figures": float(len(checks)),
        "pbpk.check_pass_share": float(np.mean([f.ok for f in checks])) if checks else float("nan"),
    }
    genotypes = genotype_effects(FOLDER / "genotypes.check.toml", library, drugs)
    if genotypes:
        figures["pbpk.genotype_n"] = float(len(genotypes))
        figures["pbpk.genotype_gmfe"] = gmfe([g.fold for g in genotypes])
        figures["pbpk.genotype_within_2fold"] = within([g.fold for g in genotypes], 2.0)
    progress("special populations")
    populations = population_ratios(library, drugs)
    figures |= population_figures(populations)
    courses: list[CourseResult] = []
    interactions: list[InteractionResult] = []
    children: list[Child] = []
    if reference is not None:
        courses, interactions, children = _against(reference, library, drugs, progress)
        figures |= course_figures(courses) | interaction_figures(interactions)
        figures |= children_figures(children)
        figures |= _volume_figures(reference, library) | _animal_figures(reference, library)
    else:
        progress("no reference data: only check files and genotypes were measured")
    if drugs is None:
        progress("three interacting drugs for 14 days")
        figures["pbpk.three_drugs_14d_ms"] = three_drugs_ms(library)
    return Qualification(figures, checks, courses, interactions, children, genotypes, populations, previous)


def _against(
    reference: Path, library: Library, drugs: set[str] | None, progress: Progress
) -> tuple[list[CourseResult], list[InteractionResult], list[Child]]:
    osp = reference / "pbpk" / "osp"
    studies = observed_studies(osp, library, drugs)
    more = theophylline_volunteers(reference / "pbpk" / "popk" / "Theoph.csv")
    more += caffeine_alone(osp / "caffeine_fluvoxamine_ddi_observed.csv")
    studies += [s for s in more if drugs is None or s.drug in drugs]
    progress(f"{len(studies)} observed courses")
    courses = run_courses(studies, library) + antibody_courses(osp, drugs)
    progress("interaction table")
    interactions = run_interactions(osp / "DDI.csv", library, drugs)
    progress("clearance of children")
    children = relative_clearances(reference / "pbpk" / "httk" / "johnson_v2.0.4.csv", library, drugs)
    return courses, interactions, children + single_clearances(osp / "Pediatrics.csv", library, drugs)


def course_figures(courses: list[CourseResult]) -> dict[str, float]:
    """Verification only: studies that gave a parameter of the drug are kept apart as `build`."""
    by_drug: dict[str, list[CourseResult]] = defaultdict(list)
    for c in courses:
        if not c.fitted:
            by_drug[c.study.drug].append(c)
    per_drug = {d: gmfe(np.concatenate([c.ratios for c in cs])) for d, cs in by_drug.items()}
    checked = [c for cs in by_drug.values() for c in cs]
    build = [c for c in courses if c.fitted]
    figures = {f"pbpk.gmfe_concentration.{d}": v for d, v in sorted(per_drug.items())}
    return figures | {
        "pbpk.studies": float(len(courses)),
        "pbpk.studies_verification": float(len(checked)),
        "pbpk.gmfe_concentration_median": median(list(per_drug.values())),
        "pbpk.auc_within_2fold": within([c.auc_ratio for c in checked], 2.0),
        "pbpk.cmax_within_2fold": within([c.cmax_ratio for c in checked], 2.0),
        "pbpk.build_auc_within_2fold": within([c.auc_ratio for c in build], 2.0),
    }


def interaction_figures(results: list[InteractionResult]) -> dict[str, float]:
    """Verification only: rows whose study gave a parameter of either drug are kept apart as `build`; `all` is both:
    every row of the table that the library covers."""
    checked = [r.fold for r in results if not r.fitted]
    build = [r.fold for r in results if r.fitted]
    figures = {"pbpk.ddi_build_n": float(len(build)), "pbpk.ddi_build_auc_gmfe": gmfe(build)} if build else {}
    if not checked:
        return figures
    covered = [*checked, *build]
    return figures | {
        "pbpk.ddi_all_n": float(len(covered)),
        "pbpk.ddi_all_auc_gmfe": gmfe(covered),
        "pbpk.ddi_all_within_2fold": within(covered, 2.0),
        "pbpk.ddi_n": float(len(checked)),
        "pbpk.ddi_auc_gmfe": gmfe(checked),
        "pbpk.ddi_within_2fold": within(checked, 2.0),
    }


def _volume_figures(reference: Path, library: Library) -> dict[str, float]:
    baseline = reference / "pbpk" / "human_animal" / "rr_vss_quick_baseline.csv"
    chemicals = reference / "pbpk" / "httk" / "chem.physical_and_invitro.data.csv.gz"
    if not baseline.exists() or not chemicals.exists():
        return {}
    volumes = volumes_from_structure(baseline, chemicals, library)
    return {
        "pbpk.vss_n": float(len(volumes)),
        "pbpk.vss_rr_gmfe": gmfe([r.fold for r, _ in volumes]),
        "pbpk.vss_rr_gmfe_logp_below_4": gmfe([r.fold for r, logp in volumes if logp < 4]),
    }


def _animal_figures(reference: Path, library: Library) -> dict[str, float]:
    folder = reference / "pbpk"
    table = folder / "human_animal" / "Animal_PK_data.csv"
    chemicals = folder / "httk" / "chem.physical_and_invitro.data.csv.gz"
    if not table.exists() or not chemicals.exists():
        return {}
    found = animal_volumes(table, chemicals, library)
    return {f"pbpk.animal_vss_n.{s}": float(len(r)) for s, r in found.items()} | {
        f"pbpk.animal_vss_gmfe.{s}": gmfe([x.fold for x in r]) for s, r in found.items()
    }


def three_drugs_ms(library: Library, repeats: int = 5) -> float:
    """Best wall time of one patient with three interacting drugs for 14 days, once compiled."""
    daily = [Treatment(d, "oral", mg, 24.0, 14) for d, mg in zip(THREE, (5.0, 200.0, 600.0), strict=True)]
    run = course(daily, {"age_y": 45.0, "weight_kg": 70.0}, library)
    times = np.linspace(0.0, 336.0, 337)
    best = float("inf")
    for _ in range(repeats + 1):
        start = time.perf_counter()
        solution = simulate(run.model.system, run.parameters, run.schedule, times)
        assert solution.ok, solution.outcomes
        best = min(best, time.perf_counter() - start)
    return best * 1000.0


def _reference(folder: Path | str | None) -> Path | None:
    path = reference_folder(folder)
    return path if (path / "pbpk" / "osp" / "simulations.csv.gz").exists() else None


def _previous(folder: Path | None) -> dict[str, float]:
    path = folder / FIGURES_FILE if folder is not None else None
    if path is None or not path.exists():
        return {}
    return {k: float(v) for k, v in json.loads(path.read_text(encoding="utf-8")).items()}
