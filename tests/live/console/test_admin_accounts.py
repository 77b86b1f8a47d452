"""Accounts in the console: who sees them, what an administrator does with them, and ten thousand of them."""

import re
from typing import Any, Literal

import pytest
import requests
from playwright.sync_api import Locator, Page, expect

from tests.conftest import PASSWORD
from tests.live.console.conftest import OpenConsole
from tests.live.console.judging import PHONE, at_width, axe, in_colours, sideways
from tests.live.console.many import make_accounts
from tests.live.console.steps import act
from tests.live.server import LiveServer, wait_until

STRANGE = '"><img src=x onerror=alert(1)> דנה 🛥️ 100%'
CLIPBOARD = ["clipboard-read", "clipboard-write"]


@pytest.fixture(scope="module")
def root(server: LiveServer) -> requests.Session:
    return server.sign_in("root")


def account(server: LiveServer, root: requests.Session, name: str) -> dict[str, Any] | None:
    """An account as the API has it, None where there is none."""
    answer = root.get(f"{server.url}/api/admin/accounts", params={"search": name}, timeout=30)
    return next((each for each in answer.json()["accounts"] if each["name"] == name), None)


def can_sign_in(server: LiveServer, name: str, password: str) -> bool:
    body = {"username": name, "password": password}
    return requests.post(f"{server.url}/auth/token", json=body, timeout=30).ok


def dialog(page: Page) -> Locator:
    return page.get_by_role("dialog")


def answer(page: Page, button: str) -> None:
    """Press the button of a dialog, and wait until it is gone."""
    dialog(page).get_by_role("button", name=button, exact=True).click()
    expect(dialog(page)).to_have_count(0)


def test_an_account_is_made_changed_and_deleted(
    server: LiveServer, root: requests.Session, open_console: OpenConsole
) -> None:
    page = open_console("/console/admin", account="root", permissions=CLIPBOARD)
    parts = page.get_by_role("navigation", name="Administration").get_by_role("link")
    expect(parts).to_have_text(["Accounts", "Usage", "Transfers", "Activities", "Webhooks", "Health"])
    table = page.get_by_role("table", name="Accounts")
    expect(table.get_by_role("row")).to_have_count(4)

    page.get_by_role("button", name="New account").click()
    expect(page.get_by_label("Name", exact=True)).to_be_focused()
    page.get_by_label("Name", exact=True).fill(STRANGE)
    page.get_by_label("Download games").check()
    page.get_by_label("Room", exact=True).select_option("A limit of its own")
    page.get_by_label("Limit", exact=True).fill("1.5")
    page.get_by_label("Unit").select_option("MB")
    dialog(page).get_by_role("button", name="Create account").click()
    made = dialog(page).get_by_label("Password", exact=True)
    expect(made).to_have_value(re.compile(".{12,}"))
    dialog(page).get_by_role("button", name="Copy Password").click()
    password = made.input_value()
    wait_until(lambda: bool(page.evaluate("navigator.clipboard.readText()") == password))
    assert can_sign_in(server, STRANGE, password)
    answer(page, "Done")
    expect(page.get_by_role("button", name="New account")).to_be_focused()

    act(page, STRANGE, "Edit")
    expect(page.get_by_label("Limit", exact=True)).to_have_value("1.5")
    page.get_by_label("Administrator").check()
    page.get_by_label("Download games").uncheck()
    page.get_by_label("Limit", exact=True).fill("2")
    page.get_by_label("Unit").select_option("TB")
    answer(page, "Save")
    expect(table.get_by_role("row").filter(has_text=STRANGE)).to_contain_text("of 2 TB")
    changed = account(server, root, STRANGE) or {}
    assert (changed["is_admin"], changed["permissions"], changed["quota_bytes"]) == (True, [], 2 * 10**12)

    act(page, STRANGE, "Edit")
    page.get_by_label("Room", exact=True).select_option("general")
    answer(page, "Save")
    expect(page.get_by_role("status").filter(has_text="Saved")).to_be_visible()
    assert (account(server, root, STRANGE) or {})["quota_bytes"] is None

    act(page, STRANGE, "Set password")
    dialog(page).get_by_label("Password", exact=True).fill("a new one for you")
    dialog(page).get_by_label("End keys").check()
    answer(page, "Set password")
    assert [can_sign_in(server, STRANGE, each) for each in (password, "a new one for you")] == [False, True]

    act(page, STRANGE, "Disable")
    answer(page, "Disable")
    expect(table.get_by_text("Disabled", exact=True)).to_be_visible()
    assert not can_sign_in(server, STRANGE, "a new one for you")

    act(page, STRANGE, "Delete")
    name = dialog(page).get_by_label(re.compile("^Type"))
    name.fill("somebody else")
    dialog(page).get_by_role("button", name="Delete for good").click()
    assert account(server, root, STRANGE) is not None
    name.fill(STRANGE)
    answer(page, "Delete for good")
    expect(table.get_by_role("row")).to_have_count(4)
    expect(page.get_by_role("button", name="Actions for alice")).to_be_focused()
    assert account(server, root, STRANGE) is None


def test_what_is_refused_is_said_in_words(
    server: LiveServer, root: requests.Session, open_console: OpenConsole, expected_errors: Any
) -> None:
    page = open_console("/console/admin/accounts", account="root")
    expected_errors(r"^4\d\d: (PATCH|POST) .*/api/admin/accounts", r"console error: .* (400|409) ")
    act(page, "root", "Edit")
    page.get_by_label("Administrator").uncheck()
    dialog(page).get_by_role("button", name="Save").click()
    expect(dialog(page).get_by_role("alert")).to_contain_text("last administrator")
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Actions for root")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("menuitem")).to_have_text(["Edit", "Activities"])  # oneself is not locked out
    page.keyboard.press("Escape")
    page.get_by_role("button", name="New account").click()
    for name, told in (("alice", "already"), ("a/b", "did not accept")):
        page.get_by_label("Name", exact=True).fill(name)
        page.get_by_label("Room", exact=True).select_option("A limit of its own")
        page.get_by_label("Limit", exact=True).fill("3")
        page.get_by_label("Unit").select_option("TB")
        dialog(page).get_by_role("button", name="Create account").click()
        expect(dialog(page).get_by_role("alert")).to_contain_text(told)
        expect(page.get_by_label("Unit").locator("option:checked")).to_have_text("TB")
    assert (account(server, root, "root") or {})["is_admin"]


def test_others_are_told_and_ask_for_nothing(server: LiveServer, open_console: OpenConsole) -> None:
    page = open_console("/console/admin/accounts")
    expect(page.get_by_role("heading", name="Only for administrators")).to_be_visible()
    expect(page.get_by_role("link", name="Admin", exact=True)).to_have_count(0)
    with server.services() as services:
        services.accounts.grant("alice", "activities.read")
    page.reload()
    expect(page.get_by_role("heading", name="Only for administrators")).to_be_visible()
    page.get_by_role("link", name="Admin", exact=True).click()
    expect(page.get_by_role("table", name="Activities")).to_be_visible()
    expect(page.get_by_role("navigation", name="Administration")).to_have_count(0)
    page.goto("/console/admin/nowhere")
    expect(page.get_by_role("heading", name="There is no such page")).to_be_visible()


def test_everybody_can_use_accounts_and_their_dialogs(open_console: OpenConsole) -> None:
    page = open_console("/console/admin/accounts", account="root")
    expect(page.get_by_role("table", name="Accounts")).to_be_visible()
    found = {"table": axe(page)}
    at_width(page, PHONE)
    schemes: tuple[Literal["dark", "light"], ...] = ("dark", "light")
    for scheme in schemes:
        in_colours(page, scheme)
        found |= {f"cards {scheme}": axe(page) + sideways(page)}
        act(page, "bob", "Edit")
        page.get_by_label("Room", exact=True).select_option("own")
        found |= {f"dialog {scheme}": axe(page) + sideways(page)}
        page.keyboard.press("Escape")
        expect(dialog(page)).to_have_count(0)
    assert [each for each in found.items() if each[1]] == []


def test_ten_thousand_accounts_are_as_fast_as_ten(server: LiveServer, open_console: OpenConsole) -> None:
    make_accounts(server, 10_000)
    page = open_console("/console/admin/accounts", account="root")
    table = page.get_by_role("table", name="Accounts")
    expect(table.get_by_role("row")).to_have_count(101)
    table.get_by_role("button", name="Used").click()
    expect(page).to_have_url(re.compile("sort=used_bytes&order=desc"))
    expect(table.get_by_role("rowheader").first).to_have_text("person 10000")
    page.get_by_role("button", name="Next").click()
    expect(table.get_by_role("rowheader").first).to_have_text("person 09900")
    expect(page.get_by_role("status").filter(has_text="Page 2")).to_be_visible()
    page.get_by_role("searchbox", name="Search accounts").fill("PERSON 0777")
    expect(table.get_by_role("row")).to_have_count(11)
    expect(page.get_by_role("status").filter(has_text="10 accounts are shown")).to_have_count(1)
    expect(table.get_by_role("rowheader").first).to_have_text("person 07779")
    table.get_by_role("button", name="Name").click()
    expect(table.get_by_role("rowheader").first).to_have_text("person 07770")
    page.reload()
    expect(table.get_by_role("rowheader").first).to_have_text("person 07770")
    expect(table.get_by_role("row")).to_have_count(11)
    page.get_by_role("link", name="Accounts", exact=True).click()
    expect(page.get_by_role("searchbox", name="Search accounts")).to_have_value("")
    expect(table.get_by_role("row")).to_have_count(101)
    page.get_by_role("link", name="Usage", exact=True).click()
    largest = page.get_by_role("table", name="Largest accounts")
    expect(largest.get_by_role("rowheader").first).to_have_text("person 10000")
    expect(largest.get_by_role("rowheader").last).to_have_text("All others")
    expect(page.get_by_role("img", name="Room in all")).to_be_visible()
    assert axe(page) == []
    assert PASSWORD not in page.content()
