"""What administrators watch in the console: transfers, activities, webhooks, and the service's health."""

import re
from collections.abc import Callable

import pytest
import requests
from playwright.sync_api import Page, expect

from tests.live.console.conftest import OpenConsole
from tests.live.console.judging import PHONE, at_width, axe, in_colours, sideways
from tests.live.console.many import make_failed
from tests.live.console.steps import act
from tests.live.server import LiveServer

MEBIBYTE = 1024 * 1024
TUS = {"Tus-Resumable": "1.0.0"}
HOSTILE = '"><img src=x onerror=alert(1)>.bin'
HOOK = "https://hooks.example.com/a?b=c"


@pytest.fixture(scope="module")
def alice(server: LiveServer) -> requests.Session:
    with server.services() as services:
        services.accounts.grant("root", "activities.read")
    return server.sign_in("alice")


def begin_upload(server: LiveServer, person: requests.Session, name: str, length: int) -> str:
    """Begin one, and give where its bytes go."""
    headers = {**TUS, "Upload-Length": str(length), "Upload-Metadata": f"filename {name}"}
    return person.post(f"{server.url}/api/uploads", headers=headers, timeout=30).headers["Location"]


def append(person: requests.Session, place: str, offset: int, size: int) -> None:
    headers = {**TUS, "Upload-Offset": str(offset), "Content-Type": "application/offset+octet-stream"}
    assert person.patch(place, headers=headers, data=bytes(size), timeout=60).ok


def is_usable(page: Page) -> None:
    """In both schemes, and on a phone."""
    found = axe(page)
    at_width(page, PHONE)
    in_colours(page, "dark")
    found += axe(page) + sideways(page)
    in_colours(page, "light")
    at_width(page, 1280)
    assert found == []


def test_transfers_move_while_they_are_seen(
    server: LiveServer, alice: requests.Session, open_console: OpenConsole
) -> None:
    place = begin_upload(server, alice, "ZHJvbmUubW92", 8 * MEBIBYTE)
    append(alice, place, 0, 2 * MEBIBYTE)
    page = open_console("/console/admin/transfers", account="root")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    row = page.get_by_role("row").filter(has_text="drone.mov")
    bar = page.get_by_role("progressbar", name="drone.mov", exact=True)
    expect(bar).to_have_js_property("value", 2 * MEBIBYTE)
    expect(row).to_contain_text("2.1 MB of 8.4 MB")
    append(alice, place, 2 * MEBIBYTE, 4 * MEBIBYTE)
    expect(bar).to_have_js_property("value", 6 * MEBIBYTE)
    expect(row).to_contain_text(re.compile(r"B/s|resting"))
    is_usable(page)

    page.clock.install()  # from here on time is the test's: an interval ends when it says so
    page.reload()
    expect(bar).to_be_visible()
    page.evaluate("Object.defineProperty(document, 'hidden', {value: true, configurable: true})")
    page.clock.run_for(10_000)
    asked.clear()
    page.clock.run_for(60_000)
    assert [url for url in asked if "transfers" in url] == []
    page.evaluate("delete document.hidden; document.dispatchEvent(new Event('visibilitychange'))")
    page.get_by_role("button", name="Cancel drone.mov").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel transfer").click()
    expect(page.get_by_role("heading", name="Nothing is under way")).to_be_visible()
    expect(page.get_by_role("heading", name="Transfers", exact=True)).to_be_focused()
    assert [url for url in asked if "transfers" in url] != []
    assert alice.head(place, headers=TUS, timeout=30).status_code in (404, 410)


def test_activities_are_found_read_and_exported(
    server: LiveServer, alice: requests.Session, open_console: OpenConsole
) -> None:
    file_id = server.store(alice, "first.bin", b"1").split("/")[3]
    answer = alice.patch(f"{server.url}/api/files/{file_id}", json={"filename": HOSTILE}, timeout=30)
    assert answer.ok, answer.text
    page = open_console("/console/admin/accounts", account="root", timezone_id="Asia/Tokyo")
    act(page, "alice", "Activities")
    table = page.get_by_role("table", name="Activities")
    expect(page).to_have_url(re.compile(r"activities\?username=alice$"))
    expect(page.get_by_label("Account", exact=True)).to_have_value("alice")
    page.get_by_label("Action", exact=True).select_option("File renamed")
    expect(table.get_by_role("row")).to_have_count(2)
    renamed = table.get_by_role("rowheader").first
    expect(renamed).to_contain_text(re.compile(f"first.bin.*{re.escape(HOSTILE)}"))
    renamed.locator("summary").click()
    expect(renamed).to_contain_text(re.compile("previous.*first.bin"))
    is_usable(page)

    with page.expect_download() as saved:
        page.get_by_role("button", name="Export CSV").click()
    wanted = server.sign_in("root").get(
        f"{server.url}/api/activities",
        params={"username": "alice", "action": "file.renamed"},
        headers={"Accept": "text/csv"},
        timeout=30,
    )
    assert saved.value.suggested_filename.endswith(".csv")
    assert saved.value.path().read_bytes() == wanted.content

    page.get_by_label("To", exact=True).fill("2026-01-02T08:30")
    expect(page.get_by_role("heading", name="Nothing matches")).to_be_visible()
    expect(page).to_have_url(re.compile("to=2026-01-01T23%3A30%3A59.999Z"))
    page.reload()
    expect(page.get_by_label("To", exact=True)).to_have_value("2026-01-02T08:30")
    page.get_by_role("button", name="Clear filters").click()
    expect(table.get_by_text("Signed in").first).to_be_visible()
    table.get_by_role("link", name="alice").first.click()
    expect(page).to_have_url(re.compile(r"activities\?username=alice$"))
    expect(page.get_by_label("Account", exact=True)).to_have_value("alice")


def test_the_log_is_turned_over_page_by_page(
    server: LiveServer, alice: requests.Session, open_console: OpenConsole
) -> None:
    for number in range(60):
        server.store(alice, f"page {number}.bin", b"1")
    page = open_console("/console/admin/activities?action=file.uploaded", account="root")
    table = page.get_by_role("table", name="Activities")
    expect(table.get_by_role("rowheader").first).to_contain_text("page 59.bin")
    page.get_by_role("button", name="Next").click()
    expect(table.get_by_role("rowheader").first).to_contain_text("page 9.bin")
    expect(page.get_by_role("status").filter(has_text=re.compile("^51.* of "))).to_be_visible()
    page.go_back()
    expect(table.get_by_role("rowheader").first).to_contain_text("page 59.bin")
    with server.services() as services:
        services.accounts.revoke("root", "activities.read")
    page.reload()
    page.get_by_role("button", name="Give it to me").click()
    expect(table.get_by_role("rowheader").first).to_contain_text("page 59.bin")


def test_webhooks_come_and_go(server: LiveServer, open_console: OpenConsole) -> None:
    page = open_console("/console/admin/webhooks", account="root")
    expect(page.get_by_role("heading", name="No webhooks yet")).to_be_visible()
    page.get_by_role("button", name="Add webhook").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Address", exact=True).fill(HOOK)
    dialog.get_by_label("Events", exact=True).select_option("Chosen events")
    dialog.get_by_role("button", name="Add", exact=True).click()
    expect(dialog.get_by_label("Secret")).to_have_count(0)  # no event is chosen yet
    dialog.get_by_label("File deleted").check()
    dialog.get_by_label("Only for the account").fill("alice")
    dialog.get_by_role("button", name="Add", exact=True).click()
    expect(dialog.get_by_label("Secret", exact=True)).to_have_value(re.compile("^whsec_"))
    dialog.get_by_role("button", name="Done").click()
    root = server.sign_in("root")
    (webhook,) = root.get(f"{server.url}/api/webhooks", timeout=30).json()["webhooks"]
    assert (webhook["url"], webhook["events"], webhook["account"]) == (HOOK, ["file.deleted"], "alice")
    act(page, HOOK, "Send a test")
    expect(page.get_by_text("A test is on its way")).to_be_visible()

    make_failed(server, webhook["id"], 60)
    page.get_by_role("button", name="Refresh").click()
    failed = page.get_by_role("table", name="Failed deliveries")
    expect(failed.get_by_role("row")).to_have_count(51)
    expect(failed.get_by_role("row").nth(1)).to_contain_text("Answered 503")
    is_usable(page)
    failed.get_by_role("button").first.dblclick()  # which asks once, or the second would be 404
    expect(page.get_by_text("It is tried again")).to_be_visible()
    expect(failed.get_by_role("button").first).to_be_focused()
    page.get_by_role("button", name="Next").click()
    expect(failed.get_by_role("row")).to_have_count(11)

    act(page, HOOK, "Remove")
    dialog.get_by_role("button", name="Remove").click()
    expect(page.get_by_role("heading", name="No webhooks yet")).to_be_visible()
    expect(page.get_by_role("heading", name="Webhooks", exact=True)).to_be_focused()
    assert root.get(f"{server.url}/api/webhooks", timeout=30).json()["webhooks"] == []


def test_health_says_what_is_wrong(open_console: OpenConsole, expected_errors: Callable[..., None]) -> None:
    page = open_console("/console/admin/health", account="root")
    expect(page.get_by_role("heading", name="Ready", exact=True)).to_be_visible()
    page.get_by_role("button", name="Clean up now").click()
    expect(page.get_by_text(re.compile(r"Cleaned up\.|Nothing to remove\."))).to_be_visible()
    is_usable(page)
    reason = "The database cannot be written"
    page.route("**/readyz", lambda route: route.fulfill(status=503, json={"detail": reason}))
    expected_errors(r"^503: GET .*/readyz", "console error: .* 503 .*/readyz")
    page.reload()
    expect(page.get_by_role("heading", name="Not ready")).to_be_visible()
    expect(page.get_by_text(reason)).to_be_visible()
