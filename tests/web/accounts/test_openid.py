"""Signing in at a provider of OpenID Connect: the way there and back, and whose account it is."""

import io
import json
import zipfile
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from flask import Flask
from sqlalchemy import select

from tests.conftest import PASSWORD, Clock
from tests.openid_provider import ALICE, CLIENT_ID, HostileProvider, hostile_provider
from tests.web.accounts.openid_bench import Browser, MakeApp, count, services_in, settings_for
from transfer_service.models.events import Activity

NAME = str(ALICE["email"])
GROUPS = {"staff": ["games.download"], "heads": ["admin", "activities.read"]}


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


def test_the_browser_is_sent_to_the_provider_with_a_challenge(browser: Browser, provider: HostileProvider) -> None:
    url = browser.begin()
    asked = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
    assert url.startswith(f"{provider.issuer}/authorize?")
    assert (asked["client_id"], asked["redirect_uri"]) == (CLIENT_ID, "http://localhost/auth/oidc/callback")
    assert (asked["scope"], asked["response_type"], asked["code_challenge_method"]) == ("openid email", "code", "S256")
    assert len({asked["state"], asked["nonce"], asked["code_challenge"]}) == 3
    assert min(len(asked[name]) for name in ("state", "nonce", "code_challenge")) == 43


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_the_cookie_of_an_attempt_is_this_hosts_alone(app: Flask, scheme: str) -> None:
    (cookie,) = (
        app.test_client().get("/auth/oidc/login", base_url=f"{scheme}://localhost").headers.getlist("Set-Cookie")
    )
    name, *attributes = cookie.split("; ")
    assert {"HttpOnly", "Path=/", "SameSite=Lax", "Max-Age=600"} <= set(attributes)
    assert ("Secure" in attributes, name.startswith("__Host-")) == (scheme == "https", scheme == "https")
    assert not any(attribute.startswith("Domain") for attribute in attributes)


def test_a_sign_in_makes_an_account_of_the_verified_address(browser: Browser, app: Flask) -> None:
    answer = browser.sign_in()
    assert (answer.status_code, answer.headers["Location"]) == (303, "/")
    names = {cookie.partition("=")[0] for cookie in answer.headers.getlist("Set-Cookie")}
    login = {"access_token_cookie", "refresh_token_cookie", "csrf_access_token", "csrf_refresh_token", "game_zip_token"}
    assert names == login | {"oidc_sign_in"}
    me = browser.me()
    assert (me["name"], me["is_admin"], me["permissions"]) == (NAME, False, [])
    assert browser.client.get_cookie("oidc_sign_in") is None
    assert count(app) == (4, 1)


def test_the_same_person_has_the_same_account_whatever_the_address_is_later(
    browser: Browser, provider: HostileProvider, app: Flask
) -> None:
    browser.sign_in()
    first = browser.me()["id"]
    provider.claims |= {"email": "bob@example.com", "email_verified": False}
    other = Browser(app, provider)
    assert (other.sign_in().status_code, other.me()["id"], count(app)) == (303, first, (4, 1))


def test_at_first_sight_it_is_the_account_named_like_the_address(browser: Browser, app: Flask) -> None:
    services_in(app).accounts.create(NAME, PASSWORD, permissions=("games.download",))
    browser.sign_in()
    assert (browser.me()["permissions"], count(app)) == (["games.download"], (4, 1))
    assert services_in(app).accounts.authenticate(NAME, PASSWORD, address="").account.name == NAME


def test_nobody_else_gets_an_account_that_is_somebodys(browser: Browser, provider: HostileProvider, app: Flask) -> None:
    browser.sign_in()
    provider.claims["sub"] = "another"
    other = Browser(app, provider)
    assert (other.sign_in().status_code, other.client.get("/auth/me").status_code) == (401, 401)
    assert count(app) == (4, 1)


@pytest.mark.parametrize("is_linked", [True, False])
def test_a_disabled_account_is_refused(browser: Browser, app: Flask, is_linked: bool) -> None:
    if is_linked:
        browser.sign_in()
    else:
        services_in(app).accounts.create(NAME, PASSWORD)
    before = count(app)
    services_in(app).accounts.disable(NAME)
    answer = browser.sign_in()
    assert (answer.status_code, answer.get_json()) == (401, {"detail": "Could not validate credentials"})
    assert count(app) == before


def test_an_account_of_the_provider_has_no_password(browser: Browser, app: Flask) -> None:
    browser.sign_in()
    for password in ("!", "", "password"):
        answer = app.test_client().post("/auth/token", json={"username": NAME, "password": password})
        assert answer.status_code in {400, 401}
    services_in(app).accounts.set_password(NAME, PASSWORD)
    assert app.test_client().post("/token", json={"username": NAME, "password": PASSWORD}).status_code == 200


def test_a_deleted_account_takes_its_identity_away(browser: Browser, app: Flask, provider: HostileProvider) -> None:
    browser.sign_in()
    first = browser.me()["id"]
    services_in(app).account_removal.remove(NAME)
    assert count(app) == (3, 0)
    again = Browser(app, provider)
    again.sign_in()
    assert again.me()["id"] != first


def test_what_the_id_token_does_not_say_is_looked_up(browser: Browser, provider: HostileProvider) -> None:
    provider.claims = {"sub": ALICE["sub"]}
    provider.userinfo = dict(ALICE)
    browser.sign_in()
    assert (browser.me()["name"], provider.asked[-1]) == (NAME, "/me")


def test_what_is_looked_up_of_somebody_else_is_refused(browser: Browser, provider: HostileProvider, app: Flask) -> None:
    provider.claims = {"sub": ALICE["sub"]}
    provider.userinfo = {**ALICE, "sub": "another"}
    assert (browser.sign_in().status_code, count(app)) == (401, (3, 0))


def held(app: Flask) -> tuple[bool, tuple[str, ...]]:
    account = services_in(app).accounts.get(NAME)
    return account.is_admin, account.permissions


def test_each_sign_in_sets_the_rights_that_groups_name_and_no_others(
    make_app: MakeApp, provider: HostileProvider
) -> None:
    app = make_app(**settings_for(provider, oidc_groups=GROUPS))
    services_in(app).accounts.create(NAME, PASSWORD, permissions=("own.right", "games.download"))
    seen = []
    for groups in (["heads", "unknown"], ["staff", "heads"], ["staff"], [], None, "staff", [7, {}], 5):
        provider.claims = {**ALICE, **({} if groups is None else {"groups": groups})}
        assert Browser(app, provider).sign_in().status_code == 303
        seen.append(held(app))
    assert seen == [
        (True, ("activities.read", "own.right")),
        (True, ("activities.read", "games.download", "own.right")),
        (False, ("games.download", "own.right")),
        (False, ("own.right",)),
        (False, ("own.right",)),
        (False, ("games.download", "own.right")),
        (False, ("own.right",)),
        (False, ("own.right",)),
    ]


def test_without_a_group_for_it_the_flag_stays_as_it_is(make_app: MakeApp, provider: HostileProvider) -> None:
    app = make_app(**settings_for(provider, oidc_groups={"staff": ["games.download"]}))
    services_in(app).accounts.create(NAME, PASSWORD, is_admin=True)
    Browser(app, provider).sign_in()
    assert held(app) == (True, ())


def test_the_last_enabled_administrator_keeps_the_flag(make_app: MakeApp, provider: HostileProvider) -> None:
    app = make_app(**settings_for(provider, oidc_groups=GROUPS))
    services_in(app).accounts.create(NAME, PASSWORD, is_admin=True, permissions=("activities.read",))
    services_in(app).accounts.disable("root")
    assert Browser(app, provider).sign_in().status_code == 303
    assert held(app) == (True, ())
    services_in(app).accounts.enable("root")
    Browser(app, provider).sign_in()
    assert held(app) == (False, ())


def test_groups_are_asked_for_where_they_are_wanted_and_known(make_app: MakeApp, provider: HostileProvider) -> None:
    app = make_app(**settings_for(provider, oidc_groups=GROUPS))
    assert "scope=openid+email+groups" in Browser(app, provider).begin().replace("%20", "+")


@pytest.mark.parametrize("path", ["/auth/oidc/login", "/auth/oidc/callback", "/auth/oidc/callback?code=x&state=y"])
def test_switched_off_it_is_not_there(make_app: MakeApp, path: str) -> None:
    assert make_app().test_client().get(path).status_code == 404


def test_in_read_only_mode_nobody_signs_in(make_app: MakeApp, provider: HostileProvider) -> None:
    app = make_app(**settings_for(provider))
    url = provider.authorize(Browser(app, provider).begin())
    reading = Browser(make_app(joins=True, read_only=True, **settings_for(provider)), provider)
    answers = [reading.client.get("/auth/oidc/login"), reading.come_back(url)]
    assert [(each.status_code, "Retry-After" in each.headers) for each in answers] == [(503, True)] * 2


def test_behind_a_prefix_the_way_back_has_it(make_app: MakeApp, provider: HostileProvider) -> None:
    app = make_app(**settings_for(provider, public_url="https://files.example.com/base"))
    browser = Browser(app, provider)
    back = provider.authorize(browser.begin())
    assert back.startswith("https://files.example.com/base/auth/oidc/callback?")
    answer = browser.come_back(back.replace("/base/", "/"))
    assert (answer.status_code, answer.headers["Location"]) == (303, "/base/")


def test_unknown_parameters_are_taken_on_the_way_back_and_not_on_the_way_there(browser: Browser) -> None:
    assert browser.client.get("/auth/oidc/login?next=https://evil.example").status_code == 400
    answer = browser.sign_in(session_state="x", next="https://evil.example", scope="openid")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/")


def test_a_look_at_the_way_back_uses_nothing_up(browser: Browser, provider: HostileProvider) -> None:
    back = urlsplit(provider.authorize(browser.begin()))
    head = browser.client.head(f"{back.path}?{back.query}")
    assert (head.status_code, browser.client.get(f"{back.path}?{back.query}").status_code) == (204, 303)


def test_the_log_says_why_and_neither_code_nor_state(browser: Browser, capsys: Any) -> None:
    url = browser.provider.authorize(browser.begin(), state="a-forged-state")
    assert browser.come_back(url).status_code == 401
    written = capsys.readouterr().out
    query = parse_qs(urlsplit(url).query)
    assert not any(query[name][0] in written for name in ("code", "state"))


def test_an_account_that_is_unlinked_is_the_next_ones(browser: Browser, app: Flask, provider: HostileProvider) -> None:
    browser.sign_in()
    run = app.test_cli_runner().invoke
    assert run(args=["accounts", "unlink", NAME]).exit_code == 0
    assert count(app) == (4, 0)
    for name, said in ((NAME, "belongs to nobody"), ("nobody", "There is no account")):
        result = run(args=["accounts", "unlink", name])
        assert (result.exit_code, said in result.stderr) == (1, True)
    provider.claims["sub"] = "another"
    assert Browser(app, provider).sign_in().status_code == 303


def told(app: Flask) -> list[tuple[str, str | None, str, dict[str, Any]]]:
    """What the audit log has of accounts, the oldest first."""
    with services_in(app).database.read() as session:
        rows = session.scalars(select(Activity).where(Activity.resource == "accounts").order_by(Activity.id)).all()
        return [(row.action, row.username, row.resource_id, row.details) for row in rows]


def test_the_audit_log_tells_of_accounts_rights_and_refusals(make_app: MakeApp, provider: HostileProvider) -> None:
    app = make_app(**settings_for(provider, oidc_groups=GROUPS))
    provider.claims["groups"] = ["heads"]
    Browser(app, provider).sign_in()
    (signed_in,) = [row for row in told(app) if row[0] == "account.signed_in"]
    assert (signed_in[1], signed_in[2], signed_in[3]["provider"]) == (NAME, NAME, provider.issuer)
    whose = {"issuer": provider.issuer, "subject": ALICE["sub"]}
    rows = [row for row in told(app) if row[0] != "account.signed_in"]
    assert rows == [
        ("account.created", NAME, NAME, whose),
        ("account.changed", NAME, NAME, {
            "is_admin": {"from": False, "to": True}, "permissions": {"from": [], "to": ["activities.read"]},
        }),
    ]  # fmt: skip
    Browser(app, provider).sign_in()
    assert [row for row in told(app) if row[0] != "account.signed_in"] == rows  # nothing has changed
    provider.claims["sub"] = "another"
    Browser(app, provider).sign_in()
    refused = {"account": NAME, "provider": provider.issuer, "reason": "the account is somebody else's"}
    assert told(app)[-1] == ("account.sign_in_failed", None, NAME, refused)


def test_the_export_of_an_account_says_who_it_is_at_the_provider(browser: Browser, provider: HostileProvider) -> None:
    browser.sign_in()
    answer = browser.client.get("/api/account/export", buffered=True)
    with zipfile.ZipFile(io.BytesIO(answer.data)) as archive:
        (name,) = [each for each in archive.namelist() if each.endswith("identities.json")]
        (identity,) = json.loads(archive.read(name))
    assert (identity["issuer"], identity["subject"]) == (provider.issuer, ALICE["sub"])
