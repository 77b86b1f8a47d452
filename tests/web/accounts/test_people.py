"""Who there is to talk to: `GET /accounts?search=`."""

import pytest
from flask import Flask

from tests.conftest import PASSWORD, Device
from tests.web.accounts.keys import new_key, showing
from tests.web.conftest import signed_in
from transfer_service.bootstrap import Services
from transfer_service.web.context import EXTENSION

NAMES = ["ÅSA", "Straße 7", "50%", "a_b", "axb", "ДОМ", "gone", "xx gone", "Gonerra"]


@pytest.fixture(scope="module")
def device(shared_app: Flask) -> Device:
    """`alice`, among many."""
    services: Services = shared_app.extensions[EXTENSION]
    for name in NAMES:
        services.accounts.create(name, PASSWORD)
    services.accounts.disable("gone")
    return signed_in(shared_app, "alice")


def found(device: Device, search: str) -> list[str]:
    """The names."""
    answer = device.get("/accounts", query_string={"search": search})
    assert answer.status_code == 200, answer.text
    return [each["name"] for each in answer.get_json()["accounts"]]


@pytest.mark.parametrize(
    ("search", "names"),
    [
        pytest.param("ALI", ["alice"], id="any-case"),
        pytest.param("åsa", ["ÅSA"], id="beyond-ascii"),
        pytest.param("A\u030asa", ["ÅSA"], id="another-normal-form"),
        pytest.param("strasse", ["Straße 7"], id="folded-to-more-letters"),
        pytest.param("дом", ["ДОМ"], id="another-script"),
        pytest.param("0%", ["50%"], id="percent"),
        pytest.param("a_", ["a_b"], id="underscore"),
        pytest.param("%%", [], id="wildcards-alone"),
        pytest.param("gone", ["Gonerra", "xx gone"], id="nobody-disabled-and-beginnings-first"),
        pytest.param("li", ["alice"], id="in-the-middle"),
        pytest.param("nobody", [], id="nobody"),
        pytest.param("' OR '1'='1", [], id="sql"),
        pytest.param("x" * 2000, [], id="long"),
    ],
)
def test_a_part_of_the_name_finds(device: Device, search: str, names: list[str]) -> None:
    assert found(device, search) == names


@pytest.mark.parametrize(
    "query", ["", "search=", "search=a", "search=a%CC%8A", "search=ab&limit=5", "name=ab", "search=a%00b"]
)
def test_too_little_or_something_else_is_400(device: Device, query: str) -> None:
    assert device.get(f"/accounts?{query}").status_code == 400


def test_names_are_all_that_is_told_and_twenty_at_most(shared_app: Flask, device: Device) -> None:
    services: Services = shared_app.extensions[EXTENSION]
    for number in range(25):
        services.accounts.create(f"many {number:02}", PASSWORD)
    answer = device.get("/accounts?search=many").get_json()
    assert answer == {"accounts": [{"name": f"many {number:02}"} for number in range(20)]}


def test_a_key_for_chat_is_not_enough(shared_app: Flask, device: Device) -> None:
    answer = showing(shared_app, new_key(device, "chat")["key"]).get("/accounts?search=ali")
    assert (answer.status_code, answer.get_json()) == (403, {"detail": "Not for keys"})
