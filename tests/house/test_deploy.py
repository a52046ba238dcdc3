"""What `deploy/` says is what the program reads: variables, ports, metrics, files and probes agree."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.house.source import ROOT, service_modules
from twin_service.demo.process import running_server
from twin_service.settings import Settings

DEPLOY = ROOT / "deploy"
DEFAULT = {name: field.default for name, field in Settings.model_fields.items()}


def texts(*suffixes: str) -> Iterator[tuple[Path, str]]:
    for path in sorted(DEPLOY.rglob("*")):
        if path.is_file() and (path.suffix in suffixes or path.name in suffixes):
            yield path, path.read_text()


def compose() -> dict[str, Any]:
    return dict(yaml.safe_load((DEPLOY / "compose.yaml").read_text()))


def test_every_variable_is_a_setting() -> None:
    known = {f"TWIN_{name.upper()}" for name in Settings.model_fields}
    found = [
        f"{path.relative_to(ROOT)}: {name}"
        for path, text in texts(".yaml", ".py", "Dockerfile")
        for name in set(re.findall(r"\bTWIN_[A-Z0-9_]+\b", text)) - known
    ]
    assert not found, found


def test_every_yaml_file_parses() -> None:
    for path, text in texts(".yaml"):
        assert list(yaml.safe_load_all(text)), path


def test_ports_are_the_defaults_everywhere() -> None:
    grpc, metrics = DEFAULT["listen"].rpartition(":")[2], str(DEFAULT["metrics_port"])
    image = (DEPLOY / "Dockerfile").read_text()
    assert f"EXPOSE {grpc} {metrics}" in image
    server = compose()["services"]["server"]
    assert server["environment"]["TWIN_LISTEN"].endswith(f":{grpc}")
    assert server["ports"] == [f"127.0.0.1:{grpc}:{grpc}"]
    (scrape,) = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yaml").read_text())["scrape_configs"]
    assert scrape["static_configs"] == [{"targets": [f"server:{metrics}"]}]
    pod = yaml.safe_load((DEPLOY / "kustomize" / "base" / "deployment.yaml").read_text())["spec"]["template"]
    ports = {p["name"]: p["containerPort"] for p in pod["spec"]["containers"][0]["ports"]}
    assert ports == {"grpc": int(grpc), "metrics": int(metrics)}


def test_the_image_runs_unprivileged_and_reports_its_health() -> None:
    text = (DEPLOY / "Dockerfile").read_text()
    final = text[text.rindex("\nFROM ") :]
    assert re.search(r"^USER 10001", final, flags=re.M)
    assert re.search(r"^HEALTHCHECK .*healthcheck\.py", final, flags=re.M)
    assert "--constraint deploy/constraints.txt" in text


def test_the_image_copies_what_exists() -> None:
    sources = re.findall(r"^COPY (?!--from)(.+) \S+$", (DEPLOY / "Dockerfile").read_text(), flags=re.M)
    missing = [name for line in sources for name in line.split() if not (ROOT / name).exists()]
    assert sources and not missing, missing


def test_a_stop_waits_longer_than_the_calls_in_flight() -> None:
    server = compose()["services"]["server"]
    assert int(server["stop_grace_period"].rstrip("s")) > float(server["environment"]["TWIN_STOP_GRACE_S"])
    pod = yaml.safe_load((DEPLOY / "kustomize" / "base" / "deployment.yaml").read_text())["spec"]["template"]["spec"]
    grace = {e["name"]: e.get("value") for e in pod["containers"][0]["env"]}["TWIN_STOP_GRACE_S"]
    assert pod["terminationGracePeriodSeconds"] > float(grace)


def test_no_password_is_written_down() -> None:
    for path, text in texts(".yaml", "Dockerfile"):
        for value in re.findall(r"(?im)^\s*\w*password: +(.+)", text):
            assert value.strip().startswith("${"), f"{path.relative_to(ROOT)}: {value}"


def test_kustomize_files_name_files_that_exist() -> None:
    for path in DEPLOY.rglob("kustomization.yaml"):
        data = yaml.safe_load(path.read_text())
        named = [*data["resources"], *(p["path"] for p in data.get("patches", []))]
        assert [n for n in named if not (path.parent / n).exists()] == []


@pytest.mark.parametrize("folder", ["base", "overlays/production"])
def test_kustomize_builds(folder: str) -> None:
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not installed: kustomize is not built here")
    command = ["kubectl", "kustomize", str(DEPLOY / "kustomize" / folder)]
    built = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    found = {d["kind"]: d for d in yaml.safe_load_all(built.stdout)}
    pod = found["Deployment"]["spec"]["template"]
    assert pod["spec"]["securityContext"]["runAsNonRoot"] is True
    policy = found["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"]
    assert policy.items() <= pod["metadata"]["labels"].items()


def metric_names_in_code() -> set[str]:
    """Names given to prometheus_client's constructors anywhere in the service."""
    made = re.compile(r"\b(Counter|Gauge|Histogram|Summary)\(\s*f?\"([a-z_]+)\"")
    names: set[str] = set()
    for module in service_modules():
        for kind, name in made.findall(module.text):
            stem = name.removesuffix("_total") if kind == "Counter" else name
            tails = {"Counter": ("_total",), "Gauge": ("",)}.get(kind, ("_bucket", "_sum", "_count"))
            names |= {stem + tail for tail in tails}
    return names


def expressions() -> Iterator[tuple[str, str]]:
    """Every PromQL expression in the rules and the dashboards."""
    for group in yaml.safe_load((DEPLOY / "prometheus" / "rules.yaml").read_text())["groups"]:
        for rule in group["rules"]:
            yield rule.get("alert") or rule["record"], rule["expr"]
    for path in sorted((DEPLOY / "grafana" / "dashboards").glob("*.json")):
        for panel in json.loads(path.read_text())["panels"]:
            for target in panel["targets"]:
                yield panel["title"], target["expr"]


def metrics_in(expression: str) -> set[str]:
    bare = re.sub(r"\{[^}]*\}|\[[^\]]*\]|\"[^\"]*\"|\b(by|without|on|ignoring)\s*\([^)]*\)", "", expression)
    return {n for n in re.findall(r"\b[a-z][a-z0-9_:]*_[a-z0-9_]+\b", bare) if n not in PROMQL}


PROMQL = {"histogram_quantile", "count_over_time", "avg_over_time", "max_over_time", "sum_over_time"}


def test_alerts_and_dashboards_ask_for_metrics_that_exist() -> None:
    known = metric_names_in_code() | {"up", "process_resident_memory_bytes", "process_cpu_seconds_total"}
    asked = {(title, name) for title, e in expressions() for name in metrics_in(e)}
    assert asked
    unknown = sorted(pair for pair in asked if pair[1] not in known)
    assert not unknown, unknown


def test_every_alert_says_what_it_means() -> None:
    for group in yaml.safe_load((DEPLOY / "prometheus" / "rules.yaml").read_text())["groups"]:
        for rule in group["rules"]:
            if "alert" in rule:
                assert {"summary", "description"} <= rule["annotations"].keys(), rule["alert"]
                assert rule["labels"]["severity"] in ("page", "ticket"), rule["alert"]


def test_the_health_check_of_the_image_tells_a_live_server_from_a_dead_one(tmp_path: Path) -> None:
    command = [sys.executable, str(DEPLOY / "healthcheck.py")]
    with running_server(tmp_path / "server.log") as address:
        environment = {**os.environ, "TWIN_LISTEN": address.replace("127.0.0.1", "0.0.0.0")}
        alive = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
        assert alive.returncode == 0, alive.stderr
    dead = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert (dead.returncode, dead.stderr.strip()) == (1, "UNAVAILABLE")
