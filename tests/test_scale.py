"""The scale benchmark measures every operation of openapi.yaml."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from benchmarks.scale_requests import all_cases


@pytest.fixture
def description() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((Path(__file__).parents[1] / "openapi.yaml").read_text())
    return loaded


def test_every_operation_is_measured(description: dict[str, Any]) -> None:
    cases = all_cases(description)
    assert len({case.title for case in cases}) == len(cases)
    growing = {case.title for case in cases if case.reads_all is not None and "search=" not in case.title}
    counted = {title for title in growing if title.startswith("listActivities ") and "=" in title}
    of_accounts = {f"listAccounts sort={sort}" for sort in ("name", "used_bytes", "last_sign_in")}
    assert growing - counted == {"cleanUp", "showUsage"} | of_accounts


def test_an_operation_that_is_not_measured_is_named(description: dict[str, Any]) -> None:
    description["paths"]["/new"] = {"get": {"operationId": "somethingNew"}}
    with pytest.raises(RuntimeError, match="GET /new"):
        all_cases(description)


def test_an_operation_that_is_gone_is_named(description: dict[str, Any]) -> None:
    del description["paths"]["/messages"]
    with pytest.raises(RuntimeError, match="postMessage"):
        all_cases(description)


@pytest.mark.parametrize("parameter", ["sort", "status"])
def test_a_new_way_to_list_files_is_measured(description: dict[str, Any], parameter: str) -> None:
    parameters = description["paths"]["/api/files"]["get"]["parameters"]
    next(each for each in parameters if each.get("name") == parameter)["schema"]["enum"].append("new")
    assert any(f"{parameter}=new" in case.title for case in all_cases(description))


def test_a_new_parameter_of_the_list_of_files_is_named(description: dict[str, Any]) -> None:
    description["paths"]["/api/files"]["get"]["parameters"].append({"name": "color", "in": "query", "schema": {}})
    with pytest.raises(RuntimeError, match="color"):
        all_cases(description)
