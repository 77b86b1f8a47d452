"""The page Games: the catalogue, downloads that are followed live, and games that are played in a frame."""

import re
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.games import make_zip
from tests.live.bad_source import HONEST, Behaviour
from tests.live.console.conftest import OpenConsole
from tests.live.console.judging import axe, judge
from tests.live.remote import GameEntry, Site, impatient_worker, remote_site
from tests.live.server import LiveServer, wait_until

TITLE = '"><script>alert(1)</script> بحيرة Lake 🐟'
HOSTILE = "<img src=x onerror=alert(2)>"
COMMAND = {"launchCommand": "http://lake.test/index.html", "platform": "HTML5"}
PAGE = (
    b"<!doctype html><title>L</title><link rel=stylesheet href=look.css><p id=played></p><script src=play.js></script>"
)
SCRIPT = b"""
const attempt = (look) => { try { return look() } catch (error) { return error.name } };
const found = [() => parent.document.cookie, () => top.location.pathname, () => localStorage.length].map(attempt);
document.querySelector("#played").textContent = `${found} ${getComputedStyle(document.body).color} ${origin}`;
"""
STYLE = b"body { color: rgb(1, 2, 3) }"
ARCHIVE = make_zip(
    {
        "content/lake.test/index.html": PAGE,
        "content/lake.test/play.js": SCRIPT,
        "content/lake.test/look.css": STYLE,
        "noise.bin": bytes(range(256)) * 4000,
    },
    method=0,
)
STALLED = len(ARCHIVE) * 605 // 1000
LOG = "console error: Failed to load resource"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    data_dir = tmp_path_factory.mktemp("games") / "data"
    patience = {"idle_seconds": 600}
    with (
        remote_site(data_dir, accounts=("alice", "root")) as site,
        impatient_worker(data_dir, patience, site.server.environment),
    ):
        log = data_dir.parent / "worker.log"
        wait_until(
            lambda: "worker_started" in log.read_text(), seconds=300
        )  # or the service gives up what waits for it
        yield site


@pytest.fixture(scope="module")
def server(site: Site) -> LiveServer:
    return site.server


def bar(page: Page, game: GameEntry) -> Locator:
    return page.get_by_role("progressbar", name=game.title, exact=True)


def button(page: Page, what: str, game: GameEntry) -> Locator:
    return page.get_by_role("button", name=f"{what} {game.title}", exact=True)


def test_nothing_is_there_yet(open_console: OpenConsole) -> None:
    page = open_console()
    nothing = {"games": [], "pagination": {"page": 1, "limit": 100, "total": 0, "totalPages": 0}}
    page.route("**/api/games?*", lambda route: route.fulfill(json=nothing))
    page.goto("/console/games")
    expect(page.get_by_role("heading", name="No games yet")).to_be_visible()
    expect(page.get_by_text("flask --app wsgi games import catalogue.json")).to_be_visible()
    judge(page)


def test_a_game_is_found_downloaded_played_and_removed(site: Site, open_console: OpenConsole) -> None:
    """By a bar that is live, after a reload too, and not the first time: it is given up, and begun anew."""
    game = site.add_game(
        ARCHIVE,
        Behaviour(stall_at=STALLED),
        HONEST,
        **COMMAND,
        title=TITLE,
        description=HOSTILE,
        tags=[HOSTILE, "Puzzle"],
    )
    site.add_game(b"other", title="Somewhere else")
    page = open_console("/console/games", account="carol")
    expect(page.get_by_role("link", name="Somewhere else")).to_be_visible()
    page.get_by_role("searchbox", name="Search games").fill("بحيرة LAKE")
    expect(page.get_by_role("link", name="Somewhere else")).to_have_count(0)
    expect(page).to_have_url(re.compile("search="))

    button(page, "Download", game).press("Enter")
    expect(bar(page, game)).to_have_js_property("value", STALLED)
    expect(page.get_by_text("60%")).to_be_visible()
    judge(page)
    page.reload()
    expect(bar(page, game)).to_have_js_property("value", STALLED)
    button(page, "Cancel", game).press("Enter")
    expect(button(page, "Download", game)).to_be_focused()
    assert site.state(game) == "cancelled"

    button(page, "Download", game).press("Enter")
    expect(page.get_by_text(f"{game.title} is here.")).to_be_visible()
    play = page.get_by_role("link", name=f"Play {game.title}", exact=True)
    play.click()
    played(page, game)
    page.get_by_role("link", name="About the game").click()
    expect(page.get_by_text(HOSTILE)).to_have_count(2)
    judge(page)
    removed(site, page, game)


def played(page: Page, game: GameEntry) -> None:
    """It has run its script, and had its style sheet, and reached nothing of the page around it."""
    frame = page.locator("iframe")
    expect(frame).to_have_attribute("title", game.title)
    assert "allow-same-origin" not in (frame.get_attribute("sandbox") or "allow-same-origin")
    told = frame.content_frame.locator("#played")
    expect(told).to_have_text("SecurityError,SecurityError,SecurityError rgb(1, 2, 3) null")
    judge(page)
    page.get_by_role("button", name="Full screen").click()
    wait_until(lambda: bool(page.evaluate("document.fullscreenElement?.tagName === 'IFRAME'")))
    page.evaluate("document.exitFullscreen()")
    page.get_by_role("button", name="Start again").click()
    expect(told).to_contain_text("SecurityError")


def removed(site: Site, page: Page, game: GameEntry) -> None:
    remove = page.get_by_role("button", name="Remove Data")
    remove.press("Enter")
    page.get_by_role("dialog").press("Escape")
    expect(remove).to_be_focused()
    remove.press("Enter")
    page.get_by_role("dialog", name="Remove Data?").get_by_role("button", name="Remove").click()
    expect(button(page, "Download", game)).to_be_visible()
    expect(page.get_by_role("link", name="Play")).to_have_count(0)
    expect(page.locator("#main")).to_be_focused()
    assert site.archive(game) is None


def test_what_failed_says_why_and_is_tried_again(site: Site, open_console: OpenConsole) -> None:
    game = site.add_game(ARCHIVE, Behaviour(status=404), Behaviour(stall_at=STALLED), title="Broken Arrow")
    page = open_console(f"/console/games/{game.game_id}", account="carol")
    button(page, "Download", game).click()
    expect(page.locator("p.problem")).to_have_text(re.compile(r"first: It answered 404.* second: It answered 404"))
    expect(page.locator(".toast")).to_contain_text("Broken Arrow was not downloaded.")

    page.goto("/console/games/downloads")
    page.get_by_role("button", name="Try again: Broken Arrow").press("Enter")
    expect(bar(page, game)).to_have_js_property("value", STALLED)
    expect(page.get_by_text("Failed", exact=True)).to_be_visible()
    judge(page)
    site.cancel(game)
    expect(bar(page, game)).to_have_count(0)
    expect(page.get_by_role("button", name="Try again: Broken Arrow")).to_be_visible()


def test_a_download_that_is_over_before_the_list_has_it_is_told(site: Site, open_console: OpenConsole) -> None:
    game = site.add_game(ARCHIVE, HONEST, title="Quick Silver", **COMMAND)
    page = open_console(f"/console/games/{game.game_id}", account="carol")
    begun: list[str] = []
    page.on("response", lambda answer: begun.append(answer.url) if answer.request.method == "POST" else None)

    def look_when_it_is_over(route: Route) -> None:
        if begun:
            site.wait_for(game, "completed")
        route.continue_()

    page.route(re.compile(r"/api/downloads\?"), look_when_it_is_over)
    button(page, "Download", game).click()
    expect(page.get_by_text("Quick Silver is here.")).to_be_visible()
    expect(page.get_by_role("link", name="Play Quick Silver", exact=True)).to_be_visible()


def test_of_many_downloads_two_have_a_stream_and_all_are_followed(site: Site, open_console: OpenConsole) -> None:
    """A browser has six connections to a service: they are not all for bars."""
    games = [site.add_game(ARCHIVE, Behaviour(stall_at=STALLED), title=f"One of {number}") for number in range(3)]
    for game in games:
        site.start(game)
    page = open_console(account="carol")
    streams: list[str] = []
    page.on("request", lambda request: streams.append(request.url) if request.url.endswith("/progress") else None)
    page.goto("/console/games/downloads")
    for game in games:
        expect(bar(page, game)).to_have_js_property("value", STALLED)
    wait_until(lambda: page.evaluate("1") and len(set(streams)) == 2)
    with page.expect_response(lambda answer: answer.url.endswith("/api/downloads?limit=100")):
        pass  # of the third
    assert len(set(streams)) == 2, streams
    for game in games:  # and when one of them ends, another one has its stream
        site.cancel(game)
    expect(page.get_by_role("progressbar")).to_have_count(0)


def test_a_stream_that_is_refused_for_a_while_is_opened_again(
    site: Site, open_console: OpenConsole, expected_errors: Callable[..., None]
) -> None:
    expected_errors("^503: ", "console error: .* 503 ")
    game = site.add_game(ARCHIVE, Behaviour(stall_at=STALLED), title="Long Way")
    site.start(game)
    page = open_console(account="carol")
    page.route("**/download/progress", lambda route: route.fulfill(status=503), times=1)
    with page.expect_response(lambda answer: answer.url.endswith("/progress") and answer.ok):
        page.goto("/console/games/downloads")
    expect(bar(page, game)).to_have_js_property("value", STALLED)
    site.cancel(game)
    expect(page.get_by_role("progressbar")).to_have_count(0)


def test_one_of_several_archives_is_chosen(site: Site, open_console: OpenConsole) -> None:
    game_id = str(uuid.uuid4())
    site.add_game(b"first", game_id=game_id, title="Two Towers")
    second = site.add_game(
        ARCHIVE, HONEST, game_id=game_id, title="Two Towers", platform="Flash", launchCommand="x.swf"
    )
    page = open_console("/console/games?search=two+towers", account="carol")
    button(page, "Download", second).click()
    dialog = page.get_by_role("dialog", name="Download Two Towers")
    expect(dialog.get_by_role("radio")).to_have_count(2)
    assert axe(page) == []
    dialog.get_by_role("radio").nth(1).check()
    dialog.get_by_role("button", name="Download").click()
    expect(page.locator("li.game").get_by_text("Downloaded", exact=True)).to_be_visible()
    page.get_by_role("link", name="Two Towers").click()
    expect(page.get_by_text("its platform is Flash")).to_be_visible()
    expect(button(page, "Download", second)).to_be_visible()  # the other one


def test_who_may_not_download_is_told_who_may(site: Site, open_console: OpenConsole) -> None:
    running = site.add_game(ARCHIVE, Behaviour(stall_at=STALLED), title="Under Way")
    site.add_game(b"nobody's", title="Far away")
    site.start(running)
    page = open_console("/console/games?search=far+away", locale="de-DE")
    expect(bar(page, running)).to_have_js_property("value", STALLED)  # of no game that is searched for
    assert page.get_by_role("main").get_by_role("button").count() == 0
    page.get_by_role("link", name="Far away").click()
    expect(page.get_by_text("Holen kann es, wer das Recht games.download hat.")).to_be_visible()
    site.cancel(running)


def test_a_large_catalogue_has_pages(site: Site, open_console: OpenConsole) -> None:
    site.import_games([GameEntry(str(uuid.uuid4()), 10_000 + n, b"x", {"title": f"Mill {n:03}"}) for n in range(101)])
    page = open_console("/console/games?search=mill")
    rows = page.locator("li.game")
    expect(rows).to_have_count(100)
    expect(page.get_by_text("101 games")).to_be_visible()
    page.get_by_role("link", name="Next").click()
    expect(rows).to_have_count(1)
    page.get_by_role("link", name="Mill 100").click()
    page.get_by_role("link", name="Catalogue").click()
    expect(page.get_by_role("link", name="Mill 100")).to_be_focused()
    page.get_by_label("Sort by").select_option("Title, Z to A")
    expect(rows.first).to_contain_text("Mill 100")
    expect(rows).to_have_count(100)
    page.get_by_role("searchbox").fill("nothing like it")
    page.get_by_role("button", name="Show all").click()
    expect(page.get_by_role("searchbox")).to_be_focused()
    expect(page.get_by_role("searchbox")).to_have_value("")
    page.goto("/console/games?search=mill&page=99")
    expect(rows).to_have_count(1)


@pytest.mark.parametrize(
    ("facts", "told"),
    [
        pytest.param({**COMMAND, "platform": "Flash"}, "its platform is Flash", id="no-plug-in"),
        pytest.param({"launchCommand": "http://lake.test/gone.html"}, "is not in its archive", id="no-page"),
    ],
)
def test_where_a_game_cannot_be_played_it_says_why(
    site: Site, open_console: OpenConsole, expected_errors: Callable[..., None], facts: dict[str, Any], told: str
) -> None:
    expected_errors(LOG, "404: HEAD .*gone.html")
    page = open_console(f"/console/games/{arrived(site, **facts).game_id}/play", account="carol")
    expect(page.get_by_role("main").get_by_text(told)).to_be_visible()
    expect(page.locator("iframe")).to_have_count(0)


KEPT_BACK = {
    "over https": "Object.defineProperty(window, 'isSecureContext', {value: false})",
    "Chrome, Edge": "DOMTokenList.prototype.supports = (token) => token !== 'allow-same-site-none-cookies'",
}


def test_where_a_browser_keeps_a_cookie_back_it_says_so_and_tries_if_asked_to(
    site: Site, open_console: OpenConsole
) -> None:
    game = arrived(site, **COMMAND)
    for told, script in KEPT_BACK.items():
        page = open_console(account="carol")
        page.add_init_script(script)
        page.goto(f"/console/games/{game.game_id}/play")
        expect(page.get_by_role("main").get_by_text(told)).to_be_visible()
        expect(page.locator("iframe")).to_have_count(0)
        page.get_by_role("button", name="Try it all the same").click()
        expect(page.locator("iframe")).to_be_visible()


def arrived(site: Site, **facts: Any) -> GameEntry:
    """A game that was downloaded."""
    game = site.add_game(ARCHIVE, HONEST, **facts, title="Not here")
    site.start(game)
    site.wait_for(game, "completed")
    return game
