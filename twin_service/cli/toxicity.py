"""What `twin toxicity` tells: how likely each harm of a drug and a regimen is, by which mechanism, with what margin."""

from __future__ import annotations

from twin_service.trial.toxicity import JudgedMechanism, ToxicityPanel


def lines(found: ToxicityPanel) -> list[str]:
    """The panel as text; what is not known says so."""
    models = ", ".join(found.models)
    said = [f"{found.regimen.name}; {found.patients} patients, {found.horizon_h:g} h; models: {models}"]
    for j in found.judged:
        said.append(f"{j.mechanism.id}: {j.mechanism.text}")
        said += [f"    {r.endpoint.title}: {r.probability:.1%} (90 % {r.low:.1%} to {r.high:.1%})" for r in j.risks]
        said += [
            f"    {m.threshold.id}: margin {m.margin:.2g} (Cmax,u {m.cmax_umol_l:.3g}, threshold "
            f"{m.threshold.concentration_umol_l:.3g} umol/L; {m.threshold.safe_margin:g} is called safe)"
            for m in j.margins
        ]
        said.append(f"    {j.basis}")
    said += [f"exposure: {r.endpoint.title}: {r.probability:.1%}" for r in found.exposure]
    said += [f"look first: {s}" for s in found.signals()]
    return said + [f"note: {n}" for n in found.notes]


def figures_of(found: ToxicityPanel) -> dict[str, float]:
    """Flat numbers of what is known; a mechanism that is not known has none."""
    figures = {
        "toxicity.patients": float(found.patients),
        "toxicity.known": float(sum(j.known for j in found.judged)),
        "toxicity.not_known": float(sum(not j.known for j in found.judged)),
    }
    for j in found.judged:
        figures |= {f"toxicity.{j.mechanism.id}.{r.endpoint.id}": r.probability for r in j.risks}
        figures |= {f"toxicity.{j.mechanism.id}.{m.threshold.id}_margin": m.margin for m in j.margins}
    return figures


def told(found: ToxicityPanel) -> dict[str, object]:
    """Everything else for the JSON file; probabilities of what is not known are null, never 0."""
    return {
        "drug": found.drug,
        "regimen": found.regimen.name,
        "mechanisms": {j.mechanism.id: _told(j) for j in found.judged},
        "signals": found.signals(),
        "notes": list(found.notes),
        "models": list(found.models),
    }


def _told(j: JudgedMechanism) -> dict[str, object]:
    risks = {
        r.endpoint.id: {
            "probability": r.probability,
            "low": r.low,
            "high": r.high,
            "grade": r.endpoint.grade,
            "title": r.endpoint.title,
        }
        for r in j.risks
    }
    margins = {
        m.threshold.id: {
            "margin": m.margin,
            "cmax_umol_l": m.cmax_umol_l,
            "safe_margin": m.threshold.safe_margin,
            "concentration_umol_l": m.threshold.concentration_umol_l,
            "flagged": m.flagged,
        }
        for m in j.margins
    }
    return {
        "state": "known" if j.known else "not known",
        "mechanism": j.mechanism.text,
        "basis": j.basis,
        "risks": risks if j.known else None,
        "margins": margins if j.known else None,
    }
