"""What deploy/ has for Prometheus and Grafana: it is valid, asks for what there is, and the alerts are explained."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.missing import missing
from transfer_service.telemetry.exposition import ROLES
from transfer_service.telemetry.meters import METERS, REASONS, SIGN_IN_RESULTS, WEBHOOK_RESULTS, Kind

REPOSITORY = Path(__file__).parents[1]
PROMETHEUS = REPOSITORY / "deploy" / "prometheus"
DASHBOARD: dict[str, Any] = json.loads((REPOSITORY / "deploy" / "grafana" / "transfer.json").read_text("utf-8"))
RULES: list[dict[str, Any]] = yaml.safe_load((PROMETHEUS / "alerts.yml").read_text("utf-8"))["groups"][0]["rules"]
PAGE = (REPOSITORY / "docs" / "metrics.md").read_text("utf-8")
QUERIES = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
ENDINGS = {Kind.COUNTER: ("_total",), Kind.GAUGE: ("",), Kind.HISTOGRAM: ("_bucket", "_sum", "_count")}
GAUGES = {
    "transfer_jobs": {"kind", "state"}, "transfer_processes": {"role"}, "transfer_build_info": {"version"},
}  # fmt: skip
NAMES = {meter.name + ending: set(meter.labels) for meter in METERS for ending in ENDINGS[meter.kind]} | GAUGES
VALUES = {"reason": set(REASONS), "result": {*SIGN_IN_RESULTS, *WEBHOOK_RESULTS}, "role": set(ROLES)}


def promtool(*arguments: str) -> subprocess.CompletedProcess[str]:
    if shutil.which("promtool") is None:
        missing("promtool is not installed")
    return subprocess.run(["promtool", *arguments], cwd=PROMETHEUS, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("arguments", [("check", "config", "prometheus.yml"), ("test", "rules", "alerts_test.yml")])
def test_promtool_finds_nothing_wrong(arguments: tuple[str, ...]) -> None:
    result = promtool(*arguments)
    assert result.returncode == 0, result.stdout + result.stderr


def test_promtool_would_find_an_alert_that_does_not_fire(tmp_path: Path) -> None:
    rules = (PROMETHEUS / "alerts.yml").read_text().replace('reason="disk"', 'reason="dusk"')
    (tmp_path / "alerts.yml").write_text(rules)
    shutil.copy(PROMETHEUS / "alerts_test.yml", tmp_path)
    assert promtool("test", "rules", str(tmp_path / "alerts_test.yml")).returncode != 0


def test_every_alert_is_tested() -> None:
    tested = (PROMETHEUS / "alerts_test.yml").read_text()
    assert [rule["alert"] for rule in RULES if rule["alert"] not in tested] == []


def test_every_alert_is_explained() -> None:
    assert re.findall(r"^\| `(Transfer\w+)` \|", PAGE, flags=re.MULTILINE) == [rule["alert"] for rule in RULES]


@pytest.mark.parametrize("query", [*QUERIES, *(rule["expr"] for rule in RULES)])
def test_a_query_asks_for_numbers_and_labels_that_there_are(query: str) -> None:
    for name, selector in re.findall(r"(transfer_\w+)(?:\{([^}]*)\})?", query):
        assert name in NAMES
        for label, value in re.findall(r'(\w+)=~?"([^"]*)"', selector):
            assert label in NAMES[name] | {"job", "instance"}
            assert label not in VALUES or set(value.split("|")) <= VALUES[label]


def test_every_number_is_on_the_page_and_on_the_dashboard() -> None:
    shown = " ".join(QUERIES)
    for name in {meter.name for meter in METERS} | GAUGES.keys():
        assert name in shown
        assert f"`{name}" in PAGE


def test_every_reason_is_on_the_page() -> None:
    assert [reason for reason in REASONS if f"`{reason}`" not in PAGE] == []


def test_panels_do_not_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not taken & cells
        assert max(x for x, _ in cells) < 24
        taken |= cells
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
