"""The toxicity panel of a library drug: mechanism by mechanism what is known, and where nothing is, that.

The drug is carried by its whole-body PBPK, by a population PK model, or by the effect block that has kinetics of its
own; every effect block whose published numbers belong to the drug is added. Grades are CTCAE's (library/grades.toml).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from twin_service.model.library.endpoint import SERIOUS_GRADE
from twin_service.model.pbpk.antibody import antibody_files
from twin_service.model.pbpk.library import drug_files
from twin_service.model.poppk import build_poppk, list_poppk
from twin_service.model.qsp.build import build_block, list_blocks, wiring
from twin_service.model.qsp.likelihood import grade_scales
from twin_service.model.qsp.record import read_block_file
from twin_service.model.structure import Endpoint, PatientModel
from twin_service.outcome import Refusal, RefusalCode
from twin_service.record.person import ModelChoice
from twin_service.scenario.doubts import plan_doubts
from twin_service.scenario.regimen import Regimen, planned_doses
from twin_service.solver.schedule import Schedule
from twin_service.solver.simulate import Deadline
from twin_service.trial.safety import Margin, Risk, herg_threshold, toxicity_panel
from twin_service.twin.assemble import build

WEEK_H = 168.0
PATIENTS = 500


@dataclass(frozen=True)
class Mechanism:
    """A way to harm: which endpoints (by the start of their id) and graded labs speak of it. `always`: listed even
    where the library knows nothing of the drug."""

    id: str
    text: str
    endpoints: tuple[str, ...]
    graded: tuple[str, ...] = ()
    always: bool = True


PANEL = (
    Mechanism(
        "qt",
        "block of the cardiac potassium current prolongs repolarization (QTc above 500 ms or by 60 ms)",
        ("qtc_", "net_block"),
        ("qtc",),
    ),
    Mechanism(
        "neutropenia",
        "proliferating cells of the marrow are killed",
        ("neutropenia", "leukopenia"),
        ("neutrophils", "leukocytes"),
    ),
    Mechanism("thrombocytopenia", "megakaryocyte precursors are killed", ("thrombocytopenia",), ("platelets",)),
    Mechanism(
        "liver_injury",
        "liver cells are injured (ALT above 3 times normal, Hy's law with bilirubin, glutathione used up)",
        ("glutathione", "alt_", "hys_law", "bilirubin"),
        ("alt", "bilirubin"),
    ),
    Mechanism(
        "bleeding",
        "clotting factors are not made (INR above 4, factor activity below 20 %)",
        ("inr_above_3", "inr_above_4", "pca_"),
        ("inr",),
    ),
    Mechanism("hypotension", "vasodilation beyond the reserve of the circulation", ("hypotension",), (), False),
    Mechanism("hypoglycemia", "insulin action beyond glucose supply", ("hypoglycemia",), (), False),
    Mechanism("heart_failure", "loss of contractile tissue of the heart", ("lvef",), ("lvef",), False),
    Mechanism("parkinsonism", "dopamine D2 receptors of the striatum are blocked", ("d2_eps",), (), False),
)


@dataclass(frozen=True)
class JudgedMechanism:
    """One mechanism under one regimen; `known` False: the library has no data of this drug, which is not no risk."""

    mechanism: Mechanism
    known: bool
    basis: str
    risks: tuple[Risk, ...] = ()
    margins: tuple[Margin, ...] = ()


@dataclass(frozen=True)
class ToxicityPanel:
    """The panel. `exposure`: levels outside the therapeutic range. `models`: what was simulated."""

    drug: str
    regimen: Regimen
    horizon_h: float
    judged: tuple[JudgedMechanism, ...]
    exposure: tuple[Risk, ...]
    models: tuple[str, ...]
    digests: tuple[str, ...]
    patients: int
    notes: tuple[str, ...]

    def signals(self, probability: float = 0.1) -> list[str]:
        """What a safety review should look at first: likely serious harm, margins too small."""
        found = [
            f"{j.mechanism.id}: {r.endpoint.title}: {100 * r.probability:.0f} % of patients"
            for j in self.judged
            for r in j.risks
            if r.endpoint.serious and r.high >= probability and r.probability > 0
        ]
        return found + [
            f"{j.mechanism.id}: {m.threshold.id} margin {m.margin:.1f}; {m.threshold.safe_margin:g} is called safe"
            for j in self.judged
            for m in j.margins
            if m.flagged
        ]


def assess(
    drug: str,
    regimen: Regimen,
    *,
    rng: np.random.Generator,
    horizon_h: float = 0.0,
    choice: ModelChoice | None = None,
    covariates: Mapping[str, float] | None = None,
    patients: int = PATIENTS,
    deadline: Deadline | None = None,
) -> ToxicityPanel:
    """Simulate patients of every model that knows `drug` under `regimen`, and judge each mechanism.

    Raises Refusal for a drug the library does not have, a missing characteristic, or a regimen a model cannot take.
    """
    models, skipped = _models(drug, choice, covariates or {})
    horizon_h = horizon_h or max(4 * WEEK_H, _last_h(regimen) + WEEK_H)
    herg = herg_threshold(drug)
    exposure: list[Risk] = []
    risks: list[Risk] = []
    margins: list[Margin] = []
    notes, simulated = list(skipped), patients
    for model in models:
        notes += plan_doubts(model, [regimen])
        known = _known(model, covariates or {})
        unbound = f"body.{drug}_plasma_unbound"
        concentration = unbound if unbound in model.system.output_index else ""
        if herg and not concentration:
            notes.append(f"{model.id} does not predict the unbound level of {drug}, so its hERG margin was not judged")
        panel = toxicity_panel(
            model,
            Schedule(planned_doses(model, regimen, 0.0)),
            horizon_h=horizon_h,
            rng=rng,
            covariates=known,
            patients=patients,
            concentration=concentration,
            thresholds=[herg] if herg and concentration else [],
            endpoints=[*_graded(model), *(e for e in model.endpoints if e.harmful)],
            deadline=deadline,
        )
        simulated = min(simulated, panel.patients)
        if not panel.outcome.ok:
            notes.append(f"{model.id}: {patients - panel.patients} patients could not be simulated: {panel.outcome}")
        risks += panel.risks
        margins += panel.margins
        exposure += [r for r in panel.risks if r.endpoint.id.startswith((f"{drug}_high", "toxic"))]
    judged = tuple(j for m in PANEL if (j := _judge(m, drug, risks, margins, models)) is not None)
    return ToxicityPanel(
        drug,
        regimen,
        horizon_h,
        judged,
        tuple(exposure),
        tuple(m.id for m in models),
        tuple(m.digest for m in models),
        simulated,
        tuple(dict.fromkeys(notes)),
    )


def _judge(
    m: Mechanism, drug: str, risks: Sequence[Risk], margins: Sequence[Margin], models: Sequence[PatientModel]
) -> JudgedMechanism | None:
    graded = tuple(f"{a}_grade" for a in m.graded)
    # of a lab that is graded, the grades say all that its graded endpoints would
    mine = [r for r in risks if r.endpoint.id.startswith(graded)] if graded else []
    mine += [r for r in risks if r.endpoint.id.startswith(m.endpoints) and not (mine and r.endpoint.grade)]
    held = tuple(margins) if m.id == "qt" else ()
    if not mine and not held:
        if not m.always:
            return None
        return JudgedMechanism(m, False, f"not known: no effect block or threshold of the library belongs to {drug}")
    blocks = [b for model in models for b in model.block_versions if _speaks(b, m)]
    said = "; ".join(dict.fromkeys(f"{b} ({_source(b)})" for b in blocks)) or "; ".join(x.id for x in models)
    return JudgedMechanism(m, True, said, tuple(sorted(mine, key=lambda r: r.endpoint.id)), held)


def _graded(model: PatientModel) -> list[Endpoint]:
    """Every grade of every graded lab that the model predicts, as endpoints."""
    found = []
    for analyte, scale in grade_scales().items():
        o = model.observables.get(analyte)
        # published models write 10^9/L where UCUM writes 10*9/L
        if o is None or o.unit.replace("^", "*") != scale.unit:
            continue
        side = "below" if scale.falling else "above"
        for g, edge in enumerate(scale.edges, start=1):
            unit = "" if scale.unit == "1" else f" {scale.unit}"
            title = f"{o.title or analyte} {side} {edge:g}{unit} (CTCAE grade {g})"
            found.append(
                Endpoint(
                    f"{analyte}_grade{g}",
                    o.output,
                    o.unit,
                    "below" if scale.falling else "above",
                    edge,
                    title,
                    grade=g,
                    serious=g >= SERIOUS_GRADE,
                )
            )
    return found


def _models(drug: str, choice: ModelChoice | None, given: Collection[str]) -> tuple[list[PatientModel], list[str]]:
    """The models that know `drug`, and which blocks were left out for saying the same as another."""
    carrier = choice or _carrier(drug, given)
    own = [b for b in list_blocks() if any(r.drug == drug for r in build_block(b).routes)]
    models: list[PatientModel] = []
    skipped: list[str] = []
    if carrier is not None:
        effects, skipped = _attached(drug, carrier)
        models.append(build(ModelChoice(carrier.drugs, carrier.poppk, effects)))
    models += [build(ModelChoice(effects=(b,))) for b in own if _harms(b) or not models]
    if not models:
        known = ", ".join([*drug_files(), *antibody_files()])
        raise Refusal(
            RefusalCode.NOT_FOUND,
            f"no model of the library carries {drug!r}; drugs: {known}",
            field="drug",
            reason="UNKNOWN_DRUG",
        )
    # a block about this drug that takes neither its level nor its dose cannot be judged for a regimen
    said = {b for m in models for b in m.block_versions}
    apart = [
        b
        for b in list_blocks()
        if b.endswith(f"_{drug}")
        and _harms(b)
        and b not in said
        and not any(p["drug"] == drug for p in wiring(b).values())
    ]
    skipped += [f"{b} is in the library, but nothing leads from a dose to what it takes up" for b in apart]
    return models, skipped


def _carrier(drug: str, given: Collection[str]) -> ModelChoice | None:
    """Whole-body PBPK where there is any, else the population PK model that lacks the fewest characteristics."""
    if drug in drug_files() or drug in antibody_files():
        return ModelChoice(drugs=(drug,))
    lacking = {
        m: sum(c.default is None and c.name not in given for c in block.covariates)
        for m, block in ((m, build_poppk(m)) for m in list_poppk())
        if any(r.drug == drug for r in block.routes)
    }
    return ModelChoice(poppk=min(lacking, key=lambda m: (lacking[m], m))) if lacking else None


def _attached(drug: str, carrier: ModelChoice) -> tuple[tuple[str, ...], list[str]]:
    """Blocks driven by the level of `drug` that say something no block before them says; unbound levels first, since
    they hold for people whose binding differs from that of the published patients."""
    driven = {b: w for b in list_blocks() if (w := wiring(b)) and any(p["drug"] == drug for p in w.values())}
    order = sorted(driven, key=lambda b: (not any("unbound" in p["wire"] for p in driven[b].values()), b))
    effects, skipped = list(carrier.effects), []
    # only what the carrier wires and says already counts, so a base model is built first
    base = build(carrier)
    labs = set(base.observables)
    for b in order:
        if b in effects or not _harms(b):
            continue
        mine = {o.analyte for o in build_block(b).observables}
        if mine & labs:
            skipped.append(f"{b} was left out: another block predicts {', '.join(sorted(mine & labs))}")
            continue
        try:
            build(ModelChoice(carrier.drugs, carrier.poppk, (*effects, b)))
        except Refusal as refusal:
            skipped.append(f"{b} was left out: {refusal.message}")
            continue
        effects.append(b)
        labs |= mine
    return tuple(effects), skipped


def _harms(block: str) -> bool:
    return any(_speaks(block, m) for m in PANEL)


def _speaks(block: str, m: Mechanism) -> bool:
    if block not in list_blocks():
        return False
    return any(e.harmful and e.id.startswith(m.endpoints) for e in build_block(block).endpoints)


def _source(block: str) -> str:
    return str(read_block_file(block).file.source)


def _known(model: PatientModel, given: Mapping[str, float]) -> dict[str, float]:
    """Characteristics the model uses; refuses one it needs and does not get, or one beyond its domain."""
    for c in model.covariates:
        value = given.get(c.name)
        if value is None and c.default is None:
            raise Refusal(
                RefusalCode.INVALID,
                f"{model.id} needs {c.name} [{c.unit}]",
                field=f"covariates[{c.name}]",
                reason="MISSING_COVARIATE",
            )
        if value is not None and not c.low <= value <= c.high:
            raise Refusal(
                RefusalCode.INVALID,
                f"{c.name} {value:g} is outside {c.low:g} to {c.high:g} {c.unit}",
                field=f"covariates[{c.name}]",
                reason="OUT_OF_DOMAIN",
            )
    names = {c.name for c in model.covariates}
    return {k: v for k, v in given.items() if k in names}


def _last_h(regimen: Regimen) -> float:
    return max((d.delay_h + (d.count - 1) * d.interval_h + d.duration_h for d in regimen.doses), default=0.0)
