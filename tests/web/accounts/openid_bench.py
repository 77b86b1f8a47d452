"""Browsers that sign in at a provider."""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from flask import Flask
from flask.testing import FlaskClient
from pydantic import SecretStr
from sqlalchemy import func, select
from werkzeug.test import TestResponse

from tests.openid_provider import CLIENT_ID, CLIENT_SECRET, HostileProvider
from transfer_service.bootstrap import Services
from transfer_service.models.accounts import Account
from transfer_service.models.identities import AccountIdentity
from transfer_service.web.context import EXTENSION

MakeApp = Callable[..., Flask]


def settings_for(provider: HostileProvider, **more: Any) -> dict[str, Any]:
    """The settings that switch it on."""
    return {
        "oidc_issuer": provider.issuer,
        "oidc_client_id": CLIENT_ID,
        "oidc_client_secret": SecretStr(CLIENT_SECRET),
        **more,
    }


class Browser:
    """One that keeps cookies, at a provider where somebody is signed in."""

    def __init__(self, app: Flask, provider: HostileProvider, *, address: str = "192.0.2.1") -> None:
        self.client: FlaskClient = app.test_client()
        self.client.environ_base["REMOTE_ADDR"] = address
        self.provider = provider

    def begin(self) -> str:
        """Where the service sends it."""
        answer = self.client.get("/auth/oidc/login")
        assert answer.status_code == 302, answer.text
        return answer.headers["Location"]

    def come_back(self, url: str) -> TestResponse:
        """What it gets at the address that the provider sends it to."""
        parts = urlsplit(url)
        return self.client.get(f"{parts.path}?{parts.query}")

    def sign_in(self, **changes: str | None) -> TestResponse:
        """The whole way; `changes` are made to the provider's answer."""
        return self.come_back(self.provider.authorize(self.begin(), **changes))

    def me(self) -> dict[str, Any]:
        """Whom it is signed in as."""
        answer = self.client.get("/auth/me")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.get_json()
        return found


def services_in(app: Flask) -> Services:
    services: Services = app.extensions[EXTENSION]
    return services


def count(app: Flask) -> tuple[int, int]:
    """How many accounts and identities there are."""
    with services_in(app).database.read() as session:
        counts = [session.scalar(select(func.count()).select_from(each)) or 0 for each in (Account, AccountIdentity)]
    return counts[0], counts[1]
