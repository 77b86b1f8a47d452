"""What a request is called: by us, or by the proxy that is believed."""

import re

import pytest
from flask import Flask

from tests.web.conftest import MakeApp

NAMED = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def behind_proxy(make_app: MakeApp) -> Flask:
    return make_app(trusted_proxies=1)


@pytest.mark.parametrize("path", ["/healthz", "/nothing", "/api/files", "/socket.io/?EIO=4&transport=polling"])
@pytest.mark.parametrize("given", [NAMED, "a", "7C1F-4e", "a" * 64])
def test_the_proxy_that_is_believed_names_a_request(behind_proxy: Flask, path: str, given: str) -> None:
    answer = behind_proxy.test_client().get(path, headers={"X-Request-Id": given})
    assert answer.headers.getlist("X-Request-Id") == [given]


@pytest.mark.parametrize("given", ["", "a" * 65, "a b", 'a"}', "a\x85", "a,b", f"{NAMED},{NAMED}", "ä", "a\t", "."])
def test_what_is_no_name_is_replaced(behind_proxy: Flask, given: str) -> None:
    answer = behind_proxy.test_client().get("/healthz", headers={"X-Request-Id": given})
    assert re.fullmatch(r"[0-9a-f]{32}", answer.headers["X-Request-Id"])


def test_without_a_proxy_no_client_names_its_request(shared_app: Flask) -> None:
    answer = shared_app.test_client().get("/healthz", headers={"X-Request-Id": NAMED})
    assert (answer.status_code, answer.headers["X-Request-Id"] == NAMED) == (200, False)
