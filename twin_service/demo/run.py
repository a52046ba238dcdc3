"""`twin demo`: a server in a process of its own, real patients through the client, and a report of what was learned."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from twin_client import TwinClient
from twin_service.demo import plots, report
from twin_service.demo.cases import Case, phenobarb, quinidine, theoph
from twin_service.demo.control_arm import FOLDS, DemoControlArm, run_control_arm
from twin_service.demo.figures import set_figures
from twin_service.demo.process import running_server
from twin_service.demo.questions import ask_oncology, ask_quinidine, send_oncology
from twin_service.demo.stream import Streamed, stream

SETS: dict[str, Callable[[int], list[Case]]] = {"quinidine": quinidine, "theoph": theoph, "phenobarb": phenobarb}
CALL_TIMEOUT_S = 120.0


def demo(
    out: Path, json_path: Path | None = None, *, patients: int = 0, console: Console | None = None, serve: int = 0
) -> int:
    """Run everything and write plots and report to `out`; 0 when every path was walked to its end.

    patients   limits each data set (0: all), for a quick look
    serve      port at which the ward's page stays until Ctrl-C; 0: it is shown as pictures in `out`
    """
    console = console or Console()
    started = time.monotonic()
    out.mkdir(parents=True, exist_ok=True)
    with running_server(out / "server.log") as address, TwinClient(address, "demo", timeout_s=CALL_TIMEOUT_S) as client:
        console.print(f"server at {address}; log in {out / 'server.log'}")
        streamed, arm = _stream_all(client, patients, console)
        reading, revision = send_oncology(client)
        answers = [(ask_quinidine(client, streamed["quinidine"]), ()), (ask_oncology(client, revision), reading.held)]
        images = {name: plots.patients(client, s) for name, s in streamed.items()}
        images |= {
            "before_after": plots.before_after(streamed),
            "control_arm": plots.control_arm(arm),
            **{a.patient: plots.question(a) for a, _ in answers},
        }
        figures = _figures(streamed, arm)
        seconds = time.monotonic() - started
        page = report.write(report.DemoPage(figures, images, answers, arm, seconds), out / "report.html")
        _tell(console, figures, page, seconds)
        if json_path is not None:
            json_path.parent.mkdir(parents=True, exist_ok=True)
            json_path.write_text(json.dumps({"figures": figures, "seconds": seconds}, indent=1, sort_keys=True) + "\n")
        _ward(client, address, [a.patient for a, _ in answers], out, console, serve)
    return 0


def _ward(client: TwinClient, server: str, patients: list[str], out: Path, console: Console, port: int) -> None:
    """The page a ward would keep open, over the demo's patients; the simulated patient's last dose came twice."""
    from twin_service.demo.page import pictures, running_page, send_again

    with running_page(server, "demo", port) as page:
        send_again(client, page, patients[-1])
        if not port:
            shown = pictures(page, patients, out)
            look = f"page: {', '.join(str(p) for p in shown)}; " if shown else ""
            console.print(f"{look}`twin demo --serve` keeps it open in a browser")
            return
        console.print(f"page: {page}/   (Ctrl-C ends it)")
        with suppress(KeyboardInterrupt):
            while True:
                time.sleep(3600)


def _stream_all(
    client: TwinClient, patients: int, console: Console
) -> tuple[dict[str, list[Streamed]], DemoControlArm]:
    bar = Progress(
        TextColumn("{task.description:24s}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=console
    )
    streamed: dict[str, list[Streamed]] = {}
    with bar:
        for name, load in SETS.items():
            cases = load(patients)
            task = bar.add_task(f"{name}: levels", total=sum(c.levels for c in cases))
            streamed[name] = stream(client, cases, partial(bar.advance, task))
        task = bar.add_task("control arm: folds", total=FOLDS)
        arm = run_control_arm(client, lambda n: bar.advance(task, n))
    return streamed, arm


def _figures(streamed: dict[str, list[Streamed]], arm: DemoControlArm) -> dict[str, float]:
    figures: dict[str, float] = {}
    for name, patients in streamed.items():
        figures |= set_figures(name, len(patients), [f for s in patients for f in s.forecasts])
    return figures | {
        "demo.control_arm.variance_reduction": arm.answer.variance_reduction,
        "demo.control_arm.baseline_variance_reduction": arm.by_baseline.variance_reduction,
        "demo.control_arm.patients": len(arm.rows),
    }


def _tell(console: Console, figures: dict[str, float], page: Path, seconds: float) -> None:
    table = Table(title="Forecast of the next level, before and after the first one was seen", title_justify="left")
    for heading in ("data set", "patients", "levels", "rRMSE before", "after", "MAPE before", "after", "in 90 % band"):
        table.add_column(heading, justify="left" if heading == "data set" else "right")
    for name in SETS:

        def f(key: str, name: str = name) -> float:
            return figures[f"demo.{name}.{key}"]

        table.add_row(
            name,
            f"{f('patients'):.0f}",
            f"{f('observations'):.0f}",
            f"{f('prior_rrmse'):.1%}",
            f"{f('posterior_rrmse'):.1%}",
            f"{f('prior_mape'):.1%}",
            f"{f('posterior_mape'):.1%}",
            f"{f('coverage90'):.1%}",
        )
    console.print(table)
    console.print(
        f"control arm: the forecast removes {figures['demo.control_arm.variance_reduction']:.1%} of the variance "
        f"of the effect ({figures['demo.control_arm.patients']:.0f} patients)"
    )
    console.print(f"report: {page}   ({seconds:.0f} s)")
