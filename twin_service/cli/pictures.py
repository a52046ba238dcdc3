"""Pictures and pages of `twin treat` and `twin toxicity`."""

from __future__ import annotations

import base64
import html
from pathlib import Path
from typing import Any

import numpy as np

from twin_service.trial.toxicity import ToxicityPanel
from twin_service.twin.simulate import WhatIf
from twin_service.twin.treat import TreatedMembers

INK, BLUE, ORANGE, GRAY, GREEN = "#1b1f24", "#2b6cb0", "#d9730d", "#9aa4b1", "#2f9e62"


def draw_protocol(ruled: TreatedMembers, plain: WhatIf, folder: Path) -> Path:
    """Each output with and without the rules, and what was given, as one PNG file."""
    count = len(plain.bands.series)
    fig, axes = _figure(count + 1, 9.0, 2.6 * (count + 1))
    for ax, a, b in zip(axes, plain.bands.series, ruled.what_if.bands.series, strict=False):
        for series, color, label in ((a, GRAY, "plan"), (b, BLUE, "by rule")):
            t = plain.bands.times_h / 24.0
            ax.fill_between(t, series.quantiles[0], series.quantiles[-1], color=color, alpha=0.18, lw=0)
            ax.plot(t, series.quantiles[2], color=color, lw=1.4, label=label)
        ax.set_ylabel(f"{a.output} [{a.unit}]", fontsize=8)
        ax.legend(frameon=False, fontsize=8, ncol=2)
        ax.set_xlabel("days")
    for (drug, share), color in zip(ruled.intensity.items(), (BLUE, ORANGE, GREEN), strict=False):
        axes[-1].hist(
            share,
            bins=np.linspace(0, max(1.0, float(share.max())) * 1.001, 41).tolist(),
            color=color,
            alpha=0.6,
            label=drug,
        )
    axes[-1].set(xlabel="relative dose intensity", ylabel="members")
    axes[-1].legend(frameon=False, fontsize=8)
    return _save(fig, folder / "protocol.png")


def draw_toxicity(found: ToxicityPanel, folder: Path) -> list[Path]:
    """One bar for each risk with its interval, mechanisms that are not known beside them, and an HTML page."""
    rows: list[tuple[str, Any]] = []
    for j in found.judged:
        rows += [(f"{j.mechanism.id}: {r.endpoint.title}", r) for r in j.risks]
        rows += [(f"{j.mechanism.id}: not known", None)] if not j.known else []
    fig, (ax,) = _figure(1, 10.0, 0.42 * len(rows) + 1.2)
    for y, (_, r) in enumerate(rows):
        if r is None:
            ax.text(1.0, y, "the library has no data of this drug", va="center", color=GRAY, fontsize=8)
            continue
        ax.barh(y, 100 * r.probability, color=ORANGE if r.endpoint.serious else BLUE, height=0.6)
        ax.plot([100 * r.low, 100 * r.high], [y, y], color=INK, lw=1.2)
    ax.set(xlim=(0, 100), ylim=(-0.6, len(rows) - 0.4), yticks=range(len(rows)))
    ax.set_xlabel("patients [%], with the 90 % interval")
    ax.set_title(found.regimen.name)
    ax.set_yticklabels([label[:70] for label, _ in rows], fontsize=8)
    ax.invert_yaxis()
    picture = _save(fig, folder / "toxicity.png")
    page = folder / "toxicity.html"
    page.write_text(_page(found, picture), encoding="utf-8")
    return [picture, page]


def _page(found: ToxicityPanel, picture: Path) -> str:
    image = base64.b64encode(picture.read_bytes()).decode()
    parts = []
    for j in found.judged:
        body = "".join(
            f"<tr><td>{html.escape(r.endpoint.title)}</td><td>{r.probability:.1%}</td>"
            f"<td>{r.low:.1%} to {r.high:.1%}</td></tr>"
            for r in j.risks
        )
        for m in j.margins:
            reached = f"Cmax,u {m.cmax_umol_l:.3g} against {m.threshold.concentration_umol_l:.3g} umol/L"
            body += (
                f"<tr><td>{html.escape(m.threshold.id)}: {reached}</td><td>margin {m.margin:.2g}</td>"
                f"<td>{m.threshold.safe_margin:g} is called safe</td></tr>"
            )
        table = f"<table><tr><th>harm</th><th>probability</th><th>90 % interval</th></tr>{body}</table>" if body else ""
        parts.append(
            f"<h2>{html.escape(j.mechanism.id.replace('_', ' '))}</h2><p>{html.escape(j.mechanism.text)}.</p>"
            f"{table}<p class=basis>{html.escape(j.basis)}</p>"
        )
    first = "".join(f"<li>{html.escape(s)}</li>" for s in found.signals()) or "<li>nothing above 10 %</li>"
    notes = "".join(f"<li>{html.escape(n)}</li>" for n in found.notes)
    return (
        "<!doctype html><html lang=en><meta charset=utf-8><title>Toxicity panel</title><style>body{font:16px/1.5 "
        "system-ui;max-width:960px;margin:32px auto;padding:0 20px;color:#1b1f24}table{border-collapse:collapse;"
        "width:100%}td,th{padding:6px 10px;border-bottom:1px solid #e3e7ec;text-align:left}"
        ".basis{color:#5b6572;font-size:13px}"
        f"img{{width:100%}}</style><h1>{html.escape(found.regimen.name)}</h1><p>{found.patients} patients, "
        f"{found.horizon_h:g} h; models: {html.escape(', '.join(found.models))}.</p><h2>Look first</h2><ul>{first}</ul>"
        f'<img alt="risks" src="data:image/png;base64,{image}">{"".join(parts)}<h2>Notes</h2><ul>{notes}</ul></html>\n'
    )


def _figure(rows: int, width: float, height: float) -> tuple[Any, Any]:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    fig, axes = plt.subplots(rows, 1, figsize=(width, height), squeeze=False, constrained_layout=True)
    for ax in axes[:, 0]:
        ax.spines[["top", "right"]].set_visible(False)
    return fig, axes[:, 0]


def _save(fig: Any, path: Path) -> Path:
    import matplotlib.pyplot as plt

    path.parent.mkdir(parents=True, exist_ok=True)
    fig.savefig(path, dpi=130)
    plt.close(fig)
    return path
