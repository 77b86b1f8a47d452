"""The page Account: room, password, keys, sign-ins, one's own data."""

import re
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests
from playwright.sync_api import Locator, Page, expect

from tests.conftest import PASSWORD
from tests.live.console.conftest import OpenConsole
from tests.live.console.judging import axe, judge
from tests.live.server import LiveServer, running, wait_until
from transfer_service.services.accounts.sign_ins import Client

HOSTILE = '"><script>alert(1)</script> مفتاح'
LONGEST = "W" * 255
QUOTA = 1000
IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.0"
    " Mobile/15E148 Safari/604.1"
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """With an account for each test, because passwords and sign-ins change."""
    folder = tmp_path_factory.mktemp("account") / "data"
    with running(folder, "alice", "bob", "dora", "eve", "root", TRANSFER_QUOTA_BYTES=str(QUOTA)) as server:
        yield server


def part(page: Page, title: str) -> Locator:
    return page.get_by_role("region", name=title)


def sign_in(server: LiveServer, name: str, *, user_agent: str, password: str = PASSWORD) -> requests.Response:
    body = {"username": name, "password": password}
    headers = {"User-Agent": user_agent.encode()}
    return requests.post(f"{server.url}/auth/token", json=body, headers=headers, timeout=30)


def status_of(server: LiveServer, token: str) -> int:
    headers = {"Authorization": f"Bearer {token}"}
    return requests.get(f"{server.url}/auth/me", headers=headers, timeout=30).status_code


def test_it_says_who_one_is_and_how_full_it_is(server: LiveServer, open_console: OpenConsole) -> None:
    server.store(server.sign_in("alice"), "log.bin", b"x" * 950)
    page = open_console("/console/account", locale="de-DE")
    expect(part(page, "Du").get_by_role("paragraph").filter(has_text="950 Byte von 1 kB belegt (95")).to_be_visible()
    expect(page.get_by_text("Fast alles ist belegt.")).to_be_visible()
    with page.expect_download() as downloading:
        page.get_by_role("link", name="Alles herunterladen").click()
    with zipfile.ZipFile(Path(downloading.value.path())) as archive:
        assert archive.read("files/log.bin") == b"x" * 950


def test_a_password_is_changed(
    server: LiveServer, open_console: OpenConsole, expected_errors: Callable[..., None]
) -> None:
    expected_errors("403: POST .*/auth/password", "console error: Failed to load resource.*403")
    other = sign_in(server, "bob", user_agent="curl/8.5.0").json()["access_token"]
    page = open_console("/console/account", account="bob")
    current, new = page.get_by_label("Current password"), page.get_by_label("New password")
    change = page.get_by_role("button", name="Change the password")
    for known, wanted, told in (
        (PASSWORD, "🐟🐟🐟🐟", "too short"),
        (PASSWORD, PASSWORD, "the password that you have"),
        ("wrong password", "new password", "The current password is wrong."),
    ):
        current.fill(known)
        new.fill(wanted)
        change.click()
        expect(part(page, "Password").get_by_role("alert")).to_contain_text(told)
    expect(current).to_be_focused()
    assert axe(page) == []
    current.fill(PASSWORD)
    new.fill("🐟 new password")
    page.get_by_label("Show what I type").check()
    expect(new).to_have_attribute("type", "text")
    new.press("Enter")
    expect(page.get_by_text("The password is changed. Every other sign-in has ended.")).to_be_visible()
    expect(new).to_have_value("")
    expect(new).to_have_attribute("type", "password")
    expect(page.get_by_text("curl 8.5.0")).to_have_count(0)
    assert status_of(server, other) == 401
    assert sign_in(server, "bob", user_agent="x", password="🐟 new password").status_code == 200


def test_a_key_is_made_shown_once_and_revoked(server: LiveServer, open_console: OpenConsole) -> None:
    page = open_console("/console/account", account="dora", permissions=["clipboard-read", "clipboard-write"])
    expect(page.get_by_text("No keys yet.")).to_be_visible()
    page.get_by_role("button", name="New key").press("Enter")
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("textbox", name="Name").fill(HOSTILE)
    dialog.get_by_role("checkbox", name=re.compile("^Send files")).uncheck()
    dialog.get_by_role("button", name="Make the key").click()
    expect(dialog.get_by_role("alert")).to_contain_text("at least one thing")
    judge(page)
    dialog.get_by_role("checkbox", name=re.compile("^Manage files")).check()
    dialog.get_by_role("checkbox", name=re.compile("^Games")).check()
    dialog.get_by_label("Last day").fill("2099-12-31")
    dialog.get_by_role("spinbutton", name="Room").fill("0.5")
    dialog.get_by_role("button", name="Make the key").click()

    shown = page.get_by_role("dialog", name=f"The key for {HOSTILE}")
    expect(shown).to_be_visible()
    page.mouse.click(5, 5)  # beside it
    shown.get_by_role("button", name="Copy").click()
    key = shown.get_by_label("Key", exact=True).input_value()
    wait_until(lambda: bool(page.evaluate("navigator.clipboard.readText()") == key))
    assert axe(page) == []
    shown.get_by_role("button", name="Done").click()
    expect(page.get_by_role("button", name="New key")).to_be_focused()
    assert key not in page.content()
    (made,) = listed(server, "dora")
    assert {name: made[name] for name in ("name", "scopes", "expires_at", "quota_bytes")} == {
        "name": HOSTILE, "scopes": ["files", "games"], "expires_at": "2099-12-31T23:59:59Z", "quota_bytes": 500_000_000,
    }  # fmt: skip
    assert status_of(server, key) == 200

    make_key(server, "dora", LONGEST)
    page.reload()
    expect(part(page, "Keys").get_by_role("listitem").filter(has_text=HOSTILE)).to_contain_text("ends on Dec 31, 2099")
    judge(page)
    page.get_by_role("button", name=f"Revoke {HOSTILE}").press("Enter")
    page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
    expect(page.get_by_text(f"The key {HOSTILE} is revoked.")).to_be_visible()
    expect(page.get_by_role("button", name="Revoke", exact=False)).to_have_count(1)
    expect(page.locator("button:focus")).to_have_count(1)
    assert status_of(server, key) == 401


def listed(server: LiveServer, account: str) -> list[dict[str, object]]:
    answer = server.sign_in(account).get(f"{server.url}/auth/keys", timeout=30)
    keys: list[dict[str, object]] = answer.json()["keys"]
    return keys


def make_key(server: LiveServer, account: str, name: str) -> None:
    body = {"name": name, "scopes": ["upload"]}
    assert server.sign_in(account).post(f"{server.url}/auth/keys", json=body, timeout=30).status_code == 201


def test_sign_ins_are_told_apart_and_ended(server: LiveServer, open_console: OpenConsole) -> None:
    begin_many(server, "eve", 60)
    agents = ["curl/8.5.0", IPHONE, HOSTILE, "x" * 255]
    tokens = {agent: sign_in(server, "eve", user_agent=agent).json()["access_token"] for agent in agents}
    page = open_console("/console/account", account="eve")
    rows = part(page, "Sign-ins").get_by_role("listitem")
    expect(rows).to_have_count(50)
    expect(rows.first).to_contain_text(re.compile("Chrome on Linux.*This one", re.DOTALL))
    assert rows.first.get_by_role("button").count() == 0
    expect(rows.filter(has_text=HOSTILE)).to_have_count(1)
    judge(page)
    page.get_by_role("button", name="End Safari on iPhone").press("Enter")
    expect(page.get_by_text("Safari on iPhone is signed out.")).to_be_visible()
    expect(rows).to_have_count(49)
    expect(page.locator("button:focus")).to_have_count(1)
    assert [status_of(server, tokens[agent]) for agent in (IPHONE, "curl/8.5.0")] == [401, 200]

    part(page, "Sign-ins").get_by_role("button", name="Show more").click()
    expect(rows).to_have_count(64)
    page.get_by_role("button", name="End all others").click()
    page.get_by_role("dialog").get_by_role("button", name="End all others").click()
    expect(rows).to_have_count(1)
    assert status_of(server, tokens["curl/8.5.0"]) == 401
    assert len(server.sign_in("eve").get(f"{server.url}/auth/sessions", timeout=30).json()["sessions"]) == 2
    page.reload()
    expect(page.get_by_role("heading", name="Account")).to_be_visible()


def begin_many(server: LiveServer, name: str, count: int) -> None:
    """Sign-ins whose passwords were not asked for: that takes its time."""
    with server.services() as services:
        verified = services.accounts.authenticate(name, PASSWORD, address="192.0.2.1")
        for number in range(count):
            services.sign_ins.begin(
                account_id=verified.account.account_id,
                name=name,
                password_hash=verified.password_hash,
                client=Client("192.0.2.1", f"robot/{number}"),
            )
