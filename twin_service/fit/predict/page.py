"""What `twin predict --out` leaves: a page to read with its plots inside, and as CSV the course, figures and people."""

from __future__ import annotations

import csv
import html
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from twin_service.fit.predict.figures import unit_of
from twin_service.fit.predict.plan import DosePlan, Floats

WIDTH, HEIGHT, LEFT, BOTTOM = 460, 300, 58, 34
COLORS = ("#1769aa", "#b3541e", "#2d7d46", "#7a3e9d", "#555555")
STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:1000px;margin:2em auto;padding:0 1em;color:#222}"
    "table{border-collapse:collapse}td,th{padding:.2em .8em;border-bottom:1px solid #ddd;text-align:right}"
    "td:first-child,th:first-child{text-align:left}.plots{display:flex;flex-wrap:wrap;gap:16px}figure{margin:0}"
)


def write_prediction(found: Mapping[str, Any], plan: DosePlan, folder: Path) -> Path:
    """Write report.html, course.csv, figures.csv and, of a population, people.csv into `folder`; returns the page."""
    folder.mkdir(parents=True, exist_ok=True)
    _write_course(found, folder / "course.csv")
    with (folder / "figures.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("figure", "value", "unit"), *_figures(found["figures"])])
    if "individuals" in found:
        _write_people(found["individuals"], folder / "people.csv")
    page = folder / "report.html"
    page.write_text("\n".join(_page(found, plan)), encoding="utf-8")
    return page


def _write_people(rows: Sequence[Mapping[str, float]], path: Path) -> None:
    columns = list(dict.fromkeys(k for row in rows for k in row))
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, columns, restval="")
        table.writeheader()
        table.writerows({k: f"{v:.6g}" for k, v in row.items()} for row in rows)


def _figures(figures: Mapping[str, float]) -> list[tuple[str, str, str]]:
    return [(name.removeprefix("predict."), f"{value:.4g}", unit_of(name)) for name, value in figures.items()]


def _write_course(found: Mapping[str, Any], path: Path) -> None:
    columns = {"time_h": found["time_h"]}
    columns |= {f"{d}_mg_l": c for d, c in found["courses"].items()}
    columns[f"{found['drug']}_unbound_mg_l"] = found["unbound_mg_l"]
    columns |= {f"{found['drug']}_{q}_mg_l": c for q, c in found.get("quantiles_mg_l", {}).items()}
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(columns)
        table.writerows([f"{v:.6g}" for v in row] for row in zip(*columns.values(), strict=True))


def _page(found: Mapping[str, Any], plan: DosePlan) -> list[str]:
    drug = html.escape(found["drug"])
    person = ", ".join(f"{k} {v:g}" for k, v in found["person"].items()) or "a man of 30 years, the reference"
    doses = f"{plan.dose_mg:g} mg {plan.route}" + (
        f", {plan.count} times every {plan.interval_h:g} h" * (plan.count > 1)
    )
    many = (
        f"{plan.population} people (seed {plan.seed}); figures are medians" if plan.population else "the typical person"
    )
    notes = "".join(f"<li>{html.escape(n)}" for n in dict.fromkeys(found["warnings"]))
    rows = "".join(f"<tr><td>{html.escape(n)}<td>{v}<td>{u}" for n, v, u in _figures(found["figures"]))
    return [
        f"<!doctype html><meta charset='utf-8'><title>{drug}</title><style>{STYLE}</style>",
        f"<h1>{drug}</h1><p>{html.escape(doses)}. {html.escape(person)}; {many}.</p>",
        f"<div class='plots'>{_plot(found, logarithmic=False)}{_plot(found, logarithmic=True)}</div>",
        f"<h2>Figures</h2><table><tr><th>figure<th>value<th>unit{rows}</table>",
        f"<h2>Assumed, and to be aware of</h2><ul>{notes or '<li>nothing'}</ul>",
    ]


def _plot(found: Mapping[str, Any], *, logarithmic: bool) -> str:
    """Levels over time, mg/L: every drug a line, a band from 5 to 95 % of a population."""
    t = np.array(found["time_h"], dtype=float)
    courses = {d: np.array(c, dtype=float) for d, c in found["courses"].items()}
    band = (
        [np.array(found["quantiles_mg_l"][q], dtype=float) for q in ("q5%", "q95%")]
        if "quantiles_mg_l" in found
        else []
    )
    observed = found.get("observed", ())
    seen = np.array([[y["time_h"], y["value_mg_l"], y["below"]] for y in observed], dtype=float).reshape(-1, 3)
    top = max((float(c.max()) for c in [*courses.values(), *band, seen[:, 1]] if len(c)), default=1.0) * 1.05 or 1.0
    low = top * 1e-4 if logarithmic else 0.0

    def points(c: Floats) -> list[tuple[float, float]]:
        y = np.log(np.maximum(c, low) / low) / np.log(top / low) if logarithmic else c / top
        x = LEFT + (WIDTH - LEFT - 8) * t / max(t[-1], 1e-9)
        return list(zip(x.tolist(), (8 + (HEIGHT - BOTTOM - 8) * (1 - y)).tolist(), strict=True))

    parts = [_axes(t[-1], (low, top), logarithmic)]
    if band:
        edge = points(band[0]) + points(band[1])[::-1]
        parts.append(f"<polygon points='{_join(edge)}' fill='{COLORS[0]}' fill-opacity='0.18'/>")
    for k, (drug, c) in enumerate(courses.items()):
        color = COLORS[k % len(COLORS)]
        parts.append(f"<polyline points='{_join(points(c))}' fill='none' stroke='{color}' stroke-width='1.6'/>")
        parts.append(
            f"<text x='{WIDTH - 12}' y='{22 + 15 * k}' text-anchor='end' fill='{color}'>{html.escape(drug)}</text>"
        )
    for (t_seen, value, below), (x, y) in zip(seen, _placed(seen, float(t[-1]), (low, top)), strict=True):
        fill = "none" if below else COLORS[0]
        said = f"{'below ' if below else ''}{value:.3g} mg/L at {t_seen:g} h"
        parts.append(
            f"<circle cx='{x:.1f}' cy='{y:.1f}' r='3' fill='{fill}' stroke='{COLORS[0]}'><title>{said}</title></circle>"
        )
    return f"<figure><svg width='{WIDTH}' height='{HEIGHT}' font-size='11' role='img'>{''.join(parts)}</svg></figure>"


def _axes(end: float, span: tuple[float, float], logarithmic: bool) -> str:
    low, top = span
    foot = HEIGHT - BOTTOM
    marks = [low * 10**k for k in range(5)] if logarithmic else [top * k / 4 for k in range(5)]
    parts = [f"<path d='M{LEFT} 8V{foot}H{WIDTH - 8}' fill='none' stroke='#999'/>"]
    for m in marks:
        share = np.log(max(m, low) / low) / np.log(top / low) if logarithmic else m / top
        y = 8 + (foot - 8) * (1 - share)
        parts.append(f"<text x='{LEFT - 5}' y='{y + 4:.0f}' text-anchor='end'>{m:.2g}</text>")
    for k in range(5):
        x = LEFT + (WIDTH - LEFT - 8) * k / 4
        parts.append(f"<text x='{x:.0f}' y='{foot + 14}' text-anchor='middle'>{end * k / 4:.3g}</text>")
    parts.append(f"<text x='{WIDTH / 2:.0f}' y='{HEIGHT - 4}' text-anchor='middle'>time, h; level, mg/L</text>")
    return "".join(parts)


def _join(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)


def _placed(seen: Floats, end_h: float, span: tuple[float, float]) -> list[tuple[float, float]]:
    """Where observed levels lie in the plot: time to the right, level upward on the plot's scale."""
    low, top = span
    x = LEFT + (WIDTH - LEFT - 8) * seen[:, 0] / max(end_h, 1e-9)
    share = np.log(np.maximum(seen[:, 1], low) / low) / np.log(top / low) if low > 0.0 else seen[:, 1] / top
    return list(zip(x.tolist(), (8 + (HEIGHT - BOTTOM - 8) * (1 - share)).tolist(), strict=True))
