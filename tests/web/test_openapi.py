"""The description of the API: openapi.yaml against the routes and error bodies of the app."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from flask import Flask
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import OpenAPIV31SpecValidator, validate

from transfer_service.wire.error_bodies import envelope_of, is_uploads_path

DESCRIPTION = Path(__file__).parents[2] / "openapi.yaml"
HEADS = {"/api/files/{file_id}/thumbnail", "/api/bundles/{bundle_id}", "/api/account/export"}
METHODS = {"get", "post", "put", "patch", "delete", "head"}
SPEC: dict[str, Any] = yaml.safe_load(DESCRIPTION.read_text("utf-8"))


def resolved(node: dict[str, Any]) -> dict[str, Any]:
    """The component that a reference names, or the node itself."""
    while "$ref" in node:
        target: Any = SPEC
        for key in node["$ref"].removeprefix("#/").split("/"):
            target = target[key]
        node = target
    return node


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Path, method and description of every operation."""
    for path, item in SPEC["paths"].items():
        for method in sorted(METHODS & item.keys()):
            yield path, method, item[method]


def bodies(operation: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Status (or `request`), media type and description of every body of an operation."""
    for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
        yield "request", media_type, content
    for status, response in operation["responses"].items():
        for media_type, content in resolved(response).get("content", {}).items():
            yield status, media_type, content


def examples(content: dict[str, Any]) -> list[Any]:
    """Every example of a body."""
    named = [resolved(example)["value"] for example in content.get("examples", {}).values()]
    return [content["example"], *named] if "example" in content else named


def routes(app: Flask) -> set[tuple[str, str]]:
    """Path and method of every route, in the words of OpenAPI; HEAD only where files are sent or it tells an offset."""
    found = set()
    for rule in app.url_map.iter_rules():
        path = re.sub(r"<(?:[^:<>]+:)?([^<>]+)>", r"{\1}", rule.rule)
        methods = {method.lower() for method in rule.methods or ()} - {"options"}
        sends_files = "download" in path and not path.startswith("/api/downloads")
        tells_head = sends_files or path.endswith("/uploads/{upload_id}") or path in HEADS
        found |= {(path, method) for method in methods if method != "head" or tells_head}
    return found


def all_bodies() -> Iterator[Any]:
    for path, method, operation in operations():
        for status, media_type, content in bodies(operation):
            yield pytest.param(path, status, media_type, content, id=f"{method} {path} {status} {media_type}")


def test_the_description_is_valid_openapi() -> None:
    validate(SPEC, cls=OpenAPIV31SpecValidator)
    assert SPEC["openapi"].startswith("3.1.")


def test_no_key_stands_twice() -> None:
    """YAML would take the last one, and nobody would hear of the other."""
    nodes, repeated = [yaml.compose(DESCRIPTION.read_text("utf-8"))], []
    while nodes:
        node = nodes.pop()
        if isinstance(node, yaml.MappingNode):
            keys = [key.value for key, _ in node.value]
            repeated += [f"{key} in line {node.start_mark.line}" for key in set(keys) if keys.count(key) > 1]
            nodes += [value for _, value in node.value]
        elif isinstance(node, yaml.SequenceNode):
            nodes += node.value
    assert repeated == []


def test_every_route_is_described_and_every_described_one_exists(app: Flask) -> None:
    described = {(path, method) for path, method, _ in operations()}
    assert described == routes(app)


def test_a_route_without_description_would_be_noticed(app: Flask) -> None:
    app.add_url_rule("/new/<path:thing>", endpoint="new", methods=["PUT"])
    assert ("/new/{thing}", "put") in routes(app)


@pytest.mark.parametrize(("path", "status", "media_type", "content"), list(all_bodies()))
def test_every_body_has_examples_that_fit_its_schema(
    path: str, status: str, media_type: str, content: dict[str, Any]
) -> None:
    found = examples(content)
    assert found
    validator = OAS31Validator({**content["schema"], "components": SPEC["components"]})
    assert [error.message for example in found for error in validator.iter_errors(example)] == []
    if status.startswith(("4", "5")) and is_uploads_path(path):
        assert [example for example in found if not _is_upload_error(example, media_type, int(status))] == []
    elif status.startswith(("4", "5")):
        assert media_type == "application/json"
        assert found == [envelope_of(path)(_detail(example), int(status)) for example in found]


def _is_upload_error(error: Any, media_type: str, status: int) -> bool:
    """Whether it is a line of text, as for tus, or a problem document of that status, as for anybody else."""
    if media_type == "text/plain":
        return isinstance(error, str) and error.endswith("\n")
    return media_type == "application/problem+json" and error["status"] == status


def test_an_upload_error_is_described_in_both_envelopes() -> None:
    described = {
        media_type
        for path, method, operation in operations()
        for status, media_type, _ in bodies(operation)
        if is_uploads_path(path) and method != "get" and status.startswith("4")
    }
    assert described == {"text/plain", "application/problem+json"}


def _detail(error: dict[str, Any]) -> str:
    """The sentence in an error's body, whatever its envelope."""
    nested = error.get("error")
    return str(error["detail"] if nested is None else nested["message"] if isinstance(nested, dict) else nested)


@pytest.mark.parametrize(
    ("status", "header"),
    [("401", "WWW-Authenticate"), ("429", "Retry-After"), ("503", "Retry-After"), ("416", "Content-Range")],
)
def test_a_refusal_is_described_with_its_header(status: str, header: str) -> None:
    answers = [
        (path, resolved(operation["responses"][status]))
        for path, method, operation in operations()
        if status in operation["responses"] and (method != "head" or status == "401")
    ]
    assert answers
    assert [path for path, answer in answers if header not in answer["headers"]] == []


def test_the_service_serves_its_description(app: Flask) -> None:
    with app.test_client().get("/openapi.yaml") as response:
        assert (response.status_code, response.mimetype) == (200, "application/yaml")
        assert response.data == DESCRIPTION.read_bytes()


def test_the_page_loads_the_description_from_here(app: Flask) -> None:
    response = app.test_client().get("/docs")
    assert response.status_code == 200
    assert 'data-description="/openapi.yaml"' in response.text
