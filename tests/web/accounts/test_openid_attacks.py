"""What does not match at a sign-in by OpenID Connect: 401, and nothing is left of it."""

import base64
import hmac
import shutil
import time
from collections.abc import Callable, Iterator
from itertools import count as counting
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from flask import Flask
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, RSAKey
from pydantic import SecretStr
from sqlalchemy import func, select

from config import Settings
from tests.conftest import SECRET, Clock
from tests.openid_provider import ALICE, CLIENT_ID, CLIENT_SECRET, HostileProvider, hostile_provider
from tests.web.accounts.bench import BAD
from tests.web.accounts.openid_bench import Browser, MakeApp, count, services_in, settings_for
from transfer_service.app import create_app
from transfer_service.models.identities import SpentAttempt
from transfer_service.remote.provider import PAUSE_SECONDS
from transfer_service.services.accounts.openid import PER_ADDRESS

NEW_KEY = "another secret of at least thirty-two bytes"
Change = Callable[[HostileProvider], None]


@pytest.fixture
def provider(clock: Clock) -> Iterator[HostileProvider]:
    with hostile_provider(lambda: clock().timestamp()) as running:
        yield running


@pytest.fixture
def app(make_app: MakeApp, provider: HostileProvider) -> Flask:
    return make_app(**settings_for(provider))


@pytest.fixture
def browser(app: Flask, provider: HostileProvider) -> Browser:
    return Browser(app, provider)


@pytest.fixture(scope="module")
def shared_provider() -> Iterator[HostileProvider]:
    clock = Clock()
    with hostile_provider(lambda: clock().timestamp()) as running:
        yield running


@pytest.fixture(scope="module")
def shared_openid_app(
    tmp_path_factory: pytest.TempPathFactory, prepared_database: Path, shared_provider: HostileProvider
) -> Iterator[Flask]:
    """One for the long tables, whose tests leave nothing behind."""
    folder = tmp_path_factory.mktemp("shared")
    settings = Settings(
        _env_file=None,  # type: ignore[call-arg] # nothing of a developer's
        data_dir=folder,
        secret_key=SecretStr(SECRET),
        **settings_for(shared_provider),
    )
    shutil.copyfile(prepared_database, folder / "transfer.sqlite3")
    app = create_app(settings, now=Clock())
    app.testing = True
    yield app
    services_in(app).database.dispose()


ADDRESSES = counting(1)


@pytest.fixture
def stranger(shared_openid_app: Flask, shared_provider: HostileProvider) -> Browser:
    """A browser at an address of its own."""
    shared_provider.be_honest()
    number = next(ADDRESSES)
    return Browser(shared_openid_app, shared_provider, address=f"198.51.{number // 250}.{number % 250}")


def left_of(browser: Browser) -> tuple[int, int]:
    """The accounts and identities, and nobody is signed in."""
    assert browser.client.get_cookie("access_token_cookie") is None
    return count(browser.client.application)


def claim(name: str, value: Any) -> Change:
    """An ID token that says this; None leaves the claim out."""

    def change(provider: HostileProvider) -> None:
        def tamper(claims: dict[str, Any]) -> None:
            claims[name] = value(claims.get(name)) if callable(value) else value
            if claims[name] is None:
                del claims[name]

        provider.change = tamper

    return change


def signed(sign: Callable[[HostileProvider, dict[str, Any]], str]) -> Change:
    def change(provider: HostileProvider) -> None:
        provider.sign = lambda claims: sign(provider, claims)

    return change


def without_signature(_provider: HostileProvider, claims: dict[str, Any]) -> str:
    whole = jwt.encode({"alg": "HS256", "kid": "first"}, claims, OctKey.import_key("k" * 32))
    header = "eyJhbGciOiJub25lIiwia2lkIjoiZmlyc3QifQ"  # {"alg":"none","kid":"first"}
    return f"{header}.{whole.split('.')[1]}."


def by_the_public_key(provider: HostileProvider, claims: dict[str, Any]) -> str:
    """HMAC by what everybody knows."""
    head, body, _ = jwt.encode({"alg": "HS256", "kid": "first"}, claims, OctKey.import_key("k" * 32)).split(".")
    proof = hmac.digest(provider.key.as_pem(private=False), f"{head}.{body}".encode(), "sha256")
    return f"{head}.{body}.{base64.urlsafe_b64encode(proof).decode().rstrip('=')}"


def by_the_client_secret(_provider: HostileProvider, claims: dict[str, Any]) -> str:
    secret = OctKey.import_key(CLIENT_SECRET.ljust(32, "="))
    return jwt.encode({"alg": "HS256", "kid": "first"}, claims, secret)


def by_a_strangers_key(_provider: HostileProvider, claims: dict[str, Any]) -> str:
    return jwt.encode({"alg": "RS256", "kid": "first"}, claims, RSAKey.generate_key(2048))


def by_a_key_that_comes_along(_provider: HostileProvider, claims: dict[str, Any]) -> str:
    key = RSAKey.generate_key(2048)
    return jwt.encode({"alg": "RS256", "kid": "first", "jwk": key.as_dict(private=False)}, claims, key)


def altered(provider: HostileProvider, claims: dict[str, Any]) -> str:
    head, _, signature = provider.honest_token(claims).split(".")
    return f"{head}.{provider.honest_token({**claims, 'sub': 'root'}).split('.')[1]}.{signature}"


def tokens(change: Callable[[dict[str, Any]], tuple[int, Any]]) -> Change:
    def set_answer(provider: HostileProvider) -> None:
        provider.token_answer = change

    return set_answer


def person(**claims: Any) -> Change:
    def change(provider: HostileProvider) -> None:
        provider.claims = {name: value for name, value in {**ALICE, **claims}.items() if value is not None}

    return change


BAD_TOKENS = [
    pytest.param(claim("iss", "https://evil.example"), id="issuer"),
    pytest.param(claim("iss", lambda iss: f"{iss}/"), id="issuer-with-a-slash"),
    pytest.param(claim("iss", lambda iss: [iss]), id="issuers"),
    pytest.param(claim("iss", None), id="no-issuer"),
    pytest.param(claim("aud", "another"), id="audience"),
    pytest.param(claim("aud", None), id="no-audience"),
    pytest.param(claim("aud", []), id="empty-audience"),
    pytest.param(claim("aud", [CLIENT_ID, "another"]), id="audiences-without-azp"),
    pytest.param(claim("azp", "another"), id="azp"),
    pytest.param(claim("azp", ""), id="empty-azp"),
    pytest.param(claim("nonce", "another"), id="nonce"),
    pytest.param(claim("nonce", None), id="no-nonce"),
    pytest.param(claim("exp", lambda exp: exp - 400), id="expired"),
    pytest.param(claim("exp", None), id="no-end"),
    pytest.param(claim("exp", "9999999999"), id="end-as-text"),
    pytest.param(claim("exp", True), id="end-as-truth"),
    pytest.param(claim("iat", lambda iat: iat + 3600), id="of-the-future"),
    pytest.param(claim("iat", None), id="no-beginning"),
    pytest.param(claim("nbf", lambda _: time.time() + 10**9), id="not-yet"),
    pytest.param(claim("at_hash", "wrong"), id="at-hash"),
    pytest.param(claim("sub", None), id="no-subject"),
    pytest.param(claim("sub", ""), id="empty-subject"),
    pytest.param(claim("sub", 7), id="number-as-subject"),
    pytest.param(claim("sub", "x" * 256), id="long-subject"),
    pytest.param(claim("sub", "a\x00b"), id="subject-with-a-nul"),
    pytest.param(signed(without_signature), id="alg-none"),
    pytest.param(signed(by_the_public_key), id="hmac-by-the-public-key"),
    pytest.param(signed(by_the_client_secret), id="hmac-by-the-client-secret"),
    pytest.param(signed(by_a_strangers_key), id="strangers-key"),
    pytest.param(signed(by_a_key_that_comes_along), id="key-in-the-header"),
    pytest.param(signed(altered), id="altered"),
    pytest.param(signed(lambda *_: "a.b.c"), id="nonsense"),
    pytest.param(signed(lambda *_: ""), id="empty"),
    pytest.param(signed(lambda provider, claims: provider.honest_token({**claims, "x": "y" * 70_000})), id="huge"),
    pytest.param(signed(lambda *_: f"{'é' * 20}..x"), id="not-ascii"),
    pytest.param(tokens(lambda found: (200, {**found, "id_token": None})), id="no-id-token"),
    pytest.param(tokens(lambda found: (200, {**found, "id_token": [found["id_token"]]})), id="list-of-id-tokens"),
    pytest.param(tokens(lambda found: (400, found)), id="refused-with-tokens"),
    pytest.param(tokens(lambda _: (302, {})), id="redirect"),
    pytest.param(person(email_verified=False), id="unverified"),
    pytest.param(person(email_verified="true"), id="verified-as-text"),
    pytest.param(person(email_verified=1), id="verified-as-number"),
    pytest.param(person(email_verified=None), id="nothing-about-verified"),
    pytest.param(person(email=None), id="no-address"),
    pytest.param(person(email="root"), id="name-of-an-account-as-address"),
    pytest.param(person(email=["alice@example.com"]), id="addresses"),
    pytest.param(person(email="a@b@c"), id="no-address-at-all"),
    pytest.param(person(email="alice@example.com\n"), id="address-with-a-line-end"),
    pytest.param(person(email=f"{'a' * 300}@example.com"), id="long-address"),
    pytest.param(person(email="../a@example.com"), id="address-that-is-no-name"),
]  # fmt: skip


@pytest.mark.parametrize("change", BAD_TOKENS)
def test_what_does_not_match_signs_nobody_in(stranger: Browser, change: Change) -> None:
    change(stranger.provider)
    answer = stranger.sign_in()
    assert (answer.status_code, answer.get_json(), left_of(stranger)) == (401, BAD, (3, 0))
    assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(claim("aud", [CLIENT_ID]), id="one-audience"),
        pytest.param(claim("azp", CLIENT_ID), id="azp"),
        pytest.param(claim("exp", lambda exp: exp - 320), id="a-little-late"),
        pytest.param(
            signed(lambda provider, claims: jwt.encode({"alg": "PS256"}, claims, provider.key, ["PS256"])), id="no-kid"
        ),
    ],
)
def test_what_matches_does(browser: Browser, provider: HostileProvider, change: Change) -> None:
    change(provider)
    assert browser.sign_in().status_code == 303


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"state": None}, id="no-state"),
        pytest.param({"state": ""}, id="empty-state"),
        pytest.param({"state": "x" * 43}, id="forged-state"),
        pytest.param({"state": "é"}, id="state-that-is-not-ascii"),
        pytest.param({"code": None}, id="no-code"),
        pytest.param({"code": ""}, id="empty-code"),
        pytest.param({"code": "guessed"}, id="guessed-code"),
        pytest.param({"iss": "https://evil.example"}, id="another-issuer"),
        pytest.param({"iss": ""}, id="empty-issuer"),
        pytest.param({"error": "access_denied"}, id="error-with-a-code"),
        pytest.param({"error": "access_denied", "code": None}, id="error"),
    ],
)
def test_an_answer_that_does_not_match_signs_nobody_in(stranger: Browser, changes: dict[str, str | None]) -> None:
    answer = stranger.sign_in(**changes)
    assert (answer.status_code, answer.get_json(), left_of(stranger)) == (401, BAD, (3, 0))


@pytest.mark.parametrize("name", ["code", "state", "iss"])
def test_a_parameter_that_comes_twice_signs_nobody_in(stranger: Browser, name: str) -> None:
    url = stranger.provider.authorize(stranger.begin(), iss=stranger.provider.issuer)
    value = parse_qs(urlsplit(url).query)[name][0]
    assert stranger.come_back(f"{url}&{name}={value}").status_code == 401


def test_a_provider_that_says_its_name_has_to(browser: Browser, provider: HostileProvider) -> None:
    provider.metadata = {"authorization_response_iss_parameter_supported": True}
    assert browser.sign_in().status_code == 401
    assert browser.sign_in(iss=provider.issuer).status_code == 303


def test_an_answer_counts_in_the_browser_that_began(browser: Browser, app: Flask, provider: HostileProvider) -> None:
    """Or a stranger's link signs its visitor in to the stranger's account."""
    url = provider.authorize(browser.begin())
    victim = Browser(app, provider)
    assert victim.come_back(url).status_code == 401
    victim.begin()
    assert victim.come_back(url).status_code == 401
    assert browser.come_back(url).status_code == 303


def test_an_answer_counts_once(browser: Browser, app: Flask, provider: HostileProvider) -> None:
    url = provider.authorize(browser.begin())
    cookie = browser.client.get_cookie("oidc_sign_in")
    assert cookie is not None
    assert browser.come_back(url).status_code == 303
    again = Browser(app, provider)
    again.client.set_cookie("oidc_sign_in", cookie.value)
    assert again.come_back(url).status_code == 401
    state = parse_qs(urlsplit(url).query)["state"][0]
    assert again.come_back(f"/auth/oidc/callback?code=another&state={state}").status_code == 401
    assert provider.asked.count("/token") == 1


def test_an_answer_counts_for_ten_minutes(browser: Browser, clock: Clock) -> None:
    url = browser.provider.authorize(browser.begin())
    clock.advance(minutes=10)
    assert browser.come_back(url).status_code == 401
    url = browser.provider.authorize(browser.begin())
    clock.advance(minutes=9, seconds=59)
    assert browser.come_back(url).status_code == 303


@pytest.mark.parametrize("change", [
    lambda value: value[:-1] + ("0" if value[-1] != "0" else "1"),
    lambda value: "0" * 64 + value[64:],
    lambda value: value.replace(".", ".9", 1),
    lambda value: value.upper(),
    lambda value: value[:64],
    lambda _: "é",
], ids=["proof", "handle", "age", "upper-case", "cut", "not-ascii"])  # fmt: skip
def test_an_altered_cookie_is_none(stranger: Browser, change: Callable[[str], str]) -> None:
    url = stranger.provider.authorize(stranger.begin())
    cookie = stranger.client.get_cookie("oidc_sign_in")
    assert cookie is not None
    stranger.client.set_cookie("oidc_sign_in", change(cookie.value))
    assert stranger.come_back(url).status_code == 401


def test_what_passes_through_addresses_makes_no_cookie(browser: Browser) -> None:
    url = browser.begin()
    cookie = browser.client.get_cookie("oidc_sign_in")
    assert cookie is not None
    assert not any(part in url for part in cookie.value.split(".") if len(part) > 12)


def test_any_instance_goes_on_with_what_another_one_has_begun(make_app: MakeApp, provider: HostileProvider) -> None:
    first = Browser(make_app(**settings_for(provider)), provider)
    rotated = {"secret_key": NEW_KEY, "previous_secret_keys": [SecretStr(SECRET)]}
    url = provider.authorize(first.begin())
    first.client.application = make_app(joins=True, **rotated, **settings_for(provider))
    assert first.come_back(url).status_code == 303
    url = provider.authorize(first.begin())
    first.client.application = make_app(joins=True, **settings_for(provider))
    assert first.come_back(url).status_code == 401


def test_returns_that_fail_are_bounded(browser: Browser) -> None:
    statuses = [
        browser.come_back("/auth/oidc/callback?state=x&code=y").status_code for _ in range(PER_ADDRESS.amount + 2)
    ]
    assert statuses == [401] * PER_ADDRESS.amount + [429] * 2
    assert "Retry-After" in browser.sign_in().headers


def test_what_is_spent_is_forgotten_when_it_is_old(browser: Browser, app: Flask, clock: Clock) -> None:
    for _ in range(3):
        browser.sign_in()
    clock.advance(minutes=30)
    browser.sign_in()
    with services_in(app).database.read() as session:
        assert session.scalar(select(func.count()).select_from(SpentAttempt)) == 1


def forget_pauses(app: Flask) -> None:
    """As if the provider had been asked long ago."""
    openid = services_in(app).openid
    assert openid is not None
    openid.client.provider._tried_at -= PAUSE_SECONDS


def test_keys_that_are_new_are_asked_for(browser: Browser, app: Flask, provider: HostileProvider) -> None:
    browser.sign_in()
    for key in (RSAKey.generate_key(2048, {"kid": "second"}), RSAKey.generate_key(2048, {"kid": "second"})):
        provider.key, provider.published = key, [key]
        forget_pauses(app)
        assert browser.sign_in().status_code == 303
    provider.key = RSAKey.generate_key(2048, {"kid": "unpublished"})
    asked = provider.asked.count("/keys")
    forget_pauses(app)
    assert [browser.sign_in().status_code for _ in range(5)] == [401] * 5
    assert provider.asked.count("/keys") == asked + 1


def test_keys_of_other_kinds_are_passed_over(browser: Browser, provider: HostileProvider) -> None:
    mixed = ECKey.generate_key("P-256")
    provider.published = [mixed, OctKey.import_key("k" * 32, {"kid": "first"}), provider.key]
    provider.sign = lambda claims: jwt.encode({"alg": "RS256"}, claims, provider.key)
    assert browser.sign_in().status_code == 303
    provider.sign = lambda claims: jwt.encode({"alg": "HS256", "kid": "first"}, claims, OctKey.import_key("k" * 32))
    assert browser.sign_in().status_code == 401


def test_while_the_provider_is_away_the_answer_waits(browser: Browser, app: Flask, provider: HostileProvider) -> None:
    url = provider.authorize(browser.begin())
    provider.is_away = True
    away = browser.come_back(url)
    assert (away.status_code, away.headers["Retry-After"], count(app)) == (503, "5", (3, 0))
    assert app.test_client().get("/readyz").status_code == 200
    provider.is_away = False
    assert browser.come_back(url).status_code == 303


@pytest.mark.parametrize("metadata", [
    pytest.param({"issuer": "https://evil.example"}, id="another-issuer"),
    pytest.param({"token_endpoint": None}, id="no-token-endpoint"),
    pytest.param({"authorization_endpoint": "javascript:alert(1)"}, id="no-web-address"),
    pytest.param({"authorization_endpoint": ["http://127.0.0.1"]}, id="addresses"),
    pytest.param({"jwks_uri": "http://user:password@127.0.0.1/"}, id="with-a-password"),
    pytest.param({"jwks_uri": 7}, id="number"),
    pytest.param({"x": "y" * 1_100_000}, id="too-much"),
])  # fmt: skip
def test_a_provider_that_describes_itself_wrongly_is_away(
    browser: Browser, app: Flask, provider: HostileProvider, metadata: dict[str, Any]
) -> None:
    provider.metadata = metadata
    for _ in range(3):
        answer = browser.client.get("/auth/oidc/login")
        assert (answer.status_code, "Retry-After" in answer.headers) == (503, True)
    assert provider.asked.count("/.well-known/openid-configuration") == 1  # the pause
    provider.metadata = {}
    forget_pauses(app)
    assert browser.sign_in().status_code == 303
