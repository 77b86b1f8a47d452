"""The client as a package of its own: what it imports, which Python it needs, and that nothing says another version."""

import ast
import json
import re
import sys
import tomllib
from importlib.metadata import requires, version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from transfer_service_client.version import VERSION

from transfer_service.version import VERSION as SERVICE_VERSION

REPOSITORY = Path(__file__).parents[2]
CLIENT = REPOSITORY / "client"
PACKAGE = CLIENT / "transfer_service_client"
MODULES = sorted(PACKAGE.rglob("*.py"))
PROJECT = tomllib.loads((CLIENT / "pyproject.toml").read_text())["project"]
NEWER_THAN_ITS_PYTHON = {
    "tomllib"
}  # modules of the standard library since 3.10; scripts/check looks for newer names in old ones


def dependencies() -> set[str]:
    return {Requirement(line).name for line in PROJECT["dependencies"]}


def extras() -> set[str]:
    return {Requirement(line).name for lines in PROJECT["optional-dependencies"].values() for line in lines}


def imported(module: Path) -> dict[str, bool]:
    """The packages that a module imports, and whether each is when the module is."""
    found: dict[str, bool] = {}
    tree = ast.parse(module.read_text())
    for node in ast.walk(tree):
        names = [each.name for each in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0 and node.module is not None, module
            names = [node.module]
        for name in names:
            package = name.partition(".")[0]
            found[package] = found.get(package, False) or node in tree.body
    return found


def test_its_version_is_the_services() -> None:
    in_javascript = json.loads((CLIENT / "javascript/package.json").read_text())["version"]
    assert VERSION == in_javascript == SERVICE_VERSION


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_is_of_the_oldest_python_and_imports_what_is_declared(module: Path) -> None:
    minor = int(re.fullmatch(r">=3\.(\d+)", PROJECT["requires-python"])[1])  # type: ignore[index]
    ast.parse(module.read_text(), feature_version=(3, minor))
    ours = (sys.stdlib_module_names - NEWER_THAN_ITS_PYTHON) | {"transfer_service_client"} | dependencies()
    strange = {name: at_once for name, at_once in imported(module).items() if name not in ours}
    assert strange.keys() <= extras() | {"botocore"}, strange
    assert not any(strange.values()), "an extra is imported where it is used"


def test_what_is_declared_is_used() -> None:
    used = {name for module in MODULES for name in imported(module)}
    assert dependencies() <= used


def test_a_clone_installs_what_the_wheel_asks_for_and_all_that_comes_along() -> None:
    lines = [line for line in (CLIENT / "requirements.txt").read_text().splitlines() if not line.startswith("#")]
    pinned = dict(line.split("==") for line in lines)
    waiting, needed = [Requirement(line) for line in PROJECT["dependencies"]], set()
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        assert requirement.specifier.contains(pinned[name]), requirement
        if name not in needed:
            assert version(name) == pinned[name]
            needed.add(name)
            brought = [Requirement(line) for line in requires(name) or ()]
            waiting += [each for each in brought if each.marker is None or each.marker.evaluate({"extra": ""})]
    assert needed == pinned.keys()
    assert lines == sorted(lines)


def test_both_pin_the_same_where_both_need_it() -> None:
    pins: dict[str, set[str]] = {}
    for path in (*REPOSITORY.glob("requirements*.txt"), CLIENT / "requirements.txt"):
        for line in path.read_text().splitlines():
            name, is_pinned, number = line.partition(";")[0].strip().partition("==")
            if is_pinned and not line.startswith("#"):
                pins.setdefault(name.partition("[")[0], set()).add(number)
    assert {name: numbers for name, numbers in pins.items() if len(numbers) > 1} == {}


def test_it_is_typed() -> None:
    assert (PACKAGE / "py.typed").exists()
    assert "Typing :: Typed" in PROJECT["classifiers"]
