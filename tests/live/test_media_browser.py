"""Media for apps that have only a token, as docs/chat.md shows it: in Chromium, on a page of another origin."""

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from tests.live.chromium import Page, browser
from tests.live.client.javascript import install
from tests.live.doc_examples import blocks
from tests.live.node import token_of
from tests.live.pages import serving
from tests.live.server import LiveServer, running, wait_until
from tests.live.test_chat_browser import FILM, PICTURE

PAGE = "chat.md"
(MAP,) = re.findall(r"<script type=\"importmap\">.*?</script>", blocks("javascript.md", "html")[0], re.DOTALL)
CLIENT = """
const { TransferClient } = await import("transfer-service-client");
const tokens = { accessToken: token, refreshToken: "", expiresAt: Date.now() + 1_000_000 };
const client = new TransferClient(server, { tokens });
"""
SIZE = """
const size = async (element) => {
  document.body.append(element);
  if (element.tagName === "IMG") return element.decode().then(() => element.naturalWidth);
  element.muted = true;
  await element.play();
  return element.videoWidth;
};
const failed = (element) => new Promise((resolve) => {
  element.addEventListener("error", () => resolve("failed"));
  element.addEventListener("load", () => resolve("loaded"));
});
const shown = (tag, src) => Object.assign(document.createElement(tag), { src });
"""


class Scene(NamedTuple):
    """A page of another origin in a browser without cookies, and what has been sent to whom."""

    server: LiveServer
    page: Page
    origin: str
    token: str
    picture: dict[str, Any]
    film: dict[str, Any]
    document: dict[str, Any]

    def run(self, code: str, *, anew: bool = False) -> Any:
        """What the examples of the page and this code, the body of a function, come to on a fresh page.

        Or the page is reloaded `anew`, without caches and service workers, as by Shift and the button.
        """
        self.page.open(f"{self.origin}/")
        if anew:
            self.page.call("Page.reload", ignoreCache=True)
            wait_until(lambda: self.page.evaluate("!navigator.serviceWorker.controller"))
        examples = "\n".join(block for block in blocks(PAGE, "js") if re.search("showMedia|startMediaWorker", block))
        given: dict[str, Any] = {"server": self.server.url, "token": self.token}
        given |= {"picture": self.picture, "film": self.film, "document": self.document}
        return self.page.evaluate(
            f"(async () => {{ const given = {json.dumps(given)}; const {{ server, token, picture, film }} = given;\n"
            f"{CLIENT}\nconst getToken = () => client.token();\n{examples}\n{SIZE}\n{code} }})()"
        )


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("media")
    (site := folder / "site").mkdir()
    (site / "index.html").write_text(f"<!doctype html><meta charset=utf-8><title>An app</title>{MAP}<body>")
    install(folder / "app")
    (site / "lib").symlink_to(folder / "app/node_modules")
    (worker,) = blocks(PAGE, "javascript")
    (site / "media-worker.js").write_text(worker)
    with (
        serving(site) as origin,
        running(folder / "data", "alice", "bob", TRANSFER_CORS_ORIGINS=origin) as server,
        browser() as page,
    ):
        alice = server.sign_in("alice")
        talk = alice.post(f"{server.url}/conversations/create", json={"email": "bob"}, timeout=30).json()
        files = [("a.gif", PICTURE), ("film.webm", FILM), ("notes.txt", b"hello")]
        sent = [
            alice.post(
                f"{server.url}/messages/upload", data={"conversation_id": talk["conversation_id"]},
                files={"file": file}, timeout=30,
            ).json()["message"]
            for file in files
        ]  # fmt: skip
        yield Scene(server, page, origin, token_of(server.sign_in("bob")), *sent)


def test_signed_addresses_show_pictures_and_play_films(scene: Scene) -> None:
    sizes = scene.run(
        "return [await size(await showMedia(client, picture)), await size(await showMedia(client, film))];"
    )
    assert sizes == [1, 32]
    assert scene.page.cookies() == []


def test_a_film_goes_on_when_its_address_has_expired(scene: Scene) -> None:
    """The first address is a wrong one, as one that has expired is."""
    result = scene.run("""
const element = await showMedia(client, film);
const first = element.src;
element.src = first.replace(/signature=\\w+/, "signature=0");
await new Promise((resolve) => element.addEventListener("error", resolve, { once: true }));
while (element.src.endsWith("signature=0") || element.src === "") await new Promise((go) => setTimeout(go, 20));
return [await size(element), new URL(element.src).searchParams.get("signature").length];""")
    assert result == [32, 64]


def test_who_is_not_in_the_conversation_gets_no_address(scene: Scene) -> None:
    failure = scene.run("return showMedia(client, { _id: '0'.repeat(24) }).then(() => null, (error) => error.message);")
    assert failure == "Message not found"


def test_a_signed_text_is_read_by_a_script(scene: Scene) -> None:
    text = scene.run("return (await fetch((await client.address(given.document, { inline: true })).url)).text();")
    assert text == "hello"


def test_the_service_worker_shows_pictures_and_plays_films(scene: Scene) -> None:
    assert scene.run("""
await startMediaWorker(server, getToken);
const shownNow = [shown("img", server + picture.media_url), shown("video", server + film.media_url)];
const sizes = [await size(shownNow[0]), await size(shownNow[1])];
const seek = document.querySelector("video");
seek.currentTime = 0.3;
await new Promise((resolve) => seek.addEventListener("seeked", resolve, { once: true }));
const head = await fetch(server + picture.media_url, { method: "HEAD" });
return [...sizes, seek.currentTime > 0.25, head.headers.get("ETag") !== null];""") == [1, 32, True, True]
    assert scene.page.cookies() == []


def test_a_page_that_is_reloaded_past_the_service_worker_gets_it_back(scene: Scene) -> None:
    scene.run("await startMediaWorker(server, getToken);")
    reloaded = """
if (navigator.serviceWorker.controller) return "not past it";
await startMediaWorker(server, getToken);
return size(shown("img", server + picture.media_url + "?reloaded"));"""
    assert scene.run(reloaded, anew=True) == 1


def test_without_the_service_worker_there_is_nothing_to_see(scene: Scene) -> None:
    scene.run("for (const each of await navigator.serviceWorker.getRegistrations()) await each.unregister();")
    assert scene.run("return failed(shown('img', server + picture.media_url + '?anew'));") == "failed"


def test_the_service_worker_gives_the_token_to_nobody_else(scene: Scene) -> None:
    """Not to its own site, nor to other paths of the service; and what a page sends itself stays as it is."""
    statuses = scene.run("""
await startMediaWorker(server, getToken);
const status = async (url, headers = {}) => (await fetch(url, { headers })).status;
return [
  await status(`${server}/conversations`),
  await status(`${server}${picture.media_url}?not-from-the-cache`, { Authorization: "Bearer wrong" }),
  await status(server + picture.media_url),
];""")
    assert statuses == [401, 401, 200]


def test_a_token_that_has_ended_is_a_picture_that_fails(scene: Scene) -> None:
    assert (
        scene.run("""
await startMediaWorker(server, async () => "ended");
return failed(shown("img", server + picture.media_url + "?ended"));""")
        == "failed"
    )
