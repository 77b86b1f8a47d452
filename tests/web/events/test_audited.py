"""`web/audited.py` held against openapi.yaml, the routes, the events of sockets and the commands."""

import re

import pytest
from flask import Flask

from tests.web.test_openapi import SPEC, operations
from transfer_service.cli.read_only import commands_of
from transfer_service.services.events.actions import Action
from transfer_service.web.audited import COMMANDS, READING_ROUTES, ROUTES, SOCKET_EVENTS, Told
from transfer_service.web.chat.socket import EVENTS

CHANGING = {"post", "put", "patch", "delete"}


def endpoints(app: Flask) -> dict[tuple[str, str], str]:
    """Endpoints by path, in the words of openapi.yaml, and method."""
    return {
        (re.sub(r"<(?:[^:<>]+:)?([^<>]+)>", r"{\1}", rule.rule), method.lower()): rule.endpoint
        for rule in app.url_map.iter_rules()
        for method in rule.methods or ()
    }


def test_each_changing_operation_has_its_line(shared_app: Flask) -> None:
    known = endpoints(shared_app)
    described = {known[path, method] for path, method, _ in operations() if method in CHANGING}
    assert described == ROUTES.keys()


def test_each_route_that_changes_something_has_its_line_even_if_it_is_not_described(shared_app: Flask) -> None:
    assert {endpoint for (_, method), endpoint in endpoints(shared_app).items() if method in CHANGING} == ROUTES.keys()


def test_what_only_reads_and_is_told_all_the_same_is_there(shared_app: Flask) -> None:
    known = {endpoint for (_, method), endpoint in endpoints(shared_app).items() if method == "get"}
    assert READING_ROUTES.keys() <= known - ROUTES.keys()


def test_each_event_of_sockets_has_its_line() -> None:
    assert SOCKET_EVENTS.keys() == EVENTS


def test_each_command_has_its_line(shared_app: Flask) -> None:
    assert {words for words, _ in commands_of(shared_app.cli)} == COMMANDS.keys()


@pytest.mark.parametrize("table", [ROUTES, READING_ROUTES, SOCKET_EVENTS, COMMANDS])
def test_a_line_has_actions_or_a_reason(table: dict[str, Told]) -> None:
    assert all(told for told in table.values())
    assert all(len(told.split()) > 2 for told in table.values() if isinstance(told, str))


def test_each_action_fits_into_its_column_and_has_a_resource() -> None:
    assert all(len(action.value) <= 50 and action.resource for action in Action)


def test_each_action_is_described() -> None:
    described = SPEC["components"]["schemas"]["Activity"]["properties"]
    assert set(described["action"]["enum"]) == {action.value for action in Action}
    assert set(described["resource"]["enum"]) == {action.resource for action in Action}
