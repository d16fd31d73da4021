"""The metrics of a run, as Prometheus reads them from a real Ray, and the dashboard that shows them."""

import json
import re
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from pipeline.cluster.metrics import COUNTERS, GAUGES, HISTOGRAMS
from tests.conftest import ROOT
from tests.integration.ray_head import free_port, joining_environment, ray_head
from tests.patience import wait_until

SIMULATED = ROOT / "configs" / "simulated.yaml"
_UNKNOWN_TO_THE_SIMULATED_ENGINE = {"berry_prompt_tokens_cached"}
_WITHOUT_FAULTS = {"berry_errors", "berry_restarts", "berry_preemptions"}
"""Counters that appear with their first event."""


def scrape(port: int) -> dict[str, list[tuple[dict[str, str], float]]]:
    """Name of each sample of berry's -> its labels and value."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    found: dict[str, list[tuple[dict[str, str], float]]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name.startswith("ray_berry_"):
                found.setdefault(sample.name, []).append((dict(sample.labels), sample.value))
    return found


@pytest.mark.ray
def test_a_run_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_metrics_report_interval_ms", "500")
    port = free_port()
    wanted = {f"ray_{name}" for name in GAUGES if name != "berry_kv_used"}
    wanted |= {f"ray_{name}_count" for name in HISTOGRAMS}
    wanted |= {
        f"ray_{name}_total"
        for name in COUNTERS.keys() - _WITHOUT_FAULTS - _UNKNOWN_TO_THE_SIMULATED_ENGINE
    }
    options = ["--node-ip-address=127.0.0.1", f"--metrics-export-port={port}"]
    with ray_head(num_cpus=4, knows_python_path=True, options=options) as address:
        command = [
            str(Path(sys.executable).parent / "berry"), "run", str(SIMULATED), "--address", address,
            "output=out", "problems.size=4000", "dataset.problems_per_part=8",
            "engine.token_seconds=0.002",
        ]  # fmt: skip
        run = subprocess.Popen(
            command, cwd=tmp_path, env=joining_environment(), stderr=subprocess.DEVNULL
        )
        try:
            wait_until(lambda: wanted <= scrape(port).keys(), run)
            found = scrape(port)
        finally:
            run.terminate()
            run.wait()
    ((labels, _),) = found["ray_berry_problems_in_flight"]
    assert labels["worker"] == "worker-0"
    assert labels["model_version"]
    outcomes = {labels["outcome"] for labels, _ in found["ray_berry_verdicts_total"]}
    assert "pass" in outcomes
    assert sum(value for _, value in found["ray_berry_tokens_total"]) > 0
    assert sum(value for _, value in found["ray_berry_published_bytes_total"]) > 1000


def test_every_query_of_the_dashboard_names_a_metric() -> None:
    dashboard = json.loads((ROOT / "configs" / "cluster" / "grafana.json").read_text())
    queries = [one["expr"] for panel in dashboard["panels"] for one in panel["targets"]]
    named = {name for query in queries for name in re.findall(r"\bray_\w+", query)}
    known = {f"ray_{name}" for name in GAUGES} | {f"ray_{name}_total" for name in COUNTERS}
    known |= {f"ray_{name}_bucket" for name in HISTOGRAMS}
    assert named == known
    for query in queries:
        assert re.search(r"\bray_berry_", query), query
        assert query.count("(") == query.count(")")
