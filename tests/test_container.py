"""deploy/container and the compose file that runs it: what a careful reader of such files would look for."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from config import Settings
from tests.walk.containerfile import CONTAINERFILE, REPOSITORY, Stage, as_list, stages
from transfer_service.shipped import PACKAGE
from transfer_service.version import VERSION

SINGLE = REPOSITORY / "deploy/compose/single.yaml"


@pytest.fixture
def text() -> str:
    return CONTAINERFILE.read_text()


@pytest.fixture
def final(text: str) -> Stage:
    return stages(text)[-1]


def single() -> dict[str, Any]:
    parsed: dict[str, Any] = yaml.safe_load(SINGLE.read_text())
    return parsed


def test_every_base_is_named_with_its_version(text: str) -> None:
    bases = {stage.base for stage in stages(text)}
    assert len(bases) == 1  # of two, the environment would not fit
    for base in bases:
        assert re.fullmatch(r"python:3\.\d+-slim-[a-z]+", base)


def test_nobody_is_root_in_it_and_nothing_needs_a_shell(final: Stage) -> None:
    user, _, group = final.last("USER").partition(":")
    assert (int(user) > 1000, user == group) == (True, True)  # numbers, as Kubernetes wants them
    words = [word for word, _ in final.instructions]
    assert words.index("USER") > max(index for index, word in enumerate(words) if word in {"RUN", "COPY"})
    for command in (final.program(), final.health_check()):
        assert Path(command[0]).is_absolute()
        assert not {"sh", "bash"} & {Path(word).name for word in command}
    assert final.last("STOPSIGNAL") == "SIGTERM"


def test_it_has_what_it_needs_and_no_tool_to_make_it(text: str) -> None:
    build, final = stages(text)
    assert build.name is not None
    assert list(final.values("COPY")) == [f"--from={build.name} /opt/transfer /opt/transfer"]
    for stage in (build, final):
        for command in stage.values("RUN"):
            assert "curl" not in command and "apt" not in command
            assert "pip" not in command or "--no-cache-dir" in command
    assert not re.search(r"^ADD |secret|password=|TOKEN", text, re.MULTILINE | re.IGNORECASE)


def test_what_is_copied_is_there_and_is_all_that_a_wheel_needs(text: str) -> None:
    build = stages(text)[0]
    sources = {source for value in build.values("COPY") for source in value.split()[:-1]}
    for source in sources:
        assert list(REPOSITORY.glob(source)), source
    forced = re.findall(r'^"(\S+)" = "transfer_service/', (REPOSITORY / "pyproject.toml").read_text(), re.MULTILINE)
    assert {
        *forced,
        "pyproject.toml",
        "README.md",
        "LICENSE",
        "transfer_service",
        "scripts/requirements_hook.py",
    } <= sources
    ignored = (CONTAINERFILE.parent / "Containerfile.dockerignore").read_text()
    assert {line[1:] for line in ignored.splitlines() if line.startswith("!")} == sources


def test_its_extras_are_those_that_there_are(text: str) -> None:
    extras = stages(text)[0].last("ARG").removeprefix("EXTRAS=").split(",")
    there = {path.stem.removeprefix("requirements-") for path in REPOSITORY.glob("requirements-*.txt")} - {"dev"}
    assert set(extras) == there


def test_its_settings_are_some_that_the_service_takes(final: Stage) -> None:
    given = final.pairs("ENV")
    ours = {name.removeprefix("TRANSFER_").lower(): value for name, value in given.items() if name[:9] == "TRANSFER_"}
    settings = Settings(**{"_env_file": None, **ours})  # type: ignore[arg-type]
    (volume,) = as_list(final.last("VOLUME"))
    assert (str(settings.data_dir), final.last("WORKDIR")) == (volume, volume)
    assert settings.bind.rpartition(":")[2] == final.last("EXPOSE")
    assert f":{final.last('EXPOSE')}/readyz" in final.health_check()[-1]
    assert given["PATH"].startswith(str(Path(final.program()[0]).parent))


def test_it_says_which_version_it_is(final: Stage) -> None:
    labels = {name.removeprefix("org.opencontainers.image."): value for name, value in final.pairs("LABEL").items()}
    assert (labels["version"], labels["licenses"]) == (VERSION, "MIT")
    assert {"title", "description"} <= set(labels)
    assert single()["services"]["service"]["image"] == f"transfer-service:{VERSION}"


def test_a_faulty_file_is_noticed() -> None:
    with pytest.raises(ValueError, match="ADD"):
        stages("FROM a\nADD b c\n")
    with pytest.raises(ValueError, match="Expecting value"):
        stages("FROM a\nCMD serve\nENTRYPOINT x\n")[0].program()


def test_compose_runs_it_with_as_little_as_it_can(final: Stage) -> None:
    services = single()["services"]
    for name in ("service", "cleanup"):
        service = services[name]
        assert (service["read_only"], service["cap_drop"], service["tmpfs"]) == (True, ["ALL"], ["/tmp"])
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert service["volumes"] == [f"data:{final.last('WORKDIR')}"]
        assert (REPOSITORY / service["build"]["dockerfile"]).samefile(CONTAINERFILE)
    site = (SINGLE.parent / "nginx-single.conf").read_text()
    assert re.findall(r"server (\w+):(\d+)", site) == [("service", final.last("EXPOSE"))]
    for mount in services["nginx"]["volumes"]:
        assert (SINGLE.parent / mount.partition(":")[0]).exists(), mount


def test_the_package_holds_no_files_that_a_wheel_would_bring() -> None:
    """Where they were, `shipped` would find them there and not beside it."""
    assert not [name for name in ("openapi.yaml", "gunicorn.conf.py", "migrations") if (PACKAGE / name).exists()]
