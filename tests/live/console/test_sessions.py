"""Coming and going: deep links, back and forward, other tabs, tokens that end, sign-ins that are ended."""

import json
import re
from collections.abc import Callable

from playwright.sync_api import Locator, Page, expect

from tests.live.console.conftest import MakeContext, OpenConsole, sign_in
from tests.live.console.steps import (
    act,
    end_other_sessions,
    go_to,
    go_to_account,
    link_to,
    open_links,
    sign_in_by_form,
    signed_in,
)
from tests.live.server import LiveServer

PLACES = ("Links", "Chat", "Games", "Account", "Files")
HALF_AN_HOUR = "30:00"
HALF_A_MINUTE = 30_000


def present(page: Page) -> Locator:
    """The place that the navigation marks as the present one."""
    return page.get_by_role("navigation", name="Pages").locator("[aria-current=page]")


def test_the_way_back_and_forward_and_a_reload_lead_where_they_should(console: Page) -> None:
    for place in PLACES:
        go_to(console, place)
        expect(present(console)).to_have_text(place)
        expect(console).to_have_title(re.compile(place))
    console.go_back()
    expect(present(console)).to_have_text("Account")
    console.go_back()
    console.reload()
    expect(present(console)).to_have_text("Games")
    console.go_forward()
    expect(present(console)).to_have_text("Account")


def test_an_address_is_kept_for_whoever_signs_in_first(
    open_console: OpenConsole, expected_errors: Callable[..., None]
) -> None:
    page = open_console("/console/links", account=None)
    page.get_by_label("Name", exact=True).fill("alice")
    page.get_by_label("Password", exact=True).fill("wrong horse")
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("wrong")
    expected_errors(r"^401: POST .*/auth/login", "console error: .* 401 .*/auth/login")
    sign_in_by_form(page, "alice")
    expect(present(page)).to_have_text("Links")


def test_a_sign_out_counts_in_every_tab(open_console: OpenConsole) -> None:
    page = open_console()
    open_links(page)
    go_to_account(page)
    other = page.context.new_page()
    open_links(other)
    own = f"something of {page.request.get('/auth/me').json()['id']}"
    for each in (page, other):
        each.evaluate("name => { localStorage[name] = sessionStorage[name] = sessionStorage.another = 'text'; }", own)
    page.get_by_role("button", name="Sign out", exact=True).click()
    for each in (page, other):
        expect(each.get_by_role("button", name="Sign in", exact=True)).to_be_visible()
    assert [each["name"] for each in page.context.cookies()] == []
    for each in (page, other):
        assert each.evaluate("name => [name in localStorage, name in sessionStorage]", own) == [False, False]
        assert each.evaluate("sessionStorage.another") == "text"
    page.go_back()
    expect(page.get_by_role("button", name="Sign in", exact=True)).to_be_visible()


def test_tokens_are_renewed_before_they_end(make_context: MakeContext) -> None:
    context = make_context()
    sign_in(context, "alice")
    page = context.new_page()
    page.clock.install()
    page.goto("/")
    expect(page.get_by_role("heading", name="Files", exact=True)).to_be_visible()
    before = {each["name"]: each["value"] for each in context.cookies()}
    with page.expect_response("**/auth/refresh") as renewed:
        page.clock.fast_forward(HALF_AN_HOUR)
    assert renewed.value.status == 200
    after = {each["name"]: each["value"] for each in context.cookies()}
    assert before.keys() == after.keys()
    assert before["access_token_cookie"] != after["access_token_cookie"]


def test_a_token_that_has_ended_is_renewed_unseen(console: Page, expected_errors: Callable[..., None]) -> None:
    expect(console.get_by_role("button", name="New folder")).to_be_visible()
    console.wait_for_load_state("networkidle")
    expected_errors(r"^401: GET .*/api/links", "console error: .* 401 .*/api/links")
    (token,) = [each for each in console.context.cookies() if each["name"] == "access_token_cookie"]
    console.context.add_cookies([{**token, "value": "ended"}])  # type: ignore[typeddict-item]
    go_to(console, "Links")
    expect(console.get_by_role("heading", name="Links", exact=True)).to_be_visible()
    expect(console.get_by_role("alert")).to_have_count(0)


def test_a_sign_in_that_was_ended_elsewhere_asks_again(
    open_console: OpenConsole, server: LiveServer, expected_errors: Callable[..., None]
) -> None:
    page = open_console("/console/games")
    expect(page.get_by_role("button", name="Sign out", exact=True)).to_be_visible()
    end_other_sessions(server, "alice")
    expected_errors(r"^401: ", "console error: .* 401 ", "console .*WebSocket")
    page.evaluate("document.querySelector('nav a[href$=links]')?.click()")  # unless it has heard of it by itself
    expect(page.get_by_role("button", name="Sign in", exact=True)).to_be_visible()
    place = page.url.rpartition("/")[2]
    sign_in_by_form(page, "alice")
    expect(present(page)).to_have_text(place.title())


def test_what_a_page_says_of_itself_is_in_its_storage_no_secret(console: Page) -> None:
    expect(console.get_by_role("heading", name="Files", exact=True)).to_be_visible()
    kept = console.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie])")
    assert "eyJ" not in json.loads(kept)[2]
    assert "eyJ" not in kept


def test_a_service_that_is_away_at_first_is_asked_again_until_it_answers(
    make_context: MakeContext, expected_errors: Callable[..., None]
) -> None:
    context = make_context()
    sign_in(context, "alice")
    page = context.new_page()
    page.clock.install()
    page.route("**/auth/me", lambda route: route.fulfill(status=503, json={"detail": "Busy"}))
    expected_errors("^503: GET .*/auth/me", "console error: .* 503 .*/auth/me")
    with page.expect_response("**/auth/me"):
        page.goto("/console/admin")
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()
    expect(page.get_by_role("heading", name="Only for administrators")).to_have_count(0)
    for _ in range(3):
        with page.expect_response("**/auth/me"):
            page.clock.run_for(HALF_AN_HOUR)
    page.unroute("**/auth/me")
    page.clock.run_for(HALF_AN_HOUR)
    expect(page.get_by_role("heading", name="Only for administrators")).to_be_visible()


def with_a_folder(server: LiveServer, account: str, name: str) -> Callable[[], bool]:
    """Gives whether the account's folder of that name is there."""
    session, url = server.sign_in(account), f"{server.url}/api/folders/{name}"
    path = f"{name}/of {account}.txt"
    assert session.post(f"{server.url}/api/files", params={"filename": path}, data=b"x", timeout=30).ok
    return lambda: session.get(url, timeout=30).ok


def test_nothing_that_waits_is_done_in_the_name_of_who_signs_in_next(
    open_console: OpenConsole, server: LiveServer, expected_errors: Callable[..., None]
) -> None:
    is_of_alice, is_of_bob = (with_a_folder(server, name, "Both have it") for name in ("alice", "bob"))
    page = open_console()
    page.clock.install()
    signed_in(page, "alice")
    act(page, "Both have it", "Delete")
    expect(page.get_by_role("button", name="Undo")).to_be_visible()
    sign_in(page.context, "bob")  # as at the page of a provider: no tab is told
    page.clock.run_for(HALF_A_MINUTE)
    signed_in(page, "bob")
    expect(link_to(page, "Both have it")).to_be_visible()
    assert is_of_bob()
    assert is_of_alice()
    act(page, "Both have it", "Delete")
    page.context.request.post("/auth/logout", headers=csrf(page))
    expected_errors(r"^401: ", "console error: .* 401 ", "console .*WebSocket")
    page.clock.run_for(HALF_A_MINUTE)
    sign_in_by_form(page, "alice")
    signed_in(page, "alice")
    page.clock.run_for(HALF_A_MINUTE)
    assert is_of_alice()
    assert is_of_bob()


def csrf(page: Page) -> dict[str, str]:
    (value,) = [each["value"] for each in page.context.cookies() if each["name"] == "csrf_access_token"]
    return {"X-CSRF-TOKEN": value}


def test_a_change_is_never_made_by_another_account_than_the_one_shown(open_console: OpenConsole) -> None:
    page = open_console()
    signed_in(page, "alice")
    page.get_by_role("button", name="New folder").click()
    page.get_by_role("dialog").get_by_role("textbox").fill("Of alice alone")
    sign_in(page.context, "bob")
    page.keyboard.press("Enter")
    signed_in(page, "bob")
    expect(link_to(page, "Of alice alone")).to_have_count(0)
    assert page.context.request.get("/api/folders/Of alice alone").status == 404


def test_who_signs_in_next_reads_nothing_of_what_was_told_to_the_one_before(
    open_console: OpenConsole, server: LiveServer
) -> None:
    with_a_folder(server, "alice", "Very secret")
    page = open_console()
    act(page, "Very secret", "Delete")
    status = page.get_by_role("status").filter(has_text="Very secret")
    expect(status).to_be_visible()
    other = page.context.new_page()
    open_links(other)
    go_to_account(other)
    other.get_by_role("button", name="Sign out", exact=True).click()
    expect(page.get_by_role("button", name="Sign in", exact=True)).to_be_visible()
    expect(status).to_have_count(0)
    sign_in_by_form(other, "bob")
    signed_in(page, "bob")
    expect(page.get_by_text("Very secret")).to_have_count(0)


def test_a_service_that_fails_right_after_a_sign_in_is_asked_again(
    open_console: OpenConsole, expected_errors: Callable[..., None]
) -> None:
    page = open_console("/console/account", account=None)
    page.route("**/auth/me", lambda route: route.fulfill(status=503, json={"detail": "Busy"}))
    expected_errors("^503: GET .*/auth/me", "console error: .* 503 .*/auth/me")
    sign_in_by_form(page, "alice")
    page.unroute("**/auth/me")
    expect(page.get_by_role("region", name="You", exact=True)).to_contain_text("alice")
